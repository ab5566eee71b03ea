"""Qwen3-VL on a phone (the `mobile_use` tool of QwenLM/Qwen3-VL's mobile cookbook).

Messages: system with the tool's signature; a user turn with the query, the progress so far as text and the current
screenshot; the answer. Past thoughts are dropped, an older step becomes `Step k: <instruction>`. With more than one
screenshot (`--history-images`) the window's steps are turns of their own, the first of which carries the query.
Answer: `Thought:`, `Action:` (one sentence in quotes), `<tool_call>`. Coordinates: 0..999 of the screenshot, as the
cookbook decodes them. `swipe` needs both ends. The prompts are our wording; `gdp slice --system-prompt` replaces the
system's.
"""

import json
from collections.abc import Sequence
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
from pipeline.geometry import straight, to_grid
from pipeline.records import Inbound, Message, Part, Turn

from .layout import GrammarError, Reply, image_part, text_message
from .tool_call import Arguments, loads, spells_call, unwrap, wrap

TOOL = "mobile_use"
BUTTONS = {"back": "Back", "home": "Home", "menu": "Menu", "enter": "Enter"}
MARGIN = 0.02
"""A finger path keeps this share of the screen from its edges, where systems take gestures for themselves."""
SHORTEST = 0.01
"""A finger path below this share of the screen is a tap."""

_POINT = {"type": "array", "description": "[x, y] on a grid from 0 to 999 over the screen"}
SIGNATURE = {
    "type": "function",
    "function": {
        "name": TOOL,
        "description": "Touch the screen of a phone, type, or press its buttons. The screen is 999x999.",
        "parameters": {
            "type": "object",
            "properties": {
                "action": {
                    "type": "string",
                    "enum": [
                        "click", "long_press", "swipe", "type", "answer", "system_button", "open", "wait", "terminate",
                    ],
                },
                "coordinate": {**_POINT, "description": f"{_POINT['description']}; for click, long_press, swipe"},
                "coordinate2": {**_POINT, "description": "where the finger leaves the screen; for swipe"},
                "text": {"type": "string", "description": "for type, answer, and open (the name of the app)"},
                "time": {"type": "number", "description": "seconds; for long_press and wait"},
                "button": {"type": "string", "enum": list(BUTTONS.values()), "description": "for system_button"},
                "status": {"type": "string", "enum": ["success", "failure"], "description": "for terminate"},
            },
            "required": ["action"],
        },
    },
}  # fmt: skip

SYSTEM = f"""\
# Tools

You may call this tool to act on the device. Its signature:
<tools>
{json.dumps(SIGNATURE)}
</tools>

Call it with a JSON object between <tool_call></tool_call> tags:
<tool_call>
{{"name": "{TOOL}", "arguments": {{...}}}}
</tool_call>

# Form of the answer

Thought: what you see and why you act so, in the language of the query
Action: "the action in one sentence"
then the tool call. Do nothing else.\
"""


