"""Each layout renders the conversation that its family's agent builds, and exactly the golden ones.

The builders here are written from the description of each agent (docs/layouts.md), not from the renderer: they take
what the agent has at hand, its own past answers and screenshots, and the deployment's prompts.

The golden files hold the messages of small trajectories for each decision. After a wanted change,
`GDP_UPDATE_GOLDEN=1 python -m pytest tests/test_conversations.py` writes them anew; read the diff turn by turn.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline import actions as a
from pipeline.exceptions import ConfigError
from pipeline.layouts import LAYOUTS, GrammarError, Layout, Renderer, render, spoken
from pipeline.layouts.layout import number_images, visible_turns
from pipeline.records import Inbound, Message, Turn, joined
from pipeline.slice import SliceConfig
from pipeline.slicing.policy import History, Prompts

GOLDEN = Path(__file__).parent / "golden"
DESKTOP = Path(__file__).parent.parent / "sample_data" / "trajectories" / "drive-en-desktop-new-folder"
each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)

GOAL = "Find out “when” it {opens} <now>"
SIZE = (840, 1876)
SYSTEM = 'You are an agent.\n\n# Tools\n{"x": {}}\n'
TALL = "The screen's resolution is {width}x{height}."

# What the agents have at hand before the sixth decision: five answers, six screenshots, and what each step was about.
STEPS = [
    ("I see the home page.", "Open the “Clock”", a.Click(point=(0.1, 0.2))),
    ("It opened.", "Type it", a.Type(text='a "b"\nc')),
    ("I need the date.", "Wait", a.Wait()),
    ("Further down.", "Tap OK", a.Click(point=(0.5, 0.999))),
    ("Nearly done.", "Tap it", a.Click(point=(1.0, 0.0))),
    ("Done.", "Finish", a.Terminate(status="success")),
]
# Written by hand, as each family's model would have answered.
MAI_CALLS = [
    '{"name": "mobile_use", "arguments": {"action": "click", "coordinate": [100, 200]}}',
    '{"name": "mobile_use", "arguments": {"action": "type", "text": "a \\"b\\"\\nc"}}',
    '{"name": "mobile_use", "arguments": {"action": "wait"}}',
    '{"name": "mobile_use", "arguments": {"action": "click", "coordinate": [500, 998]}}',
    '{"name": "mobile_use", "arguments": {"action": "click", "coordinate": [999, 0]}}',
    '{"name": "mobile_use", "arguments": {"action": "terminate", "status": "success"}}',
]
QWEN25_CALLS = [
    MAI_CALLS[0].replace("[100, 200]", "[84, 375]"), *MAI_CALLS[1:3], MAI_CALLS[3].replace("[500, 998]", "[420, 1874]"),
    MAI_CALLS[4].replace("[999, 0]", "[839, 0]"), MAI_CALLS[5],
]  # fmt: skip
COMPUTER_CALLS = [call.replace("mobile_use", "computer_use").replace('"click"', '"left_click"') for call in MAI_CALLS]
TARS_ACTIONS = [
    "click(start_box='<|box_start|>(84,375)<|box_end|>')", r"""type(content='a \"b\"\nc')""", "wait()",
    "click(start_box='<|box_start|>(420,1874)<|box_end|>')", "click(start_box='<|box_start|>(839,0)<|box_end|>')",
    "finished(content='')",
]  # fmt: skip
MAI_ANSWERS = [
    f"<thinking>\n{thought}\n</thinking>\n<tool_call>\n{call}\n</tool_call>"
    for (thought, _, _), call in zip(STEPS, MAI_CALLS, strict=True)
]
TARS_ANSWERS = [
    f"Thought: {thought}\nAction: {action}" for (thought, _, _), action in zip(STEPS, TARS_ACTIONS, strict=True)
]

Talk = list[tuple[str, list[Any]]]
"""Role and contents; a screenshot is the number of its step."""


def mai_ui(system: str, n: int, images: int = 3) -> Talk:
    """Build what MobileWorld's agent sends before decision `n`: all its answers, the last `images` screenshots."""
    talk: Talk = [("system", [system]), ("user", [GOAL])]
    for step in range(n + 1):
        if step > n - images:
            talk.append(("user", [step]))
        talk.append(("assistant", [MAI_ANSWERS[step]]))
    return talk


