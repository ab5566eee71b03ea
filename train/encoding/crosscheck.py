"""A second opinion on tokens and labels, by another road: the model's own chat template, then a scan of the ids.

`tokens.py` builds ids piece by piece and knows each weight beforehand. Here the whole conversation is rendered as
text, tokenised at once, and turns are found again by their control tokens. The two agree or training does not start:
a template that puts in a system prompt of its own, or strips something, would be trained otherwise than it is served.
"""

import re
from collections.abc import Sequence

from jinja2 import TemplateError

from pipeline.exceptions import StageError
from pipeline.records import Message, Part

from .tokens import IGNORED, ChatML, encode

SPELLED = re.compile(r"<\|[a-z_]+\|>")
"""How the Qwen families spell control tokens."""


def check(where: str, messages: Sequence[Message], image_tokens: Sequence[int], chatml: ChatML, template: str) -> None:
    """Raise StageError, naming the sample, where construction and the two other methods disagree."""
    own = encode(where, messages, image_tokens, chatml)
    _compare(where, own.labels, scan(own.input_ids, messages, chatml), chatml, "a scan of the ids labels")
    # A template knows no difference between control tokens and text that spells them, so it gets text that does not.
    harmless = [_harmless(message) for message in messages]
    own = encode(where, harmless, image_tokens, chatml)
    try:
        rendered = by_template(harmless, image_tokens, chatml, template)
    except TemplateError as error:
        message = f"the model's chat template does not take the conversation ({error}), expected it to render it"
        raise StageError(where, message, "choose a complete model folder") from error
    _compare(where, own.input_ids, rendered, chatml, "the model's chat template gives")
    _compare(where, own.labels, scan(rendered, harmless, chatml), chatml, "a scan of the template's ids labels")


def by_template(messages: Sequence[Message], image_tokens: Sequence[int], chatml: ChatML, template: str) -> list[int]:
    """Return the ids of the conversation as the model's own chat template renders it, pictures expanded."""
    conversation = [
        {
            "role": message.role,
            "content": [
                {"type": "image"} if part.type == "image" else {"type": "text", "text": part.text or ""}
                for part in message.content
            ],
        }
        for message in messages
    ]
    text = chatml.tokenizer.apply_chat_template(conversation, chat_template=template, tokenize=False)
    ids: list[int] = chatml.tokenizer(text, add_special_tokens=False)["input_ids"]
    shown = [part.image or 0 for message in messages for part in message.content if part.type == "image"]
    counts = iter([image_tokens[index] for index in shown])
    return [each for token in ids for each in [token] * (next(counts, 1) if token == chatml.image_pad else 1)]


def scan(ids: Sequence[int], messages: Sequence[Message], chatml: ChatML) -> list[int]:
    """Return labels found by reading the ids alone: the turns in order, those with a weight from header to end."""
    labels = [IGNORED] * len(ids)
    header = len(chatml.text_ids("assistant\n"))
    start, turn = -1, -1
    for position, token in enumerate(ids):
        if token == chatml.im_start:
            start, turn = position, turn + 1
        elif token == chatml.im_end and turn < len(messages) and messages[turn].loss_weight > 0:
            for trained in range(start + 1 + header, position + 1):
                if ids[trained] not in {chatml.vision_start, chatml.vision_end, chatml.image_pad}:
                    labels[trained] = ids[trained]
    return labels


def _harmless(message: Message) -> Message:
    """Return the message without what the two methods rightly treat differently.

    Beside control tokens that is white space at the start of a trained turn: the template's tokenizer may join it to
    the header's newline, which at inference stands there before the model says anything.
    """
    content: list[Part] = []
    for part in message.content:
        text = part.text
        if text is not None and part.type == "text":
            if message.loss_weight > 0 and not any(earlier.text for earlier in content):
                text = text.lstrip()
            text = SPELLED.sub(lambda match: match[0].replace("|", "¦"), text)
        content.append(Part(part.type, text, part.image))
    return Message(message.role, tuple(content), message.loss_weight)


def _compare(where: str, own: list[int], other: list[int], chatml: ChatML, what: str) -> None:
    if own == other:
        return
    shared = min(len(own), len(other))
    at = next((i for i in range(shared) if own[i] != other[i]), shared)
    message = f"at token {at} {what} {_show(other, at, chatml)}, expected {_show(own, at, chatml)}"
    hint = f"gdp train DATASET --show 1 shows what would be trained ({len(own)} tokens, the other way {len(other)})"
    raise StageError(where, message, hint)


def _show(ids: Sequence[int], at: int, chatml: ChatML) -> str:
    if at >= len(ids):
        return "nothing more"
    if ids[at] == IGNORED:
        return "nothing there"
    text: str = chatml.tokenizer.decode([i for i in ids[at : at + 8] if i != IGNORED])
    return repr(text)