class Qwen3VL:
    """The layout `qwen3-vl`."""

    name = "qwen3-vl"
    family = "qwen3-vl"
    scale = 999
    factor = 32
    min_pixels = 65_536
    history_images = 1
    reply_replaces_image = False

    def refuse(self, turn: Turn) -> str | None:
        """Return why the family cannot express the turn, or None."""
        if len(turn.actions) != 1:
            return f"found {len(turn.actions)} actions in one response, expected one call a turn"
        if spells_call(turn.thought, turn.instruction) or "\nAction: " in (turn.thought or ""):
            return "found a thought that spells the layout's own marks, expected none"
        try:
            arguments = self._arguments(turn.actions[0])
        except GrammarError as error:
            return str(error)
        if spells_call(arguments.get("text")):
            return "found an action's text that spells the layout's own marks, expected none"
        return None

    def response(self, turn: Turn) -> str:
        """Return thought, action sentence and call."""
        thought = " ".join((turn.thought or "").split())
        call = wrap(TOOL, self._arguments(turn.actions[0]))
        return f"Thought: {thought}\nAction: {json.dumps(_one_line(turn.instruction), ensure_ascii=False)}\n{call}"

    def parse(self, text: str) -> Reply:
        """Take the answer apart; raises GrammarError."""
        lines = text.split("\n", 2)
        if len(lines) != 3 or not lines[0].startswith("Thought: ") or not lines[1].startswith("Action: "):
            raise GrammarError("found other lines, expected 'Thought: …', 'Action: …', then the call")
        instruction = loads(lines[1].removeprefix("Action: "), "an Action", "a sentence in quotes")
        if not isinstance(instruction, str):
            raise GrammarError(f"found an Action {instruction!r}, expected a sentence in quotes")
        arguments = Arguments(unwrap(lines[2], TOOL), self.scale)
        action = self._action(arguments)
        arguments.done()
        return Reply(action, thought=lines[0].removeprefix("Thought: "), instruction=instruction)

    def render(self, goal: str, turns: Sequence[Turn], system: str | None = None) -> tuple[Message, ...]:
        """Return system, then the window's turns; the first carries the query and the steps before the window."""
        first = next((n for n, turn in enumerate(turns) if turn.image is not None), len(turns) - 1)
        messages = [text_message("system", system or SYSTEM)]
        for position, turn in enumerate(turns[first:], start=first):
            text = _query(goal, turns[:first]) if position == first else ""
            text += "".join(f"\n{_reply(reply)}" for reply in turn.inbound)
            parts = [Part("text", text=text)] if text else []
            if turn.image is not None:
                parts.append(image_part(turn.image))
            messages.append(Message("user", tuple(parts)))
            messages.append(text_message("assistant", self.response(turn), turn.loss_weight))
        return tuple(messages)

    def _arguments(self, action: Action) -> dict[str, Any]:
        """Return the call's arguments; raises GrammarError with the reason where there is no such call."""
        match action:
            case Click(button="left", count=1, modifiers=()) if action.point is not None:
                return {"action": "click", "coordinate": to_grid(action.point, self.scale)}
            case LongPress(point=point, duration=duration):
                seconds = {} if duration is None else {"time": duration}
                return {"action": "long_press", "coordinate": to_grid(point, self.scale), **seconds}
            case Type(text=text, point=None) if not action.clear and not action.submit:
                return {"action": "type", "text": text}
            case Swipe() | Drag() | Scroll():
                start, end = _finger(action)
                ends = {"coordinate": to_grid(start, self.scale), "coordinate2": to_grid(end, self.scale)}
                return {"action": "swipe", **ends}
            case OpenApp(name=name):
                return {"action": "open", "text": name}
            case Button(name=name) if name in BUTTONS:
                return {"action": "system_button", "button": BUTTONS[name]}
            case Key(keys=(key,), presses=1, hold=None) if key.lower() in {"enter", "return"}:
                return {"action": "system_button", "button": "Enter"}
            case Wait(seconds=seconds):
                return {"action": "wait", **({} if seconds is None else {"time": seconds})}
            case Answer(text=text):
                return {"action": "answer", "text": text}
            case Terminate(status="success" | "failure" | "infeasible" as status):
                return {"action": "terminate", "status": "success" if status == "success" else "failure"}
            case _:
                raise _no_call(action)

    def _action(self, arguments: Arguments) -> Action:
        name = arguments.text("action")
        match name:
            case "click":
                return Click(point=arguments.point("coordinate"))
            case "long_press":
                return LongPress(point=arguments.point("coordinate"), duration=arguments.number("time"))
            case "swipe":
                return Swipe(start=arguments.point("coordinate"), end=arguments.point("coordinate2"))
            case "type":
                return Type(text=arguments.text("text"))
            case "answer":
                return Answer(text=arguments.text("text"))
            case "open":
                return OpenApp(name=arguments.text("text"))
            case "system_button":
                button = arguments.text("button", tuple(BUTTONS.values()))
                return Button(name=button.lower())  # type: ignore[arg-type]  # one of BUTTONS
            case "wait":
                return Wait(seconds=arguments.number("time"))
            case "terminate":
                return Terminate(status=arguments.text("status", ("success", "failure")))  # type: ignore[arg-type]
            case _:
                raise GrammarError(f"found action {name!r}, expected one that the layout declares")


def _query(goal: str, done: Sequence[Turn]) -> str:
    """Return the query and the steps that came before the window, what the user or a tool replied among them."""
    pieces: list[str] = []
    for number, turn in enumerate(done, start=1):
        pieces += map(_reply, turn.inbound)
        pieces.append(f"Step {number}: {_one_line(turn.instruction)};")
    return f"The user query: {goal}\nTask progress (done on this device so far): {' '.join(pieces) or 'nothing yet'}"


def _reply(reply: Inbound) -> str:
    return f"<tool_response>\n{reply.text}\n</tool_response>"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _finger(action: Swipe | Drag | Scroll) -> tuple[Point, Point]:
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
    raise _no_call(action)


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


def _no_call(action: Action) -> GrammarError:
    kind = type(action).__struct_config__.tag
    return GrammarError(f"found {kind} with arguments that qwen3-vl has no call for, expected one of its actions")
