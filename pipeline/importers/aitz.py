"""`aitz`: Android in the Zoo, and CAGUI, which has the same form: a folder per episode, a JSON list of its steps.

Points are fractions with **y first**. Boxes are [y, x, height, width]: pixels in AITZ, fractions in CAGUI (and in
copies of AITZ that a widespread script has rewritten in place); pixels are told by a number above 1. A touch and a lift
that are at most 0.04 apart are a tap, as in Android in the Wild. Sources: github.com/IMNearth/CoAT (data-example,
coat/action_utils.py), github.com/OpenBMB/AgentCPM-GUI (eval/eval_data/process_aitz.py).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Action, Button, Click, Frame, LongPress, Swipe, Terminate, Type, Unknown, Wait
from pipeline.records import Element, Observation, Outcome, Screenshot, Step, StepText, Trajectory

from .album import Album
from .coordinates import NORM_YX, corner_and_extent, point, px
from .folder import SourceFolder, decode
from .importer import Episode, numbered, origin, steps_of, verbatim
from .refusal import Refusal, Refused, shortened

TAP = 0.04
"""Distance of touch and lift, in fractions of the screen, up to which the gesture is a tap."""


class _Step(Struct):
    episode_id: str | int
    step_id: int
    instruction: str
    result_action_type: int
    image_path: str
    episode_length: int | None = None
    result_action_text: str | None = None
    result_touch_yx: Any = None
    result_lift_yx: Any = None
    ui_positions: Any = None
    ui_text: Any = None
    ui_types: Any = None
    duration: Any = None
    coat_screen_desc: str | None = None
    coat_action_think: str | None = None
    coat_action_desc: str | None = None
    coat_action_result: str | None = None


class Aitz:
    """The format `aitz`."""

    name = "aitz"
    meaning = "Android in the Zoo, and CAGUI: a JSON list of steps per episode, beside its screenshots"
    expects = "*.json files, each a list of steps, beside their screenshots"
    kept = "touch and lift points, texts, the four CoAT texts, OCR boxes and icons, status"
    lost = "`duration`, whose unit is not documented (it stays in `src`)"
    tried_on = "the episode that the AITZ repository shows; CAGUI: not tried on the real release"
    files = ("*.json",)
    options = ()

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield an episode for each file."""
        for file in source.names(*self.files):
            try:
                yield _episode(source, file)
            except Refused as refused:
                yield refused.at("trajectory", file)


def _episode(source: SourceFolder, file: str) -> Episode:
    raw: list[_Step] = decode(source.read(file), list[_Step])
    if not raw:
        raise Refused("no_steps", "an empty list", "a list of steps")
    album = Album(source, file, str(PurePosixPath(file).parent), by_name=True)
    length = raw[0].episode_length
    numbers = [step.step_id for step in raw]
    first = 1 if min(numbers) == 1 and max(numbers) == length else 0
    boxes_in_pixels = any(_in_pixels(step) for step in raw)

    def make(index: int, item: tuple[_Step, Refused | None]) -> Step:
        step, problem = item
        if problem is not None:
            raise problem
        image = album.find(step.image_path, f"step {step.step_id}")
        return Step(
            index=index,
            observation=Observation(image=image, elements=_elements(step, image, album, pixels=boxes_in_pixels)),
            actions=(_action(step, album),),
            text=StepText(
                observation=step.coat_screen_desc or None,
                thought=step.coat_action_think or None,
                instruction=step.coat_action_desc or None,
                expected=step.coat_action_result or None,
            ),
        )

    ordered = numbered(raw, lambda step: step.step_id, first=first)
    steps, refusals = steps_of(file, ((f"step {item[0].step_id}", item) for item in ordered), make)
    if length is not None and len(raw) < length:
        album.notes["step missing at the end"] += length - len(raw)
    if not raw[0].instruction.strip():
        raise Refused("no_goal", "an empty instruction", "what was asked for")
    return Episode(
        file=file,
        trajectory=Trajectory(
            schema="gdp.traj/1",
            trajectory_id=PurePosixPath(file).stem,
            goal=raw[0].instruction,
            platform="android",
            steps=steps,
            outcome=_outcome(steps),
            source=origin("aitz", str(raw[0].episode_id)),
        ),
        album=album,
        refusals=refusals,
    )


def _action(step: _Step, album: Album) -> Action:
    recorded = {
        name: value
        for name in ("result_action_type", "result_action_text", "result_touch_yx", "result_lift_yx", "duration")
        if (value := getattr(step, name)) is not None
    }
    if step.duration is not None:
        album.notes["duration of unknown unit"] += 1
    return replace(_meaning(step), src=verbatim(recorded), frame=NORM_YX)


def _meaning(step: _Step) -> Action:
    match step.result_action_type:
        case 4:
            touch, lift = _point(step.result_touch_yx), _point(step.result_lift_yx)
            if math.dist(touch, lift) <= TAP:
                return Click(point=touch)
            return Swipe(start=touch, end=lift)
        case 0:
            return LongPress(point=_point(step.result_touch_yx))
        case 3:
            return Type(text=step.result_action_text or "")
        case 5:
            return Button(name="back")
        case 6:
            return Button(name="home")
        case 7:
            return Button(name="enter")
        case 1:
            return Wait()
        case 10:
            return Terminate(status="success")
        case 11:
            return Terminate(status="infeasible")
        case _:
            return Unknown()


def _point(value: Any) -> tuple[float, float]:
    pair = _parsed(value)
    if not isinstance(pair, list):
        raise Refused("coordinate", shortened(value), "[y, x]")
    return point(NORM_YX, pair)


def _parsed(value: Any) -> Any:
    """Return a list that the format writes as JSON text, or as a list."""
    return decode(value.encode()) if isinstance(value, str) and value.strip() else value


def _boxes(step: _Step) -> list[Any]:
    boxes = _parsed(step.ui_positions)
    return boxes if isinstance(boxes, list) else []


def _in_pixels(step: _Step) -> bool:
    numbers = (number for box in _boxes(step) if isinstance(box, list) for number in box)
    return any(isinstance(number, int | float) and number > 1 for number in numbers)


def _elements(step: _Step, image: Screenshot, album: Album, *, pixels: bool) -> tuple[Element, ...]:
    frame: Frame = replace(px((image.width, image.height)), axes="yx") if pixels else NORM_YX
    texts, types = (_texts(_parsed(value)) for value in (step.ui_text, step.ui_types))
    elements = []
    for number, four in enumerate(_boxes(step)):
        if not isinstance(four, list):
            raise Refused("coordinate", shortened(four), "[y, x, height, width]")
        box = corner_and_extent(frame, four)
        if box is None:
            album.notes["box outside the screen"] += 1
            continue
        text, kind = (values[number] if number < len(values) else None for values in (texts, types))
        elements.append(Element(bbox=box, text=text or None, role=kind or None, source="ocr"))
    return tuple(elements)


def _texts(value: Any) -> Sequence[str]:
    return [each if isinstance(each, str) else "" for each in value] if isinstance(value, list) else []


def _outcome(steps: Sequence[Step]) -> Outcome:
    last = steps[-1].actions[-1] if steps else None
    if isinstance(last, Terminate) and last.status in {"success", "infeasible"}:
        return Outcome(status="success" if last.status == "success" else "infeasible", by="human")
    return Outcome(status="unknown")
