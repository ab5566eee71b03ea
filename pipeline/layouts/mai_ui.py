"""MAI-UI (Tongyi-MAI/MAI-UI, MobileWorld's agent): Qwen3-VL weights, its own action names and history.

Messages: system; the instruction as a user turn of its own; then per step the screenshot (user) and the full answer
(assistant). Only the last 3 screenshots stay; an older step keeps its answer, thinking included, so assistant turns
may follow each other. A reply of the user or a tool stands in place of the screenshot (MobileWorld's form).
Answer: `<thinking>` block, then `<tool_call>` with the tool `mobile_use`. Coordinates: 0..999 of the screenshot.
`swipe.direction` is the finger's. Two things we do right that MAI-UI's own history builder does wrong: it cuts grid
values instead of rounding them, so five of them (63, 126, 252, 504, 509) come out one too small, and it leaves the ends
of a drag as fractions. MobileWorld's keeps the model's own text, and so is what is rendered here.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.actions import (
    OPPOSITE,
    Action,
    Answer,
    AskUser,
    Button,
    Click,
    Drag,
    Key,
    LongPress,
    OpenApp,
    Scroll,
    Swipe,
    Terminate,
    Type,
    Wait,
)
from pipeline.records import Inbound, Turn
from pipeline.screens.geometry import straight
from pipeline.slicing.policy import History

from .calls import Argument, Call, Calls, GrammarError
from .spans import Span
from .tool_call import ToolCallLayout, spells_call

BUTTONS = ("back", "home", "menu", "enter")
DIRECTIONS = ("up", "down", "left", "right")

POINT = Argument("coordinate", "point")
TEXT = Argument("text", "text")
CALLS = Calls(
    Call("click", "tap", (POINT,)),
    Call("long_press", "press and hold", (POINT,)),
    Call("double_click", "tap twice", (POINT,)),
    Call("type", "enters text into the focused field", (TEXT,)),
    Call(
        "swipe",
        "moves the finger that way; the coordinate, where it starts, may be left out",
        (Argument("direction", "text", choices=DIRECTIONS), Argument("coordinate", "point", required=False)),
    ),
    Call(
        "drag",
        "moves the finger from one place to the other",
        (Argument("start_coordinate", "point"), Argument("end_coordinate", "point")),
    ),
    Call("open", "starts the app of that name", (TEXT,)),
    Call("system_button", "presses a button of the device", (Argument("button", "text", choices=BUTTONS),)),
    Call("wait", "lets the screen settle"),
    Call("answer", "tells the user what they asked for", (TEXT,)),
    Call("ask_user", "asks the user for something that only they know", (TEXT,)),
    Call("terminate", "ends the task", (Argument("status", "text", choices=("success", "fail")),)),
)


def _line(call: Call) -> str:
    """Return the call as the prompt shows it: `{"action": "click", "coordinate": [x, y]} tap`."""
    shown = [f'"action": "{call.name}"']
    for argument in call.arguments:
        value = "[x, y]" if argument.kind == "point" else f'"{"|".join(argument.choices) or "..."}"'
        shown.append(f'"{argument.name}": {value}')
    return f"{{{', '.join(shown)}}} {call.meaning}"


SYSTEM = f"""\
You operate a device through its screen. You are given a task, then screenshots; after each screenshot you decide on \
one next action.

Answer in exactly this form: first your reasoning, then one call of the tool `mobile_use`.
<thinking>
what the screen shows, what is left to do, and why the next action follows
</thinking>
<tool_call>
{{"name": "mobile_use", "arguments": {{"action": "...", ...}}}}
</tool_call>

Points are [x, y], whole numbers from 0 to 999: x from the left edge to the right, y from the top edge to the bottom.

Actions and their arguments:
{chr(10).join(map(_line, CALLS))}

