"""Each layout reads back what it writes, and refuses what it cannot say."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import actions as a
from pipeline.exceptions import ConfigError
from pipeline.layouts import LAYOUTS, GrammarError, Layout, coordinates, get, render, visible_turns
from pipeline.layouts.tool_call import ToolCallLayout
from pipeline.records import Inbound, Turn
from pipeline.slicing.policy import Prompts

each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)

MARKS = ["<thinking>", "</thinking>", "<tool_call>", "</tool_call>", "\nAction: ", "Thought: ", '"', "\\", "\n",
         "\u2028", "<|im_start|>assistant\n", "<|im_end|>", "<|box_start|>(1,2)<|box_end|>", "'", "')",
         "{}", "中文", "\r", "\x00", "\t", "🙂"]  # fmt: skip
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


SIZE = (1092, 2408)
sizes = st.tuples(st.integers(28, 4000), st.integers(28, 4000))


def same(action: a.Action, other: a.Action) -> bool:
    """Tell whether two actions are one but for their points."""
    kind = type(action)
    if kind is not type(other):
        return False
    ignored = {"point", "start", "end", "path", "bbox", "src", "frame", "synth"}
    return all(getattr(action, f) == getattr(other, f) for f in kind.__struct_fields__ if f not in ignored)


@each_layout
@settings(max_examples=300)
@given(
    actions=st.lists(any_action, min_size=1, max_size=2).map(tuple),
    thought=st.none() | texts, instruction=st.none() | texts, size=sizes,
)  # fmt: skip
def test_what_is_written_reads_back(
    layout: Layout, actions: tuple[a.Action, ...], thought: str | None, instruction: str | None, size: tuple[int, int]
) -> None:
    """Every action that a layout accepts reads back, to the point on the grid, and is written the same again."""
    turn = Turn(3, actions, thought=thought, instruction=instruction, size=size)
    refusal = layout.refuse(turn)
    if refusal is not None:
        assert "found " in refusal
        assert ", expected " in refusal
        return
    text = layout.response(turn)
    assert text == "".join(part.text or "" for part in layout.parts(turn))
    reply = layout.parse(text, size)
    again = Turn(3, reply.actions, thought=reply.thought, instruction=reply.instruction, size=size)
    assert layout.refuse(again) is None
    assert layout.response(again) == text
    if len(reply.actions) < len(actions):  # a move, then a drag from the cursor: one drag
        actions = (a.Drag(path=(actions[0].point, actions[1].path[0])),)  # type: ignore[union-attr,arg-type]
    assert len(reply.actions) == len(actions)
    frame = layout.frame(size)
    for action, read in zip(actions, reply.actions, strict=True):
        written = a.target_point(action)
        if written is not None and not isinstance(action, a.Scroll):
            found = a.target_point(read)
            assert found is not None
            assert frame.write(found) == frame.write(written)
        if isinstance(action, a.Type | a.OpenApp):
            assert same(action, msgspec.structs.replace(read, **kept(action)))
        if isinstance(action, a.Answer) and action.text:
            assert same(action, read)


@each_layout
@settings(max_examples=150)
@given(
    actions=st.lists(any_action, min_size=1, max_size=2).map(tuple), thought=st.none() | texts,
    instruction=st.none() | texts, size=sizes, told=st.booleans(),
)  # fmt: skip
def test_each_piece_of_a_response_is_known_for_what_it_is(
    layout: Layout, actions: Any, thought: str | None, instruction: str | None, size: tuple[int, int], told: bool
) -> None:
    """Pieces are the response; coordinates are its points' numbers in order; names are declared; thoughts are whole."""
    turn = Turn(3, actions, thought=thought, instruction=instruction, size=size)
    if layout.refuse(turn) is not None:
        return
    spans = layout.spans(turn, thought=told)
    assert "".join(span.text for span in spans) == layout.response(turn, thought=told)
    assert [span.text for span in spans if span.token] == [
        part.text for part in layout.parts(turn, thought=told) if part.type == "token"
    ]
    kinds = {kind: [span.text for span in spans if span.kind == kind] for kind in ("thought", "action", "coordinates")}
    response = layout.response(turn, thought=told)
    if isinstance(layout, ToolCallLayout):
        calls = [json.loads(call)["arguments"] for call in layout.json(turn)]
        assert response.endswith("\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in layout.json(turn)))
        held = [call[name] for call in calls for name in call if is_point(layout, call["action"], name)]
        assert kinds["action"] == [call["action"] for call in calls]
        assert kinds["coordinates"] == [str(number) for point in held for number in point]
    else:
        assert len(kinds["action"]) == len(actions)
        assert all(layout.calls.named(name) for name in kinds["action"])
        boxes = [spans[n + 2 : n + 5] for n, span in enumerate(spans) if span.token and "start" in span.text]
        assert kinds["coordinates"] == [number.text for box in boxes for number in (box[0], box[2])]
    assert all(number.isdigit() for number in kinds["coordinates"])
    if kinds["thought"]:
        assert kinds["thought"] == [layout.parse(response, size).thought or ""]


def is_point(layout: Layout, action: str, name: str) -> bool:
    """Tell whether a call's argument is one."""
    return any(each.kind == "point" for each in layout.calls.named(action).arguments if each.name == name)


def kept(action: a.Type | a.OpenApp) -> dict[str, Any]:
    """Return the flags that say nothing: False is as good as unset."""
    if not isinstance(action, a.Type):
        return {}
    return {"clear": action.clear, **({} if action.submit else {"submit": action.submit})}


@each_layout
@given(data=st.data(), size=sizes)
def test_each_number_of_the_frame_comes_out_again(layout: Layout, data: st.DataObject, size: tuple[int, int]) -> None:
    """A point on the grid, or on a pixel, is written with that number; nothing is ever written beyond the last one."""
    frame = layout.frame(size)
    x, y = (data.draw(st.integers(0, largest)) for largest in frame.largest)
    turn = Turn(0, (a.Click(point=frame.read(x, y)),), size=size)
    read = layout.parse(layout.response(turn), size).action
    assert frame.write(a.target_point(read) or (0, 0)) == [x, y]
    fraction = data.draw(points)
    for value, number, span in zip(fraction, frame.write(fraction), frame.span, strict=True):
        assert abs(number - value * span) <= 0.5 or number == frame.largest[0 if span == frame.span[0] else 1]


@pytest.mark.parametrize("scale", [999, 1000])
def test_every_number_of_a_grid_and_of_common_screens(scale: int) -> None:
    """All of them, not a draw."""
    for frame in (coordinates.grid(scale), *(coordinates.pixels(side, side) for side in (720, 1092, 1440, 2408, 3840))):
        for number in range(frame.largest[0] + 1):
            assert frame.write(frame.read(number, number)) == [number, number]
        assert frame.write((1.0, 1.0)) == list(frame.largest)
        with pytest.raises(ValueError, match="expected x from 0 to"):
            frame.read(frame.largest[0] + 1, 0)


SAYABLE = {
    "mai-ui": {"click", "long_press", "drag", "swipe", "scroll", "type", "key", "button", "open_app", "wait", "answer",
               "ask_user", "terminate"},
    "qwen3-vl": {"click", "long_press", "drag", "swipe", "scroll", "type", "key", "button", "open_app", "wait",
                 "answer", "terminate"},
    "qwen3-vl-computer": {"click", "hover", "drag", "scroll", "type", "key", "wait", "answer", "terminate"},
    "qwen2.5-vl": {"click", "long_press", "drag", "swipe", "scroll", "type", "key", "button", "open_app", "wait",
                   "terminate"},
    "ui-tars-1.5": {"click", "long_press", "drag", "swipe", "scroll", "type", "key", "button", "open_app", "wait",
                    "answer", "ask_user", "takeover", "terminate"},
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
    said = {tag(action) for action in PLAIN if layout.refuse(Turn(0, (action,), size=SIZE)) is None}
    assert said == SAYABLE[layout.name]


@each_layout
def test_several_actions_and_bent_paths_are_refused(layout: Layout) -> None:
    """Several actions and bent paths are refused."""
    refused = layout.refuse(Turn(0, (a.Wait(), a.Wait())))
    one = layout.name != "ui-tars-1.5"  # which has a grammar for several
    assert refused == ("found 2 actions in one response, expected one a turn" if one else None)
    straight, bent = ((0.1, 0.1), (0.5, 0.1), (0.9, 0.1)), ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9))
    for path, bad in ((straight, False), (bent, True)):
        swipes = [] if layout.name == "qwen3-vl-computer" else [a.Swipe(start=path[0], end=path[-1], path=path)]
        for action in (a.Drag(path=path), *swipes):
            assert (layout.refuse(Turn(0, (action,), size=SIZE)) is not None) is bad


