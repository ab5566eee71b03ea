"""How a model's family frames turns and pictures: by construction for ChatML, by its own chat template otherwise."""

from collections.abc import Sequence
from typing import Any

from PIL import Image

from pipeline.exceptions import StageError
from pipeline.records import ImageRef, Message
from pipeline.storage.manifest import Contract

from . import crosscheck, processor, template_check, tokens
from .sight import PER_TOKEN
from .template import Template
from .tokens import ChatML, Encoded, Runs

Frame = ChatML | Template


def of(made: Any, name: str) -> Frame:
    """Return the frame that belongs to a processor; raises ContractError where that lacks what training needs."""
    known = isinstance(made, tuple(processor.PROCESSORS.values()))
    return ChatML.of(made.tokenizer, name) if known else Template.of(made, name)


def image_tokens(frame: Frame, made: Any, images: Sequence[ImageRef], contract: Contract) -> list[int]:
    """Return the number of tokens of each screenshot; raises ContractError where a family of ours would resize one."""
    return frame.image_tokens(images) if isinstance(frame, Template) else processor.image_tokens(made, images, contract)


def encode(
    frame: Frame,
    where: str,
    messages: Sequence[Message],
    images: Sequence[ImageRef],
    counts: Sequence[int],
    runs: Sequence[Runs | None] | None = None,
) -> Encoded:
    """Return a conversation as tokens; see `tokens.encode`."""
    if isinstance(frame, Template):
        return frame.encode(where, messages, images, runs)
    return tokens.encode(where, messages, counts, frame, runs)


def check(
    frame: Frame, made: Any, where: str, messages: Sequence[Message], images: Sequence[ImageRef], contract: Contract
) -> None:
    """Raise StageError, naming the sample, where another way to tokens and labels comes to others."""
    if isinstance(frame, Template):
        template_check.check(where, messages, images, frame)
    else:
        counts = processor.image_tokens(made, images, contract)
        crosscheck.check(where, messages, counts, frame, made.chat_template)


def seen(
    frame: Template, pictures: Sequence[Sequence[Image.Image]], expected: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Return what the model takes of the pictures of some samples, as the family's own processor makes it.

    Raises StageError unless it writes as many image tokens for each sample as are expected.
    """
    shown = [(images, sum(counts)) for images, counts in zip(pictures, expected, strict=True) if images]
    texts = [frame.processor.image_token * len(images) for images, _ in shown]
    images = [list(each) for each, _ in shown]
    made = frame.processor(text=texts, images=images, return_tensors="pt", padding=True)
    found = [int((row == frame.image_pad).sum()) for row in made["input_ids"]]
    if found != [count for _, count in shown]:
        raise StageError("processor", f"it made {found} image tokens, expected {[count for _, count in shown]}")
    return {key: value for key, value in made.items() if key not in PER_TOKEN}
