"""Tool calls of GUI models as canonical actions: `mobile_use` of MAI-UI and Qwen, Qwen's `computer_use`.

Facts: Tongyi-MAI/MAI-UI `src/prompt.py`, Tongyi-MAI/MobileWorld `action_translation.py` (a coordinate of four numbers
is a box, hit in its middle; `swipe.direction` is the finger's); QwenLM/Qwen2.5-VL and Qwen3-VL
`agent_function_call.py` (`scroll.pixels` > 0 is up; `left_click_drag` gives only the end). The two mobile tools share
a name and differ in arguments that exclude each other, so one reader takes both. Any other tool is a `call_tool`.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.actions import (
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
    Hover,
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
from pipeline.screens.geometry import centre

from .coordinates import corners, point
from .keys import key_name
from .model_reply import Call
from .pyautogui_actions import UnreadableError
from .refusal import Refused, shortened

STATUSES = {"success": "success", "fail": "failure", "failure": "failure"}
BUTTONS = frozenset({"back", "home", "menu", "enter"})
DIRECTIONS = frozenset({"up", "down", "left", "right"})
MODIFIERS = {"ctrl": "ctrl", "control": "ctrl", "shift": "shift", "alt": "alt", "meta": "meta", "cmd": "meta",
             "command": "meta", "super": "meta", "win": "meta"}  # fmt: skip


def to_action(call: Call, frame: Frame) -> Action:
    """Return what a call does; coordinates are in `frame`.

    Raises UnreadableError for a call that its tool does not have, Refused for a point off the screen.
    """
    if call.name not in TOOLS:
        return CallTool(name=call.name, arguments=json.dumps(call.arguments, ensure_ascii=False))
    arguments = _Arguments(call.arguments, frame)
    name = arguments.text("action")
    if name not in TOOLS[call.name]:
        raise UnreadableError(f"found the action {name!r:.40} of {call.name}, expected one that it has")
    return TOOLS[call.name][name](arguments)


class _Arguments:
    """The arguments of a call, read by name and kind."""

    def __init__(self, given: Mapping[str, Any], frame: Frame) -> None:
        self._given, self._frame = given, frame

    def has(self, key: str) -> bool:
        return self._given.get(key) is not None

    def text(self, key: str) -> str:
        value = self._given.get(key)
        if not isinstance(value, str):
            raise UnreadableError(f"found {key} = {value!r:.40}, expected a text")
        return value

    def word(self, key: str) -> str:
        return self.text(key).strip().lower()

    def seconds(self, key: str) -> float | None:
        value = self._given.get(key)
        if value is None:
            return None
        if (seconds := _number(value)) < 0:
            raise UnreadableError(f"found {key} = {value!r:.40}, expected seconds")
        return seconds

    def number(self, key: str) -> float:
        return _number(self._given.get(key))

    def direction(self) -> Direction:
        value = self.word("direction")
        if value not in DIRECTIONS:
            raise UnreadableError(f"found direction = {value!r:.40}, expected up, down, left or right")
        return value  # type: ignore[return-value]  # one of the four

    def spot(self, key: str) -> tuple[Point, Box | None]:
        """Return a point, and the box around it where the model gave one."""
        value = self._given.get(key)
        if not isinstance(value, list) or len(value) not in {2, 4}:
            raise UnreadableError(f"found {key} = {value!r:.40}, expected [x, y] or [x1, y1, x2, y2]")
        if len(value) == 2:
            return point(self._frame, value), None
        box = corners(self._frame, value)
        if box is None:
            raise Refused("coordinate", f"the box {shortened(value)}", "one on the screen")
        return centre(box), box

    def point(self, key: str) -> Point:
        return self.spot(key)[0]

    def optional_point(self, key: str) -> Point | None:
        return self.point(key) if self.has(key) else None

    def keys(self) -> tuple[str, ...]:
        value = self._given.get("keys")
        keys = [value] if isinstance(value, str) else value
        if not isinstance(keys, list) or not keys or not all(isinstance(key, str) and key for key in keys):
            raise UnreadableError(f"found keys = {value!r:.40}, expected names of keys")
        return tuple(map(key_name, keys))

    def modifiers(self) -> tuple[Any, ...]:
        """Return the keys held during a click, which Qwen3.5's agents put into `text`."""
        if not self.has("text"):
            return ()
        names = self.word("text").split("+")
        if not all(name in MODIFIERS for name in names):
            raise UnreadableError(f"found text = {self.text('text')!r:.40} on a click, expected keys to hold")
        return tuple(sorted({MODIFIERS[name] for name in names}))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise UnreadableError(f"found {value!r:.40}, expected a number")
    return float(value)


