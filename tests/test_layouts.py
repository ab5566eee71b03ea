"""Each layout reads back what it writes, refuses what it cannot say, and renders exactly the golden conversations.

The golden files hold the messages of one small trajectory for each of its decisions. After a wanted change,
`GDP_UPDATE_GOLDEN=1 python -m pytest tests/test_layouts.py` writes them anew; read the diff turn by turn.
"""

import json
import os
from pathlib import Path
from typing import Any

import build
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import actions as a
from pipeline.exceptions import ConfigError
from pipeline.geometry import to_grid
from pipeline.layouts import LAYOUTS, GrammarError, Layout, get, render, visible_turns
from pipeline.policy import Prompts
from pipeline.records import Inbound, Turn

GOLDEN = Path(__file__).parent / "golden"
each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)

MARKS = ["<thinking>", "</thinking>", "<tool_call>", "</tool_call>", "\nAction: ", "Thought: ", '"', "\\", "\n",
         "\u2028", "<|im_start|>assistant\n", "<|im_end|>", "{}", "中文", "\r", "\x00", "\t", "🙂"]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(MARKS), st.text(max_size=8)), max_size=5).map("".join)
unit = st.floats(0, 1)
points = st.tuples(unit, unit)
seconds = st.none() | st.floats(0, 1e6) | st.integers(0, 100)
ways = st.sampled_from(["up", "down", "left", "right"])
modifiers = st.sampled_from([(), ("ctrl",)])
buttons = st.sampled_from(["left", "right", "middle"])
any_action = st.one_of(
    st.builds(a.Click, point=st.none() | points, button=buttons, count=st.integers(1, 3), modifiers=modifiers),
    st.builds(a.LongPress, point=points, duration=seconds),
    st.builds(a.Hover, point=points),
    st.builds(a.Drag, path=st.lists(points, min_size=1, max_size=3).map(tuple), from_cursor=st.booleans(),
              button=buttons),
    st.builds(a.Swipe, start=st.none() | points, end=st.none() | points, direction=st.none() | ways),
    st.builds(a.Scroll, point=st.none() | points, direction=st.none() | ways, dx=st.none() | st.floats(-2, 2),
              dy=st.none() | st.floats(-2, 2), unit=st.sampled_from([None, "wheel", "page"]), modifiers=modifiers),
    st.builds(a.Type, text=texts, point=st.none() | points, clear=st.none() | st.booleans(),
              submit=st.none() | st.booleans()),
    st.builds(a.Key, keys=st.lists(st.sampled_from(["Enter", "a", "ctrl"]), min_size=1, max_size=2).map(tuple),
              presses=st.integers(1, 2), hold=seconds),
    st.builds(a.KeyDown, key=texts), st.builds(a.KeyUp, key=texts),
    st.builds(a.MouseDown), st.builds(a.MouseUp),
    st.builds(a.Button, name=st.sampled_from(
        ["back", "home", "recent", "menu", "enter", "power", "volume_up", "volume_down"])),
    st.builds(a.OpenApp, name=texts), st.builds(a.OpenUrl, url=texts),
    st.builds(a.Browser, op=st.sampled_from(["back", "forward", "new_tab"])),
    st.builds(a.SelectOption, value=texts, point=st.none() | points), st.builds(a.SelectText, start=points, end=points),
    st.builds(a.Copy, text=st.none() | texts), st.builds(a.Wait, seconds=seconds), st.builds(a.Answer, text=texts),
    st.builds(a.AskUser, text=texts), st.builds(a.Takeover, text=texts), st.builds(a.Memorize, text=texts),
    st.builds(a.CallTool, name=texts), st.builds(a.Screenshot),
    st.builds(a.Terminate, status=st.sampled_from(["success", "failure", "infeasible", "already_done", "interrupted"])),
    st.builds(a.Unknown),
)  # fmt: skip


@each_layout
@given(action=any_action, thought=st.none() | texts, instruction=st.none() | texts)
def test_what_is_written_reads_back(
    layout: Layout, action: a.Action, thought: str | None, instruction: str | None
) -> None:
    """What is written reads back."""
    turn = Turn(3, (action,), thought=thought, instruction=instruction)
    refusal = layout.refuse(turn)
    if refusal is not None:
        assert "found " in refusal
        assert ", expected " in refusal
        return
    text = layout.response(turn)
    reply = layout.parse(text)
    again = Turn(3, reply.actions, thought=reply.thought, instruction=reply.instruction)
    assert layout.refuse(again) is None
    assert layout.response(again) == text
    written, read = a.target_point(action), a.target_point(reply.action)
    if written is not None and not isinstance(action, a.Scroll):
        assert read is not None
        assert to_grid(read, layout.scale) == to_grid(written, layout.scale)
    if isinstance(action, a.Type | a.Answer | a.AskUser):
        assert type(reply.action) is type(action)
        assert reply.action.text == action.text


