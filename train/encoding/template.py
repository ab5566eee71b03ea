"""A sample as token ids for a family that we know nothing of: its own processor and chat template say how it speaks.

What is trained is the response, from where the template's generation prompt ends (`rendering.py`), and the control
token behind it. A template knows no difference between control tokens and text that spells them, so spelled ones are
broken by a mark before rendering, and the mark's own tokens are taken out again: no text moves a mask or makes a
picture. A template that ends turns without a control token (LLaVA 1.5's) says nothing to stop; there the end of text is
trained behind the last turn.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import TemplateError

from pipeline.exceptions import ContractError, InputError
from pipeline.records import ImageRef, Message, Part

from . import offsets, rendering
from .sight import Sight
from .tokens import Encoded, Runs, check_roles, check_trained

MARKS = range(0xE000, 0xE100)
"""Characters for private use, of which at least one is in no text of a sample."""


@dataclass(frozen=True, slots=True)
class Template:
    """The processor of any family, and what its tokens mean."""

    sight: Sight
    control: frozenset[int]
    """Ids that no text may make."""
    spelled: re.Pattern[str]
    """How texts spell them."""
    skeletons: dict[Any, list[int]] = field(default_factory=dict)
    """The control tokens of each shape of conversation."""

    @classmethod
    def of(cls, processor: Any, name: str) -> "Template":
        """Return the frame of a processor; raises ContractError for one that lacks what training needs."""
        tokenizer = processor.tokenizer
        if not tokenizer.is_fast:
            raise ContractError(name, "its tokenizer tells no offsets of tokens, expected a tokenizer.json")
        if not processor.chat_template or not getattr(processor, "image_token", None):
            lacking = "image_token" if processor.chat_template else "chat template"
            raise ContractError(name, f"its processor has no {lacking}, expected one", "choose an instruct model")
        special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        special |= {processor.image_token, *filter(None, [getattr(processor, "video_token", None)])}
        words = sorted((word for word in special if len(word) > 1), key=lambda word: (-len(word), word))
        control = frozenset(map(int, tokenizer.convert_tokens_to_ids(sorted(special))))
        return cls(Sight.of(processor, name), control, re.compile("|".join(map(re.escape, words))))

    @property
    def processor(self) -> Any:
        """The family's own processor."""
        return self.sight.processor

    @property
    def image_pad(self) -> int:
        """The token that stands for a piece of a picture."""
        return self.sight.pad

    @property
    def types(self) -> tuple[str, ...]:
        """What the model takes to tell tokens of pictures from others."""
        return self.sight.types

    @property
    def picture_ids(self) -> frozenset[int]:
        """The tokens that belong to pictures there."""
        return self.sight.ids

    @property
    def stops(self) -> frozenset[int]:
        """The tokens that end an answer: control tokens other than pictures."""
        return self.control - self.picture_ids

    @property
    def written(self) -> frozenset[int]:
        """The ids of all control tokens."""
        return self.control

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    def image_tokens(self, images: Iterable[ImageRef]) -> list[int]:
        """Return the number of tokens that stand for the pieces of each picture."""
        return [self.sight.tokens(ref.width, ref.height) for ref in images]

    def encode(
        self,
        where: str,
        messages: Sequence[Message],
        images: Sequence[ImageRef],
        runs: Sequence[Runs | None] | None = None,
    ) -> Encoded:
        """Return the messages as tokens; `where` names the sample, `runs` are weights within trained messages.

        Raises InputError where the template refuses the conversation or does not show a trained response as it is, and
        where nothing at all would be trained.
        """
        check_roles(where, messages)
        mark = _unused(messages)
        marked = [self._marked(where, message, mark) for message in messages]
        text, turns = rendering.turns(where, marked, self._render(where, images), self.spelled)
        closing = bool(turns) and turns[-1].message == len(messages) - 1 and turns[-1].end == turns[-1].said
        if closing:
            text = text[: turns[-1].end]
        weights = [0.0] * len(text)
        for turn in turns:
            weights[turn.start : turn.end] = [messages[turn.message].loss_weight] * (turn.end - turn.start)
            if runs and (run := runs[turn.message]) is not None:
                weights[turn.response : turn.said] = _with_marks(run, text[turn.response : turn.said], mark)
        encoded = offsets.tokens(where, self.tokenizer, text, weights, {turn.start for turn in turns}, mark)
        self._check_control(where, messages, images, encoded)
        if closing:
            encoded.add([int(self.tokenizer.eos_token_id)], messages[-1].loss_weight)
        return check_trained(where, messages, encoded)

    def _marked(self, where: str, message: Message, mark: str) -> Message:
        """Return the message with a mark within whatever spells a control token."""
        parts = []
        for part in message.content:
            if part.type == "token":
                text = f"its layout writes the control token {part.text}, which only models of its own family read"
                raise InputError(where, text, rendering.HINT)
            broken = None if part.text is None else self.spelled.sub(lambda m: f"{m[0][0]}{mark}{m[0][1:]}", part.text)
            parts.append(Part(part.type, broken, part.image))
        return Message(message.role, tuple(parts), message.loss_weight)

    def _render(self, where: str, images: Sequence[ImageRef]) -> rendering.Render:
        """Return what renders messages with the processor's own words for their pictures; it raises InputError."""

        def render(messages: Sequence[Message], prompt: bool) -> str:
            conversation = [
                {"role": message.role, "content": list(map(_content, message.content))} for message in messages
            ]
            try:
                text: str = self.processor.apply_chat_template(
                    conversation, tokenize=False, add_generation_prompt=prompt
                )
            except (TemplateError, TypeError, LookupError) as error:
                message = f"the model's chat template refuses the conversation ({error})"
                raise InputError(where, message, rendering.HINT) from error
            shown = [images[part.image or 0] for each in messages for part in each.content if part.type == "image"]
            pieces = text.split(self.processor.image_token)
            if len(pieces) != len(shown) + 1:
                message = f"the model's chat template shows {len(pieces) - 1} pictures, expected {len(shown)}"
                raise InputError(where, message, rendering.HINT)
            written = (self.sight.expansion(ref.width, ref.height) for ref in shown)
            return pieces[0] + "".join(f"{picture}{piece}" for picture, piece in zip(written, pieces[1:], strict=True))

        return render

    def _check_control(
        self, where: str, messages: Sequence[Message], images: Sequence[ImageRef], encoded: Encoded
    ) -> None:
        """Raise InputError where texts make control tokens: where with other texts there are others."""
        shape = tuple((message.role, tuple(_shape(part, images) for part in message.content)) for message in messages)
        if shape not in self.skeletons:
            bare = [Message(message.role, tuple(map(_bare, message.content))) for message in messages]
            text = self._render(where, images)(bare, False)
            ids = offsets.tokens(where, self.tokenizer, text, [0.0] * len(text), (), _unused(bare)).input_ids
            self.skeletons[shape] = [token for token in ids if token in self.control]
        found, expected = [token for token in encoded.input_ids if token in self.control], self.skeletons[shape]
        if found != expected:
            message = f"its texts make control tokens of the model ({len(found)} where there should be {len(expected)})"
            raise InputError(where, message, "leave the sample out")


def _shape(part: Part, images: Sequence[ImageRef]) -> Any:
    """Return what of a part decides which control tokens there are."""
    return (images[part.image].width, images[part.image].height) if part.image is not None else "text"


def _bare(part: Part) -> Part:
    return part if part.type == "image" else Part("text", "x")


def _content(part: Part) -> dict[str, Any]:
    return {"type": "image"} if part.type == "image" else {"type": "text", "text": part.text or ""}


def _unused(messages: Sequence[Message]) -> str:
    """Return a character for private use that no text holds."""
    used = {character for message in messages for part in message.content for character in part.text or ""}
    return next(chr(code) for code in MARKS if chr(code) not in used)


def _with_marks(run: Runs, text: str, mark: str) -> list[float]:
    """Return the weight of each character of the text, marks included, which the run does not know of."""
    own = [weight for length, weight in run for _ in range(length)]
    place, weights = 0, []
    for character in text:
        weights.append(own[min(place, len(own) - 1)])
        place += character != mark
    return weights
