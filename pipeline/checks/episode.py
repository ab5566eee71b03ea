"""The recording behind the sample: does it go in circles, does it end, was it a success, is it there twice."""

from collections.abc import Iterator, Sequence

from pipeline.actions import Terminate
from pipeline.records import Sample
from pipeline.tables import StepRow

from .check import Context, Finding

LOOP = 3
"""The same action on the same screen so often is no longer a decision."""


def loop(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a decision that repeats itself: the third same action on the same screen, or A B A B."""
    index = sample.step_index
    keys = [_key(step) for step in context.steps(sample.trajectory_id)[: index + 1]]
    if len(keys) <= index or keys[index] is None:
        return
    times = keys.count(keys[index])
    if times >= LOOP:
        yield Finding("$.target", f"found the same action on the same screen for the {times}. time, expected progress")
    elif (
        index >= LOOP and keys[index - 3 : index - 1] == keys[index - 1 : index + 1] and keys[index] != keys[index - 1]
    ):
        yield Finding("$.target", "found two steps that repeat the two before them, expected progress")


def no_end(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield the last decision of a recording that does not end by saying so."""
    steps = _decisions(context.steps(sample.trajectory_id))
    if steps and sample.step_index == len(steps) - 1:
        facts = steps[-1].facts
        if facts is not None and not any(isinstance(action, Terminate) for action in facts.actions):
            yield Finding("$.target", "found a last step that does not end the task, expected a terminate")


def failed(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a decision of a recording that failed although it claims success."""
    outcome = context.outcome(sample.trajectory_id)
    if outcome != "failure":
        return
    claims = any(isinstance(action, Terminate) and action.status == "success" for action in sample.target.actions)
    if claims:
        yield Finding("$.target", "found a success claimed in a recording that failed, expected no such lesson")


def duplicate(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield the first decision of a recording that is there twice: same screens, same actions."""
    other = context.facts.duplicates.get(sample.trajectory_id)
    if other is not None and sample.step_index == 0:
        yield Finding("$.trajectory_id", f"found the screens and actions of {other!r} again, expected each once")


def contradiction(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a decision that another recording makes differently on the same screen for the same goal."""
    other = context.facts.contradictions.get((sample.trajectory_id, sample.step_index))
    if other is not None and sample.origin == "clean":
        yield Finding("$.target", f"found another action than {other} takes on this screen for this goal, expected one")


def _decisions(steps: Sequence[StepRow]) -> list[StepRow]:
    return [step for step in steps if step.facts is not None]


def _key(step: StepRow) -> object:
    """Return what makes two steps the same: the stored screen and what was done on it."""
    if step.image is None or step.facts is None:
        return None
    return step.image.sha256, step.facts.actions