def qwen3_vl(system: str, user: str, n: int) -> Talk:
    """Build what the mobile cookbook sends: one user turn, past actions as sentences, no past thought."""
    history = "".join(f"Step {k}: {STEPS[k - 1][1]}; " for k in range(1, n + 1))
    thought, sentence, _ = STEPS[n]
    answer = f'Thought: {thought}\nAction: "{sentence}"\n<tool_call>\n{MAI_CALLS[n]}\n</tool_call>'
    text = user.replace("{progress}", history).replace("{goal}", GOAL)
    return [("system", [system]), ("user", [text, n]), ("assistant", [answer])]


def qwen2_5_vl(system: str, user: str, n: int) -> Talk:
    """Build what the cookbook sends: past calls as JSON; prompt and coordinates in pixels of the resized image."""
    history = "".join(f"Step {k}: {QWEN25_CALLS[k - 1]}; " for k in range(1, n + 1))
    system = system.replace("{width}x{height}", f"{SIZE[0]}x{SIZE[1]}")
    text = user.replace("{progress}", history).replace("{goal}", GOAL)
    answer = f"<tool_call>\n{QWEN25_CALLS[n]}\n</tool_call>"
    return [("system", [system]), ("user", [text, n]), ("assistant", [answer])]


def qwen3_vl_computer(system: str, user: str, n: int, history_n: int = 4) -> Talk:
    """Build what the OSWorld agents send: the last `history_n` answers as they were, with their screenshots."""
    first = max(0, n - history_n)
    lines = "\n".join(f"Step {k + 1}: {STEPS[k][1]}" for k in range(first)) or "None"
    text = user.replace("{progress}", lines).replace("{goal}", GOAL)
    talk: Talk = [("system", [system])]
    for step in range(first, n + 1):
        talk.append(("user", [step, text] if step == first else [step]))
        talk.append(("assistant", [f"Action: {STEPS[step][1]}\n<tool_call>\n{COMPUTER_CALLS[step]}\n</tool_call>"]))
    return talk


def ui_tars(system: str, user: str, n: int, history_n: int = 5) -> Talk:
    """Build what UI-TARS's agent sends: all its answers with box tokens, the last `history_n` screenshots."""
    talk: Talk = [("system", [system]), ("user", [user.replace("{goal}", GOAL)])]
    for step in range(n):
        if step + history_n > n:
            talk.append(("user", [step]))
        talk.append(("assistant", [TARS_ANSWERS[step]]))
    return [*talk, ("user", [n]), ("assistant", [TARS_ANSWERS[n]])]


def rendered(layout: Layout, n: int, prompts: Prompts, **policy: Any) -> Talk:
    """Render decision `n` and read the messages as a chat template does."""
    history = replace(layout.history, **policy)
    turns = [
        Turn(k, (action,), thought=thought, instruction=sentence, size=SIZE, loss_weight=float(k == n))
        for k, (thought, sentence, action) in enumerate(STEPS[: n + 1])
    ]
    visible = visible_turns(layout, turns, history.image_window)
    return read(render(layout, history, prompts, GOAL, number_images(turns, visible)), visible)


def read(messages: Sequence[Message], visible: Sequence[int]) -> Talk:
    """Return role and contents, texts in a row as one."""
    talk: Talk = []
    for message in messages:
        contents: list[Any] = []
        for part in message.content:
            if part.image is not None:
                contents.append(visible[part.image])
            elif contents and isinstance(contents[-1], str):
                contents[-1] += part.text
            else:
                contents.append(part.text)
        talk.append((message.role, contents))
    return talk


QUERY = "The query: {goal}.\nDone so far: {progress}.\n"
MOVE = "\nWhat next?\n\nInstruction: {goal}\n\nPrevious actions:\n{progress}"
TASK = "## Actions\nclick(start_box='<|box_start|>(x1,y1)<|box_end|>')\n\n## Task\n{goal}\n"


