"""docs/layouts.md: what each layout is, from the layouts themselves. `generate.py` writes it, a test compares it."""

import inspect
import sys
from typing import Any

import msgspec
from msgspec.structs import replace

from pipeline import actions as a
from pipeline.layouts import LAYOUTS, Layout, render
from pipeline.layouts.coordinates import Coordinates
from pipeline.layouts.layout import number_images, visible_turns
from pipeline.records import Turn, joined
from pipeline.slicing.policy import Prompts

SIZE = (1092, 2408)
MIDDLE, LOW, HIGH = (0.5, 0.5), (0.5, 0.8), (0.5, 0.2)

INTRO = """\
# Layouts

Written by `make docs` from the layouts themselves.

A layout is what one model family expects of a sample: the actions and their arguments, how points are written, what of
the past is shown, the form of an answer, the sizes of screenshots, the order of messages. `gdp slice --layout NAME`
chooses one; the resolved contract is in the manifest.

- **Rounding** is to the nearest number of the frame, never beyond it: a grid ends at its scale, pixels at width - 1 and
  height - 1. Pixels are those of the *stored* screenshot, which has the size that the family's processor chooses within
  the pixel budget. A step whose screenshot is not shown is written with the size that its screenshot has, or would
  have.
- **Prompts** are our own words. `--system-prompt FILE` and `--user-prompt FILE` put the ones in their place that your
  agent is served with. In both, `{goal}`, `{progress}` (the steps that are told as text), `{width}`, `{height}` (of the
  current screenshot as the model sees it) and `{apps}` (the names given with `--apps`, a JSON list) are filled in; any
  other brace is text, and one line end at the end of the file is not part of the prompt. All else of a conversation
  (roles, order, screenshots, calls, thoughts) is then what the agent itself would build at inference;
  `tests/test_conversations.py` holds that against builders written from the agents' descriptions.
- **History** can be told otherwise, field by field: `--history-images N`, `--keep-thought none|window|all`. The window
  is the turns from the first screenshot shown on.
- **What a family cannot express is rejected** with its reason (`inexpressible`), and so is every later decision whose
  sample says that step as a call (`history_inexpressible`): as an answer in the window or before it, or as JSON in the
  opening text. Where the policy tells older steps in words (`older` user text, `summary source` instruction), a step
  before the window is a sentence that says all its actions, and needs no call.
- **One response is one action**, and one call, but for a drag from point to point with `qwen3-vl-computer`, which is
  two calls in one response. `ui-tars-1.5` has a grammar for several actions.
"""

