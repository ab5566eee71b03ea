"""The history is complete: every earlier step is there, the instruction too, and both screens of an error are seen."""

from collections.abc import Iterator

from pipeline.errors import KINDS, ErrorKind
from pipeline.layouts import visible_turns
from pipeline.records import Sample

from .check import Context, Finding


def check(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield missing steps, a missing instruction, screenshots that the policy would show or drop differently."""
    policy = context.manifest.contract.history
    kind = KINDS.get(sample.error_kind or "")
    injects = kind is not None and not kind.replaces  # turns that no recording has at this place
    own = _own_turns(sample) if injects else 1
    past = [turn.step_index for turn in sample.turns[:-own]]
    if past != list(range(len(past))):
        yield Finding("$.turns", f"found steps {past} before the decision, expected all from 0 on, in order")
    decision = sample.turns[-1].step_index
    if not injects and decision != len(past):
        yield Finding("$.turns", f"found a decision at step {decision} after {len(past)} steps, expected as many")
    texts = [part.text or "" for message in sample.messages if message.role == "user" for part in message.content]
    if not any(sample.goal in text for text in texts):
        yield Finding("$.messages", "found no user turn with the goal, expected the instruction")
    visible = visible_turns(context.layout, sample.turns, policy.image_window)
    shown = [position for position, turn in enumerate(sample.turns) if turn.image is not None]
    if shown != visible:
        yield Finding("$.turns", f"found screenshots on turns {shown}, expected them on {visible}")
    if sample.origin == "error_correction" and (kind is None or kind.depth):
        wrong = [position for position, turn in enumerate(sample.turns) if turn.role == "error"]
        if not wrong or not {wrong[-1], min(wrong[-1] + 1, len(sample.turns) - 1), len(sample.turns) - 1} <= set(shown):
            yield Finding("$.turns", "found an error without both its screens in view, expected to see what it did")
    if kind is not None and injects:
        yield from _injected(sample, kind, own)


def _own_turns(sample: Sample) -> int:
    """Return how many of the last turns belong to the error and its correction."""
    told = sample.provenance.get("turns", "2")
    return min(max(int(told), 1), len(sample.turns)) if told.isdecimal() else 2


def _injected(sample: Sample, kind: ErrorKind, own: int) -> Iterator[Finding]:
    """Yield turns of an injected error that are not what its kind makes."""
    *before, last = sample.turns[-own:]
    wrong = sum(turn.role == "error" for turn in before)
    if wrong > kind.depth or (kind.depth and not wrong):
        yield Finding("$.turns", f"found {wrong} wrong turns before the correction, expected 1 to {kind.depth}")
    if last.role != ("recovery" if kind.depth else "normal"):
        yield Finding("$.turns", f"found a decision of the role {last.role!r} after an injected error")
