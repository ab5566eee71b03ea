"""Replies that break a layout's grammar are refused, whatever spoils them."""

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import actions as a
from pipeline.layouts import LAYOUTS, GrammarError, Layout, Reply
from pipeline.layouts.tool_call import ToolCallLayout
from pipeline.records import Turn

SIZE = (1092, 2408)

each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
each_tool = pytest.mark.parametrize(
    "layout", [layout for layout in LAYOUTS.values() if isinstance(layout, ToolCallLayout)], ids=lambda each: each.name
)
CALL = '<tool_call>\n{"name": "%s", "arguments": %s}\n</tool_call>'
HEADS = {
    "mai-ui": "<thinking>\nwhy\n</thinking>\n",
    "qwen3-vl": 'Thought: why\nAction: "Do it"\n',
    "qwen3-vl-computer": "Action: Do it\n",
    "qwen2.5-vl": "",
}
CLICKS = {"qwen3-vl-computer": "left_click"}
GARBAGE = [
    "", "{}", "null", "[" * 100_000, '{"action": "CLICK", "coordinate": [1' + "1" * 5000 + ", 2]}",
    '{"action": "CLICK", "coordinate": [1.5, 2]}', '{"action": "CLICK", "coordinate": [1, 9999]}',
    '{"action": "CLICK", "coordinate": [true, 2]}', '{"action": "CLICK", "coordinate": [1, 2, 3]}',
    '{"action": "CLICK", "coordinate": [2, 1.5]}', '{"action": "CLICK", "coordinate": [2, true]}',
    '{"action": "CLICK", "coordinate": 5}', '{"action": "CLICK", "coordinate": {"x": 1, "y": 2}}',
    '{"action": "CLICK", "coordinate": "1, 2"}', '{"action": "CLICK", "coordinate": "12"}',
    '{"action": "CLICK", "coordinate": [1, 2], "extra": 1}',
    '{"action": "type", "action": "CLICK", "coordinate": [1, 2]}', '{"action": "type", "text": 5}',
    '{"action": "type"}', '{"action": "type", "text": "\\ud800"}', '{"action": "fly"}', '{"action": ["CLICK"]}',
    '{"action": "wait", "time": NaN}', '{"action": "wait", "time": Infinity}', '{"action": "wait", "time": 1e999}',
    '{"action": "wait", "time": -1}', '{"action": "wait", "time": true}',
    '{"action": "system_button", "button": "Power"}', '{"action": "terminate", "status": "great"}',
    '{"action": "scroll", "pixels": 0}', '{"action": "scroll", "pixels": 1.5}', '{"action": "key", "keys": []}',
    '{"action": "key", "keys": [1]}', '{"action": "key", "text": "camera"}',
]  # fmt: skip


def read(layout: ToolCallLayout, arguments: str) -> Reply:
    """Parse a call with these arguments."""
    arguments = arguments.replace("CLICK", CLICKS.get(layout.name, "click"))
    return layout.parse(HEADS[layout.name] + CALL % (layout.tool, arguments), SIZE)


@each_tool
@pytest.mark.parametrize("arguments", GARBAGE, ids=lambda text: text[:40])
def test_a_call_that_is_none_is_refused(layout: ToolCallLayout, arguments: str) -> None:
    """A call that is none is refused."""
    assert isinstance(read(layout, '{"action": "wait"}').action, a.Wait)
    assert a.target_point(read(layout, '{"action": "CLICK", "coordinate": [1, 2]}').action) is not None
    with pytest.raises(GrammarError, match=r"found .*expected"):
        read(layout, arguments)


@each_tool
@pytest.mark.parametrize(
    "spoil",
    [
        lambda head, call: "x" + head + call,
        lambda head, call: head,
        lambda head, call: head + call + "\n",
        lambda head, call: head + call + "\n" + call,
        lambda head, call: " " + head + call,
        lambda head, call: head + "so\n" + call,
        lambda head, call: head + call.replace("_use", "_abuse"),
        lambda head, call: head + call.replace('"arguments"', '"args"'),
        lambda head, call: head + call.replace('_use",', '_use", "id": 1,'),
        lambda head, call: head + call.replace("\n", ""),
    ],
)
def test_anything_around_the_call_is_refused(layout: ToolCallLayout, spoil: Any) -> None:
    """Anything around the call is refused."""
    head, call = HEADS[layout.name], CALL % (layout.tool, '{"action": "wait"}')
    layout.parse(head + call)
    with pytest.raises(GrammarError):
        layout.parse(spoil(head, call))


