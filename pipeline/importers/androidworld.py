"""`androidworld`: checkpoints of AndroidWorld runs, `<task>_<instance>.pkl.gz`: a gzip-packed pickle of episodes.

An episode is `{goal, is_successful, episode_data, agent_name, exception_info, …}`; `episode_data` a dictionary of
lists, one value a step (`episode_runner.py`). Unpickling would run code, so `pickle_plain` reads the file instead. The
keys of a step are those of the agent (M3A, T3A, SeeAct and what people derive from them): the screenshot before the
action, the UI elements, a `JSONAction` or the reply that spells it, `summary`, `step_number`. Screenshots with marks on
all elements (`…_with_som`) are never taken.

M3A and T3A draw a frame and a number around the chosen element into `raw_screenshot` too, once they have chosen: a
model trained on it would find the answer in the picture. Such steps are looked for at the pixels of the frame, and
refused unless `--marked keep`. Agents that act by coordinates leave the screenshot clean. Not tried on a real run.
"""

import json
import math
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import IO, Any

from msgspec.structs import replace

from pipeline.actions import Action, Frame, Unknown, points
from pipeline.records import (
    Execution,
    Observation,
    Outcome,
    Response,
    Screenshot,
    Step,
    StepText,
    Trajectory,
)

from . import json_action
from .album import Album
from .folder import SourceFolder
from .importer import Episode, Option, origin, steps_of
from .pickle_plain import PickleError, read_gzip
from .pickle_values import Array, Record
from .pyautogui_actions import UnreadableError
from .refusal import Refusal, Refused, shortened
from .ui_elements import Screen

RECORDS = frozenset({"JSONAction", "UIElement", "BoundingBox", "SeeActElement", "SeeActAction"})
"""Classes of AndroidWorld whose fields are taken; none is ever imported."""
PICTURES = ("raw_screenshot", "screenshot", "before_screenshot")
ELEMENTS = ("actionable_elements", "before_ui_elements", "ui_elements", "before_element_list")
ACTIONS = ("action_output_json", "action", "converted_action")
_REASON = re.compile(r"Reason:(.*?)(?:Action:|\Z)", re.DOTALL)