SAYABLE = {
    "mai-ui": {"click", "long_press", "drag", "swipe", "scroll", "type", "key", "button", "open_app", "wait", "answer",
               "ask_user", "terminate"},
    "qwen3-vl": {"click", "long_press", "drag", "swipe", "scroll", "type", "key", "button", "open_app", "wait",
                 "answer", "terminate"},
}  # fmt: skip
PLAIN: list[a.Action] = [
    a.Click(point=(0.5, 0.5)), a.LongPress(point=(0.5, 0.5)), a.Hover(point=(0.5, 0.5)),
    a.Drag(path=((0.1, 0.1), (0.5, 0.5))), a.Swipe(start=(0.5, 0.8), end=(0.5, 0.2)),
    a.Scroll(point=(0.5, 0.5), direction="down", dy=0.5, unit="page"), a.Type(text="x"), a.Key(keys=("Enter",)),
    a.KeyDown(key="a"), a.KeyUp(key="a"), a.MouseDown(), a.MouseUp(), a.Button(name="back"), a.OpenApp(name="x"),
    a.OpenUrl(url="x"), a.Browser(op="back"), a.SelectOption(value="x"), a.SelectText(start=(0, 0), end=(1, 1)),
    a.Copy(), a.Wait(), a.Answer(text="x"), a.AskUser(text="x"), a.Takeover(text="x"), a.Memorize(text="x"),
    a.CallTool(name="x"), a.Screenshot(), a.Terminate(status="success"), a.Unknown(),
]  # fmt: skip


def tag(action: a.Action) -> str:
    """Return the action's type."""
    return str(type(action).__struct_config__.tag)


@each_layout
def test_each_action_type_is_said_or_refused(layout: Layout) -> None:
    """Each action type is said or refused."""
    assert {tag(action) for action in PLAIN} == {
        str(kind.__struct_config__.tag)
        for kind in a.Action.__args__  # type: ignore[attr-defined]
    }
    said = {tag(action) for action in PLAIN if layout.refuse(Turn(0, (action,))) is None}
    assert said == SAYABLE[layout.name]


CALL = '<tool_call>\n{"name": "mobile_use", "arguments": %s}\n</tool_call>'
HEADS = {"mai-ui": "<thinking>\nwhy\n</thinking>\n", "qwen3-vl": 'Thought: why\nAction: "Do it"\n'}
GARBAGE = [
    "", "{}", "null", "[" * 100_000, '{"action": "click", "coordinate": [1' + "1" * 5000 + ", 2]}",
    '{"action": "click"}', '{"action": "click", "coordinate": [1.5, 2]}',
    '{"action": "click", "coordinate": [1, 1000]}',
    '{"action": "click", "coordinate": [true, 2]}', '{"action": "click", "coordinate": [1, 2, 3]}',
    '{"action": "click", "coordinate": "1, 2"}', '{"action": "click", "coordinate": [1, 2], "extra": 1}',
    '{"action": "type", "action": "click", "coordinate": [1, 2]}', '{"action": "type", "text": 5}',
    '{"action": "type", "text": "\\ud800"}', '{"action": "fly"}', '{"action": ["click"]}',
    '{"action": "wait", "time": NaN}',
    '{"action": "wait", "time": Infinity}', '{"action": "wait", "time": 1e999}', '{"action": "wait", "time": -1}',
    '{"action": "wait", "time": true}', '{"action": "system_button", "button": "Power"}',
    '{"action": "terminate", "status": "great"}',
]  # fmt: skip


@each_layout
@pytest.mark.parametrize("arguments", GARBAGE, ids=lambda text: text[:40])
def test_a_call_that_is_none_is_refused(layout: Layout, arguments: str) -> None:
    """A call that is none is refused."""
    text = HEADS[layout.name] + CALL % '{"action": "wait"}'
    assert isinstance(layout.parse(text).action, a.Wait)
    with pytest.raises(GrammarError, match=r"found .*expected"):
        layout.parse(HEADS[layout.name] + CALL % arguments)


