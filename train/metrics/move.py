"""An action reduced to what metrics compare: equal actions are equal however a layout or a source wrote them.

A move has a kind, and what of point, end, way, text and name the kind has. The way is the finger's: a scroll that shows
more below and a swipe up are one move. Enter is one move, be it a button of the device, a key or a submitted empty
text. Amounts and durations are left out: no published rule compares them.
"""

import json
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from pipeline.actions import (
    OPPOSITE,
    Action,
    Answer,
    AskUser,
    Browser,
    Button,
    CallTool,
    Click,
    Copy,
    Direction,
    Drag,
    Hover,
    Key,
    KeyDown,
    KeyUp,
    LongPress,
    Memorize,
    MouseDown,
    MouseUp,
    OpenApp,
    OpenUrl,
    Point,
    Scroll,
    SelectOption,
    SelectText,
    Swipe,
    Takeover,
    Terminate,
    Type,
    kind,
)


class Move(Struct, frozen=True):
    """An action as metrics see it."""

    kind: str
    point: Point | None = None
    """What it lands on or starts from, in fractions of the screenshot."""
    end: Point | None = None
    way: Direction | None = None
    """Where the finger moves."""
    text: str | None = None
    name: tuple[str, ...] = ()
    """Whatever has to be equal to the letter: keys, a button, a status, a tool with its arguments."""


ENTER = Move("button", name=("enter",))

CLICKS = {("left", 1): "click", ("left", 2): "double_click", ("left", 3): "triple_click", ("right", 1): "right_click",
          ("middle", 1): "middle_click"}  # fmt: skip

KEYS = {
    "control": "ctrl", "command": "meta", "cmd": "meta", "win": "meta", "super": "meta", "option": "alt",
    "return": "enter", "escape": "esc", "delete": "del", "page_down": "pagedown", "page_up": "pageup",
    "arrowup": "up", "arrowdown": "down", "arrowleft": "left", "arrowright": "right", " ": "space",
}  # fmt: skip
"""Names that different systems give one key; all others are what they are, in lower case."""


def main_way(start: Point, end: Point) -> Direction | None:
    """Return the main direction from one point to another, the vertical one of two equal; None where they are one."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    if dx == dy == 0:
        return None
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    return "down" if dy > 0 else "up"


def move(action: Action) -> Move:
    """Return what metrics compare of the action."""
    reduce = REDUCERS.get(type(action))
    return _plain(action) if reduce is None else reduce(action)


def _plain(action: Action) -> Move:
    """Return the kind, and all that there is beside it as one name."""
    left = {key: value for key, value in asdict(action).items() if key not in {"src", "frame", "synth", "seconds"}}
    return Move(kind(action), name=(json.dumps(left, sort_keys=True),) if left else ())


def _click(action: Click) -> Move:
    kind = CLICKS.get((action.button, action.count), f"{action.button}_click_{action.count}")
    return Move(kind, action.point, name=tuple(sorted(action.modifiers)))


def _drag(action: Drag) -> Move:
    start = None if action.from_cursor or len(action.path) == 1 else action.path[0]
    end = action.path[-1]
    return Move("drag", start, end, None if start is None else main_way(start, end))


def _swipe(action: Swipe) -> Move:
    way = action.direction
    if way is None and action.start is not None and action.end is not None:
        way = main_way(action.start, action.end)
    return Move("scroll", action.start, action.end, way)


def _scroll(action: Scroll) -> Move:
    way = action.direction or main_way((0.0, 0.0), (action.dx or 0.0, action.dy or 0.0))
    return Move("scroll", action.point, way=None if way is None else OPPOSITE[way])


def _type(action: Type) -> Move:
    if action.submit and not action.text:
        return ENTER
    flags = [name for name in ("clear", "submit") if getattr(action, name)]
    return Move("type", action.point, text=action.text, name=tuple(flags))


def _key(action: Key) -> Move:
    keys = [KEYS.get(key.lower(), key.lower()) for key in action.keys]
    if keys == ["enter"] and action.presses == 1:
        return ENTER
    if action.mode == "chord":
        keys.sort()
    repeated = (f"x{action.presses}",) if action.presses > 1 else ()
    return Move("key", name=(*keys, *repeated))


def _tool(action: CallTool) -> Move:
    try:
        arguments = json.dumps(json.loads(action.arguments), sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        arguments = action.arguments
    return Move("call_tool", name=(action.name, arguments))


def _held(action: KeyDown | KeyUp) -> Move:
    return Move(kind(action), name=(KEYS.get(action.key.lower(), action.key.lower()),))


def _terminate(action: Terminate) -> Move:
    return Move("terminate", name=("success" if action.status in {"success", "already_done"} else "failure",))


REDUCERS: dict[type, Callable[[Any], Move]] = {
    Click: _click,
    LongPress: lambda action: Move("long_press", action.point),
    Hover: lambda action: Move("hover", action.point),
    Drag: _drag,
    Swipe: _swipe,
    Scroll: _scroll,
    Type: _type,
    Key: _key,
    KeyDown: _held,
    KeyUp: _held,
    MouseDown: lambda action: Move("mouse_down", name=(action.button,)),
    MouseUp: lambda action: Move("mouse_up", name=(action.button,)),
    Button: lambda action: Move("button", name=(action.name,)),
    OpenApp: lambda action: Move("open_app", text=action.name),
    OpenUrl: lambda action: Move("open_url", text=action.url),
    Browser: lambda action: Move("browser", name=(action.op, *(() if action.index is None else (str(action.index),)))),
    SelectOption: lambda action: Move("select_option", action.point, text=action.value),
    SelectText: lambda action: Move("select_text", action.start, action.end),
    Copy: lambda action: Move("copy", text=action.text or ""),
    Answer: lambda action: Move("answer", text=action.text),
    AskUser: lambda action: Move("ask_user", text=action.text),
    Takeover: lambda action: Move("takeover", text=action.text),
    Memorize: lambda action: Move("memorize", text=action.text),
    CallTool: _tool,
    Terminate: _terminate,
}
"""Every other action is its kind and its fields."""

FINGER = (Swipe, Drag)
"""A finger that moves over the glass; a scroll is the content, or a wheel."""


def true_move(said: Action, recorded: Action) -> Move:
    """Return the move of a decision from what the layout says and what was recorded.

    Layouts that have one call for all gestures of a finger do not tell a swipe from a drag; the recording does.
    """
    found = move(said)
    if isinstance(said, FINGER):
        return replace(found, kind="drag" if isinstance(recorded, Drag | SelectText) else "scroll")
    return found


def guessed_move(guess: Action, said: Action, truth: Move) -> Move:
    """Return the move of a predicted action; where both are a finger from a place to a place, its kind is the truth's.

    So `drag` and `swipe` of one layout are equal where they do the same.
    """
    found = move(guess)
    if isinstance(guess, FINGER) and isinstance(said, FINGER) and found.point is not None and found.end is not None:
        return replace(found, kind=truth.kind)
    return found