class AndroidWorld:
    """The format `androidworld`."""

    name = "androidworld"
    meaning = "AndroidWorld checkpoints (*.pkl.gz), read without running anything of them"
    expects = "*.pkl.gz files of AndroidWorld"
    kept = "screenshots (as PNG), UI elements, actions, the model's replies verbatim, summaries, success"
    lost = "prompts, screenshots with marks, raw responses of the model's server, elements off the screen (counted)"
    tried_on = "pickles built for tests with stand-ins of AndroidWorld's classes; not tried on a real run"
    files = ("*.pkl.gz",)
    options = (
        Option("marked", "a step whose target is painted into its screenshot, as M3A and T3A do: refuse or keep",
               ("refuse", "keep"), "refuse"),
        Option("foreign", "an object of another program in the pickle: refuse the file, or drop the object unbuilt",
               ("refuse", "drop"), "refuse"),
    )  # fmt: skip

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield a trajectory for each episode of each file."""
        for file in source.names(*self.files):
            with tempfile.TemporaryFile() as spool:
                try:
                    yield from _episodes(source, file, spool, options)
                except Refused as refused:
                    yield refused.at("trajectory", file)


def _episodes(
    source: SourceFolder, file: str, spool: IO[bytes], options: Mapping[str, str]
) -> Iterator[Episode | Refusal]:
    with source.open(file) as packed:
        try:
            plain = read_gzip(packed, spool, records=RECORDS, foreign=options["foreign"] == "drop")
        except PickleError as error:
            found, _, expected = str(error).removeprefix("found ").rpartition(", expected ")
            raise Refused("pickle", found, expected) from None
    episodes = plain.value[0] if isinstance(plain.value, tuple) and plain.value else plain.value
    if not isinstance(episodes, list) or not episodes:
        raise Refused("shape", f"a pickle of {type(episodes).__name__}", "a list of episodes")
    for number, episode in enumerate(episodes):
        place = None if len(episodes) == 1 else f"[{number}]"
        try:
            yield _episode(source, file, place, episode, marked=options["marked"], foreign=plain.foreign)
        except Refused as refused:
            yield refused.at("trajectory", file, place)


def _episode(
    source: SourceFolder, file: str, place: str | None, episode: Any, *, marked: str, foreign: Mapping[str, int]
) -> Episode:
    if not isinstance(episode, dict):
        raise Refused("shape", f"an episode that is {type(episode).__name__}", "a dictionary")
    goal, data = episode.get("goal"), episode.get("episode_data")
    if not isinstance(goal, str) or not goal:
        raise Refused("no_goal", f"the goal {shortened(goal)}", "a text")
    if not isinstance(data, dict) or not data:  # of an episode that failed: NaN
        reason = str(episode.get("exception_info") or "").strip().rpartition("\n")[2]
        raise Refused("no_steps", f"no episode_data ({shortened(reason)})" if reason else "no episode_data", "steps")
    album, notes = Album(source, file), Counter[str]()
    rows = _rows(data)
    if foreign:
        notes["object of another program left out"] = sum(foreign.values())

    def make(index: int, row: Mapping[str, Any]) -> Step:
        return _Reader(album, row, notes, keep_marked=marked == "keep").step(index)

    steps, refusals = steps_of(file, ((f"{place or ''}step {n}", row) for n, row in enumerate(rows)), make)
    name = str(PurePosixPath(file)).removesuffix(".pkl.gz")
    trajectory = Trajectory(
        schema="gdp.traj/1",
        trajectory_id=name if place is None else f"{name}#{place.strip('[]')}",
        goal=goal,
        steps=steps,
        platform="android",
        outcome=_outcome(episode.get("is_successful")),
        final_observation=None if refusals else _final(album, rows),
        source=origin("AndroidWorld", PurePosixPath(name).name),
        extra=_extra(episode),
    )
    return Episode(file, trajectory, album, place, refusals, notes)


def _rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps, whose values lie apart by key; raises Refused where they cannot be matched."""
    lists = {key: value for key, value in data.items() if isinstance(key, str) and isinstance(value, list)}
    numbers = lists.get("step_number")
    count = len(numbers) if numbers is not None else max(map(len, lists.values()), default=0)
    if numbers is not None and numbers != list(range(count)):
        raise Refused("step_gap", f"the step numbers {shortened(numbers)}", f"0 to {count - 1}")
    for key in (*PICTURES, *ELEMENTS, *ACTIONS, "action_output", "action_reason", "summary"):
        if key in lists and len(lists[key]) != count:
            raise Refused("shape", f"{len(lists[key])} values of {key} for {count} steps", "one a step")
    if not count:
        raise Refused("no_steps", "an empty episode", "steps")
    return [{key: values[n] for key, values in lists.items() if len(values) == count} for n in range(count)]


