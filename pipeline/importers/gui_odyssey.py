"""`gui-odyssey`: annotations/<episode>.json with its steps, screenshots/<episode>_<k>.png; both releases.

Coordinates are a grid 0..1000, x first. `info` says what the action needs: a point, the two ends of a swipe, the text,
or for a tap KEY_HOME, KEY_BACK, KEY_APPSELECT. The documentation calls typing TYPE and giving up IMPOSSIBLE, the data
TEXT and INCOMPLETE; HOME and BACK stand in the documentation only. All are read. The screenshots come in numbered
subfolders or in one, and a fifth of those of the older release is missing. Sources: github.com/OpenGVLab/GUI-Odyssey
(introduction.md, data/format_converter.py, data/preprocessing.py). Not tried on the real release.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Action, Button, Click, LongPress, Path, Point, Swipe, Terminate, Type, Unknown
from pipeline.records import Device, Goal, Observation, Outcome, Step, StepText, Trajectory

from .album import Album
from .coordinates import corners, grid, point
from .folder import SourceFolder, decode
from .importer import Episode, numbered, origin, steps_of, verbatim
from .refusal import Refusal, Refused, shortened

GRID = grid(1000)
SAME = 0.05
"""How far, in fractions, a touch path may start and end from the two recorded ends and still be theirs."""
_KEYS: dict[str, Action] = {
    "KEY_HOME": Button(name="home"),
    "KEY_BACK": Button(name="back"),
    "KEY_APPSELECT": Button(name="recent"),
}


class _Device(Struct, frozen=True):
    device_name: str | None = None
    w: int | None = None
    h: int | None = None


class _Task(Struct, frozen=True):
    instruction: str | None = None
    task: str | None = None
    meta_task: str | None = None
    app: list[str] | str | None = None
    category: str | None = None


class _Step(Struct):
    step: int
    screenshot: str
    action: str
    info: Any = None
    ps: Any = None
    description: str | None = None
    intention: str | None = None
    context: str | None = None
    low_level_instruction: str | None = None
    sam2_bbox: Any = None


class _Annotation(Struct):
    episode_id: str | int
    steps: list[_Step]
    device_info: _Device = _Device()
    task_info: _Task = _Task()
    step_length: int | None = None


class GuiOdyssey:
    """The format `gui-odyssey`."""

    name = "gui-odyssey"
    meaning = "GUI-Odyssey, both releases: annotations/*.json and screenshots/"
    expects = "annotations/*.json beside screenshots/"
    kept = "points, swipes with their touch path, texts, the target's box, device, apps, all wordings of the task"
    lost = "a touch path that contradicts the recorded ends; of the splits, which are three at once, all"
    tried_on = "files in the documented form; not on the real release"
    files = ("*.json",)
    options = ()

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield an episode for each annotation."""
        for file in source.names(*self.files):
            if PurePosixPath(file).parent.name == "splits":
                continue
            try:
                yield _episode(source, file)
            except Refused as refused:
                yield refused.at("trajectory", file)


