"""The actions of a ScreenAgent reply: mouse, keyboard and waiting, in pixels of video_width x video_height."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import (
    Action,
    Click,
    Drag,
    Frame,
    Hover,
    Key,
    MouseButton,
    MouseDown,
    MouseUp,
    Point,
    Scroll,
    Type,
    Unknown,
    Wait,
)  # fmt: skip

from .coordinates import point
from .folder import convert
from .importer import verbatim
from .keys import chord, key_name
from .refusal import Refused


class _Position(Struct):
    width: float
    height: float


class _Act(Struct):
    action_type: str
    mouse_action_type: str | None = None
    mouse_button: str | None = None
    mouse_position: _Position | None = None
    scroll_repeat: int | None = None
    keyboard_action_type: str | None = None
    keyboard_key: str | list[str] | None = None
    keyboard_text: str | None = None
    wait_time: float | None = None


def actions_of(acts: Sequence[Any], frame: Frame) -> tuple[Action, ...]:
    """Return the actions of a reply; press, moves and release are one drag. Raises Refused."""
    actions: list[Action] = []
    rest = list(acts)
    while rest:
        count, action = _drag(rest, frame) or (1, None)
        taken, rest = rest[:count], rest[count:]
        made = (action,) if action is not None else _meaning(convert(taken[0], _Act), frame)
        src = verbatim(taken[0] if count == 1 else taken)
        actions += (replace(each, src=src, frame=frame) for each in made)
    return tuple(actions)


def _drag(acts: Sequence[Any], frame: Frame) -> tuple[int, Action] | None:
    first = convert(acts[0], _Act)
    if first.mouse_action_type != "down" or first.mouse_position is None:
        return None
    path = [_point(first, frame)]
    for count, raw in enumerate(acts[1:], start=2):
        act = convert(raw, _Act)
        if act.mouse_action_type not in {"move", "up"} or act.mouse_position is None:
            return None
        path.append(_point(act, frame))
        if act.mouse_action_type == "up":
            return count, Drag(path=tuple(path), button=_button(first))
    return None


def _meaning(act: _Act, frame: Frame) -> tuple[Action, ...]:
    match act.action_type, act.mouse_action_type or act.keyboard_action_type:
        case "MouseAction", "click" | "double_click" as kind:
            at = None if act.mouse_position is None else _point(act, frame)
            return (Click(point=at, button=_button(act), count=1 if kind == "click" else 2),)
        case "MouseAction", "move":
            return (Hover(point=_point(act, frame)),)
        case "MouseAction", "drag":
            return (Drag(path=(_point(act, frame),), from_cursor=True, button=_button(act)),)
        case "MouseAction", "down" | "up" as kind:
            press: Action = MouseDown(button=_button(act)) if kind == "down" else MouseUp(button=_button(act))
            return (press,) if act.mouse_position is None else (Hover(point=_point(act, frame)), press)
        case "MouseAction", "scroll_up" | "scroll_down" as kind:
            return (_scroll(kind, act, frame),)
        case "KeyboardAction", "press" if act.keyboard_key:
            key = act.keyboard_key
            return (Key(keys=chord(key) if isinstance(key, str) else tuple(map(key_name, key))),)
        case "KeyboardAction", "text" | None if act.keyboard_text is not None:
            return (Type(text=act.keyboard_text),)
        case "WaitAction", _:
            return (Wait(seconds=act.wait_time if act.wait_time is None or act.wait_time >= 0 else None),)
        case _:
            return (Unknown(),)


def _scroll(kind: str, act: _Act, frame: Frame) -> Scroll:
    at = None if act.mouse_position is None else _point(act, frame)
    if act.scroll_repeat is None:
        return Scroll(point=at, direction="up" if kind == "scroll_up" else "down")
    clicks = float(act.scroll_repeat) * (-1 if kind == "scroll_up" else 1)
    return Scroll(point=at, direction="up" if kind == "scroll_up" else "down", dy=clicks, unit="wheel")


def _point(act: _Act, frame: Frame) -> Point:
    if act.mouse_position is None:
        raise Refused("shape", f"no mouse_position with {act.mouse_action_type}", "one")
    return point(frame, (act.mouse_position.width, act.mouse_position.height))


def _button(act: _Act) -> MouseButton:
    match act.mouse_button:
        case "right" | "middle":
            return "right" if act.mouse_button == "right" else "middle"
        case _:
            return "left"
