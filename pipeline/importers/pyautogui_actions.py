"""pyautogui's calls as canonical actions; a move of the cursor joins the call that acts where it ended.

Facts: pyautogui's documentation (signatures; `scroll` and `hscroll` count wheel clicks, negative is down and left);
xlang-ai/OpenCUA for `computer.triple_click|wait|terminate` and for AgentNetBench, which uses the same names.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from pipeline.actions import (
    Action,
    Click,
    Direction,
    Drag,
    Frame,
    Hover,
    Key,
    KeyDown,
    KeyUp,
    MouseButton,
    MouseDown,
    MouseUp,
    Point,
    Scroll,
    Terminate,
    Type,
    Unknown,
    Wait,
    points,
)

from .coordinates import point
from .keys import key_name

CLICKS: dict[str, tuple[MouseButton, int]] = {
    "click": ("left", 1),
    "leftClick": ("left", 1),
    "rightClick": ("right", 1),
    "middleClick": ("middle", 1),
    "doubleClick": ("left", 2),
    "tripleClick": ("left", 3),
    "triple_click": ("left", 3),
}
"""Calls that click, with the button and the count where the arguments do not say otherwise."""

BUTTONS: dict[str, MouseButton] = {
    "left": "left", "primary": "left", "right": "right", "secondary": "right", "middle": "middle",
}  # fmt: skip

PAUSE = "pause of a script left out"
"""Note on a pause that stands beside other actions."""


class UnreadableError(ValueError):
    """A call without a canonical action: another name, or arguments that are no plain values of the right kind."""


class _Done:
    """An action with the texts of the calls that it comes from."""

    def __init__(self, action: Action, sources: list[str], *, pause: bool = False) -> None:
        self.action, self.sources, self.pause = action, sources, pause


class Desk:
    """Collects the actions of one snippet, in order; knows where the snippet itself has put the cursor."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.notes: Counter[str] = Counter()
        self._done: list[_Done] = []
        self._cursor: Point | None = None
        self._move: _Done | None = None
        """A plain move of the cursor that no other call has joined yet."""

    def __bool__(self) -> bool:
        return bool(self._done)

    def actions(self, src: Callable[[list[str]], str]) -> tuple[Action, ...]:
        """Return the actions; `src` makes the JSON text of an action's source from the texts of its calls.

        Pauses beside other actions are a script's pace, no decisions: they are left out and counted.
        """
        done = [each for each in self._done if not each.pause] or self._done
        if len(done) < len(self._done):
            self.notes[PAUSE] += len(self._done) - len(done)
        return tuple(
            replace(each.action, src=src(each.sources), frame=self.frame if points(each.action) else None)
            for each in done
        )

    def unknown(self, text: str) -> None:
        """Add what is not understood; it may have moved the cursor anywhere."""
        self._done.append(_Done(Unknown(), [text]))
        self._cursor = self._move = None

    def pause(self, seconds: Any, text: str) -> None:
        """Add a pause; raises UnreadableError."""
        if _number(seconds) < 0:
            raise UnreadableError(f"found a pause of {seconds}, expected seconds")
        self._done.append(_Done(Wait(seconds=seconds), [text], pause=True))

    def add(self, name: str, arguments: Mapping[str, Any], text: str) -> None:
        """Add a call by its name; raises UnreadableError, or Refused for a point off the screen."""
        if name not in _CALLS:
            raise UnreadableError(f"found a call of {name!r}, expected one of pyautogui's")
        given = _Arguments({key: value for key, value in arguments.items() if value is not None}, self.frame)
        actions = _CALLS[name](name, given, self._cursor)
        sources = [text]
        if self._move is not None and points(actions[0])[:1] == (self._cursor,) and not isinstance(actions[0], Hover):
            self._done.remove(self._move)
            sources, self._move = [*self._move.sources, text], None
        for action in actions:
            self._done.append(_Done(action, sources))
            self._cursor = (points(action) or (self._cursor,))[-1]
        if isinstance(actions[-1], Hover):
            self._move = self._done[-1]


