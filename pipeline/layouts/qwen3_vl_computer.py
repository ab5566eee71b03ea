"""Qwen3-VL on a computer (the `computer_use` tool, as the agents for OSWorld and AgentNetBench prompt it).

Messages: system with the tool's signature; the last screenshots as turns of their own, the first of which also holds
the instruction and the steps before (`Step k: <action>`, a line each); the answers as they were given. Answer:
`Action:` and one sentence, then `<tool_call>`; no thought. Coordinates: 0..999, which is how these agents decode them
although their prompts call the screen 1000x1000. A drag starts at the cursor; one with a recorded start is a
`mouse_move` to there and the `left_click_drag`, two calls in one answer: both agents take the calls of an answer in
order, OSWorld's runner executes each. (The history that AgentNetBench's Qwen2.5-VL agent writes for such a step has
only the end.) No other answer has two calls. A scroll happens at the cursor and its
`pixels` have no unit: executors hand them to pyautogui, which takes wheel clicks, so recorded clicks stay as they are
and recorded distances become parts of a screen of 999. Up and right are positive, as in pyautogui.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from pipeline.actions import Action, Answer, Click, Drag, Hover, Key, Scroll, Terminate, Type, Wait
from pipeline.records import Inbound, Turn
from pipeline.screens.geometry import straight
from pipeline.slicing.policy import History

from .calls import Argument, Call, Calls, GrammarError
from .spans import Span
from .tool_call import ToolCallLayout, one_line, signature, spells_call

WHERE = Argument("coordinate", "point", "[x, y] on a grid from 0 to 999 over the screen", required=False)
PLACE = Argument("coordinate", "point", WHERE.meaning)
TEXT = Argument("text", "text")
AMOUNT = Argument("pixels", "integer", "how far")
CLICKS = {
    ("left", 1): "left_click",
    ("right", 1): "right_click",
    ("middle", 1): "middle_click",
    ("left", 2): "double_click",
    ("left", 3): "triple_click",
}
CALLS = Calls(
    Call("key", "presses the keys together", (Argument("keys", "keys"),)),
    Call("type", "types the text", (TEXT,)),
    Call("mouse_move", "moves the cursor to the point", (PLACE,)),
    Call("left_click", "clicks the point, or where the cursor is", (WHERE,)),
    Call("left_click_drag", "drags from where the cursor is to the point", (PLACE,)),
    Call("right_click", "clicks with the right button", (WHERE,)),
    Call("middle_click", "clicks with the middle button", (WHERE,)),
    Call("double_click", "clicks twice", (WHERE,)),
    Call("triple_click", "clicks three times", (WHERE,)),
    Call("scroll", "turns the wheel: up if positive, down if negative", (AMOUNT,)),
    Call("hscroll", "scrolls to the right if positive, to the left if negative", (AMOUNT,)),
    Call("wait", "waits for the screen to change", (Argument("time", "number", "seconds", required=False),)),
    Call("answer", "tells the user what they asked for", (TEXT,)),
    Call("terminate", "ends the task", (Argument("status", "text", choices=("success", "failure")),)),
)
MEANING = "Use the mouse and the keyboard of a computer. The screen is 999x999."

SYSTEM = f"""\
# Tools

You may call this tool to act on the computer. Its signature:
<tools>
{json.dumps(signature("computer_use", MEANING, CALLS))}
</tools>

Call it with a JSON object between <tool_call></tool_call> tags:
<tool_call>
{{"name": "computer_use", "arguments": {{...}}}}
</tool_call>

# Form of the answer

Action: the action in one short sentence
then the tool call; for a drag that starts elsewhere than at the cursor two: mouse_move to its start, left_click_drag to
its end. Do nothing else.\
"""


class Qwen3VLComputer(ToolCallLayout):
    """The layout `qwen3-vl-computer`."""

    name = "qwen3-vl-computer"
    family = "qwen3-vl"
    scale = 999
    factor = 32
    min_pixels = 65_536
    max_pixels = 16384 * 32**2
    history = History(
        image_window=5,
        older="user_text",
        keep_thought="none",
        instruction_at="window_first",
        order="image_first",
        summary_source="instruction",
    )
    thinks = False
    opens_apps = False
    tool = "computer_use"
    calls = CALLS
    system = SYSTEM
    user = """\
Choose the next action by the screenshot, the instruction and what was done before.

Instruction: {goal}

