"""A sample as token ids, each with its loss weight: said where the token is made, never searched for afterwards.

Control tokens are added as ids; text is tokenised with special tokens switched off, so no text, whatever it spells, can
open a turn, close one, or stand for a picture. What is trained of a message with a weight is its text and the
`<|im_end|>` that ends it; the newline after it belongs to the frame.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.exceptions import ContractError, InputError, StageError
from pipeline.records import Message

IGNORED = -100
"""The label of a token that is not trained, as torch's cross entropy has it."""

Runs = tuple[tuple[int, float], ...]
"""Weights within a message: so many characters, then their weight; together all that its parts say."""

SPELLED = re.compile(r"<\|")
"""How control tokens begin in the Qwen families."""

CONTROL = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")


@dataclass(frozen=True, slots=True)
class ChatML:
    """A tokenizer and the ids of the control tokens that frame turns and pictures."""

    tokenizer: Any
    im_start: int
    im_end: int
    vision_start: int
    vision_end: int
    image_pad: int
    newline: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any, where: str) -> "ChatML":
        """Return the frame of a tokenizer; raises ContractError if it does not know ChatML's control tokens."""
        vocabulary = tokenizer.get_vocab()
        missing = [token for token in CONTROL if token not in vocabulary]
        if missing:
            message = f"its tokenizer has no {missing[0]}, expected a Qwen-VL tokenizer (ChatML)"
            raise ContractError(where, message, "choose a model of the dataset's family")
        im_start, im_end, vision_start, vision_end, image_pad = (int(vocabulary[token]) for token in CONTROL)
        newline = tuple(_plain(tokenizer, "\n"))
        return cls(tokenizer, im_start, im_end, vision_start, vision_end, image_pad, newline)

    @property
    def types(self) -> tuple[str, ...]:
        """What the model takes to tell tokens of pictures from others."""
        return ("mm_token_type_ids",)

    @property
    def picture_ids(self) -> frozenset[int]:
        """The tokens that belong to pictures."""
        return frozenset((self.image_pad,))

    @property
    def stops(self) -> frozenset[int]:
        """The tokens that end an answer."""
        return frozenset((self.im_end,))

    @property
    def written(self) -> frozenset[int]:
        """The ids of all control tokens, those that layouts write among them."""
        return frozenset(number for token, number in self.tokenizer.get_added_vocab().items() if SPELLED.match(token))

    @property
    def spelled(self) -> re.Pattern[str]:
        """How texts spell them, up to there."""
        return SPELLED

    @property
    def control(self) -> frozenset[int]:
        """The ids that only this module may write."""
        return frozenset((self.im_start, self.im_end, self.vision_start, self.vision_end, self.image_pad))

    def token_id(self, token: str) -> int:
        """Return the id of a control token that a layout writes; raises ContractError if the tokenizer has none."""
        found = self.tokenizer.get_added_vocab().get(token)
        if found is None:
            message = f"its tokenizer has no {token}, which the dataset's layout writes"
            raise ContractError("tokenizer", message, "choose a model of the dataset's family")
        return int(found)

    def text_ids(self, text: str) -> list[int]:
        """Return the ids of plain text; raises StageError if the tokenizer lets text forge a control token."""
        ids = _plain(self.tokenizer, text)
        if forged := self.control.intersection(ids):
            token = self.tokenizer.convert_ids_to_tokens(min(forged))
            raise StageError("tokenizer", f"it reads {token} out of plain text, expected characters only")
        return ids

    def places(self, text: str) -> list[tuple[int, int]]:
        """Return which characters of the text each of its tokens covers."""
        found = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)
        return list(covered(found["offset_mapping"]))


