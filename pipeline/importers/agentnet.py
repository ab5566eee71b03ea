"""`agentnet`: AgentNet of xlang-ai/OpenCUA, raw or with labels: a trajectory a line, actions as pyautogui code.

`{task_id, instruction, actual_task?, natural_language_task?, task_completed?, …, traj: [{index, image, value}]}` with
`value {code, observation?, thought?, action?, reflection?, last_step_correct?, last_step_redundant?}`. Points are
fractions of the screenshot. The code is parsed, never executed (`pyautogui_code`).

Despite its name, and what the data's README says, `last_step_correct` judges the step that it stands in: OpenCUA's
`gen_cot.py` shows the judge this step with the screenshot after it. The last step of a trajectory is set to correct
without being judged, so nothing is taken over there.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pipeline.records import Goal, Label, Observation, Outcome, Step, StepText, Trajectory

from .album import Album
from .coordinates import NORM_XY
from .folder import SourceFolder, decode
from .importer import Episode, numbered, origin, steps_of
from .pyautogui_code import read
from .refusal import Refusal, Refused


class _Value(Struct):
    code: str
    observation: str | None = None
    thought: str | None = None
    action: str | None = None
    reflection: str | None = None
    last_step_correct: bool | None = None
    last_step_redundant: bool | None = None


class _Step(Struct):
    index: int
    image: str
    value: _Value


class _Line(Struct):
    task_id: str
    traj: list[_Step]
    instruction: str | None = None
    actual_task: str | None = None
    natural_language_task: str | None = None
    task_completed: bool | None = None
    reason: str | None = None
    alignment_score: Any = None
    efficiency_score: Any = None
    task_difficulty: Any = None


class AgentNet:
    """The format `agentnet`."""

    name = "agentnet"
    meaning = "AgentNet of OpenCUA, raw or labelled (*.jsonl with pyautogui code, screenshots by name)"
    expects = "*.jsonl files of AgentNet"
    kept = "actions, all texts, judgements of steps (wrong and redundant ones as `error`) and of the task, scores"
    lost = "pauses between the actions of one step (counted); code other than plain calls becomes `unknown`"
    tried_on = "the raw example of OpenCUA (1 trajectory, 15 steps); labelled releases only in files built for tests"
    files = ("*.jsonl",)
    options = ()

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield a trajectory for each line."""
        for file in source.names(*self.files):
            try:
                for number, line in source.lines(file):
                    yield _episode(source, file, f"line {number}", line)
            except Refused as refused:
                yield refused.at("trajectory", file)


def _episode(source: SourceFolder, file: str, place: str, text: bytes) -> Episode | Refusal:
    try:
        line = decode(text, _Line)
        goal = line.instruction or line.natural_language_task or line.actual_task
        if not goal:
            raise Refused("no_goal", "no instruction", "one")
    except Refused as refused:
        return refused.at("trajectory", file, place)
    folder = str(PurePosixPath(file).parent)
    album, notes = Album(source, file, folder, f"{folder}/images", anywhere=True), Counter[str]()
    last = max((step.index for step in line.traj), default=0)

    def make(index: int, record: tuple[_Step, Refused | None]) -> Step:
        step, wrong = record
        if wrong is not None:
            raise wrong
        at = f"{place} $.traj[{step.index}]"
        value = step.value
        return Step(
            index=index,
            observation=Observation(album.find(step.image, at)),
            actions=read(value.code, NORM_XY, notes),
            text=StepText(
                observation=value.observation,
                thought=value.thought,
                instruction=value.action,
                reflection=value.reflection,
            ),
            label=Label() if step.index == last else _label(value),
        )

    records = ((f"{place} $.traj[{each.index}]", (each, wrong)) for each, wrong in numbered(
        line.traj, lambda step: step.index, first=0))  # fmt: skip
    steps, refusals = steps_of(file, records, make)
    return Episode(file, _trajectory(line, goal, steps), album, place, refusals, notes)


def _trajectory(line: _Line, goal: str, steps: tuple[Step, ...]) -> Trajectory:
    status = {True: "success", False: "failure", None: "unknown"}[line.task_completed]
    scores = {name: getattr(line, name) for name in ("alignment_score", "efficiency_score", "task_difficulty")}
    scores = {name: value for name, value in scores.items() if value is not None}
    others = ((line.natural_language_task, "natural"), (line.actual_task, "refined"))
    return Trajectory(
        schema="gdp.traj/1",
        trajectory_id=line.task_id,
        goal=goal,
        steps=steps,
        outcome=Outcome(
            status=status,  # type: ignore[arg-type]  # one of the three above
            by="assumed" if line.task_completed is None else "judge",
            reason=line.reason,
        ),
        source=replace(origin("AgentNet", line.task_id), licence="MIT"),
        goals=tuple(Goal(kind, text) for text, kind in others if text and text != goal),  # type: ignore[arg-type]
        extra=json.dumps(scores) if scores else None,
    )


def _label(value: _Value) -> Label:
    """Return the judgement on the step itself; neither a wrong nor a redundant one is to be learned."""
    if value.last_step_correct is None and value.last_step_redundant is None:
        return Label()
    kind = "wrong" if value.last_step_correct is False else "redundant" if value.last_step_redundant else None
    return Label(
        role="normal" if kind is None else "error",
        correct=value.last_step_correct,
        redundant=value.last_step_redundant,
        error_kind=kind,
        by="judge",
    )
