"""UI-TARS-1.5 (bytedance/UI-TARS; Qwen2.5-VL weights) on phones and computers.

Messages: system; a user turn with the whole prompt, the instruction at its end; then per step the screenshot (user) and
the full answer (assistant). Only the last 5 screenshots stay; an older step keeps its answer, thought included, so
assistant turns may follow each other. Answer: `Thought: …`, then `Action: click(start_box='…')`; several actions have
an empty line between them. Coordinates are pixels of the screenshot as the processor resizes it, between the control
tokens <|box_start|> and <|box_end|>, which the model writes and servers leave out when they print. `scroll` says on
which side more is shown. Our prompt lists the actions of phones and computers together; the one that your agent is
served with names one of the two sets. There is no action for giving up: `call_user` says that the user has to take
over.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.actions import (
    OPPOSITE,
    Action,
    Answer,
    AskUser,
    Button,
    Click,
    Direction,
    Drag,
    Key,
    LongPress,
    OpenApp,
    Scroll,
    Swipe,
    Takeover,
    Terminate,
    Type,
    Wait,
)
from pipeline.records import Turn
from pipeline.screens.geometry import straight
from pipeline.slicing.policy import History

from .calls import Argument, Call, Calls, GrammarError
from .layout import Layout, Reply
from .literals import calls as read_calls
from .literals import escaped, unescaped
from .spans import Span, coordinates

BOX_START, BOX_END = "<|box_start|>", "<|box_end|>"
START, END = Argument("start_box", "point"), Argument("end_box", "point")
DIRECTIONS = ("down", "up", "right", "left")
CONTENT = Argument("content", "text")
CALLS = Calls(
    Call("click", "a tap, or a click with the left button", (START,)),
    Call("left_double", "a double click", (START,)),
    Call("right_single", "a click with the right button", (START,)),
    Call(
        "long_press",
        "a finger kept on the point, for so many seconds",
        (START, Argument("time", "number", required=False)),
    ),
    Call("drag", "from one point to another", (START, END)),
    Call(
        "scroll",
        "shows more on that side",
        (Argument("start_box", "point", required=False), Argument("direction", "text", choices=DIRECTIONS)),
    ),
    Call("type", "enters the text; a line break at its end presses Enter", (CONTENT,)),
    Call("hotkey", "presses the keys together, spaces between their names", (Argument("key", "keys"),)),
    Call("open_app", "starts the app of that name", (Argument("app_name", "text"),)),
    Call("press_home", "the home button of a phone"),
    Call("press_back", "the back button of a phone"),
    Call("wait", "lets the screen settle"),
    Call("finished", "the task is done; the content is the answer, if one was asked for", (CONTENT,)),
    Call("call_user", "the task cannot be done, or not without the user"),
)


CLICKS = {("left", 1): "click", ("left", 2): "left_double", ("right", 1): "right_single"}


def _line(call: Call) -> str:
    """Return the call as the prompt shows it."""
    shown = []
    for argument in call.arguments:
        value = f"{BOX_START}(x,y){BOX_END}" if argument.kind == "point" else " or ".join(argument.choices)
        shown.append(f"{argument.name}='{value}'{'' if argument.required else ' (optional)'}")
    return f"{call.name}({', '.join(shown)}) # {call.meaning}"


USER = f"""\
You operate a device through its screen: you get a task, then a screenshot before each of your actions.

## Form of the answer
Thought: what you see, what is left to do, and what you do next, in the language of the task
Action: one of the actions below, or several with an empty line between them

## Actions
{chr(10).join(map(_line, CALLS))}

Points are pixels of the screenshot, from its top left corner. Inside quotes write \\\\ for a backslash, \\' and \\" for
quotes, \\n for a line break.

