"""The messages as a structure: who speaks when, what is trained, which screenshot stands where."""

import math
from collections.abc import Iterator

from .case import Case
from .check import Context, Finding

_USUAL = frozenset({0.0, 1.0})
"""The weights that nearly all have, asked for at once."""


def roles(case: Case, context: Context) -> Iterator[Finding]:
    """Yield an order of roles that no layout has: system first and once, then the user; the assistant comes last."""
    found = [message.role for message in case.sample.messages]
    if found[:2] != ["system", "user"] or found[-1] != "assistant" or "system" in found[1:]:
        said = f"found roles {' '.join(found[:2])} … {found[-1]}, expected system user … assistant"
        yield Finding("$.messages", said)


def trained(case: Case, context: Context) -> Iterator[Finding]:
    """Yield trained turns that the mode does not allow, or that nobody should learn from."""
    sample = case.sample
    messages, last = sample.messages, len(sample.messages) - 1
    found = case.trained
    if context.manifest.slicing.mode == "window":
        if found[-1:] != [last]:
            yield Finding("$.messages", f"found trained turns {found}, expected the last, {last}, among them")
        if len(found) != 1 + len(sample.earlier_targets):
            said = f"found {len(found)} trained turns for {1 + len(sample.earlier_targets)} targets, expected as many"
            yield Finding("$.messages", said)
    elif found != [last]:
        yield Finding("$.messages", f"found trained turns {found}, expected only the last, {last}")
    if any(messages[n].role != "assistant" for n in found):
        yield Finding("$.messages", "found a loss weight on a turn that is not the assistant's, expected 0 there")
    for number in case.taught:
        role = sample.turns[number].role
        if role in {"error", "padding"}:
            yield Finding(f"$.turns[{number}]", f"found a loss weight on a turn of role {role}, expected 0")


def weights(case: Case, context: Context) -> Iterator[Finding]:
    """Yield weights that no loss can use."""
    for name, of, expected in (
        ("messages", case.sample.messages, "a number"),
        ("turns", case.sample.turns, "0 or more"),
    ):
        if _USUAL.issuperset([each.loss_weight for each in of]):
            continue
        for number, weight in enumerate(each.loss_weight for each in of):
            if not 0 <= weight < math.inf:
                yield Finding(f"$.{name}[{number}]", f"found the loss weight {weight}, expected {expected}")


def image_order(case: Case, context: Context) -> Iterator[Finding]:
    """Yield screenshots that are not shown once each and in order, by the messages or by the turns."""
    sample = case.sample
    wanted = list(range(len(sample.images)))
    shown = [image for wording in case.wordings for image in wording.images]
    if shown != wanted:
        yield Finding("$.messages", f"found images {shown}, expected each of {len(wanted)} once, in order")
    turned = [turn.image for turn in sample.turns if turn.image is not None]
    if turned != wanted:
        yield Finding("$.turns", f"found images {turned}, expected each of {len(wanted)} once, in order")


def empty(case: Case, context: Context) -> Iterator[Finding]:
    """Yield turns without anything in them, and texts without a word."""
    for number, wording in enumerate(case.wordings):
        if wording.empty:
            yield Finding(f"$.messages[{number}].content", "found an empty text, expected words")


def control_token(case: Case, context: Context) -> Iterator[Finding]:
    """Yield texts that spell a token of the model's vocabulary which ends or starts a turn, or stands for a picture."""
    for number, wording in enumerate(case.wordings):
        if wording.spelled is not None and case.sample.messages[number].role != "system":
            place, token = wording.spelled
            path = f"$.messages[{number}].content[{place}].text"
            yield Finding(path, f"found text that spells the control token {token}, expected none")


def layout(case: Case, context: Context) -> Iterator[Finding]:
    """Yield a sample of another layout than the dataset's."""
    sample = case.sample
    if sample.layout != context.layout.name:
        yield Finding("$.layout", f"found {sample.layout!r}, expected {context.layout.name!r} as in the manifest")


def counts(case: Case, context: Context) -> Iterator[Finding]:
    """Yield a number of picture tokens that is not that of the screenshots."""
    sample = case.sample
    area = context.manifest.contract.factor**2
    expected = sum(image.width * image.height // area for image in sample.images)
    if sample.image_tokens != expected:
        yield Finding("$.image_tokens", f"found {sample.image_tokens}, expected {expected} for these sizes")
