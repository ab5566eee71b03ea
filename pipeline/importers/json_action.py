"""AndroidWorld's and MobileWorld's `JSONAction`, as executed, in canonical form.

Facts: google-research/android_world `env/json_action.py` and `env/actuation.py`; Tongyi-MAI/MobileWorld
`runtime/utils/models.py` and `agents/utils/action_translation.py`. Coordinates are pixels of the screen.

`scroll.direction` says where more content comes from. AndroidWorld's `swipe` is called its inverse, and is it up and
down; left and right its executor moves the finger the other way: the finger's real way is what is taken over.
AndroidWorld's `input_text` always ends with Enter; MobileWorld's does not, and what its `swipe` does is not known.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from pipeline.actions import (
    OPPOSITE,
    Action,
    Answer,
    AskUser,
    Box,
    Button,
    CallTool,
    Click,
    Direction,
    Drag,
    Frame,
    Key,
    LongPress,
    OpenApp,
    Point,
    Scroll,
    Swipe,
    Terminate,
    Type,
    Wait,
)

from .coordinates import point
from .pyautogui_actions import UnreadableError

Target = tuple[Point, Box | None]
STATUSES = {
    "complete": "success", "success": "success", "successful": "success", "fail": "failure", "failure": "failure",
    "infeasible": "infeasible",
}  # fmt: skip


class Dialect(Struct, frozen=True):
    """In what the two benchmarks differ."""

    submits: bool
    """Whether `input_text` ends with Enter."""
    swipes: bool
    """Whether it is known what `swipe` does."""


ANDROID_WORLD = Dialect(submits=True, swipes=True)
MOBILE_WORLD = Dialect(submits=False, swipes=False)


def to_action(
    record: Mapping[str, Any], frame: Frame, dialect: Dialect, element: Callable[[int], Target] | None = None
) -> Action:
    """Return what an action does; `element` gives the middle and the box of a UI element by its index.

    Raises UnreadableError for an action that there is not, Refused for a point off the screen.
    """
    given = _Fields(record, frame, element)
    kind = given.text("action_type")
    match kind:
        case "click" | "double_tap":
            at, box = given.needed_target()
            return Click(point=at, bbox=box, count=1 if kind == "click" else 2)
        case "long_press":
            return LongPress(point=given.needed_target()[0])
        case "input_text":
            place, around = given.target() or (None, None)
            clear = True if record.get("clear_text") is True else None
            return Type(text=given.text("text"), point=place, bbox=around, clear=clear, submit=dialect.submits or None)
        case "scroll":
            whole = record.get("index") == 0 and not isinstance(record.get("index"), bool)
            middle = None if whole else (given.target() or (None, None))[0]  # index 0: `if action.index` is false
            return Scroll(point=middle, direction=given.direction())
        case "swipe" if dialect.swipes:
            named = given.direction()
            return Swipe(direction=OPPOSITE[named] if named in {"left", "right"} else named)
        case "drag":
            return Drag(path=(given.point("start_x", "start_y"), given.point("end_x", "end_y")))
        case "drag_and_drop":
            return Drag(path=(given.pair("touch_xy"), given.pair("lift_xy")))
        case _:
            return _placeless(kind, given, record)


def _placeless(kind: str, given: "_Fields", record: Mapping[str, Any]) -> Action:
    match kind:
        case "navigate_back" | "navigate_home" | "keyboard_enter":
            return Button(name=kind.rpartition("_")[2])  # type: ignore[arg-type]  # back, home, enter
        case "press_keyboard":
            return Key(keys=(given.text("keycode"),))
        case "open_app":
            return OpenApp(name=given.text("app_name"))
        case "wait":
            return Wait()
        case "answer":
            return Answer(text=given.text("text"))
        case "ask_user":
            return AskUser(text=given.text("text"))
        case "status" | "finished":
            status = record.get("goal_status") or record.get("text")
            if not isinstance(status, str) or status.lower() not in STATUSES:
                raise UnreadableError(f"found the status {status!r:.40}, expected one of {', '.join(STATUSES)}")
            return Terminate(status=STATUSES[status.lower()])  # type: ignore[arg-type]  # a status of ours
        case "mcp":
            arguments = record.get("action_json") or {}
            return CallTool(name=given.text("action_name"), arguments=json.dumps(arguments, ensure_ascii=False))
        case _:
            raise UnreadableError(f"found the action {kind!r:.40}, expected one that the benchmark has")


class _Fields:
    """The fields of an action, read by name and kind."""

    def __init__(self, record: Mapping[str, Any], frame: Frame, element: Callable[[int], Target] | None) -> None:
        self._record, self._frame, self._element = record, frame, element

    def text(self, key: str) -> str:
        value = self._record.get(key)
        if not isinstance(value, str):
            raise UnreadableError(f"found {key} = {value!r:.40}, expected a text")
        return value

    def point(self, x: str, y: str) -> Point:
        return point(self._frame, (self._record.get(x), self._record.get(y)))

    def pair(self, key: str) -> Point:
        value = self._record.get(key)
        if not isinstance(value, list | tuple):
            raise UnreadableError(f"found {key} = {value!r:.40}, expected [x, y]")
        return point(self._frame, value)

    def target(self) -> Target | None:
        """Return the place by coordinates or by the index of an element, None where neither is given."""
        record = self._record
        if record.get("x") is not None and record.get("y") is not None:
            return self.point("x", "y"), None
        index = record.get("index")
        if index is None:
            return None
        if self._element is None or not isinstance(index, int | str) or isinstance(index, bool):
            raise UnreadableError(f"found index = {index!r:.40}, expected one of a recorded element")
        try:
            return self._element(int(index))
        except ValueError as error:
            raise UnreadableError(f"found index = {index!r:.40}, expected a number") from error

    def needed_target(self) -> Target:
        target = self.target()
        if target is None:
            raise UnreadableError("found no place, expected x and y or an index")
        return target

    def direction(self) -> Direction:
        value = self._record.get("direction")
        if not isinstance(value, str) or value not in OPPOSITE:
            raise UnreadableError(f"found direction = {value!r:.40}, expected up, down, left or right")
        return value