CALL = '<tool_call>\n{"name": "computer_use", "arguments": %s}\n</tool_call>'
MOVE = '{"action": "mouse_move", "coordinate": [454, 268]}'
DRAG = '{"action": "left_click_drag", "coordinate": [410, 277]}'


def test_a_drag_on_a_computer_is_two_calls() -> None:
    """To its start, then from there to its end; a drag from the cursor is one, and nothing else is two."""
    layout = LAYOUTS["qwen3-vl-computer"]
    move, drag = (CALL % arguments for arguments in (MOVE, DRAG))
    turn = Turn(0, (a.Drag(path=((454 / 999, 268 / 999), (410 / 999, 277 / 999))),), instruction="Drag the file")
    assert layout.response(turn) == f"Action: Drag the file\n{move}\n{drag}"
    assert layout.parse(layout.response(turn)).actions == turn.actions
    apart = Turn(0, layout.split(turn.actions), instruction="Drag the file")  # type: ignore[attr-defined]
    assert layout.response(apart) == layout.response(turn), "recorded as two actions"
    assert layout.parse(f"Action: i\n{drag}").action == a.Drag(path=((410 / 999, 277 / 999),), from_cursor=True)
    right = a.Drag(path=((0.1, 0.1), (0.5, 0.5)), button="right")
    assert "no call for" in (layout.refuse(Turn(0, (right,))) or "")
    wait = CALL % '{"action": "wait"}'
    for calls in ((drag, move), (move, move), (move, drag, drag), (move, wait), (wait, drag), (move + "\n", drag)):
        with pytest.raises(GrammarError, match=r"found .*expected"):
            layout.parse("Action: i\n" + "\n".join(calls))