def _tap(given: _Arguments, count: int = 1) -> Action:
    point, box = given.spot("coordinate")
    return Click(point=point, bbox=box, count=count)


def _mouse(given: _Arguments, button: str = "left", count: int = 1) -> Action:
    point = given.optional_point("coordinate")
    return Click(point=point, button=button, count=count, modifiers=given.modifiers())  # type: ignore[arg-type]


def _swipe(given: _Arguments) -> Action:
    """Read MAI-UI's swipe by direction, or Qwen's from one point to another."""
    if given.has("direction") and not given.has("coordinate2"):
        return Swipe(direction=given.direction(), start=given.optional_point("coordinate"))
    return Swipe(start=given.point("coordinate"), end=given.point("coordinate2"))


def _drag(given: _Arguments) -> Action:
    return Drag(path=(given.point("start_coordinate"), given.point("end_coordinate")))


def _button(given: _Arguments) -> Action:
    name = given.word("button")
    if name not in BUTTONS:
        raise UnreadableError(f"found button = {name!r:.40}, expected one of {', '.join(sorted(BUTTONS))}")
    return Button(name=name)  # type: ignore[arg-type]  # one of BUTTONS


def _terminate(given: _Arguments) -> Action:
    status = given.word("status")
    if status not in STATUSES:
        raise UnreadableError(f"found status = {status!r:.40}, expected one of {', '.join(STATUSES)}")
    return Terminate(status=STATUSES[status])  # type: ignore[arg-type]  # success or failure


def _scroll(given: _Arguments) -> Action:
    amount, point = given.number("pixels"), given.optional_point("coordinate")
    direction: Direction | None = None
    if amount:
        direction = "up" if amount > 0 else "down"
    return Scroll(point=point, direction=direction, dy=0 - amount)


def _hscroll(given: _Arguments) -> Action:
    """Read a horizontal scroll; the agents hand its number to pyautogui, where a positive one goes to the right."""
    amount, point = given.number("pixels"), given.optional_point("coordinate")
    direction: Direction | None = None
    if amount:
        direction = "right" if amount > 0 else "left"
    return Scroll(point=point, direction=direction, dx=amount)


_COMMON: dict[str, Callable[[_Arguments], Action]] = {
    "type": lambda given: Type(text=given.text("text")),
    "wait": lambda given: Wait(seconds=given.seconds("time")),
    "answer": lambda given: Answer(text=given.text("text")),
    "terminate": _terminate,
}
TOOLS: dict[str, dict[str, Callable[[_Arguments], Action]]] = {
    "mobile_use": {
        **_COMMON,
        "click": _tap,
        "double_click": lambda given: _tap(given, 2),
        "long_press": lambda given: LongPress(point=given.point("coordinate"), duration=given.seconds("time")),
        "swipe": _swipe,
        "drag": _drag,
        "open": lambda given: OpenApp(name=given.text("text")),
        "key": lambda given: Key(keys=(given.text("text"),)),
        "system_button": _button,
        "ask_user": lambda given: AskUser(text=given.text("text")),
    },
    "computer_use": {
        **_COMMON,
        "key": lambda given: Key(keys=given.keys()),
        "mouse_move": lambda given: Hover(point=given.point("coordinate")),
        "left_click": _mouse,
        "right_click": lambda given: _mouse(given, "right"),
        "middle_click": lambda given: _mouse(given, "middle"),
        "double_click": lambda given: _mouse(given, count=2),
        "triple_click": lambda given: _mouse(given, count=3),
        "left_click_drag": lambda given: Drag(path=(given.point("coordinate"),), from_cursor=True),
        "scroll": _scroll,
        "hscroll": _hscroll,
    },
}
"""The GUI tools and their actions."""