FRAGMENTS = [
    "<thinking>", "</thinking>", "<tool_call>", "</tool_call>", '"', "\\", "\n", "<|im_start|>assistant\n",
    "<|im_end|>", "'", "{}", "中文", "\r", "\x00",
    *HEADS.values(), "<tool_call>\n", "\n</tool_call>", CALL % ("mobile_use", "{}"), '{"name": "mobile_use"',
    '"arguments": {', '"action": "click"', '"coordinate": [', "1, 2", "]", "}", ", ", "-", "1e9", "Thought: ",
    "\nAction: ", "click(", "start_box='", "<|box_start|>(1,2)<|box_end|>", "')", "', ", "wait()", "\n\n",
    "type(content='", "\\'", "\\x0a", "hotkey(key='", "long_press(", "time='1.0", "finished(content='",
]  # fmt: skip


@each_layout
@given(text=st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_fuzz_meets_grammar_errors_only(layout: Layout, text: str) -> None:
    """Fuzz meets grammar errors only."""
    try:
        reply = layout.parse(text, SIZE)
    except GrammarError:
        return
    again = Turn(0, reply.actions, thought=reply.thought, instruction=reply.instruction, size=SIZE)
    assert layout.response(again) == text


@each_tool
@pytest.mark.parametrize("mark", ["<tool_call>", "</tool_call>"])
def test_a_text_that_spells_the_tags_is_refused_not_garbled(layout: ToolCallLayout, mark: str) -> None:
    """A text that spells the tags is refused not garbled."""
    turns = [Turn(0, (a.Type(text=f"x{mark}y"),), thought="t")]
    if layout.thinks:
        turns.append(Turn(0, (a.Wait(),), thought=f"I see {mark} here"))
    for turn in turns:
        assert "own" in (layout.refuse(turn) or "")
    assert layout.refuse(Turn(0, (a.Type(text="a < b > c"),), thought="1 < 2")) is None


BOX = "<|box_start|>(1,2)<|box_end|>"


@pytest.mark.parametrize(
    "action",
    [
        "", "wait", "wait(", "wait() ", "wait()\nwait()", "wait()\n\n", "fly()", "Wait()", f"click(start_box='{BOX}'",
        "click()", "click(start_box='(1,2)')", f"click(start_box='{BOX} ')",
        f"click(start_box='{BOX.replace('1', '01')}')",
        f"click(start_box='{BOX.replace('1', '1092')}')", f"click(start_box='{BOX.replace('1', '9' * 5000)}')",
        f"click(start_box='{BOX}', start_box='{BOX}')", f"click(start_box='{BOX}', end_box='{BOX}')",
        f"drag(end_box='{BOX}', start_box='{BOX}')", f"drag(start_box='{BOX}',end_box='{BOX}')",
        "type(content=\"x\")", "type(content='it's')", "type(content='a\nb')", "type(content='\\q')",
        "type(content='\\x41')", "hotkey(key='')", "hotkey(key=' a')", f"long_press(start_box='{BOX}', time='x')",
        f"long_press(start_box='{BOX}', time='-1')", f"scroll(start_box='{BOX}', direction='sideways')",
    ],
)  # fmt: skip
def test_ui_tars_is_read_without_mercy(action: str) -> None:
    """Every deviation is a grammar error, and the same action without it is none."""
    layout = LAYOUTS["ui-tars-1.5"]
    layout.parse(f"Thought: t\nAction: click(start_box='{BOX}')\n\nwait()", SIZE)
    with pytest.raises(GrammarError, match=r"found .*expected"):
        layout.parse(f"Thought: t\nAction: {action}", SIZE)


def test_ui_tars_escapes_what_python_would_stumble_over() -> None:
    """The call is a Python expression that means the same, which is how the family's agents read it."""
    layout = LAYOUTS["ui-tars-1.5"]
    text = "it's \"a\\b\" {\"k\": 'v'}\nzwei\r\tdrei\x00 ')) \n\n中文🙂<|box_start|>(1,2)<|box_end|> Action: x"
    turn = Turn(0, (a.Type(text=text), a.Type(text="go", submit=True)), thought="t", size=SIZE)
    said = layout.response(turn)
    first, second = said.partition("Action: ")[2].split("\n\n")
    assert ast.literal_eval(first.removeprefix("type(content=").removesuffix(")")) == text
    assert second == "type(content='go\\n')"
    assert layout.parse(said).actions == (a.Type(text=text), a.Type(text="go", submit=True))
    held = layout.response(Turn(0, (a.LongPress(point=(0, 0), duration=-0.0),), size=SIZE))
    assert layout.parse(held, SIZE).actions == (a.LongPress(point=(0, 0), duration=0),)
    assert [part.type for part in layout.parts(turn)] == ["text"], "spelled control tokens stay text"