class _Arguments:
    """The arguments of a call, read by name and kind."""

    def __init__(self, given: Mapping[str, Any], frame: Frame) -> None:
        self._given = given
        self._frame = frame

    def point(self) -> Point | None:
        x, y = self._given.get("x"), self._given.get("y")
        if isinstance(x, list | tuple) and len(x) == 2 and y is None:  # pyautogui takes a pair in place of x
            x, y = x
        if x is None and y is None:
            return None
        return point(self._frame, (_number(x), _number(y)))

    def needed_point(self) -> Point:
        if (at := self.point()) is None:
            raise UnreadableError("found no point, expected x and y")
        return at

    def number(self, key: str) -> float:
        return _number(self._given.get(key))

    def seconds(self, key: str) -> float | None:
        value = self._given.get(key)
        if value is None:
            return None
        if (seconds := _number(value)) < 0:
            raise UnreadableError(f"found {key} = {value!r}, expected seconds")
        return seconds

    def whole(self, key: str, default: int, most: int) -> int:
        value = self._given.get(key, default)
        if type(value) is not int or not 1 <= value <= most:
            raise UnreadableError(f"found {key} = {value!r}, expected a number from 1 to {most}")
        return value

    def text(self, key: str) -> str:
        value = self._given.get(key)
        if not isinstance(value, str):
            raise UnreadableError(f"found {key} = {value!r}, expected a text")
        return value

    def is_text(self, key: str) -> bool:
        return isinstance(self._given.get(key), str)

    def button(self, default: MouseButton) -> MouseButton:
        value = self._given.get("button", default)
        if not isinstance(value, str) or value not in BUTTONS:
            raise UnreadableError(f"found button = {value!r}, expected one of {', '.join(BUTTONS)}")
        return BUTTONS[value]

    def keys(self, key: str) -> tuple[str, ...]:
        value = self._given.get(key)
        keys = (value,) if isinstance(value, str) else value
        if not isinstance(keys, list | tuple) or not keys or not all(isinstance(k, str) and k for k in keys):
            raise UnreadableError(f"found {key} = {value!r}, expected names of keys")
        return tuple(map(key_name, keys))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise UnreadableError(f"found {value!r:.40}, expected a number")
    return float(value)


def _starts_at(action: Action, cursor: Point | None) -> bool:
    return cursor is not None and bool(points(action)) and points(action)[0] == cursor


def _click(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    button, count = CLICKS[name]
    at = given.point() or cursor
    return (Click(point=at, button=given.button(button), count=given.whole("clicks", count, 3)),)


def _move(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    return (Hover(point=given.needed_point()),)


def _drag(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    end, button, duration = given.needed_point(), given.button("left"), given.seconds("duration")
    if cursor is None:
        return (Drag(path=(end,), from_cursor=True, button=button, duration=duration),)
    return (Drag(path=(cursor, end), button=button, duration=duration),)


def _mouse(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    at, button = given.point(), given.button("left")
    press = MouseDown(button=button) if name == "mouseDown" else MouseUp(button=button)
    return (press,) if at is None else (Hover(point=at), press)


def _scroll(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    at, clicks = given.point() or cursor, given.number("clicks")
    direction: Direction | None = None
    if name == "hscroll":
        if clicks:
            direction = "right" if clicks > 0 else "left"
        return (Scroll(point=at, direction=direction, dx=clicks, unit="wheel"),)
    if clicks:
        direction = "up" if clicks > 0 else "down"
    return (Scroll(point=at, direction=direction, dy=0 - clicks, unit="wheel"),)


def _write(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    if given.is_text("message"):
        return (Type(text=given.text("message")),)
    return (Key(keys=given.keys("message"), mode="sequence"),)


def _press(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    keys = given.keys("keys")
    return (Key(keys=keys, mode="chord" if len(keys) == 1 else "sequence", presses=given.whole("presses", 1, 1000)),)


def _hotkey(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    return (Key(keys=given.keys("keys")),)


def _hold(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    [key] = given.keys("key")
    return (KeyDown(key=key),) if name == "keyDown" else (KeyUp(key=key),)


def _wait(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    return (Wait(seconds=given.seconds("seconds")),)


def _terminate(name: str, given: _Arguments, cursor: Point | None) -> tuple[Action, ...]:
    status = given.text("status")
    if status not in {"success", "failure"}:
        raise UnreadableError(f"found status = {status!r}, expected success or failure")
    answer = given.text("answer") if given.is_text("answer") else None
    return (Terminate(status=status, text=answer),)  # type: ignore[arg-type]  # one of the two


_CALLS: dict[str, Callable[[str, _Arguments, Point | None], tuple[Action, ...]]] = {
    **dict.fromkeys(CLICKS, _click),
    "moveTo": _move,
    "dragTo": _drag,
    "mouseDown": _mouse,
    "mouseUp": _mouse,
    "scroll": _scroll,
    "vscroll": _scroll,
    "hscroll": _scroll,
    "write": _write,
    "typewrite": _write,
    "press": _press,
    "hotkey": _hotkey,
    "keyDown": _hold,
    "keyUp": _hold,
    "wait": _wait,
    "terminate": _terminate,
}