class _Reader:
    """One step: what was seen, what was done."""

    def __init__(self, album: Album, row: Mapping[str, Any], notes: Counter[str], *, keep_marked: bool) -> None:
        self.album, self.row, self.notes, self.keep_marked = album, row, notes, keep_marked

    def step(self, index: int) -> Step:
        pixels = next((self.row[key] for key in PICTURES if isinstance(self.row.get(key), Array)), None)
        if pixels is None:
            raise Refused("image_missing", "no screenshot without marks", f"one of {', '.join(PICTURES)}")
        width, height, mode = _picture_size(pixels)
        listed: list[Any] = next((self.row[key] for key in ELEMENTS if isinstance(self.row.get(key), list)), [])
        screen = Screen(listed, (width, height))
        data = pixels.tobytes()
        action, status = self._action(screen)
        target = self._index()
        marked = target is not None and screen.is_framed(target, data, len(mode))
        if marked and not self.keep_marked:
            raise Refused("marked", "a frame painted around the target", "a clean screenshot; --marked keep takes it")
        picture = self.album.add_pixels(data, width, height, mode=mode, marked=marked)
        elements = screen.elements()
        self.notes.update(screen.notes)
        return Step(
            index=index,
            observation=Observation(picture, elements=elements),
            actions=(action,),
            text=self._text(),
            response=Response(output, "androidworld")
            if isinstance(output := self.row.get("action_output"), str)
            else None,
            execution=status,
        )

    def _fields(self) -> dict[str, Any] | None:
        """Return the recorded action as plain fields, from the record or from the reply that spells it."""
        for key in ACTIONS:
            record = self.row.get(key)
            if isinstance(record, Record) and record.name == "JSONAction":
                return {name: value for name, value in record.fields.items() if value is not None}
            if isinstance(record, dict) and "action_type" in record:
                return {name: value for name, value in record.items() if value is not None}
        output = self.row.get("action_output")
        spelled = output.partition("Action:")[2] if isinstance(output, str) else ""
        try:
            fields = json.loads(spelled[spelled.find("{") : spelled.rfind("}") + 1])
        except (ValueError, RecursionError):
            return None
        return fields if isinstance(fields, dict) else None

    def _index(self) -> int | None:
        """Return the index of the element that is acted on."""
        value = (self._fields() or {}).get("index")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def _action(self, screen: Screen) -> tuple[Action, Execution | None]:
        fields, summary = self._fields(), self.row.get("summary")
        said = summary if isinstance(summary, str) else None
        if fields is None:
            text = self.row.get("action_output")
            return Unknown(src=_json(text if isinstance(text, str) else None)), Execution("unparsed", said)
        src, frame = _json(fields), screen.frame
        try:
            action = json_action.to_action(fields, frame, json_action.ANDROID_WORLD, screen.target)
        except UnreadableError as error:
            return Unknown(src=src), Execution("failed", said or str(error))
        if fields.get("action_type") == "swipe" and fields.get("direction") in {"left", "right"}:
            self.notes["swipe to the side, which AndroidWorld executes the other way"] += 1
        failed = said is not None and said.startswith("Can not execute the action")
        return _with(action, src, frame), Execution("failed", said) if failed else None

    def _text(self) -> StepText:
        output = self.row.get("action_output")
        spelled = _REASON.search(output) if isinstance(output, str) else None
        reason, summary = self.row.get("action_reason"), self.row.get("summary")
        thought = reason if isinstance(reason, str) else spelled[1].strip() if spelled else None
        return StepText(thought=thought or None, summary=summary if isinstance(summary, str) else None)


def _picture_size(pixels: Array) -> tuple[int, int, str]:
    """Return width, height and mode of an array of pixels; raises Refused for another array."""
    shape = pixels.shape
    if pixels.dtype != "u1" or len(shape) != 3 or shape[2] not in {3, 4}:
        raise Refused("image_broken", f"an array of {pixels.dtype} of the shape {shape}", "bytes, height x width x 3")
    return shape[1], shape[0], "RGB" if shape[2] == 3 else "RGBA"


def _with(action: Action, src: str, frame: Frame) -> Action:
    return replace(action, src=src, frame=frame if points(action) else None)


def _json(value: Any) -> str:
    """Return plain values as JSON text; what JSON does not know, as the text that Python writes."""
    return json.dumps(value, ensure_ascii=False, default=lambda other: type(other).__name__)


def _final(album: Album, rows: Sequence[Mapping[str, Any]]) -> Observation | None:
    """Return the screen after the last action, which T3A records clean."""
    pixels = rows[-1].get("after_screenshot")
    if not isinstance(pixels, Array):
        return None
    width, height, mode = _picture_size(pixels)
    picture: Screenshot = album.add_pixels(pixels.tobytes(), width, height, mode=mode)
    return Observation(picture)


def _outcome(value: Any) -> Outcome:
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        return Outcome("unknown")
    return Outcome("success" if value >= 1 else "failure", by="env", reward=float(value))


def _extra(episode: Mapping[str, Any]) -> str | None:
    kept = {key: episode[key] for key in ("task_template", "instance_id", "agent_name", "seed", "run_time")
            if isinstance(episode.get(key), str | int | float) and episode[key] == episode[key]}  # fmt: skip
    return _json(kept) if kept else None