## Task
{{goal}}"""


class UiTars15(Layout):
    """The layout `ui-tars-1.5`."""

    name = "ui-tars-1.5"
    family = "qwen2.5-vl"
    factor = 28
    min_pixels = 100 * 28**2
    max_pixels = 16384 * 28**2
    history = History(
        image_window=5, older="assistant_turns", keep_thought="all", instruction_at="own_turn", order="image_alone"
    )
    calls = CALLS
    tokens = (BOX_START, BOX_END)
    system = "You are an agent that operates devices."
    user = USER

    def refuse(self, turn: Turn) -> str | None:
        """Return why the family cannot express the turn, or None."""
        if "\nAction: " in (turn.thought or ""):
            return "found a thought that spells the layout's own marks, expected none"
        try:
            self._actions(turn)
        except GrammarError as error:
            return str(error)
        return None

    def spans(self, turn: Turn, *, thought: bool = True) -> tuple[Span, ...]:
        """Return the answer in pieces; the control tokens around points are pieces of their own."""
        said = [Span("Thought: "), Span((turn.thought or "").strip(), "thought"), Span("\n")] if thought else []
        spans = [*said, Span("Action: ")]
        for number, (name, arguments) in enumerate(self._actions(turn)):
            spans += [Span(chr(10) * 2 if number else ""), Span(name, "action"), Span("(")]
            for place, (key, value) in enumerate(arguments.items()):
                spans.append(Span(f"{', ' if place else ''}{key}='"))
                if isinstance(value, list):
                    spans += [Span(BOX_START, token=True), Span("("), *coordinates(value, ","), Span(")")]
                    spans.append(Span(BOX_END, token=True))
                else:
                    spans.append(Span(escaped(value)))
                spans.append(Span("'"))
            spans.append(Span(")"))
        return tuple(spans)

    def parse(self, text: str, size: tuple[int, int] | None = None) -> Reply:
        """Take the answer apart; raises GrammarError."""
        head, middle, rest = text.partition("\nAction: ")
        if not head.startswith("Thought: ") or not middle:
            raise GrammarError("found other lines, expected 'Thought: …', then 'Action: …'")
        actions = [self._read(name, arguments, size) for name, arguments in read_calls(rest)]
        return Reply(tuple(actions), thought=head.removeprefix("Thought: "))

    def _actions(self, turn: Turn) -> list[tuple[str, dict[str, Any]]]:
        """Return each action's name and arguments, points as lists and all else as text; raises GrammarError."""
        return [self._arguments(*self.call(action), turn.size) for action in turn.actions]

    def _arguments(
        self, name: str, values: Mapping[str, Any], size: tuple[int, int] | None
    ) -> tuple[str, dict[str, Any]]:
        kinds = {argument.name: argument.kind for argument in CALLS.named(name).arguments}
        encoded = CALLS.encode(name, values, lambda: self.frame(size))
        return name, {key: _written(value, kinds[key]) for key, value in encoded.items()}

    def _read(self, name: str, arguments: Mapping[str, str], size: tuple[int, int] | None) -> Action:
        kinds = {argument.name: argument.kind for argument in CALLS.named(name).arguments}
        found = {key: _value(text, kinds.get(key, "text")) for key, text in arguments.items()}
        if list(found) != [key for key in kinds if key in found] and set(found) <= set(kinds):
            raise GrammarError(f"found arguments {', '.join(found)}, expected the order {', '.join(kinds)}")
        return self.action(name, CALLS.decode(name, found, lambda: self.frame(size)))

    def call(self, action: Action) -> tuple[str, dict[str, Any]]:
        """Return the declared call and its values; raises GrammarError with the reason where there is none."""
        match action:
            case Click(count=1 | 2, modifiers=()) if action.point is not None:
                if (action.button, action.count) in CLICKS:
                    return CLICKS[action.button, action.count], {"start_box": action.point}
            case LongPress(point=point, duration=duration):
                return "long_press", {"start_box": point, **({} if duration is None else {"time": duration})}
            case Swipe() | Drag() | Scroll():
                return self._gesture(action)
            case Type(text=text, point=None) if not action.clear:
                if text.endswith("\n") and not action.submit:
                    raise GrammarError(
                        "found a text that ends in a line break, which here would press Enter, expected none"
                    )
                return "type", {"content": f"{text}\n" if action.submit else text}
            case Key(keys=keys, mode=mode, presses=1, hold=None) if mode == "chord" or len(keys) == 1:
                if all(re.fullmatch(r"\S+", key) for key in keys):
                    return "hotkey", {"key": list(keys)}
            case OpenApp(name=name):
                return "open_app", {"app_name": name}
            case Button(name="home" | "back" as button):
                return f"press_{button}", {}
            case Button(name="enter"):
                return "type", {"content": "\n"}
            case Wait():
                return "wait", {}
            case Answer() | Terminate(status="success"):
                return "finished", {"content": action.text or ""}
            case AskUser() | Takeover() | Terminate(status="failure" | "infeasible"):
                return "call_user", {}
        raise self.no_call(action)

    def _gesture(self, action: Swipe | Drag | Scroll) -> tuple[str, dict[str, Any]]:
        match action:
            case Drag(path=(start, _, *_) as path, from_cursor=False, button="left") if straight(path):
                return "drag", {"start_box": start, "end_box": path[-1]}
            case Swipe(start=start, end=end, path=path) if start is not None and end is not None:
                if straight((start, *path, end)):
                    return "drag", {"start_box": start, "end_box": end}
            case Swipe(direction=finger, start=start) if finger is not None:
                return _scroll(OPPOSITE[finger], start)
            case Scroll(direction=content, point=point, modifiers=()) if content is not None:
                return _scroll(content, point)
        raise self.no_call(action)

    def action(self, name: str, values: Mapping[str, Any]) -> Action:
        """Return what a declared call means."""
        match name:
            case "click" | "left_double":
                return Click(point=values["start_box"], count=1 if name == "click" else 2)
            case "right_single":
                return Click(point=values["start_box"], button="right")
            case "long_press":
                return LongPress(point=values["start_box"], duration=values.get("time"))
            case "drag":
                return Drag(path=(values["start_box"], values["end_box"]))
            case "scroll":
                return Scroll(point=values.get("start_box"), direction=values["direction"])
            case "type":
                text = values["content"]
                return Type(text=text[:-1], submit=True) if text.endswith("\n") else Type(text=text)
            case "hotkey":
                return Key(keys=tuple(values["key"]))
            case "open_app":
                return OpenApp(name=values["app_name"])
            case "press_home" | "press_back":
                return Button(name=name.removeprefix("press_"))  # type: ignore[arg-type]  # home or back
            case "wait":
                return Wait()
            case "finished":
                return Answer(text=values["content"]) if values["content"] else Terminate(status="success")
            case _:
                return Takeover(text="")


