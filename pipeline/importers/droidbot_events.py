"""DroidBot's events, as it would carry them out itself (droidbot/input_event.py)."""

from msgspec import Struct

from pipeline.actions import (
    Action,
    Button,
    CallTool,
    Click,
    Direction,
    Frame,
    Key,
    LongPress,
    OpenApp,
    Point,
    Scroll,
    Swipe,
    Type,
    Unknown,
)  # fmt: skip

from .coordinates import point
from .droidbot_views import View, box_of, sides
from .importer import verbatim
from .keys import key_name
from .refusal import Refused

_BUTTONS: dict[str, Action] = {
    "BACK": Button(name="back"),
    "HOME": Button(name="home"),
    "MENU": Button(name="menu"),
    "ENTER": Button(name="enter"),
    "APP_SWITCH": Button(name="recent"),
    "POWER": Button(name="power"),
    "VOLUME_UP": Button(name="volume_up"),
    "VOLUME_DOWN": Button(name="volume_down"),
}
_WAYS: dict[str | None, Direction] = {"UP": "up", "DOWN": "down", "LEFT": "left", "RIGHT": "right"}


class Event(Struct):
    """What was done."""

    event_type: str
    x: float | None = None
    y: float | None = None
    view: View | None = None
    start_x: float | None = None
    start_y: float | None = None
    start_view: View | None = None
    end_x: float | None = None
    end_y: float | None = None
    end_view: View | None = None
    duration: float | None = None
    direction: str | None = None
    text: str | None = None
    name: str | None = None
    intent: str | None = None


def is_reset(event: Event) -> bool:
    """Tell whether DroidBot stops the app."""
    return event.event_type == "kill_app" or (event.intent or "").startswith("am force-stop ")


def action_of(event: Event, frame: Frame) -> Action:
    """Return the action; raises Refused where it has no place on the screen."""
    match event.event_type:
        case "touch":
            return Click(point=_target(event.x, event.y, event.view, frame), bbox=box_of(event.view, frame))
        case "long_touch":
            held = None if event.duration is None or event.duration < 0 else event.duration / 1000
            return LongPress(point=_target(event.x, event.y, event.view, frame), duration=held)
        case "swipe":
            start = _target(event.start_x, event.start_y, event.start_view, frame)
            return Swipe(start=start, end=_target(event.end_x, event.end_y, event.end_view, frame))
        case "scroll":
            at = None
            if event.view is not None or (event.x and event.y):
                at = _target(event.x, event.y, event.view, frame)
            return Scroll(point=at, direction=_WAYS.get(event.direction))
        case "set_text" if event.text is not None:
            at = _target(event.x, event.y, event.view, frame)
            return Type(text=event.text, point=at, bbox=box_of(event.view, frame))
        case "key" if event.name:
            return _BUTTONS.get(event.name.upper()) or Key(keys=(key_name(event.name),))
        case "intent" if event.intent and event.intent.startswith("am start ") and (package := package_of(event)):
            return OpenApp(name=package)
        case "intent" if event.intent:
            return CallTool(name="adb_shell", arguments=verbatim({"command": event.intent}))
        case _:
            return Unknown()


def package_of(event: Event) -> str | None:
    """Return the package that an intent names: the last word, before the activity."""
    words = (event.intent or "").split()
    return words[-1].partition("/")[0] or None if words else None


def _target(x: float | None, y: float | None, view: View | None, frame: Frame) -> Point:
    """Return where DroidBot touches: the coordinates, unless one is missing or 0; else the middle of the view."""
    if x and y:
        return point(frame, (x, y))
    if view is None or view.bounds is None:
        raise Refused("coordinate", f"x {x}, y {y} and no view", "a place")
    (left, top), (right, bottom) = sides(view.bounds)
    return point(frame, ((left + right) / 2, (top + bottom) / 2))