def _episode(source: SourceFolder, file: str) -> Episode:
    raw: _Annotation = decode(source.read(file), _Annotation)
    folder = PurePosixPath(file).parent
    folders = (str(folder.parent / "screenshots"), str(folder / "screenshots"), str(folder))
    album = Album(source, file, *folders, anywhere=True)
    device, task = raw.device_info, raw.task_info
    wordings = [text for text in (task.instruction, task.task, task.meta_task) if text and text.strip()]
    if not wordings:
        raise Refused("no_goal", "no instruction", "what was asked for")
    size = (device.w, device.h) if device.w and device.h and min(device.w, device.h) > 0 else None

    def make(index: int, item: tuple[_Step, Refused | None]) -> Step:
        step, problem = item
        if problem is not None:
            raise problem
        image = album.find(step.screenshot, f"step {step.step}", recorded=size)
        return Step(
            index=index,
            observation=Observation(image=image),
            actions=(_action(step, album),),
            text=StepText(
                observation=step.description or None,
                thought=step.intention or None,
                instruction=step.low_level_instruction or None,
                summary=step.context or None,
            ),
        )

    ordered = numbered(raw.steps, lambda step: step.step, first=0)
    steps, refusals = steps_of(file, ((f"step {item[0].step}", item) for item in ordered), make)
    if raw.step_length is not None and len(raw.steps) < raw.step_length:
        album.notes["step missing at the end"] += raw.step_length - len(raw.steps)
    return Episode(
        file=file,
        trajectory=Trajectory(
            schema="gdp.traj/1",
            trajectory_id=PurePosixPath(file).stem,
            goal=wordings[0],
            goals=tuple(Goal("template" if text is task.meta_task else "natural", text) for text in wordings[1:]),
            platform="android",
            device=Device(name=device.device_name, width=size[0] if size else None, height=size[1] if size else None),
            apps=tuple([task.app] if isinstance(task.app, str) else task.app or ()),
            steps=steps,
            outcome=_outcome(steps),
            source=origin("gui-odyssey", str(raw.episode_id)),
        ),
        album=album,
        refusals=refusals,
    )


def _action(step: _Step, album: Album) -> Action:
    src = verbatim({"action": step.action, "info": step.info, "ps": step.ps, "sam2_bbox": step.sam2_bbox})
    return replace(_meaning(step, album), src=src, frame=GRID)


def _meaning(step: _Step, album: Album) -> Action:
    info = step.info
    match step.action:
        case "CLICK" | "LONG_PRESS" if isinstance(info, str) and info in _KEYS:
            return _KEYS[info]
        case "CLICK":
            return Click(point=_points(info, 1)[0], bbox=_box(step.sam2_bbox))
        case "LONG_PRESS":
            return LongPress(point=_points(info, 1)[0])
        case "SCROLL":
            start, end = _points(info, 2)
            return Swipe(start=start, end=end, path=_path(step.ps, start, end, album))
        case "TEXT" | "TYPE":
            if not isinstance(info, str) or not info:
                raise Refused("shape", f"the text {shortened(info)}", "what was typed")
            return Type(text=info)
        case "COMPLETE":
            return Terminate(status="success", text=_note(step.ps))
        case "INCOMPLETE" | "IMPOSSIBLE":
            return Terminate(status="infeasible", text=_note(step.ps))
        case "HOME" | "BACK":
            return _KEYS[f"KEY_{step.action}"]
        case _:
            return Unknown()


def _points(info: Any, count: int) -> list[Point]:
    if not isinstance(info, list) or len(info) != count or not all(isinstance(pair, list) for pair in info):
        raise Refused("coordinate", shortened(info), "[[x, y]]" if count == 1 else "[[x1, y1], [x2, y2]]")
    return [point(GRID, pair) for pair in info]


def _box(four: Any) -> tuple[float, float, float, float] | None:
    return corners(GRID, four) if isinstance(four, list) and four else None


def _path(ps: Any, start: Point, end: Point, album: Album) -> Path | tuple[()]:
    """Return the touch path if it is one between the recorded ends; its frame is nowhere documented."""
    if not ps:
        return ()
    try:
        pairs = ast.literal_eval(ps) if isinstance(ps, str) and len(ps) < 100_000 else ps
        path = tuple(point(GRID, list(pair)) for pair in pairs)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, Refused):
        path = ()
    ends = zip((path[0], path[-1]), (start, end), strict=True) if path else ()
    if path and all(abs(a - b) <= SAME for one, other in ends for a, b in zip(one, other, strict=True)):
        return path
    album.notes["touch path that contradicts its ends"] += 1
    return ()


def _note(ps: Any) -> str | None:
    return ps.strip() or None if isinstance(ps, str) else None


def _outcome(steps: tuple[Step, ...]) -> Outcome:
    last = steps[-1].actions[-1] if steps else None
    if isinstance(last, Terminate):
        return Outcome(status="success" if last.status == "success" else "infeasible", by="human", reason=last.text)
    return Outcome(status="unknown")
