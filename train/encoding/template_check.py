"""A second opinion on a template's tokens and labels, by another road: the processor itself, then counting ids.

`template.py` renders once and finds turns by characters. Here the family's processor renders and tokenises each
prefix of the conversation with pictures of the samples' sizes, and a turn is what its ids have more than those of the
prompt before it. The two agree or training does not start.
"""

from collections.abc import Sequence
from typing import Any

from PIL import Image

from pipeline.exceptions import StageError
from pipeline.records import ImageRef, Message, Part

from .template import Template
from .tokens import IGNORED


def check(where: str, messages: Sequence[Message], images: Sequence[ImageRef], frame: Template) -> None:
    """Raise StageError, naming the sample, where the two methods disagree."""
    frame.encode(where, messages, images)  # it holds its control tokens against those of other texts
    harmless = [_harmless(message, frame) for message in messages]
    own = frame.encode(where, harmless, images)
    ids = by_processor(harmless, images, frame)
    labels = by_prefix(ids, harmless, images, frame)
    end = own.input_ids[-1]
    if ids[-1] not in frame.control and end == frame.tokenizer.eos_token_id:
        last = len(own.input_ids) - 1  # no control token ends a turn: ours ends with its text, and the end of text
        ids, labels = [*ids[:last], end], [*labels[:last], end]
    _compare(where, own.input_ids, ids, "the model's processor gives")
    _compare(where, own.labels, labels, "the difference of prefixes labels")


def by_processor(
    messages: Sequence[Message], images: Sequence[ImageRef], frame: Template, *, prompt: bool = False
) -> list[int]:
    """Return the ids of the conversation from the processor alone, pictures expanded."""
    blank = [Image.new("RGB", (ref.width, ref.height)) for ref in images]
    conversation = [
        {
            "role": message.role,
            "content": [
                {"type": "image", "image": blank[part.image or 0]}
                if part.type == "image"
                else {"type": "text", "text": part.text or ""}
                for part in message.content
            ],
        }
        for message in messages
    ]
    made = frame.processor.apply_chat_template(
        conversation, tokenize=True, return_dict=True, add_generation_prompt=prompt
    )
    ids: list[int] = [int(token) for token in made["input_ids"][0]]
    return ids


def by_prefix(
    ids: Sequence[int], messages: Sequence[Message], images: Sequence[ImageRef], frame: Template
) -> list[int]:
    """Return labels: of each trained turn what follows the ids of its prompt, to its first control token."""
    labels = [IGNORED] * len(ids)
    for place, message in enumerate(messages):
        if message.loss_weight > 0:
            prompt = by_processor(messages[:place], images, frame, prompt=True)
            said = by_processor(messages[: place + 1], images, frame)
            start = len(prompt)
            end = next((n + 1 for n in range(start, len(said)) if said[n] in frame.control), None)
            if end is None:
                end = len(said) - _blank(said, frame.tokenizer)
            labels[start:end] = ids[start:end]
    return labels


def _blank(ids: Sequence[int], tokenizer: Any) -> int:
    """Return how many of the last tokens are white space."""
    return next(n for n, token in enumerate(reversed(ids)) if tokenizer.decode([token]).strip())


def _harmless(message: Message, frame: Template) -> Message:
    """Return the message without what the two methods rightly treat differently: texts that spell control tokens."""
    return Message(
        message.role,
        tuple(
            part if part.text is None else Part("text", frame.spelled.sub("¦", part.text)) for part in message.content
        ),
        message.loss_weight,
    )


def _compare(where: str, own: Sequence[int], other: Sequence[int], what: str) -> None:
    if list(own) != list(other):
        at = next(
            (n for n, (one, two) in enumerate(zip(own, other, strict=False)) if one != two), min(len(own), len(other))
        )
        message = f"at token {at} of {len(own)} {what} {list(other[at : at + 4])}, expected {list(own[at : at + 4])}"
        raise StageError(where, message, "gdp train DATASET --show 1 shows what would be trained")
