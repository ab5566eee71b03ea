"""Qwen3-VL on a phone (the `mobile_use` tool of QwenLM/Qwen3-VL's mobile cookbook).

Messages: system with the tool's signature; a user turn with the query, the progress so far as text and the current
screenshot; the answer. Past thoughts are dropped, an older step becomes `Step k: <instruction>; `. With more than one
screenshot (`--history-images`) the window's steps are turns of their own, the first of which carries the query.
Answer: `Thought:`, `Action:` (one sentence in quotes), `<tool_call>`. Coordinates: 0..999 of the screenshot, as the
cookbook decodes them, whatever other prompts call the screen. Our list of actions has `open`, which the cookbook's
class knows and its prompt leaves out.
"""

import json

from pipeline.records import Turn
from pipeline.slicing.policy import History

from .calls import GrammarError
from .mobile_use import MobileUse, declared
from .spans import Span
from .tool_call import dumps, loads, one_line, signature, spells_call

CALLS = declared("[x, y] on a grid from 0 to 999 over the screen", key=False, answer=True)
MEANING = "Touch the screen of a phone, type, or press its buttons. The screen is 999x999."

SYSTEM = f"""\
# Tools

You may call this tool to act on the device. Its signature:
<tools>
{json.dumps(signature("mobile_use", MEANING, CALLS))}
</tools>

Call it with a JSON object between <tool_call></tool_call> tags:
<tool_call>
{{"name": "mobile_use", "arguments": {{...}}}}
</tool_call>

# Form of the answer

Thought: what you see and why you act so, in the language of the query
Action: "the action in one sentence"
then the tool call. Do nothing else.\
"""


class Qwen3VL(MobileUse):
    """The layout `qwen3-vl`."""

    name = "qwen3-vl"
    family = "qwen3-vl"
    scale = 999
    factor = 32
    min_pixels = 65_536
    max_pixels = 16384 * 32**2
    history = History(
        image_window=1,
        older="user_text",
        keep_thought="none",
        instruction_at="window_first",
        order="text_first",
        summary_source="instruction",
    )
    calls = CALLS
    system = SYSTEM
    user = "The user query: {goal}\nTask progress (done on this device so far): {progress}"

    def refuse_words(self, turn: Turn) -> str | None:
        """Return why thought and sentence cannot be written, or None."""
        if spells_call(turn.thought, turn.instruction) or "\nAction: " in (turn.thought or ""):
            return "found a thought that spells the layout's own marks, expected none"
        return None

    def words(self, turn: Turn, *, thought: bool) -> tuple[Span, ...]:
        """Return thought and action sentence."""
        said = (Span("Thought: "), Span(one_line(turn.thought), "thought"), Span("\n")) if thought else ()
        return (*said, Span(f"Action: {dumps(one_line(turn.instruction))}\n"))

    def read_words(self, text: str) -> tuple[str | None, str | None, str]:
        """Return thought, sentence, and the call."""
        lines = text.split("\n", 2)
        if len(lines) != 3 or not lines[0].startswith("Thought: ") or not lines[1].startswith("Action: "):
            raise GrammarError("found other lines, expected 'Thought: …', 'Action: …', then the call")
        instruction = loads(lines[1].removeprefix("Action: "), "an Action", "a sentence in quotes")
        if not isinstance(instruction, str):
            raise GrammarError(f"found an Action {instruction!r}, expected a sentence in quotes")
        return lines[0].removeprefix("Thought: "), instruction, lines[2]