def _scroll(content: Direction, point: Sequence[float] | None) -> tuple[str, dict[str, Any]]:
    return "scroll", {**({} if point is None else {"start_box": point}), "direction": content}


def _written(value: Any, kind: str) -> Any:
    """Return an argument as it is quoted, a point as it is."""
    if kind == "keys":
        return " ".join(value)
    return repr(value or 0) if kind == "number" else value  # no -0.0


_POINT = re.compile(rf"{re.escape(BOX_START)}\((0|[1-9]\d*),(0|[1-9]\d*)\){re.escape(BOX_END)}")
_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


def _value(text: str, kind: str) -> Any:
    """Return what stands between the quotes as a JSON reader would give it; raises GrammarError."""
    if kind == "point":
        match = _POINT.fullmatch(text)
        if match is None or max(map(len, match.groups())) > 9:
            raise GrammarError(f"found {text[:60]!r}, expected a point like {BOX_START}(10,20){BOX_END}")
        return [int(match[1]), int(match[2])]
    meant = unescaped(text)
    if kind == "keys":
        if not meant.strip() or meant != " ".join(meant.split()):
            raise GrammarError(f"found keys {meant!r}, expected names with single spaces between them")
        return meant.split(" ")
    if kind == "number":
        number = float(meant) if _NUMBER.fullmatch(meant) else None
        for value in (number, int(number) if number is not None and number.is_integer() else None):
            if value is not None and repr(value) == meant:
                return value
        raise GrammarError(f"found {meant[:20]!r}, expected a number")
    return meant
