"""The tool `mobile_use` as the Qwen-VL cookbooks define it; the generations differ in what their prompts declare of it.

A swipe needs both ends. `Menu` is described to the models as the overview of running apps, so that is what `recent`
becomes; it reads back as `menu`.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.actions import (
    Action,
    Answer,
    Button,
    Click,
    Drag,
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
from pipeline.screens.geometry import straight

from .calls import Argument, Call, Calls, GrammarError
from .tool_call import ToolCallLayout

BUTTONS = {"back": "Back", "home": "Home", "menu": "Menu", "recent": "Menu", "enter": "Enter"}
KEYS = ("power", "volume_up", "volume_down")
"""Buttons of the device that are adb key events by the same name."""
MARGIN = 0.02
"""A finger path keeps this share of the screen from its edges, where systems take gestures for themselves."""
SHORTEST = 0.01
"""A finger path below this share of the screen is a tap."""


def declared(point: str, *, key: bool, answer: bool) -> Calls:
    """Return the calls; `point` says in words which numbers a coordinate holds."""
    coordinate, text = Argument("coordinate", "point", point), Argument("text", "text")
    seconds = Argument("time", "number", "seconds", required=False)
    calls = (
        Call("key", "presses a key of the device, by its adb name: power, volume_up, volume_down", (text,)),
        Call("click", "taps the point", (coordinate,)),
        Call("long_press", "keeps a finger on the point", (coordinate, seconds)),
        Call(
            "swipe",
            "moves a finger from coordinate to coordinate2",
            (coordinate, Argument("coordinate2", "point", "where the finger leaves the screen")),
        ),
        Call("type", "enters text into the field that has the focus", (text,)),
        Call("answer", "tells the user what they asked for", (text,)),
        Call(
            "system_button",
            "presses Back, Home, Enter, or Menu, which shows the running apps",
            (Argument("button", "text", choices=("Back", "Home", "Menu", "Enter")),),
        ),
        Call("open", "starts the app of that name", (text,)),
        Call("wait", "waits for the screen to change", (seconds,)),
        Call("terminate", "ends the task", (Argument("status", "text", choices=("success", "failure")),)),
    )
    missing = {"key": not key, "answer": not answer}
    return Calls(*(call for call in calls if not missing.get(call.name)))


class MobileUse(ToolCallLayout):
    """What the two mobile layouts of Qwen-VL share."""

    tool = "mobile_use"

    def call(self, action: Action) -> tuple[str, dict[str, Any]]:
        """Return the declared call and its values; raises GrammarError with the reason where there is none."""
        name, values = self._call(action)
        if name not in {call.name for call in self.calls}:
            raise self.no_call(action)
        return name, values

    def _call(self, action: Action) -> tuple[str, dict[str, Any]]:
        match action:
            case Click(button="left", count=1, modifiers=()) if action.point is not None:
                return "click", {"coordinate": action.point}
            case LongPress(point=point, duration=duration):
                return "long_press", {"coordinate": point, **({} if duration is None else {"time": duration})}
            case Type(text=text, point=None) if not action.clear and not action.submit:
                return "type", {"text": text}
            case Swipe() | Drag() | Scroll():
                start, end = self._finger(action)
                return "swipe", {"coordinate": start, "coordinate2": end}
            case OpenApp(name=name):
                return "open", {"text": name}
            case Button(name=name) if name in BUTTONS:
                return "system_button", {"button": BUTTONS[name]}
            case Button(name=name) if name in KEYS:
                return "key", {"text": name}
            case Key(keys=(key,), presses=1, hold=None) if key.lower() in {"enter", "return"}:
                return "system_button", {"button": "Enter"}
            case Wait(seconds=seconds):
                return "wait", {} if seconds is None else {"time": seconds}
            case Answer(text=text):
                return "answer", {"text": text}
            case Terminate(status="success" | "failure" | "infeasible" as status):
                return "terminate", {"status": "success" if status == "success" else "failure"}
            case _:
                raise self.no_call(action)

    def _finger(self, action: Swipe | Drag | Scroll) -> tuple[Point, Point]:
        """Return where the finger starts and ends; raises GrammarError where the record does not say."""
        match action:
            case Swipe(start=start, end=end, path=path) if start is not None and end is not None:
                if straight((start, *path, end)):
                    return start, end
            case Drag(path=(start, _, *_) as path, from_cursor=False, button="left"):
                if straight(path):
                    return start, path[-1]
            case Scroll(point=point, unit="page", modifiers=()) if point is not None:
                return _against(point, action.dx or 0.0, action.dy or 0.0)
        raise self.no_call(action)

    def action(self, name: str, values: Mapping[str, Any]) -> Action:
        """Return what a declared call means."""
        match name:
            case "key":
                return self._key(values["text"])
            case "click":
                return Click(point=values["coordinate"])
            case "long_press":
                return LongPress(point=values["coordinate"], duration=values.get("time"))
            case "swipe":
                return Swipe(start=values["coordinate"], end=values["coordinate2"])
            case "type":
                return Type(text=values["text"])
            case "answer":
                return Answer(text=values["text"])
            case "open":
                return OpenApp(name=values["text"])
            case "system_button":
                return Button(name=values["button"].lower())
            case "wait":
                return Wait(seconds=values.get("time"))
            case _:
                return Terminate(status=values["status"])

    def _key(self, name: str) -> Action:
        if name not in KEYS:
            raise GrammarError(f"found key {name!r}, expected one of {', '.join(KEYS)}")
        return Button(name=name)  # type: ignore[arg-type]  # one of KEYS


def _against(point: Point, dx: float, dy: float) -> tuple[Point, Point]:
    """Return the finger path that moves the content by (dx, dy) screenfuls: the opposite way, centred on the point."""
    if max(abs(dx), abs(dy)) < SHORTEST:
        raise GrammarError("found a scroll by next to nothing, expected how far the content moves")
    if max(abs(dx), abs(dy)) > 1 - 2 * MARGIN:
        raise GrammarError("found a scroll by more than one swipe can do, expected at most a screenful")

    def ends(middle: float, travel: float) -> tuple[float, float]:
        reach = abs(travel) / 2
        middle = min(max(middle, MARGIN + reach), 1 - MARGIN - reach)
        return middle + travel / 2, middle - travel / 2

    (x1, x2), (y1, y2) = ends(point[0], dx), ends(point[1], dy)
    return (x1, y1), (x2, y2)