ACTIONS: dict[str, tuple[a.Action, ...]] = {
    "click": (a.Click(point=MIDDLE),),
    "click where the cursor is": (a.Click(),),
    "double click": (a.Click(point=MIDDLE, count=2),),
    "triple click": (a.Click(point=MIDDLE, count=3),),
    "right click": (a.Click(point=MIDDLE, button="right"),),
    "middle click": (a.Click(point=MIDDLE, button="middle"),),
    "click with a modifier key": (a.Click(point=MIDDLE, modifiers=("ctrl",)),),
    "long press": (a.LongPress(point=MIDDLE),),
    "long press of 2 seconds": (a.LongPress(point=MIDDLE, duration=2),),
    "hover": (a.Hover(point=MIDDLE),),
    "drag from point to point": (a.Drag(path=(LOW, HIGH)),),
    "drag around a corner": (a.Drag(path=(LOW, HIGH, (0.9, 0.2))),),
    "drag from the cursor": (a.Drag(path=(HIGH,), from_cursor=True),),
    "swipe from point to point": (a.Swipe(start=LOW, end=HIGH),),
    "swipe, direction only": (a.Swipe(direction="up"),),
    "swipe, start and direction": (a.Swipe(start=LOW, direction="up"),),
    "scroll, direction only": (a.Scroll(direction="down"),),
    "scroll, point and direction": (a.Scroll(point=MIDDLE, direction="down"),),
    "scroll by wheel clicks": (a.Scroll(point=MIDDLE, direction="down", dy=3, unit="wheel"),),
    "scroll by a part of the screen": (a.Scroll(point=MIDDLE, direction="down", dy=0.4, unit="page"),),
    "type": (a.Type(text="plan"),),
    "type, then Enter": (a.Type(text="plan", submit=True),),
    "type a text that ends in a line break": (a.Type(text="plan\n"),),
    "type into a point": (a.Type(text="plan", point=MIDDLE),),
    "type over what is there": (a.Type(text="plan", clear=True),),
    "key Enter": (a.Key(keys=("enter",)),),
    "keys together": (a.Key(keys=("ctrl", "c")),),
    "keys one after the other": (a.Key(keys=("a", "b"), mode="sequence"),),
    "key down, key up": (a.KeyDown(key="a"),),
    "mouse down, mouse up": (a.MouseDown(),),
    "button back": (a.Button(name="back"),),
    "button home": (a.Button(name="home"),),
    "button recent": (a.Button(name="recent"),),
    "button menu": (a.Button(name="menu"),),
    "button enter": (a.Button(name="enter"),),
    "button power, volume": (a.Button(name="power"),),
    "open_app": (a.OpenApp(name="Clock"),),
    "open_url": (a.OpenUrl(url="https://a.example"),),
    "browser": (a.Browser(op="back"),),
    "select_option": (a.SelectOption(value="2", point=MIDDLE),),
    "select_text": (a.SelectText(start=LOW, end=HIGH),),
    "copy": (a.Copy(),),
    "wait": (a.Wait(),),
    "wait 2 seconds": (a.Wait(seconds=2),),
    "answer": (a.Answer(text="42"),),
    "ask_user": (a.AskUser(text="Which one?"),),
    "takeover": (a.Takeover(text="Log in"),),
    "memorize": (a.Memorize(text="42"),),
    "call_tool": (a.CallTool(name="search"),),
    "screenshot": (a.Screenshot(),),
    "terminate success": (a.Terminate(status="success"),),
    "terminate failure": (a.Terminate(status="failure"),),
    "terminate infeasible": (a.Terminate(status="infeasible"),),
    "terminate, already done": (a.Terminate(status="already_done"),),
    "unknown": (a.Unknown(),),
    "two actions in one response": (a.Wait(), a.Wait()),
}

STEPS = (
    ("The home screen shows the clock.", "Open the clock", a.Click(point=(0.25, 0.5))),
    ("The alarms are further down.", "Scroll down", a.Scroll(point=MIDDLE, direction="down", dy=0.4, unit="page")),
    ("The alarm is set.", "Finish", a.Terminate(status="success")),
)


def page() -> str:
    """Return docs/layouts.md."""
    parts = [INTRO, _contracts(), _policies(), *map(_section, LAYOUTS.values()), _table()]
    return "\n".join(parts)


