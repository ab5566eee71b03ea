"""MAI-UI (Tongyi-MAI/MAI-UI, MobileWorld's agent): Qwen3-VL weights, its own action names and history.

Messages: system; the instruction as a user turn of its own; then per step the screenshot (user) and the full answer
(assistant). Only the last 3 screenshots stay; an older step keeps its answer, thinking included, so assistant turns
may follow each other. A reply of the user or a tool stands in place of the screenshot (MobileWorld's form).
Answer: `<thinking>` block, then `<tool_call>` with the tool `mobile_use`. Coordinates: 0..999 of the screenshot.
`swipe.direction` is the finger's. The system prompt is our wording of the same contract; `gdp slice --system-prompt`
takes the one that your agent is served with.
"""

from collections.abc import Sequence
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
from pipeline.geometry import straight, to_grid
from pipeline.records import Message, Turn

from .layout import GrammarError, Reply, image_part, text_message
from .tool_call import Arguments, spells_call, unwrap, wrap

TOOL = "mobile_use"
BUTTONS = ("back", "home", "menu", "enter")
DIRECTIONS = ("up", "down", "left", "right")

SYSTEM = """\
You operate a device through its screen. You are given a task, then screenshots; after each screenshot you decide on \
one next action.

Answer in exactly this form: first your reasoning, then one call of the tool `mobile_use`.
<thinking>
what the screen shows, what is left to do, and why the next action follows
</thinking>
<tool_call>
{"name": "mobile_use", "arguments": {"action": "...", ...}}
</tool_call>

Points are [x, y], whole numbers from 0 to 999: x from the left edge to the right, y from the top edge to the bottom.

Actions and their arguments:
{"action": "click", "coordinate": [x, y]}
{"action": "long_press", "coordinate": [x, y]}
{"action": "double_click", "coordinate": [x, y]}
{"action": "type", "text": "..."} enters text into the focused field
{"action": "swipe", "direction": "up|down|left|right", "coordinate": [x, y]} moves the finger that way; the \
coordinate, where it starts, may be left out
{"action": "drag", "start_coordinate": [x1, y1], "end_coordinate": [x2, y2]}
{"action": "open", "text": "name of an app"}
{"action": "system_button", "button": "back|home|menu|enter"}
{"action": "wait"}
{"action": "answer", "text": "..."} tells the user what they asked for
{"action": "ask_user", "text": "..."} asks the user for something that only they know
{"action": "terminate", "status": "success|fail"} ends the task

Think in the language of the task.\
"""