@pytest.mark.parametrize("n", range(len(STEPS)))
def test_with_the_deployments_prompts_the_conversation_is_the_agents_own(n: int) -> None:
    """Roles, order, screenshots kept, the JSON of each past call, thoughts kept or dropped: all as at inference."""

    def talk(name: str, system: str, user: str | None = None) -> Talk:
        return rendered(LAYOUTS[name], n, Prompts(system, user))

    assert talk("mai-ui", SYSTEM) == mai_ui(SYSTEM, n)
    assert talk("qwen3-vl", SYSTEM, QUERY) == qwen3_vl(SYSTEM, QUERY, n)
    assert talk("qwen2.5-vl", TALL, QUERY) == qwen2_5_vl(TALL, QUERY, n)
    assert talk("qwen3-vl-computer", SYSTEM, MOVE) == qwen3_vl_computer(SYSTEM, MOVE, n)
    assert talk("ui-tars-1.5", SYSTEM, TASK) == ui_tars(SYSTEM, TASK, n)


@pytest.mark.parametrize("images", [1, 2, 9])
def test_the_number_of_screenshots_is_the_agents_setting(images: int) -> None:
    """As MobileWorld's and UI-TARS's `history_n`, and the OSWorld agents', which counts past ones only."""
    n = len(STEPS) - 1
    assert rendered(LAYOUTS["mai-ui"], n, Prompts(SYSTEM), image_window=images) == mai_ui(SYSTEM, n, images)
    tars = rendered(LAYOUTS["ui-tars-1.5"], n, Prompts(SYSTEM, TASK), image_window=images)
    assert tars == ui_tars(SYSTEM, TASK, n, images)
    computer = rendered(LAYOUTS["qwen3-vl-computer"], n, Prompts(SYSTEM, MOVE), image_window=images)
    assert computer == qwen3_vl_computer(SYSTEM, MOVE, n, images - 1)


@pytest.mark.parametrize(("keep", "kept"), [("none", {5}), ("window", {3, 4, 5}), ("all", set(range(6)))])
@pytest.mark.parametrize("name", ["mai-ui", "qwen3-vl", "ui-tars-1.5"])
def test_past_thoughts_are_kept_as_told(name: str, keep: str, kept: set[int]) -> None:
    """The current thought always stays; older steps that are lines of text never had one."""
    talk = rendered(LAYOUTS[name], 5, Prompts(), keep_thought=keep, image_window=3)
    said = [text for role, contents in talk if role == "assistant" for text in contents]
    if name == "qwen3-vl":
        kept = kept & {3, 4, 5}
    assert {n for n, (thought, _, _) in enumerate(STEPS) if any(thought in text for text in said)} == kept
    assert all(("<thinking>" in text or "Thought: " in text) or "_call>" in text or "Action" in text for text in said)


def test_what_came_back_stands_where_the_agent_puts_it() -> None:
    """MAI-UI shows a reply instead of the screenshot, Qwen agents tell it among the steps, UI-TARS says it first."""
    turns = [Turn(n, (a.Wait(),), thought="t", instruction=f"do {n}", size=SIZE) for n in range(3)]
    turns[1] = replace(turns[1], inbound=(Inbound("user_reply", "it is 1234"),))
    turns[2] = replace(turns[2], inbound=(Inbound("tool_response", "[]", tool="search"),))

    def users(name: str) -> list[list[Any]]:
        layout = LAYOUTS[name]
        visible = visible_turns(layout, turns, layout.history.image_window)
        numbered, prompts = number_images(turns, visible), Prompts(None, "{goal}|{progress}")
        messages = render(layout, layout.history, prompts, "g", numbered)
        return [contents for role, contents in read(messages, visible) if role == "user"]

    assert users("mai-ui")[1:] == [[0], ["it is 1234"], ["Tool call result: []"]]
    replies = [f"Tool call result: <tool_response>{text}</tool_response>; " for text in ("it is 1234", "[]")]
    assert users("qwen3-vl") == [[f"g|Step 1: do 0; {replies[0]}Step 2: do 1; {replies[1]}", 2]]
    assert users("qwen3-vl-computer") == [[0, "g|None"], [1, replies[0][:-2]], [2, replies[1][:-2]]]
    assert users("ui-tars-1.5")[1:] == [[0], ["it is 1234"], [1], ["[]"], [2]]


