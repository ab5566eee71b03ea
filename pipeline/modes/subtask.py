"""`subtask`: a sample for each decision, its goal that of the sub-task, its history from the sub-task's first step on.

A recording marks sub-tasks in one of two ways: steps name the sub-goal that they serve, and steps in a row with the
same one are a sub-task; or some steps are milestones, and a sub-task is what leads up to one, its goal what the
milestone's own instruction says. Where steps name sub-goals, milestones are left aside.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from pipeline.records import Sample, Step

from .mode import Recording, Refused


class Subtask(Struct, frozen=True):
    """Steps `start` to `end`, the last one included, which serve a part of the goal."""

    start: int
    end: int
    goal: str


def cut(recording: Recording) -> Iterator[Sample | Refused]:
    """Yield a sample or a refusal for each decision, in order."""
    index = 0
    for subtask in subtasks(recording.steps):
        yield from map(_outside, range(index, subtask.start))
        subject = replace(recording.subject, goal=subtask.goal)
        provenance = {"subtask": f"{subtask.start}-{subtask.end}"}
        for index in range(subtask.start, subtask.end + 1):
            yield recording.decision(index, subject, subtask.start, provenance)
        index = subtask.end + 1
    yield from map(_outside, range(index, len(recording.steps)))


def subtasks(steps: Sequence[Step]) -> list[Subtask]:
    """Return the sub-tasks that the recording marks, in order; none where it marks nothing."""
    if any(_words(step.subgoal) for step in steps):
        runs = ((goal, list(group)) for goal, group in groupby(steps, key=lambda step: _words(step.subgoal)))
        return [Subtask(run[0].index, run[-1].index, goal) for goal, run in runs if goal]
    found, start = [], 0
    for step in steps:
        if step.milestone:
            goal = _words(step.text.instruction)
            if goal:
                found.append(Subtask(start, step.index, goal))
            start = step.index + 1
    return found


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def _outside(index: int) -> Refused:
    return Refused(index, "no_subtask", "found no sub-task that the step belongs to, expected one to be marked")
