"""`osworld`: rollouts of OSWorld and its kin, a folder per task with `traj.jsonl`.

A line per executed action: `{step_num, action_timestamp, action, response, reward, done, screenshot_file}`; the lines
of one response share `step_num`. `screenshot_file` shows the screen AFTER the action (`lib_run_single.py`), so what
the agent saw is the picture of the step before; the first screen is there only where the runner saved it:
`initial_state.png`, or `obs_before_step_1_<time>.png` with GET_OBS_BEFORE_ACTION=1. `result.txt` holds the score.
An action is pyautogui code in pixels, one of WAIT, DONE, FAIL, or a record of the `computer_13` action space.

The task's text is not in the rollout, except as `task_instruction.jsonl` of some runners: `--tasks` names the folder of
the benchmark's examples (`<domain>/<id>.json`). A file to which a second run was appended holds two episodes. Not tried
on a real rollout.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.records import Observation, Outcome, Response, Step, StepText, Trajectory
from pipeline.storage.place import Place

from . import model_reply, osworld_actions
from .album import Album
from .coordinates import px
from .folder import SourceFolder, convert, decode
from .importer import Episode, Option, origin, steps_of
from .refusal import Refusal, Refused, shortened

_SECTION = re.compile(r"^##\s*(Thought|Action):?[ \t]*\n(.*?)(?=^##|\Z)", re.DOTALL | re.MULTILINE)
DROPPED = "first step left out: its screenshot was not saved"


class _Line(Struct):
    step_num: int
    action: Any
    action_timestamp: str | None = None
    response: Any = None
    natural_language_action: str | None = None
    reward: Any = None
    screenshot_file: str | None = None


class _Task(Struct):
    """What is known about the task: from the examples of the benchmark, or from files of the runner."""

    instruction: str | None = None
    related_apps: list[str] | None = None


class _Header(Struct):
    """A line that some runners write first."""

    instruction: str | None = None
    initial_state: str | None = None


class OSWorld:
    """The format `osworld`."""

    name = "osworld"
    meaning = "OSWorld rollouts (traj.jsonl, screenshots taken after each action, result.txt per task)"
    expects = "folders with traj.jsonl"
    kept = "the model's replies verbatim, actions, the last screen, score; with --tasks the task's text and apps"
    lost = "rewards of single steps; pauses between the actions of one step (counted)"
    tried_on = "files built for tests; not tried on a real rollout"
    files = ("traj.jsonl",)
    options = (
        Option("tasks", "folder of the benchmark's examples (<domain>/<id>.json), for the tasks' texts", (), ""),
        Option("first_step", "a first step whose screenshot was not saved: refuse the rollout, or drop the step",
               ("refuse", "drop"), "refuse"),
    )  # fmt: skip

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield a trajectory for each run in each file."""
        tasks = SourceFolder(Place(options["tasks"])) if options["tasks"] else None
        for file in source.names(*self.files):
            try:
                yield from _Rollout(source, file, tasks, drop=options["first_step"] == "drop").episodes()
            except Refused as refused:
                yield refused.at("trajectory", file)