class MaiUi:
    """The layout `mai-ui`."""

    name = "mai-ui"
    family = "qwen3-vl"
    scale = 999
    factor = 32
    min_pixels = 65_536
    history_images = 3
    reply_replaces_image = True

    def refuse(self, turn: Turn) -> str | None:
        """Return why MAI-UI cannot express the turn, or None."""
        if len(turn.actions) != 1:
            return f"found {len(turn.actions)} actions in one response, expected one call a turn"
        thought = turn.thought or ""
        if "</thinking>" in thought or spells_call(thought):
            return "found a thought that spells the layout's own tags, expected none"
        try:
            arguments = self._arguments(turn.actions[0])
        except GrammarError as error:
            return str(error)
        if spells_call(arguments.get("text")):
            return "found an action's text that spells the layout's own tags, expected none"
        return None

    def response(self, turn: Turn) -> str:
        """Return the thinking block and the call."""
        call = wrap(TOOL, self._arguments(turn.actions[0]))
        return f"<thinking>\n{(turn.thought or '').strip()}\n</thinking>\n{call}"

    def parse(self, text: str) -> Reply:
        """Take the answer apart; raises GrammarError."""
        head, middle, rest = text.partition("\n</thinking>\n")
        if not head.startswith("<thinking>\n") or not middle:
            raise GrammarError("found no <thinking> block at the start, expected one")
        arguments = Arguments(unwrap(rest, TOOL), self.scale)
        action = self._action(arguments)
        arguments.done()
        return Reply(action, thought=head.removeprefix("<thinking>\n"))

    def render(self, goal: str, turns: Sequence[Turn], system: str | None = None) -> tuple[Message, ...]:
        """Return system, instruction, then screenshot and answer per turn."""
        messages = [text_message("system", system or SYSTEM), text_message("user", goal)]
        for turn in turns:
            messages += [text_message("user", reply.text) for reply in turn.inbound]
            if turn.image is not None:
                messages.append(Message("user", (image_part(turn.image),)))
            messages.append(text_message("assistant", self.response(turn), turn.loss_weight))
        return tuple(messages)

    def _arguments(self, action: Action) -> dict[str, Any]:
        """Return the call's arguments; raises GrammarError with the reason where there is no such call."""
        match action:
            case Click(button="left", count=1 | 2 as count, modifiers=()) if action.point is not None:
                name = "click" if count == 1 else "double_click"
                return {"action": name, "coordinate": to_grid(action.point, self.scale)}
            case LongPress(point=point):
                return {"action": "long_press", "coordinate": to_grid(point, self.scale)}
            case Type(text=text, point=None) if not action.clear and not action.submit:
                return {"action": "type", "text": text}
            case Swipe() | Drag() | Scroll():
                return self._gesture(action)
            case OpenApp(name=name):
                return {"action": "open", "text": name}
            case Button(name=name) if name in BUTTONS:
                return {"action": "system_button", "button": name}
            case Key(keys=(key,), presses=1, hold=None) if key.lower() in {"enter", "return"}:
                return {"action": "system_button", "button": "enter"}
            case Wait():
                return {"action": "wait"}
            case Answer(text=text):
                return {"action": "answer", "text": text}
            case AskUser(text=text):
                return {"action": "ask_user", "text": text}
            case Terminate(status="success" | "failure" | "infeasible" as status):
                return {"action": "terminate", "status": "success" if status == "success" else "fail"}
            case _:
                raise _no_call(action)

    def _gesture(self, action: Swipe | Drag | Scroll) -> dict[str, Any]:
        match action:
            case Drag(path=(start, _, *_) as path, from_cursor=False, button="left") if straight(path):
                return self._drag(start, path[-1])
            case Swipe(start=start, end=end, path=path) if start is not None and end is not None:
                if not straight((start, *path, end)):
                    raise _no_call(action)
                return self._drag(start, end)
            case Swipe(direction=finger, start=start) if finger is not None:
                place = {} if start is None else {"coordinate": to_grid(start, self.scale)}
                return {"action": "swipe", "direction": finger, **place}
            case Scroll(direction=content, point=point, modifiers=()) if content is not None:
                place = {} if point is None else {"coordinate": to_grid(point, self.scale)}
                return {"action": "swipe", "direction": OPPOSITE[content], **place}
            case _:
                raise _no_call(action)

    def _drag(self, start: tuple[float, float], end: tuple[float, float]) -> dict[str, Any]:
        ends = {"start_coordinate": to_grid(start, self.scale), "end_coordinate": to_grid(end, self.scale)}
        return {"action": "drag", **ends}

    def _action(self, arguments: Arguments) -> Action:
        name = arguments.text("action")
        match name:
            case "click" | "double_click":
                return Click(point=arguments.point("coordinate"), count=1 if name == "click" else 2)
            case "long_press":
                return LongPress(point=arguments.point("coordinate"))
            case "type":
                return Type(text=arguments.text("text"))
            case "swipe":
                finger = arguments.text("direction", DIRECTIONS)
                return Swipe(direction=finger, start=arguments.optional_point("coordinate"))  # type: ignore[arg-type]
            case "drag":
                return Drag(path=(arguments.point("start_coordinate"), arguments.point("end_coordinate")))
            case "open":
                return OpenApp(name=arguments.text("text"))
            case "system_button":
                return Button(name=arguments.text("button", BUTTONS))  # type: ignore[arg-type]  # one of BUTTONS
            case "wait":
                return Wait()
            case "answer":
                return Answer(text=arguments.text("text"))
            case "ask_user":
                return AskUser(text=arguments.text("text"))
            case "terminate":
                status = arguments.text("status", ("success", "fail"))
                return Terminate(status="success" if status == "success" else "failure")
            case _:
                raise GrammarError(f"found action {name!r}, expected one that the layout declares")


def _no_call(action: Action) -> GrammarError:
    kind = type(action).__struct_config__.tag
    return GrammarError(f"found {kind} with arguments that mai-ui has no call for, expected one of its actions")
