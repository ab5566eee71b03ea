"""`agentnetbench`: AgentNetBench of xlang-ai/OpenCUA: a JSON file per task, actions with the boxes that they may hit.

`{task_id, high_level_task_description, user_task_description?, steps: [{image, ground_truth_actions,
alternative_options, inner_monologue?, milestone?}]}`; an action is `{type, params: {position: {x, y}, …}, metadata:
{bboxes: [{rel_bbox: [x, y, width, height]}]}}`. Types are pyautogui's names; points and `rel_bbox` are fractions.
Screenshots lie beside the file or in `images`. Not tried on the real release.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Action, Box, Click
from pipeline.records import Goal, Observation, Step, StepText, Trajectory
from pipeline.screens.geometry import smallest_containing

from .album import Album
from .coordinates import NORM_XY, corner_and_extent
from .folder import SourceFolder, convert, decode
from .importer import Episode, origin, steps_of
from .pyautogui_actions import Desk, UnreadableError
from .refusal import Refusal, Refused

_PARAMETERS = {
    "write": {"content": "message", "text": "message"},
    "typewrite": {"content": "message", "text": "message"},
    "scroll": {"amount": "clicks", "pixels": "clicks"},
    "hscroll": {"amount": "clicks", "pixels": "clicks"},
    "wait": {"time": "seconds", "duration": "seconds"},
}
"""What the benchmark calls pyautogui's parameters."""


class _Action(Struct):
    type: str
    params: dict[str, Any] = {}
    metadata: dict[str, Any] | None = None


class _Monologue(Struct):
    observation: str | None = None
    thought: str | None = None
    low_level_instruction: str | None = None


class _Step(Struct):
    image: str
    ground_truth_actions: list[_Action]
    alternative_options: list[list[_Action]] | None = None
    inner_monologue: _Monologue | None = None
    milestone: bool | None = None
    step_num: int | None = None


class _Task(Struct):
    task_id: str
    steps: list[Any]
    high_level_task_description: str | None = None
    user_task_description: str | None = None


class AgentNetBench:
    """The format `agentnetbench`."""

    name = "agentnetbench"
    meaning = "AgentNetBench of OpenCUA (*.json per task, screenshots by name)"
    expects = "*.json files of AgentNetBench"
    kept = "actions, the alternatives that count as right too, the box of a click, texts, milestones"
    lost = "boxes beside the smallest one around a click, boxes of other actions (counted)"
    tried_on = "files built for tests; not tried on the real release"
    files = ("*.json",)
    options = ()

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield a trajectory for each file."""
        for file in source.names(*self.files):
            try:
                yield _episode(source, file)
            except Refused as refused:
                yield refused.at("trajectory", file)


def _episode(source: SourceFolder, file: str) -> Episode:
    task = decode(source.read(file), _Task)
    goal = task.high_level_task_description or task.user_task_description
    if not goal:
        raise Refused("no_goal", "no high_level_task_description", "one")
    folder = str(PurePosixPath(file).parent)
    album, notes = Album(source, file, folder, f"{folder}/images", anywhere=True), Counter[str]()

    def make(index: int, record: Any) -> Step:
        step = convert(record, _Step)
        first = task.steps[0].get("step_num") if isinstance(task.steps[0], dict) else None
        if step.step_num is not None and isinstance(first, int) and step.step_num != first + index:
            raise Refused("step_gap", f"step_num {step.step_num}", f"step_num {first + index}")
        said = step.inner_monologue or _Monologue()
        return Step(
            index=index,
            observation=Observation(album.find(step.image, f"$.steps[{index}]")),
            actions=_actions(step.ground_truth_actions, notes),
            text=StepText(observation=said.observation, thought=said.thought, instruction=said.low_level_instruction),
            alternatives=tuple(_actions(each, notes) for each in step.alternative_options or () if each),
            milestone=step.milestone,
        )

    steps, refusals = steps_of(file, ((f"$.steps[{n}]", step) for n, step in enumerate(task.steps)), make)
    user = task.user_task_description
    trajectory = Trajectory(
        schema="gdp.traj/1",
        trajectory_id=task.task_id,
        goal=goal,
        steps=steps,
        source=replace(origin("AgentNetBench", task.task_id), licence="MIT"),
        goals=(Goal("user", user),) if user and user != goal else (),
    )  # fmt: skip
    return Episode(file, trajectory, album, refusals=refusals, notes=notes)


def _actions(records: Sequence[_Action], notes: Counter[str]) -> tuple[Action, ...]:
    """Return what one choice does; raises Refused for a point off the screen, and where there is no action."""
    if not records:
        raise Refused("shape", "no ground_truth_actions", "at least one")
    desk = Desk(NORM_XY)
    targets: list[list[Box]] = []
    for record in records:
        src = msgspec.json.encode(record).decode()
        try:
            desk.add(record.type, _arguments(record), src)
        except UnreadableError:
            desk.unknown(src)
        targets.append(_boxes(record))
    actions = []
    boxes = list(dict.fromkeys(box for each in targets for box in each))
    for action in desk.actions(_src):
        chosen = _target(action, boxes)
        actions.append(action if chosen is None else replace(action, bbox=chosen))
    unused = len(boxes) - sum(isinstance(action, Click) and action.bbox is not None for action in actions)
    if unused:
        notes["further target box"] += unused
    notes.update(desk.notes)
    return tuple(actions)


def _src(sources: list[str]) -> str:
    return sources[0] if len(sources) == 1 else f"[{','.join(sources)}]"


def _arguments(record: _Action) -> dict[str, Any]:
    names = _PARAMETERS.get(record.type, {})
    arguments = {names.get(key, key): value for key, value in record.params.items()}
    position = arguments.pop("position", None)
    if isinstance(position, dict):
        arguments |= {"x": position.get("x"), "y": position.get("y")}
    return arguments


def _boxes(record: _Action) -> list[Box]:
    """Return the boxes that a record names, cut to the screen; one without a plain shape is left out."""
    listed = (record.metadata or {}).get("bboxes")
    boxes = []
    for each in listed if isinstance(listed, list) else ():
        four = each.get("rel_bbox") if isinstance(each, dict) else None
        if isinstance(four, list) and (box := corner_and_extent(NORM_XY, four)) is not None:
            boxes.append(box)
    return boxes


def _target(action: Action, boxes: Sequence[Box]) -> Box | None:
    if not isinstance(action, Click) or action.point is None:
        return None
    chosen = smallest_containing(enumerate(boxes), action.point)
    return None if chosen is None else boxes[chosen]