@each_layout
@pytest.mark.parametrize("keep", ["none", "all"])
def test_what_was_rendered_before_does_not_show(layout: Layout, keep: Any) -> None:
    """One renderer says of many samples, the same turns in other places of them, what a new one says of each."""
    history = replace(layout.history, keep_thought=keep)
    prompts = Prompts(system=f"{layout.system} {TALL}")
    renderer = Renderer(layout, history, prompts)
    reply = (Inbound("user_reply", "Berlin"),)
    told = [Turn(n, (action,), size=SIZE, thought=thought, instruction=words, inbound=reply if n == 2 else ())
            for n, (thought, words, action) in enumerate(STEPS)]  # fmt: skip
    versions = {(n, image, weight): replace(turn, image=image, loss_weight=weight)
                for n, turn in enumerate(told) for image in (None, 0, 1, 2) for weight in (0.0, 1.0)}  # fmt: skip
    for last in (5, 1, 3, 5, 2):
        for seen in (1, 2, 3):
            for trained in ({last}, {last, last - 1}, {last - 1}):
                shown = range(max(0, last + 1 - seen), last + 1)
                turns = [
                    versions[n, n - shown[0] if n in shown else None, float(n in trained)] for n in range(last + 1)
                ]
                for goal in (GOAL, "Another"):
                    assert renderer.render(goal, turns) == render(layout, history, prompts, goal, turns)


@each_layout
def test_our_own_prompts_print_the_declared_actions_and_fill_every_place(layout: Layout) -> None:
    """The list in the prompt is the list that is written and read; braces of JSON and of a goal stay as they are."""
    prompts = Prompts(apps=("Clock", "相机")) if layout.opens_apps else Prompts()
    talk = rendered(layout, 2, prompts)
    contents = [each for role, parts in talk if role != "assistant" for each in parts]
    said = "\n".join(each for each in contents if isinstance(each, str))
    for call in layout.calls:
        assert f'"{call.name}"' in said or f"{call.name}(" in said, call.name
        for argument in call.arguments:
            assert f'"{argument.name}"' in said or f"{argument.name}='" in said, argument.name
    assert said.count(GOAL) == 1
    assert "{width}" not in said
    assert ("840x1876" in said) == (layout.name == "qwen2.5-vl")
    if layout.opens_apps:
        assert 'Apps on this device: ["Clock", "相机"]' in said


def test_a_place_in_the_goal_is_no_place() -> None:
    """Users write what they like."""
    turns = (Turn(0, (a.Wait(),), image=0, thought="t", instruction="i", size=SIZE),)
    layout = LAYOUTS["ui-tars-1.5"]
    messages = render(layout, layout.history, Prompts(apps=("A",)), "{apps} <|box_start|> {goal}", turns)
    said = messages[1].content
    assert said[-1].text.endswith("{apps} <|box_start|> {goal}")  # type: ignore[union-attr]
    assert {part.text for part in said if part.type == "token"} == {"<|box_start|>", "<|box_end|>"}


