"""The recording behind the sample: does it go in circles, does it end, was it a success, is it there twice."""

from collections.abc import Iterator

from pipeline.actions import Terminate

from .case import Case, Decision
from .check import Context, Finding
from .screens import quiet

LOOP = 3
"""The same action on the same screen so often is no longer a decision."""


def loop(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a decision that repeats itself: the third same action on the same screen, or A B A B."""
    keys, index = context.recordings.keys(decision.sample.trajectory_id), decision.target.step_index
    if index >= len(keys) or keys[index] is None:
        return
    times = keys[: index + 1].count(keys[index])
    if times >= LOOP:
        said = f"found the same action on the same screen for the {times}. time, expected progress"
        yield Finding(decision.path, said)
    elif (
        index >= LOOP and keys[index - 3 : index - 1] == keys[index - 1 : index + 1] and keys[index] != keys[index - 1]
    ):
        yield Finding(decision.path, "found two steps that repeat the two before them, expected progress")


def no_progress(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a decision on a screenshot that several actions before it, which should have changed it, left as it was."""
    steps = context.recordings.steps(decision.sample.trajectory_id)
    index, most = decision.target.step_index, context.thresholds.steps_without_change
    if index < most or index >= len(steps) or most == 0:
        return
    run = steps[index - most : index + 1]
    pictures = {step.image.sha256 if step.image is not None else None for step in run}
    if len(pictures) > 1 or None in pictures:
        return
    if not any(step.facts is None or any(map(quiet, step.facts.actions)) for step in run):
        yield Finding(decision.path, f"found the screenshot of {most} steps before, expected some progress")


def no_end(case: Case, context: Context) -> Iterator[Finding]:
    """Yield the last decision of a recording that does not end by saying so."""
    steps = [step for step in case.steps[-2:] if step.facts is not None]
    if steps and case.sample.step_index == steps[-1].step_index:
        facts = steps[-1].facts
        if facts is not None and not any(isinstance(action, Terminate) for action in facts.actions):
            yield Finding("$.target", "found a last step that does not end the task, expected a terminate")


def failed(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a decision of a recording that failed although it claims success."""
    if context.facts.outcomes.get(decision.sample.trajectory_id) != "failure":
        return
    if any(isinstance(action, Terminate) and action.status == "success" for action in decision.target.actions):
        said = "found a success claimed in a recording that failed, expected no such lesson"
        yield Finding(decision.path, said)


def duplicate(case: Case, context: Context) -> Iterator[Finding]:
    """Yield the first decision of a recording that is there twice: same screens, same actions."""
    sample = case.sample
    other = context.facts.duplicates.get(sample.trajectory_id)
    if other is not None and context.is_first(sample):
        yield Finding("$.trajectory_id", f"found the screens and actions of {other!r} again, expected each once")


def near_duplicate(case: Case, context: Context) -> Iterator[Finding]:
    """Yield the first decision of a recording whose screens and actions are nearly those of another one."""
    sample = case.sample
    other = context.facts.near_duplicates.get(sample.trajectory_id)
    if other is not None and context.is_first(sample):
        yield Finding("$.trajectory_id", f"found nearly the screens and actions of {other!r}, expected each once")


def contradiction(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a decision that another recording makes differently on the same screen for the same goal."""
    sample = decision.sample
    if sample.origin != "clean":
        return
    other = context.facts.contradictions.get(sample.trajectory_id, {}).get(decision.target.step_index)
    if other is not None:
        yield Finding(
            decision.path, f"found another action than {other} takes on this screen for this goal, expected one"
        )