@each_layout
@pytest.mark.parametrize(
    "spoil",
    [
        lambda head, call: call,
        lambda head, call: head,
        lambda head, call: head + call + "\n",
        lambda head, call: head + call + "\n" + call,
        lambda head, call: " " + head + call,
        lambda head, call: head + "so\n" + call,
        lambda head, call: head + call.replace("mobile_use", "computer_use"),
        lambda head, call: head + call.replace('"arguments"', '"args"'),
        lambda head, call: head + call.replace('"mobile_use",', '"mobile_use", "id": 1,'),
        lambda head, call: head + call.replace("\n", ""),
    ],
)
def test_anything_around_the_call_is_refused(layout: Layout, spoil: Any) -> None:
    """Anything around the call is refused."""
    head, call = HEADS[layout.name], CALL % '{"action": "wait"}'
    layout.parse(head + call)
    with pytest.raises(GrammarError):
        layout.parse(spoil(head, call))


@each_layout
@given(
    text=st.lists(
        st.sampled_from([*MARKS, *HEADS.values(), "<tool_call>\n", "\n</tool_call>", CALL % "{}",
                         '{"name": "mobile_use"',
                         '"arguments": {', '"action": "click"', '"coordinate": [', "1, 2", "]", "}", ", ", "-", "1e9"]),
        max_size=12,
    ).map("".join)
)  # fmt: skip
def test_fuzz_meets_grammar_errors_only(layout: Layout, text: str) -> None:
    """Fuzz meets grammar errors only."""
    try:
        reply = layout.parse(text)
    except GrammarError:
        return
    assert layout.response(Turn(0, (reply.action,), thought=reply.thought, instruction=reply.instruction)) == text


@each_layout
@pytest.mark.parametrize("mark", ["<tool_call>", "</tool_call>"])
def test_a_text_that_spells_the_tags_is_refused_not_garbled(layout: Layout, mark: str) -> None:
    """A text that spells the tags is refused not garbled."""
    for turn in (
        Turn(0, (a.Type(text=f"x{mark}y"),), thought="t"),
        Turn(0, (a.Wait(),), thought=f"I see {mark} here"),
    ):
        assert "own" in (layout.refuse(turn) or "")
    assert layout.refuse(Turn(0, (a.Type(text="a < b > c"),), thought="1 < 2")) is None


@each_layout
def test_several_actions_and_bent_paths_are_refused(layout: Layout) -> None:
    """Several actions and bent paths are refused."""
    assert layout.refuse(Turn(0, (a.Wait(), a.Wait()))) == ("found 2 actions in one response, expected one call a turn")
    straight, bent = ((0.1, 0.1), (0.5, 0.1), (0.9, 0.1)), ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9))
    for path, refused in ((straight, False), (bent, True)):
        for action in (a.Drag(path=path), a.Swipe(start=path[0], end=path[-1], path=path)):
            assert (layout.refuse(Turn(0, (action,))) is not None) is refused


def test_a_scroll_moves_the_finger_the_other_way() -> None:
    """A scroll moves the finger the other way."""
    down = Turn(0, (a.Scroll(point=(0.5, 0.5), direction="down", dy=0.4, unit="page"),))
    mai, qwen = (LAYOUTS[name].parse(LAYOUTS[name].response(down)).action for name in ("mai-ui", "qwen3-vl"))
    assert isinstance(mai, a.Swipe)
    assert mai.direction == "up"
    assert isinstance(qwen, a.Swipe)
    assert qwen.start is not None
    assert qwen.end is not None
    assert qwen.start[1] - qwen.end[1] == pytest.approx(0.4, abs=2 / 999)


@pytest.mark.parametrize("travel", [{}, {"dy": 0.0}, {"dy": 0.009}, {"dy": 0.97}])
def test_a_scroll_by_nothing_or_too_much_is_no_swipe(travel: dict[str, float]) -> None:
    """A scroll by nothing or too much is no swipe."""
    scroll = a.Scroll(point=(0.5, 0.5), direction="down", unit="page", **travel)
    assert "scroll by" in (LAYOUTS["qwen3-vl"].refuse(Turn(0, (scroll,))) or "")


@each_layout
@given(point=points, dx=st.floats(-0.96, 0.96), dy=st.floats(-0.96, 0.96))
def test_a_scroll_stays_on_the_screen(layout: Layout, point: a.Point, dx: float, dy: float) -> None:
    """A scroll stays on the screen."""
    turn = Turn(0, (a.Scroll(point=point, dx=dx, dy=dy, unit="page"),))
    if layout.refuse(turn) is None:
        for x, y in a.points(layout.parse(layout.response(turn)).action):
            assert 0.019 <= x <= 0.981
            assert 0.019 <= y <= 0.981