def covered(offsets: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the characters of each token; some tokenizers leave white space out of their offsets, this does not.

    >>> list(covered([(0, 1), (2, 3), (4, 4), (4, 5)]))
    [(0, 1), (1, 3), (3, 4), (4, 5)]
    """
    before = 0
    for place, (begin, end) in enumerate(offsets):
        begin = min(begin, before)
        if begin == end and place + 1 < len(offsets):
            end = max(end, offsets[place + 1][0])
        yield begin, end
        before = max(before, end)


def _plain(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


@dataclass(slots=True)
class Encoded:
    """Token ids of one sample, with the label and the loss weight of each; three lists of one length."""

    input_ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    """The token's own id where it is trained, else `IGNORED`."""
    weights: list[float] = field(default_factory=list)

    def add(self, ids: Iterable[int], weight: float) -> None:
        """Append tokens, all with the same weight; 0 means that nothing is learned from them."""
        for token in ids:
            self.input_ids.append(token)
            self.labels.append(token if weight > 0 else IGNORED)
            self.weights.append(weight)

    @property
    def trained(self) -> int:
        """The number of trained tokens."""
        return sum(label != IGNORED for label in self.labels)


def encode(
    where: str,
    messages: Sequence[Message],
    image_tokens: Sequence[int],
    chatml: ChatML,
    runs: Sequence[Runs | None] | None = None,
) -> Encoded:
    """Return the messages as tokens; `image_tokens[i]` is the number of tokens of picture i, `where` names the sample.

    `runs[i]` are weights within trained message i; its end keeps the message's own. Raises InputError where a message
    trains what no assistant said, or where nothing at all would be trained.
    """
    check_roles(where, messages)
    encoded = Encoded()
    for message, run in zip(messages, runs or [None] * len(messages), strict=True):
        _add_message(encoded, message, image_tokens, chatml, run)
    return check_trained(where, messages, encoded)


def check_roles(where: str, messages: Sequence[Message]) -> None:
    """Raise InputError where a message trains what no assistant said."""
    for message in messages:
        if message.loss_weight > 0 and message.role != "assistant":
            raise InputError(where, f"a {message.role} message has loss_weight {message.loss_weight}, expected 0")


def check_trained(where: str, messages: Sequence[Message], encoded: Encoded) -> Encoded:
    """Return the tokens; raises InputError where none of them is trained."""
    if not encoded.trained and any(message.loss_weight > 0 for message in messages):
        text = "the weights of training.loss leave nothing of it to train, expected at least one token"
        raise InputError(where, text, "raise the weights that are 0")
    if not encoded.trained:
        text = "no message has a loss_weight above 0, expected at least one assistant message"
        raise InputError(where, text, "gdp validate finds such samples; run it on the dataset first")
    return encoded


def _add_message(
    encoded: Encoded, message: Message, image_tokens: Sequence[int], chatml: ChatML, run: Runs | None
) -> None:
    """Append one turn: its frame with weight 0, its text and its end with the message's weight, or as the run says."""
    weight = message.loss_weight
    within = [each for length, each in run for _ in range(length)] if run is not None and weight > 0 else None
    encoded.add([chatml.im_start], 0)
    # The header of a trained turn is tokenised alone, as it is at inference, when the model speaks next; elsewhere
    # header and text are one piece of text to the tokenizer, as they are in the chat template.
    text = f"{message.role}\n"
    if weight > 0:
        encoded.add(chatml.text_ids(text), 0)
        text = ""
    for part in message.content:
        if part.type == "text":
            text += part.text or ""
            continue
        _add_text(encoded, text, weight, within, chatml)
        text = ""
        if part.type == "token":
            token = part.text or ""
            encoded.add([chatml.token_id(token)], weight if within is None else max(_taken(within, len(token))))
            continue
        pads = [chatml.image_pad] * image_tokens[part.image or 0]
        encoded.add([chatml.vision_start, *pads, chatml.vision_end], 0)
    _add_text(encoded, text, weight, within, chatml)
    encoded.add([chatml.im_end], weight)
    encoded.add(chatml.newline, 0)


def _add_text(encoded: Encoded, text: str, weight: float, within: list[float] | None, chatml: ChatML) -> None:
    """Append text; `within` are the weights of the characters that come next in the message, and loses them here."""
    if within is None:
        encoded.add(chatml.text_ids(text), weight)
        return
    weights = _taken(within, len(text))
    for token, (begin, end) in zip(chatml.text_ids(text), chatml.places(text), strict=True):
        encoded.add([token], max(weights[begin:end]))


def _taken(within: list[float], length: int) -> list[float]:
    taken = within[:length]
    del within[:length]
    return taken