@pytest.mark.parametrize(
    ("layout", "options", "message"),
    [
        ("qwen3-vl", {"user_prompt": "{goal}"}, "found no {progress}, expected the place where the steps so far stand"),
        ("qwen3-vl", {"user_prompt": "{progress}"}, "found no {goal}, expected the place where the instruction stands"),
        ("mai-ui", {"user_prompt": "{goal} {progress}"}, "found {progress}, expected none: mai-ui keeps older steps"),
        ("ui-tars-1.5", {"user_prompt": "{goal} in {language}"}, "found {language}, expected only {goal}, {progress}"),
        ("qwen2.5-vl", {"system_prompt": "{width} wide"}, "found only one of {width} and {height}, expected both"),
        ("mai-ui", {"system_prompt": "Apps: {apps}"}, "found {apps} and no --apps, expected the names"),
        ("mai-ui", {"system_prompt": "Apps: Clock", "apps": ("Clock",)}, "found it beside a prompt without {apps}"),
        ("qwen3-vl-computer", {"apps": ("Clock",)}, "which has no action that opens an app by its name"),
        ("qwen2.5-vl", {"keep_thought": "all"}, "found 'all' with qwen2.5-vl, whose answers hold no thoughts"),
        ("ui-tars-1.5", {"max_pixels": 20_000_000}, "expected at most 12845056"),
    ],
)  # fmt: skip
def test_prompts_that_cannot_be_right_are_refused(layout: str, options: dict[str, Any], message: str) -> None:
    """One clear line, before anything runs."""
    with pytest.raises(ConfigError) as refused:
        SliceConfig(layout=layout, **options)
    assert message in refused.value.message


@each_layout
def test_the_policy_is_one_of_those_that_the_renderer_knows(layout: Layout) -> None:
    """Lines have a source, turns have none; a policy is data."""
    assert isinstance(layout.history, History)
    assert (layout.history.older == "user_text") == (layout.history.summary_source is not None)
    assert layout.thinks or layout.history.keep_thought == "none"


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
    """Every decision of the trajectories, message by message; the layouts for computers get one on a desktop.

    Checked by hand against the notes on each family: MAI-UI shows at most three screenshots, the reply instead of the
    third one, keeps all thinking; Qwen3-VL shows one, drops past thinking, tells the steps and the reply in words;
    Qwen2.5-VL tells them as calls, in pixels; on a computer Qwen3-VL shows five, each with its answer; UI-TARS shows
    five, keeps every answer.
    """
    if layout.name != "qwen3-vl-computer":
        for document in (english(), chinese()):
            build.write(tmp_path / "in", document)
    if layout.name in {"qwen3-vl-computer", "ui-tars-1.5"}:
        shutil.copytree(DESKTOP, tmp_path / "in" / DESKTOP.name)
    dataset = build.sliced(tmp_path / "in", tmp_path / "out", layout=layout.name, val_fraction=0)
    found = {"system": None, "samples": {}}
    for sample in dataset.samples():
        system, *rest = sample.messages
        found["system"] = found["system"] or system.content[0].text
        assert system.content[0].text == found["system"]
        found["samples"][sample.sample_id] = [
            [
                f"{message.role}{' *' if message.loss_weight else ''}",
                *(part.text or f"<image {part.image}>" for part in joined(message.content, tokens=True)),
            ]
            for message in rest
        ]
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    file = GOLDEN / f"{layout.name}.json"
    if os.environ.get("GDP_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert json.loads(file.read_text(encoding="utf-8")) == found


plain_turns = st.lists(
    st.tuples(
        st.sampled_from([(a.Wait(),), (a.Click(point=(0.5, 0.5)),), (a.KeyDown(key="a"),), (a.Unknown(),)]),
        st.booleans(),
    ),
    min_size=1,
    max_size=7,
)


@each_layout
@given(steps=plain_turns, images=st.integers(1, 7), keep=st.sampled_from(["none", "all"]))
def test_a_turn_must_be_sayable_where_its_call_is_rendered_and_nowhere_else(
    layout: Layout, steps: list[tuple[tuple[a.Action, ...], bool]], images: int, keep: str
) -> None:
    """The renderer asks the layout for the calls of exactly the turns that `spoken` names."""
    history = replace(layout.history, image_window=images, keep_thought=keep)
    turns = [
        Turn(
            n, actions, thought="t", instruction="i", size=SIZE, image=0 if shown and n >= len(steps) - images else None
        )
        for n, (actions, shown) in enumerate(steps)
    ]
    said = [turn for turn in spoken(history, turns) if layout.refuse(turn) is not None]
    if said:
        with pytest.raises(GrammarError):
            render(layout, history, Prompts(), "g", turns)
    else:
        render(layout, history, Prompts(), "g", turns)