def test_an_unknown_layout_is_named() -> None:
    """An unknown layout is named."""
    with pytest.raises(ConfigError, match="found 'gpt', expected one of mai-ui, qwen3-vl"):
        get("gpt")


def test_visible_turns_are_the_last_screens() -> None:
    """Visible turns are the last screens."""
    turns = [Turn(n, (a.Wait(),), inbound=(Inbound("user_reply", "yes"),) if n == 3 else ()) for n in range(6)]
    assert visible_turns(LAYOUTS["mai-ui"], turns, 3) == [2, 4, 5]
    assert visible_turns(LAYOUTS["qwen3-vl"], turns, 3) == [3, 4, 5]
    assert visible_turns(LAYOUTS["mai-ui"], turns[:1], 3) == [0]


def test_a_reply_outlives_its_screen() -> None:
    """What the user said three steps ago is all that explains what is typed now."""
    turns = [Turn(n, (a.Wait(),), thought="t", instruction=f"do {n}") for n in range(4)]
    turns[1] = msgspec.structs.replace(turns[1], inbound=(Inbound("user_reply", "the code is 1234"),))
    turns[-1] = msgspec.structs.replace(turns[-1], image=0)
    for layout in LAYOUTS.values():
        said = [
            part.text or ""
            for message in render(layout, layout.history, Prompts(), "g", turns)
            for part in message.content
        ]
        assert sum("the code is 1234" in text for text in said) == 1


def english() -> dict[str, Any]:
    """Return a trajectory with a click, a scroll, a reply of a tool, a text, Back, and the end."""
    document = build.trajectory("golden-en", 6, goal="Rename the note “Plan” and go back")
    steps = document["steps"]
    steps[1]["actions"] = [{"type": "scroll", "point": [0.5, 0.5], "direction": "down", "dy": 320, "unit": "px"}]
    steps[1]["text"] = {"thought": "The field is further down.\nI scroll.", "instruction": None}
    steps[2]["inbound"] = [{"kind": "user_reply", "text": "Call it “Plan B”"}]
    steps[2]["actions"] = [{"type": "click", "point": [0.25, 0.9]}]
    steps[2]["text"] = {"thought": "The user told me the name, so I tap the field.", "instruction": "Tap the field"}
    steps[3]["actions"] = [{"type": "type", "text": 'Plan "B"\n<ok>'}]
    steps[3]["text"] = {"thought": "The field has the focus."}
    steps[4]["actions"] = [{"type": "button", "name": "back"}]
    steps[4]["text"] = {"thought": "The name is in; back to the list.", "instruction": "Press Back"}
    return document


def chinese() -> dict[str, Any]:
    """Return the same in Chinese, shorter, without written instructions."""
    document = build.trajectory("golden-zh", 5, goal="把备注改为“计划”", lang="zh")
    steps = document["steps"]
    steps[1]["actions"] = [{"type": "swipe", "start": [0.5, 0.8], "end": [0.5, 0.3]}]
    steps[2]["actions"] = [{"type": "type", "text": "计划"}]
    steps[3]["actions"] = [{"type": "button", "name": "back"}]
    for number, thought in enumerate(
        ("点击按钮打开备注。", "需要的内容在下面，向上滑动。", "输入新的名称。", "完成，返回。", "任务完成。")
    ):
        steps[number]["text"] = {"thought": thought}
    return document


@each_layout
def test_the_golden_conversations(layout: Layout, tmp_path: Path) -> None:
    """Every decision of both trajectories, message by message.

    Checked by hand against the notes on each family: MAI-UI shows at most three screenshots, the reply instead of the
    third one, keeps all thinking; Qwen3-VL shows one, drops past thinking, tells the steps and the reply in words.
    """
    for document in (english(), chinese()):
        build.write(tmp_path / "in", document)
    dataset = build.sliced(tmp_path / "in", tmp_path / "out", layout=layout.name, val_fraction=0)
    found = {"system": None, "samples": {}}
    for sample in dataset.samples():
        system, *rest = sample.messages
        found["system"] = found["system"] or system.content[0].text
        assert system.content[0].text == found["system"]
        found["samples"][sample.sample_id] = [
            [
                f"{message.role}{' *' if message.loss_weight else ''}",
                *(part.text or f"<image {part.image}>" for part in message.content),
            ]
            for message in rest
        ]
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    file = GOLDEN / f"{layout.name}.json"
    if os.environ.get("GDP_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert json.loads(file.read_text(encoding="utf-8")) == found