Previous actions:
{progress}"""

    def refuse_words(self, turn: Turn) -> str | None:
        """Return why the sentence cannot be written, or None."""
        if spells_call(turn.instruction):
            return "found an instruction that spells the layout's own marks, expected none"
        return None

    def words(self, turn: Turn, *, thought: bool) -> tuple[Span, ...]:
        """Return the sentence; there is no thought."""
        return (Span(f"Action: {one_line(turn.instruction)}\n"),)

    def read_words(self, text: str) -> tuple[str | None, str | None, str]:
        """Return the sentence and the call."""
        line, middle, rest = text.partition("\n")
        if not line.startswith("Action: ") or not middle:
            raise GrammarError("found other lines, expected 'Action: …', then the call")
        return None, line.removeprefix("Action: "), rest

    def told(
        self, turns: Sequence[Turn], since: Sequence[Inbound], source: Literal["instruction", "action_json"]
    ) -> str:
        """Return a line for each step; `None` where there is none."""
        return "\n".join(self.pieces(turns, since, source)) or "None"

    def split(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        """Return a drag with a start as the move to it and the drag from there; every other turn is one call."""
        match actions:
            case (Drag(path=(start, _, *_) as path, from_cursor=False) as drag,) if straight(path):
                return Hover(point=start), replace(drag, path=path[-1:], from_cursor=True)
            case (Hover(), Drag(path=(_,), from_cursor=True)):
                return actions
        return super().split(actions)

    def join(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        """Return the drag that two calls say; raises GrammarError for other calls."""
        match actions:
            case (Hover(point=start), Drag(path=(end,), from_cursor=True)):
                return (Drag(path=(start, end)),)
        raise GrammarError(f"found {len(actions)} calls, expected one, or mouse_move and left_click_drag for a drag")

    def call(self, action: Action) -> tuple[str, dict[str, Any]]:
        """Return the declared call and its values; raises GrammarError with the reason where there is none."""
        match action:
            case Click(point=point, modifiers=()) if (action.button, action.count) in CLICKS:
                return CLICKS[action.button, action.count], {} if point is None else {"coordinate": point}
            case Hover(point=point):
                return "mouse_move", {"coordinate": point}
            case Drag(path=(end,), from_cursor=True, button="left"):
                return "left_click_drag", {"coordinate": end}
            case Scroll(modifiers=()):
                return self._wheel(action)
            case Type(text=text, point=None) if not action.clear and not action.submit:
                return "type", {"text": text}
            case Key(keys=keys, mode=mode, presses=1, hold=None) if mode == "chord" or len(keys) == 1:
                if all(keys):
                    return "key", {"keys": list(keys)}
            case Wait(seconds=seconds):
                return "wait", {} if seconds is None else {"time": seconds}
            case Answer(text=text):
                return "answer", {"text": text}
            case Terminate(status="success" | "failure" | "infeasible" as status):
                return "terminate", {"status": "success" if status == "success" else "failure"}
        raise self.no_call(action)

    def _wheel(self, scroll: Scroll) -> tuple[str, dict[str, Any]]:
        """Return the turn of the wheel; the record's amounts are positive to the right and down."""
        dx, dy = scroll.dx or 0.0, scroll.dy or 0.0
        if (dx == 0) == (dy == 0):
            raise GrammarError("found a scroll without an amount along one axis, expected how far the content moves")
        amount = round((dx or dy) * (self.scale if scroll.unit == "page" else 1))
        if amount == 0:
            raise GrammarError("found a scroll by next to nothing, expected how far the content moves")
        return ("hscroll", {"pixels": amount}) if dx else ("scroll", {"pixels": -amount})

    def action(self, name: str, values: Mapping[str, Any]) -> Action:
        """Return what a declared call means."""
        match name:
            case "key":
                return Key(keys=tuple(values["keys"]))
            case "type":
                return Type(text=values["text"])
            case "mouse_move":
                return Hover(point=values["coordinate"])
            case "left_click_drag":
                return Drag(path=(values["coordinate"],), from_cursor=True)
            case "scroll" | "hscroll":
                amount = values["pixels"]
                if amount == 0:
                    raise GrammarError("found pixels = 0, expected how far the content moves")
                return Scroll(dy=-amount) if name == "scroll" else Scroll(dx=amount)
            case "wait":
                return Wait(seconds=values.get("time"))
            case "answer":
                return Answer(text=values["text"])
            case "terminate":
                return Terminate(status=values["status"])
            case _:
                button, count = next(key for key, click in CLICKS.items() if click == name)
                return Click(point=values.get("coordinate"), button=button, count=count)  # type: ignore[arg-type]
