"""The sample as a structure: who speaks when, what is trained, which screenshot stands where."""

import math
from collections.abc import Iterator

from .check import Context, Finding
from .outline import Outline


def roles(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield an order of roles that no layout has: system first and once, then the user; the assistant comes last."""
    found = [message.role for message in outline.messages]
    if found[:2] != ["system", "user"] or found[-1] != "assistant" or "system" in found[1:]:
        said = f"found roles {' '.join(found[:2])} … {found[-1]}, expected system user … assistant"
        yield Finding("$.messages", said)


def trained(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield trained turns that the mode does not allow, or that nobody should learn from."""
    found, last = outline.trained, len(outline.messages) - 1
    if context.manifest.slicing.mode == "window":
        if found[-1:] != [last]:
            yield Finding("$.messages", f"found trained turns {found}, expected the last, {last}, among them")
        if len(found) != 1 + outline.earlier:
            said = f"found {len(found)} trained turns for {1 + outline.earlier} targets, expected as many"
            yield Finding("$.messages", said)
    elif found != [last]:
        yield Finding("$.messages", f"found trained turns {found}, expected only the last, {last}")
    if any(outline.messages[n].role != "assistant" for n in found):
        yield Finding("$.messages", "found a loss weight on a turn that is not the assistant's, expected 0 there")
    for number in outline.taught:
        role = outline.turns[number].role
        if role in {"error", "padding"}:
            yield Finding(f"$.turns[{number}]", f"found a loss weight on a turn of role {role}, expected 0")


def weights(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield weights that no loss can use."""
    for name, of, expected in (
        ("messages", outline.messages, "a number"),
        ("turns", outline.turns, "0 or more"),
    ):
        for number, weight in enumerate(each.loss_weight for each in of):
            if not 0 <= weight < math.inf:
                yield Finding(f"$.{name}[{number}]", f"found the loss weight {weight}, expected {expected}")


def image_order(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield screenshots that are not shown once each and in order, by the messages or by the turns."""
    wanted = list(range(len(outline.sizes)))
    shown = [image for message in outline.messages for image in message.images]
    if shown != wanted:
        yield Finding("$.messages", f"found images {shown}, expected each of {len(wanted)} once, in order")
    turned = list(outline.shown.values())
    if turned != wanted:
        yield Finding("$.turns", f"found images {turned}, expected each of {len(wanted)} once, in order")


def empty(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield turns without anything in them, and texts without a word."""
    for number, message in enumerate(outline.messages):
        if message.empty:
            yield Finding(f"$.messages[{number}].content", "found an empty text, expected words")


def control_token(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield texts that spell a token of the model's vocabulary which ends or starts a turn, or stands for a picture."""
    for number, message in enumerate(outline.messages):
        if message.spelled is not None and message.role != "system":
            place, token = message.spelled
            path = f"$.messages[{number}].content[{place}].text"
            yield Finding(path, f"found text that spells the control token {token}, expected none")


def layout(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield a sample of another layout than the dataset's."""
    if outline.layout != context.layout.name:
        yield Finding("$.layout", f"found {outline.layout!r}, expected {context.layout.name!r} as in the manifest")


def counts(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield a number of picture tokens that is not that of the screenshots."""
    area = context.manifest.contract.factor**2
    expected = sum(width * height // area for width, height in outline.sizes)
    if outline.image_tokens != expected:
        yield Finding("$.image_tokens", f"found {outline.image_tokens}, expected {expected} for these sizes")