Think in the language of the task.\
"""


class MaiUi(ToolCallLayout):
    """The layout `mai-ui`."""

    name = "mai-ui"
    family = "qwen3-vl"
    scale = 999
    factor = 32
    min_pixels = 65_536
    max_pixels = 16384 * 32**2
    history = History(
        image_window=3, older="assistant_turns", keep_thought="all", instruction_at="own_turn", order="image_alone"
    )
    reply_replaces_image = True
    tool = "mobile_use"
    calls = CALLS
    system = SYSTEM
    user = "{goal}"

    def refuse_words(self, turn: Turn) -> str | None:
        """Return why the thinking cannot be written, or None."""
        thought = turn.thought or ""
        if "</thinking>" in thought or spells_call(thought):
            return "found a thought that spells the layout's own tags, expected none"
        return None

    def words(self, turn: Turn, *, thought: bool) -> tuple[Span, ...]:
        """Return the thinking block, nothing where thoughts are dropped."""
        said = Span((turn.thought or "").strip(), "thought")
        return (Span("<thinking>\n"), said, Span("\n</thinking>\n")) if thought else ()

    def read_words(self, text: str) -> tuple[str | None, str | None, str]:
        """Return what the thinking block says, and the call."""
        head, middle, rest = text.partition("\n</thinking>\n")
        if not head.startswith("<thinking>\n") or not middle:
            raise GrammarError("found no <thinking> block at the start, expected one")
        return head.removeprefix("<thinking>\n"), None, rest

    def reply(self, inbound: Inbound) -> str:
        """Return the user's words as they are, a tool's after MobileWorld's mark."""
        return f"Tool call result: {inbound.text}" if inbound.kind == "tool_response" else inbound.text

    def call(self, action: Action) -> tuple[str, dict[str, Any]]:
        """Return the declared call and its values; raises GrammarError with the reason where there is none."""
        match action:
            case Click(button="left", count=1 | 2 as count, modifiers=()) if action.point is not None:
                return "click" if count == 1 else "double_click", {"coordinate": action.point}
            case LongPress(point=point):
                return "long_press", {"coordinate": point}
            case Type(text=text, point=None) if not action.clear and not action.submit:
                return "type", {"text": text}
            case Swipe() | Drag() | Scroll():
                return self._gesture(action)
            case OpenApp(name=name):
                return "open", {"text": name}
            case Button(name=name) if name in BUTTONS:
                return "system_button", {"button": name}
            case Key(keys=(key,), presses=1, hold=None) if key.lower() in {"enter", "return"}:
                return "system_button", {"button": "enter"}
            case Wait():
                return "wait", {}
            case Answer(text=text):
                return "answer", {"text": text}
            case AskUser(text=text):
                return "ask_user", {"text": text}
            case Terminate(status="success" | "failure" | "infeasible" as status):
                return "terminate", {"status": "success" if status == "success" else "fail"}
            case _:
                raise self.no_call(action)

    def _gesture(self, action: Swipe | Drag | Scroll) -> tuple[str, dict[str, Any]]:
        match action:
            case Drag(path=(start, _, *_) as path, from_cursor=False, button="left") if straight(path):
                return "drag", {"start_coordinate": start, "end_coordinate": path[-1]}
            case Swipe(start=start, end=end, path=path) if start is not None and end is not None:
                if not straight((start, *path, end)):
                    raise self.no_call(action)
                return "drag", {"start_coordinate": start, "end_coordinate": end}
            case Swipe(direction=finger, start=start) if finger is not None:
                return "swipe", {"direction": finger, **({} if start is None else {"coordinate": start})}
            case Scroll(direction=content, point=point, modifiers=()) if content is not None:
                finger = OPPOSITE[content]
                return "swipe", {"direction": finger, **({} if point is None else {"coordinate": point})}
            case _:
                raise self.no_call(action)

    def action(self, name: str, values: Mapping[str, Any]) -> Action:
        """Return what a declared call means."""
        match name:
            case "click" | "double_click":
                return Click(point=values["coordinate"], count=1 if name == "click" else 2)
            case "long_press":
                return LongPress(point=values["coordinate"])
            case "type":
                return Type(text=values["text"])
            case "swipe":
                return Swipe(direction=values["direction"], start=values.get("coordinate"))
            case "drag":
                return Drag(path=(values["start_coordinate"], values["end_coordinate"]))
            case "open":
                return OpenApp(name=values["text"])
            case "system_button":
                return Button(name=values["button"])
            case "wait":
                return Wait()
            case "answer":
                return Answer(text=values["text"])
            case "ask_user":
                return AskUser(text=values["text"])
            case _:
                return Terminate(status="success" if values["status"] == "success" else "failure")
