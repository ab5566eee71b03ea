"""Replies of models taken apart, and their tool calls as actions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions import (
    Answer,
    AskUser,
    Button,
    CallTool,
    Click,
    Drag,
    Hover,
    Key,
    LongPress,
    OpenApp,
    Scroll,
    Swipe,
    Terminate,
    Type,
    Wait,
)
from pipeline.importers.coordinates import grid, px
from pipeline.importers.model_reply import Call, read
from pipeline.importers.pyautogui_actions import UnreadableError
from pipeline.importers.refusal import Refused
from pipeline.importers.tool_actions import TOOLS, to_action

CALL = '<tool_call>\n{"name": "mobile_use", "arguments": {"action": "wait"}}\n</tool_call>'
WAIT = ("mobile_use", {"action": "wait"})


@pytest.mark.parametrize(
    ("text", "thought", "instruction", "calls"),
    [
        (f"<thinking>\nI wait.\n</thinking>\n{CALL}", "I wait.", None, [WAIT]),
        (f"<think>I wait.</think>{CALL}", "I wait.", None, [WAIT]),
        (f"I wait.</think>\n{CALL}", "I wait.", None, [WAIT]),
        (f'Thought: I wait.\nAction: "Wait a bit"\n{CALL}', "I wait.", "Wait a bit", [WAIT]),
        (f"Thought: two\nlines\nAction: Wait \"a\" bit  \n{CALL}", "two\nlines", 'Wait "a" bit', [WAIT]),
        (f"Action: Wait\n{CALL}\n{CALL}", None, "Wait", [WAIT, WAIT]),
        (CALL.removesuffix("</tool_call>"), None, None, [WAIT]),
        ("<tool_call><function=computer_use>\n<parameter=action>\nleft_click\n</parameter>\n<parameter=coordinate>\n"
         "[1, 2]\n</parameter>\n<parameter=text>\n12\n</parameter>\n<parameter=time>3</parameter>"
         "</function></tool_call>",
         None, None, [("computer_use", {"action": "left_click", "coordinate": [1, 2], "text": "12", "time": 3})]),
        ('<tool_call>{"name": "a", "arguments": "{\\"b\\": 1}"}</tool_call>', None, None, [("a", {"b": 1})]),
        ("Just text.", None, None, []),
        ("", None, None, []),
        ("Thought: only this", "only this", None, []),
    ],
)  # fmt: skip
def test_forms(
    text: str, thought: str | None, instruction: str | None, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    """Of MAI-UI, Qwen3 with thinking, Qwen3-VL's cookbook, OSWorld agents, Qwen3.5."""
    reply = read(text)
    assert (reply.thought, reply.instruction) == (thought, instruction)
    assert [(call.name, call.arguments) for call in reply.calls] == calls
    assert not reply.broken


@pytest.mark.parametrize(
    "call",
    ["", "{", "[]", "3", '{"name": 3}', '{"arguments": {}}', '{"name": "a", "arguments": 3}', "{}",
     '{"name": "a", "name": "b"}', '{"name": "a", "arguments": "x"}', "[" * 100_000, '{"name": "\\ud800"}',
     "<function=a><parameter=b>1</function>"],
)  # fmt: skip
def test_broken_calls_are_reported(call: str) -> None:
    """And those beside them are read."""
    reply = read(f"<tool_call>{call}</tool_call>{CALL}")
    assert len(reply.broken) == 1
    assert [each.name for each in reply.calls] == ["mobile_use"]


@pytest.mark.parametrize(
    "text",
    ["Action:" + " " * 500_000 + "x", "<tool_call>" * 50_000, "Thought:" + "\nAction" * 100_000,
     "## Thought:\n" * 50_000, "<tool_call><function=a>" + "<parameter=b>" * 50_000 + "</function></tool_call>",
     "</think>" * 50_000],
)  # fmt: skip
def test_long_replies_take_no_longer_than_their_length(text: str) -> None:
    """Texts that make careless patterns run for hours."""
    read(text)


@given(st.text(), st.text(max_size=20))
def test_no_text_brings_it_down(text: str, inside: str) -> None:
    """Any text, any call."""
    read(text)
    read(f"Thought: {text}\nAction: {text}\n<tool_call>{inside}</tool_call>")


def act(name: str, **arguments: Any) -> Any:
    """Return what a call does, without what every action carries."""
    return to_action(Call(name, arguments, ""), grid(999))