def test_a_scroll_moves_the_finger_the_other_way() -> None:
    """A scroll moves the finger the other way."""
    down = Turn(0, (a.Scroll(point=(0.5, 0.5), direction="down", dy=0.4, unit="page"),), size=SIZE)
    computer = LAYOUTS["qwen3-vl-computer"].response(down)
    assert '"pixels": -400}' in computer, "the wheel turns down"
    assert "direction='down'" in LAYOUTS["ui-tars-1.5"].response(down), "the side on which more is shown"
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
    turn = Turn(0, (a.Scroll(point=point, dx=dx, dy=dy, unit="page"),), size=SIZE)
    if layout.refuse(turn) is None:
        for x, y in a.points(layout.parse(layout.response(turn), SIZE).action):
            assert 0.019 <= x <= 0.981
            assert 0.019 <= y <= 0.981


def test_an_unknown_layout_is_named() -> None:
    """An unknown layout is named."""
    with pytest.raises(ConfigError, match=f"found 'gpt', expected one of {', '.join(LAYOUTS)}".replace(".", r"\.")):
        get("gpt")


def test_visible_turns_are_the_last_screens() -> None:
    """Visible turns are the last screens."""
    turns = [Turn(n, (a.Wait(),), inbound=(Inbound("user_reply", "yes"),) if n == 3 else ()) for n in range(6)]
    assert visible_turns(LAYOUTS["mai-ui"], turns, 3) == [2, 4, 5]
    assert visible_turns(LAYOUTS["qwen3-vl"], turns, 3) == [3, 4, 5]
    assert visible_turns(LAYOUTS["mai-ui"], turns[:1], 3) == [0]


def test_a_reply_outlives_its_screen() -> None:
    """What the user said three steps ago is all that explains what is typed now."""
    turns = [Turn(n, (a.Wait(),), thought="t", instruction=f"do {n}", size=SIZE) for n in range(4)]
    turns[1] = msgspec.structs.replace(turns[1], inbound=(Inbound("user_reply", "the code is 1234"),))
    turns[-1] = msgspec.structs.replace(turns[-1], image=0)
    for layout in LAYOUTS.values():
        said = [
            part.text or ""
            for message in render(layout, layout.history, Prompts(), "g", turns)
            for part in message.content
        ]
        assert sum("the code is 1234" in text for text in said) == 1