def _rows(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _contracts() -> str:
    rows = []
    for layout in LAYOUTS.values():
        frame = f"0 to {layout.scale}" if layout.scale else "pixels of the stored screenshot"
        least, most = (
            f"{area // layout.factor**2} x {layout.factor}²" for area in (layout.min_pixels, layout.max_pixels)
        )
        rows.append([f"`{layout.name}`", layout.family, frame, str(layout.factor), least, most])
    head = ["layout", "processor", "points", "sides are multiples of", "least area", "largest area"]
    return f"## Contracts\n\n{_rows(head, rows)}"


def _policies() -> str:
    fields = ["image_window", "older", "keep_thought", "instruction_at", "order", "summary_source"]
    rows = [
        [f"`{layout.name}`", *(str(getattr(layout.history, field) or "").replace("_", " ") for field in fields)]
        for layout in LAYOUTS.values()
    ]
    return (
        "## History policies\n\nThe fields are those of `History` in "
        "[pipeline/slicing/policy.py](../pipeline/slicing/policy.py).\n\n"
        + _rows(["layout", *(field.replace("_", " ") for field in fields)], rows)
    )


def _section(layout: Layout) -> str:
    notes = inspect.getdoc(sys.modules[type(layout).__module__])
    names = ", ".join(f"`{call.name}`" + _arguments(call.arguments) for call in layout.calls)
    return f"## {layout.name}\n\n{notes}\n\nActions: {names}.\n\n```\n{_example(layout)}\n```\n"


def _arguments(arguments: tuple[Any, ...]) -> str:
    shown = [argument.name + ("" if argument.required else "?") for argument in arguments]
    return f" ({', '.join(shown)})" if shown else ""


def _example(layout: Layout) -> str:
    """Return the last of three decisions; the system prompt and a long opening text by their first lines."""
    turns = [
        Turn(number, (action,), thought=thought, instruction=sentence, size=SIZE, loss_weight=float(number == 2))
        for number, (thought, sentence, action) in enumerate(STEPS)
    ]
    visible = visible_turns(layout, turns, layout.history.image_window)
    messages = render(layout, layout.history, Prompts(), "Set an alarm for seven", number_images(turns, visible))
    blocks = []
    for message in messages:
        said = [
            f"<image of step {visible[part.image or 0] + 1}>" if part.type == "image" else _short(part.text or "")
            for part in joined(message.content, tokens=True)
        ]
        mark = " (trained)" if message.loss_weight else ""
        blocks.append(f"[{message.role}{mark}]\n" + "\n".join(said))
    return "\n\n".join(blocks)


def _short(text: str) -> str:
    lines = text.split("\n")
    return text if len(lines) <= 8 else "\n".join([lines[0], "…", *lines[-2:]])


def _table() -> str:
    rows = [[label, *(cell(layout, actions) for layout in LAYOUTS.values())] for label, actions in ACTIONS.items()]
    legend = """\
## Which action each layout can express

`yes`: it reads back as it was, up to the rounding of points. *lossy*: written as the family would, but what reads back,
given here, is another or less. `-`: rejected; where no reason is given the family has no such action.
"""
    return f"{legend}\n{_rows(['action', *(f'`{name}`' for name in LAYOUTS)], rows)}"


def cell(layout: Layout, actions: tuple[a.Action, ...]) -> str:
    """Return what the layout makes of the actions: `yes`, `lossy` with what reads back, or `-` with the reason."""
    turn = Turn(0, actions, thought="t", instruction="i", size=SIZE)
    reason = layout.refuse(turn)
    if reason is not None:
        found = reason.removeprefix("found ").split(", expected")[0]
        return "-" if "has no call for" in found else f"- ({found})"
    frame = layout.frame(SIZE)
    read = layout.parse(layout.response(turn), SIZE).actions
    if tuple(_snapped(action, frame) for action in actions) == read:
        return "yes"
    return f"*lossy*: {', '.join(map(_words, read))}"


def _snapped(action: a.Action, frame: Coordinates) -> a.Action:
    """Return the action with its points where the frame can say them."""
    changes: dict[str, Any] = {}
    for name in ("point", "start", "end"):
        if (point := getattr(action, name, None)) is not None:
            changes[name] = frame.read(*frame.write(point))
    if path := getattr(action, "path", ()):
        changes["path"] = tuple(frame.read(*frame.write(point)) for point in path)
    return replace(action, **changes)


def _words(action: a.Action) -> str:
    """Return the action in short: its type, and what it says beside points."""
    fields = msgspec.to_builtins(action)
    kind = fields.pop("type")
    places = {"point": "point", "start": "start", "end": "end", "path": "path"}
    said = [places.get(key, f"{key} {str(value).lower() if value is True else value}") for key, value in fields.items()]
    return f"{kind} ({', '.join(said)})" if said else kind
