"""Qwen2.5-VL on a phone (the `mobile_use` tool of the cookbook, `mobile_agent.ipynb`).

Messages: system with the tool's signature, which states the size of the screen; a user turn with the query, the calls
so far (`Step k: {…}; `) and the current screenshot; the answer, a bare `<tool_call>` without a thought. Coordinates are
pixels of the screenshot as the processor resizes it, and so is the size in the prompt: a 1080x2400 screen is 1092x2408
to a model with the full pixel budget. The cookbook's prompt has no `answer`.
"""

import json

from pipeline.records import Turn
from pipeline.slicing.policy import History

from .mobile_use import MobileUse, declared
from .spans import Span
from .tool_call import signature

CALLS = declared("[x, y] in pixels from the top left corner", key=True, answer=False)
MEANING = "Touch the screen of a phone, type, or press its buttons. The screen is {width}x{height}."

SYSTEM = f"""\
You help the user on their phone.

# Tools

You may call this function to act on the device. Its signature:
<tools>
{json.dumps(signature("mobile_use", MEANING, CALLS))}
</tools>

Answer with one call, a JSON object between <tool_call></tool_call> tags:
<tool_call>
{{"name": "mobile_use", "arguments": {{...}}}}
</tool_call>\
"""


class Qwen25VL(MobileUse):
    """The layout `qwen2.5-vl`."""

    name = "qwen2.5-vl"
    family = "qwen2.5-vl"
    factor = 28
    min_pixels = 4 * 28**2
    max_pixels = 16384 * 28**2
    history = History(
        image_window=1,
        older="user_text",
        keep_thought="none",
        instruction_at="window_first",
        order="text_first",
        summary_source="action_json",
    )
    thinks = False
    calls = CALLS
    system = SYSTEM
    user = "The user query: {goal}\nTask progress (done on this device so far): {progress}"

    def refuse_words(self, turn: Turn) -> str | None:
        """Return None: nothing is said before the call."""
        return None

    def words(self, turn: Turn, *, thought: bool) -> tuple[Span, ...]:
        """Return nothing."""
        return ()

    def read_words(self, text: str) -> tuple[str | None, str | None, str]:
        """Return the text, which is the call."""
        return None, None, text
