"""The history is complete: every earlier step is there, the instruction too, and both screens of an error are seen."""

from collections.abc import Iterator

from pipeline.errors import KINDS
from pipeline.layouts import visible_turns
from pipeline.records import Sample

from .check import Context, Finding


def check(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield missing steps, a missing instruction, screenshots that the policy would show or drop differently."""
    kind = KINDS.get(sample.error_kind or "")
    injects = kind is not None and not kind.replaces  # one turn, just before the decision
    past = [turn.step_index for turn in sample.turns[: -2 if injects else -1]]
    if past != list(range(len(past))):
        yield Finding("$.turns", f"found steps {past} before the decision, expected all from 0 on, in order")
    decision = sample.turns[-1].step_index
    if not injects and decision != len(past):
        yield Finding("$.turns", f"found a decision at step {decision} after {len(past)} steps, expected as many")
    texts = [part.text or "" for message in sample.messages if message.role == "user" for part in message.content]
    if not any(sample.goal in text for text in texts):
        yield Finding("$.messages", "found no user turn with the goal, expected the instruction")
    visible = visible_turns(context.layout, sample.turns, context.manifest.contract.history_images)
    shown = [position for position, turn in enumerate(sample.turns) if turn.image is not None]
    if shown != visible:
        yield Finding("$.turns", f"found screenshots on turns {shown}, expected them on {visible}")
    if sample.origin == "error_correction":
        wrong = [position for position, turn in enumerate(sample.turns) if turn.role == "error"]
        if not wrong or wrong[-1] not in shown or len(sample.turns) - 1 not in shown:
            yield Finding("$.turns", "found an error without both its screens in view, expected to see what it did")