P, Q = (100 / 999, 200 / 999), (1.0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"action": "click", "coordinate": [100, 200]}, Click(point=P)),
        ({"action": "double_click", "coordinate": [100, 200]}, Click(point=P, count=2)),
        ({"action": "long_press", "coordinate": [100, 200], "time": 2}, LongPress(point=P, duration=2)),
        ({"action": "long_press", "coordinate": [100.0, 200.0]}, LongPress(point=P)),
        ({"action": "swipe", "direction": "up"}, Swipe(direction="up")),
        ({"action": "swipe", "direction": "left", "coordinate": [100, 200]}, Swipe(direction="left", start=P)),
        ({"action": "swipe", "coordinate": [100, 200], "coordinate2": [999, 0]}, Swipe(start=P, end=Q)),
        ({"action": "drag", "start_coordinate": [100, 200], "end_coordinate": [999, 0]}, Drag(path=(P, Q))),
        ({"action": "type", "text": "a\n\"b\" 你好 😀"}, Type(text="a\n\"b\" 你好 😀")),
        ({"action": "key", "text": "volume_up"}, Key(keys=("volume_up",))),
        ({"action": "system_button", "button": "Back"}, Button(name="back")),
        ({"action": "system_button", "button": "menu"}, Button(name="menu")),
        ({"action": "open", "text": "Phone"}, OpenApp(name="Phone")),
        ({"action": "wait", "time": 3}, Wait(seconds=3)),
        ({"action": "wait"}, Wait()),
        ({"action": "answer", "text": "7"}, Answer(text="7")),
        ({"action": "ask_user", "text": "?"}, AskUser(text="?")),
        ({"action": "terminate", "status": "success"}, Terminate(status="success")),
        ({"action": "terminate", "status": "fail"}, Terminate(status="failure")),
        ({"action": "terminate", "status": "failure"}, Terminate(status="failure")),
    ],
)  # fmt: skip
def test_mobile_use(arguments: dict[str, Any], expected: Any) -> None:
    """MAI-UI's arguments and Qwen's."""
    assert act("mobile_use", **arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"action": "left_click", "coordinate": [100, 200]}, Click(point=P)),
        ({"action": "left_click"}, Click()),
        (
            {"action": "left_click", "coordinate": [100, 200], "text": "ctrl+shift"},
            Click(point=P, modifiers=("ctrl", "shift")),
        ),
        ({"action": "right_click", "coordinate": [100, 200]}, Click(point=P, button="right")),
        ({"action": "middle_click", "coordinate": [100, 200]}, Click(point=P, button="middle")),
        ({"action": "double_click", "coordinate": [100, 200]}, Click(point=P, count=2)),
        ({"action": "triple_click", "coordinate": [100, 200]}, Click(point=P, count=3)),
        ({"action": "mouse_move", "coordinate": [100, 200]}, Hover(point=P)),
        ({"action": "left_click_drag", "coordinate": [100, 200]}, Drag(path=(P,), from_cursor=True)),
        ({"action": "scroll", "pixels": -5, "coordinate": [100, 200]}, Scroll(point=P, direction="down", dy=5)),
        ({"action": "scroll", "pixels": 5}, Scroll(direction="up", dy=-5)),
        ({"action": "hscroll", "pixels": 5}, Scroll(direction="right", dx=5)),
        ({"action": "key", "keys": ["Control", "c"]}, Key(keys=("ctrl", "c"))),
    ],
)
def test_computer_use(arguments: dict[str, Any], expected: Any) -> None:
    """Qwen's computer: scrolling up is positive, a drag gives only its end."""
    assert act("computer_use", **arguments) == expected


def test_a_box_is_hit_in_its_middle_and_other_tools_are_called() -> None:
    """The box is kept."""
    click = act("mobile_use", action="click", coordinate=[100, 200, 300, 400])
    assert click.point == pytest.approx((200 / 999, 300 / 999))
    assert click.bbox == (100 / 999, 200 / 999, 300 / 999, 400 / 999)
    called = act("map.search", q=["你"])
    assert called == CallTool(name="map.search", arguments='{"q": ["你"]}')


@pytest.mark.parametrize(
    "arguments",
    [
        {}, {"action": 3}, {"action": "dance"}, {"action": "click"}, {"action": "click", "coordinate": [1]},
        {"action": "click", "coordinate": "1,2"}, {"action": "swipe", "direction": "north"},
        {"action": "swipe", "coordinate": [1, 2]}, {"action": "system_button", "button": "power"},
        {"action": "terminate"}, {"action": "terminate", "status": "fine"}, {"action": "type"},
        {"action": "wait", "time": -1},
        {"action": "wait", "time": "long"}, {"action": "key", "text": 3},
    ],
)  # fmt: skip
def test_unreadable_calls(arguments: dict[str, Any]) -> None:
    """Nothing is guessed."""
    with pytest.raises(UnreadableError, match=r"found .* expected"):
        act("mobile_use", **arguments)


@pytest.mark.parametrize("coordinate", [[1000, 5], [-1, 5], [float("nan"), 5], [5, float("inf")], ["1", 2], [True, 2],
                                        [1000, 1000, 1100, 1100], [10**400, 1]])  # fmt: skip
def test_points_off_the_screen_are_refused(coordinate: list[Any]) -> None:
    """999 is the last of the grid."""
    with pytest.raises(Refused, match="coordinate"):
        act("mobile_use", action="click", coordinate=coordinate)


@given(st.integers(0, 999), st.integers(0, 999))
def test_grid_points_come_back_exactly(x: int, y: int) -> None:
    """Whatever the grid point."""
    point = act("mobile_use", action="click", coordinate=[x, y]).point
    assert (round(point[0] * 999), round(point[1] * 999)) == (x, y)
    exact = to_action(Call("mobile_use", {"action": "click", "coordinate": [x, y]}, ""), px((1092, 2408))).point  # type: ignore[union-attr]
    assert exact == (x / 1092, y / 2408)


def test_every_action_of_the_tools_is_tried_here() -> None:
    """An action that is added needs a line above."""
    tried = {name: {arguments["action"] for arguments, _ in mark.args[1]}
             for name, mark in (("mobile_use", test_mobile_use.pytestmark[0]),  # type: ignore[attr-defined]
                                ("computer_use", test_computer_use.pytestmark[0]))}  # type: ignore[attr-defined]  # fmt: skip
    common = {"type", "wait", "answer", "terminate"}
    assert set(TOOLS["mobile_use"]) == tried["mobile_use"]
    assert set(TOOLS["computer_use"]) - common == tried["computer_use"]