class _Rollout:
    """One folder: its lines, its task, its score."""

    def __init__(self, source: SourceFolder, file: str, tasks: SourceFolder | None, *, drop: bool) -> None:
        self.source, self.file, self.drop = source, file, drop
        self.folder = PurePosixPath(file).parent
        self.header = _Header()
        self.task = _task(source, self.folder, tasks)

    def episodes(self) -> Iterator[Episode | Refusal]:
        runs = self._runs()
        if not runs:
            raise Refused("no_steps", "no line with an action", "at least one")
        goal = self.header.instruction or self.task.instruction
        if not goal:
            hint = "an instruction: --tasks FOLDER of the benchmark's examples, or task_instruction.jsonl"
            raise Refused("no_goal", f"no text of the task {self.folder.name!r}", hint)
        for number, run in enumerate(runs, start=1):
            place = None if len(runs) == 1 else f"run {number}"
            yield self._episode(goal, run, place, last=number == len(runs))

    def _runs(self) -> list[list[tuple[int, _Line]]]:
        """Return the lines with their numbers, run by run: where the step number falls, another run was appended."""
        runs: list[list[tuple[int, _Line]]] = []
        for number, text in self.source.lines(self.file):
            try:
                record = decode(text, dict[str, Any])
                if "action" not in record:
                    if "initial_state" in record or "instruction" in record:
                        self.header = msgspec.convert(record, _Header)
                    continue  # `{"Error": …}`: why the runner stopped
                line = msgspec.convert(record, _Line)
            except msgspec.ValidationError as error:
                raise Refused("shape", f"line {number}: {shortened(str(error))}", "a step of OSWorld") from None
            except Refused as refused:
                raise Refused(refused.code, f"line {number}: {refused.found}", refused.expected) from None
            if not runs or line.step_num < runs[-1][-1][1].step_num:
                runs.append([])
            runs[-1].append((number, line))
        return runs

    def _episode(self, goal: str, run: list[tuple[int, _Line]], place: str | None, *, last: bool) -> Episode | Refusal:
        album, notes = Album(self.source, self.file, str(self.folder)), Counter[str]()
        turns = _turns(run)
        if turns[0][0][1].step_num not in {0, 1}:
            return Refused("step_gap", f"step_num {turns[0][0][1].step_num} first", "step_num 1").at(
                "trajectory", self.file, place)  # fmt: skip
        before = self._first_screen(turns[0][0][1], last=last)
        if before is None and self.drop and len(turns) > 1:
            before, turns = self._after(turns[0]), turns[1:]
            notes[DROPPED] += 1
        if before is None:
            expected = (
                "initial_state.png or obs_before_step_1_<time>.png; --first-step drop goes on without the first step"
            )
            return Refused("first_screen", "no screenshot before the first action", expected).at(
                "trajectory", self.file, place)  # fmt: skip
        screens = [before, *(self._after(turn) for turn in turns)]
        numbers = [turn[0][1].step_num for turn in turns]

        def make(index: int, turn: Sequence[tuple[int, _Line]]) -> Step:
            if numbers[index] != numbers[0] + index:
                raise Refused("step_gap", f"step_num {numbers[index]}", f"step_num {numbers[0] + index}")
            return _step(index, album, screens[index], turn, notes)

        records = ((f"line {turn[0][0]}", turn) for turn in turns)
        steps, refusals = steps_of(self.file, records, make)
        name = str(self.folder) if str(self.folder) != "." else PurePosixPath(self.source.shown).name
        trajectory = Trajectory(
            schema="gdp.traj/1",
            trajectory_id=name if place is None else f"{name}#{place.removeprefix('run ')}",
            goal=goal,
            steps=steps,
            outcome=self._outcome() if last else Outcome("unknown"),
            final_observation=None if refusals else self._final(album, screens[-1]),
            source=origin("OSWorld", self.folder.name or name),
            apps=tuple(self.task.related_apps or ()),
        )
        return Episode(self.file, trajectory, album, place, refusals, notes)

    def _first_screen(self, line: _Line, *, last: bool) -> str | None:
        """Return the picture that shows the screen before the first action, None where none was saved."""
        names = [f"obs_before_step_{line.step_num}_{line.action_timestamp}.png"]
        if last:  # a repeated run overwrites these
            names += [self.header.initial_state or "", "initial_state.png", "initial_screenshot.png", "step_0.png"]
        return next((name for name in names if name and self.source.has(str(self.folder / name))), None)

    def _after(self, turn: Sequence[tuple[int, _Line]]) -> str:
        line = turn[-1][1]
        return line.screenshot_file or f"step_{line.step_num}_{line.action_timestamp}.png"

    def _final(self, album: Album, name: str) -> Observation | None:
        try:
            return Observation(album.find(name, "the last screen"))
        except Refused as refused:
            album.refusals.append(refused.at("screenshot", self.file, "the last screen"))
            return None

    def _outcome(self) -> Outcome:
        name = str(self.folder / "result.txt")
        if not self.source.has(name):
            return Outcome("unknown")
        try:
            reward = float(self.source.read(name, ceiling=1 << 10).decode(errors="replace"))
        except ValueError:
            return Outcome("unknown")
        if not math.isfinite(reward):
            return Outcome("unknown")
        status = "success" if reward >= 1 else "failure" if reward <= 0 else "unknown"
        return Outcome(status, by="env", reward=reward)  # type: ignore[arg-type]  # one of the three


def _turns(run: Sequence[tuple[int, _Line]]) -> list[list[tuple[int, _Line]]]:
    """Return the lines grouped by response: lines in a row with one step number."""
    turns: list[list[tuple[int, _Line]]] = []
    for number, line in run:
        if not turns or turns[-1][-1][1].step_num != line.step_num:
            turns.append([])
        turns[-1].append((number, line))
    return turns


def _step(index: int, album: Album, screen: str, turn: Sequence[tuple[int, _Line]], notes: Counter[str]) -> Step:
    number, first = turn[0]
    picture = album.find(screen, f"line {number}")
    frame = px((picture.width, picture.height))
    raw = _text(first.response)
    reply = model_reply.read(raw or "")
    sections = {name: text.strip() for name, text in _SECTION.findall(raw or "")}
    return Step(
        index=index,
        observation=Observation(picture),
        actions=tuple(action for _, line in turn for action in osworld_actions.read(line.action, frame, notes)),
        text=StepText(
            thought=reply.thought or sections.get("Thought"),
            instruction=first.natural_language_action or sections.get("Action") or reply.instruction,
        ),
        response=Response(raw, "osworld") if raw else None,
    )


def _text(response: Any) -> str | None:
    """Return what the model wrote; some runners log a record around it."""
    if isinstance(response, dict) and isinstance(response.get("response"), str):
        response = response["response"]
    if response is None or isinstance(response, str):
        return response
    return json.dumps(response, ensure_ascii=False)


def _task(source: SourceFolder, folder: PurePosixPath, tasks: SourceFolder | None) -> _Task:
    """Return what is known of the task, from the benchmark's examples or from the runner's own file."""
    name = folder.name or PurePosixPath(source.shown).name
    if tasks is not None:
        for path in (f"{folder.parent.name}/{name}.json", f"examples/{folder.parent.name}/{name}.json", f"{name}.json"):
            if tasks.has(path):
                task: _Task = decode(tasks.read(path), _Task)
                return task
    own = str(folder / "task_instruction.jsonl")
    if not source.has(own):
        return _Task()
    try:  # appended to without line ends by each run
        told, _ = json.JSONDecoder().raw_decode(source.read(own, ceiling=1 << 20).decode())
        return convert(told, _Task)
    except (ValueError, RecursionError):
        raise Refused("json_broken", f"broken JSON in {own}", "the task's instruction") from None
