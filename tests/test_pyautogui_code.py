"""pyautogui snippets: what their calls mean, and that nothing of them ever runs."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions import (
    Action,
    Click,
    Drag,
    Frame,
    Hover,
    Key,
    KeyDown,
    KeyUp,
    MouseDown,
    MouseUp,
    Scroll,
    Terminate,
    Type,
    Unknown,
    Wait,
)
from pipeline.importers.coordinates import NORM_XY, px
from pipeline.importers.pyautogui_code import MAX_CODE, read
from pipeline.importers.refusal import Refused

HD = px((1920, 1080))


def actions(code: str, frame: Frame = NORM_XY, notes: Counter[str] | None = None) -> list[Action]:
    """Return the snippet's actions without what every action carries."""
    done = read(code, frame, Counter() if notes is None else notes)
    assert all(action.src for action in done)
    plain = []
    for action in done:
        assert (action.frame is None) == (frame is None or not _placed(action))
        fields = {name: getattr(action, name) for name in action.__struct_fields__ if name not in {"src", "frame"}}
        plain.append(type(action)(**fields))
    return plain


def _placed(action: Action) -> bool:
    return bool(getattr(action, "point", None) or getattr(action, "path", None))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pyautogui.click(x=0.51, y=0.33)", [Click(point=(0.51, 0.33))]),
        ("pyautogui.click(0.51, 0.33, 2)", [Click(point=(0.51, 0.33), count=2)]),
        ("pyautogui.click((0.5, 0.25), button='right')", [Click(point=(0.5, 0.25), button="right")]),
        ("pyautogui.click()", [Click()]),
        ("pyautogui.doubleClick(0.1, 0.2)", [Click(point=(0.1, 0.2), count=2)]),
        ("pyautogui.rightClick(x=0.1, y=0.2)", [Click(point=(0.1, 0.2), button="right")]),
        ("pyautogui.middleClick(x=0.1, y=0.2)", [Click(point=(0.1, 0.2), button="middle")]),
        ("computer.triple_click(x=0.1, y=0.2)", [Click(point=(0.1, 0.2), count=3)]),
        ("pyautogui.moveTo(0.1, 0.2)", [Hover(point=(0.1, 0.2))]),
        ("pyautogui.moveTo(0.1, 0.2)\npyautogui.click()", [Click(point=(0.1, 0.2))]),
        ("pyautogui.moveTo(0.1, 0.2)\npyautogui.click(0.3, 0.4)", [Hover(point=(0.1, 0.2)), Click(point=(0.3, 0.4))]),
        ("pyautogui.moveTo(0.1, 0.2)\npyautogui.dragTo(0.3, 0.4, button='left')",
         [Drag(path=((0.1, 0.2), (0.3, 0.4)))]),
        ("pyautogui.dragTo(0.3, 0.4, 0.5)", [Drag(path=((0.3, 0.4),), from_cursor=True, duration=0.5)]),
        ("pyautogui.moveTo(0.1, 0.2)\npyautogui.scroll(-3)",
         [Scroll(point=(0.1, 0.2), direction="down", dy=3, unit="wheel")]),
        ("pyautogui.scroll(clicks=5, x=0.1, y=0.2)", [Scroll(point=(0.1, 0.2), direction="up", dy=-5, unit="wheel")]),
        ("pyautogui.hscroll(-2)", [Scroll(direction="left", dx=-2, unit="wheel")]),
        ("pyautogui.hscroll(2)", [Scroll(direction="right", dx=2, unit="wheel")]),
        ("pyautogui.scroll(0)", [Scroll(dy=0, unit="wheel")]),
        ("pyautogui.write(message='it\\'s \"x\"\\n你好 😀')", [Type(text="it's \"x\"\n你好 😀")]),
        ("pyautogui.typewrite('a\\d', interval=0.1)", [Type(text="a\\d")]),
        ("pyautogui.typewrite(['left', 'enter'])", [Key(keys=("left", "enter"), mode="sequence")]),
        ("pyautogui.press('enter', presses=2)", [Key(keys=("enter",), presses=2)]),
        ("pyautogui.press(['left', 'left'])", [Key(keys=("left", "left"), mode="sequence")]),
        ("pyautogui.press(keys=['enter'])", [Key(keys=("enter",))]),
        ("pyautogui.hotkey('ctrlleft', 'shift', 'S')", [Key(keys=("ctrl", "shift", "S"))]),
        ("pyautogui.hotkey(['ctrl', 'c'], interval=0.1)", [Key(keys=("ctrl", "c"))]),
        ("pyautogui.keyDown('ctrl'); pyautogui.keyUp('ctrl')", [KeyDown(key="ctrl"), KeyUp(key="ctrl")]),
        ("with pyautogui.hold('shift'):\n    pyautogui.press('a')", [KeyDown(key="shift"), Key(keys=("a",)),
                                                                     KeyUp(key="shift")]),
        ("pyautogui.mouseDown(0.1, 0.2)\npyautogui.moveTo(0.3, 0.4)\npyautogui.mouseUp()",
         [Hover(point=(0.1, 0.2)), MouseDown(), Hover(point=(0.3, 0.4)), MouseUp()]),
        ("time.sleep(2)", [Wait(seconds=2)]),
        ("computer.wait()", [Wait()]),
        ("computer.terminate(status='success')", [Terminate(status="success")]),
        ("computer.terminate('failure')", [Terminate(status="failure")]),
        ("import pyautogui\nimport time\npyautogui.PAUSE = 1\n'a text'\npyautogui.press('a')", [Key(keys=("a",))]),
    ],
)  # fmt: skip
def test_calls(code: str, expected: list[Action]) -> None:
    """Each call of pyautogui and of OpenCUA's `computer`, positional and by keyword."""
    assert actions(code) == expected


@pytest.mark.parametrize(
    "code",
    [
        "for i in range(3):\n    pyautogui.click(0.1, 0.1)",
        "import os",
        "os.system('touch /tmp/gdp-owned')",
        'pyautogui.click(x=f\'{__import__("os").system("x")}\')',
        "pyautogui.click(*[0.1, 0.2])",
        "pyautogui.click(**{'x': 0.1})",
        "x = 0.5",
        "pyautogui.click(x, 0.5)",
        "pyautogui.click(0.1 + 0.2, 0.5)",
        "pyautogui.click('button.png')",
        "pyautogui.click(0.1, 0.2, clicks=4)",
        "pyautogui.click(True, 0.5)",
        "pyautogui.click(1e999, 0.5)",
        "pyautogui.click(0.1)",
        "pyautogui.click(0.1, 0.2, x=0.3)",
        "pyautogui.click(0.1, 0.2, colour='red')",
        "pyautogui.scroll(page=0.5)",
        "pyautogui.moveRel(0.1, 0.2)",
        "pyautogui.alert('x')",
        "pyautogui.triple_click(0.1, 0.2)",
        "computer.click(0.1, 0.2)",
        "computer.terminate(status='fine')",
        "pyautogui.press([])",
        "pyautogui.hotkey()",
        "pyautogui.keyDown('')",
        "time.sleep(-1)",
        "time.sleep()",
        "with pyautogui.hold(key):\n    pyautogui.press('a')",
        "with open('x') as f:\n    pass",
        "a.b.pyautogui.click(0.1, 0.2)",
        "pyautogui.write('it's')",
        "",
        "# only a comment",
        "x=0\x00",
        "\ud800",
        "(" * 100_000 + ")" * 100_000,
        "-" * 100_000 + "1",
        "a" + ".b" * 50_000,
        "1" + "+1" * 50_000,
        "lambda: " * 20_000 + "1",
        "pyautogui.click(" + "9" * 10_000 + ", 1)",
        "pyautogui.press('a')" + " " * MAX_CODE,
    ],
)
def test_all_else_is_kept_as_unknown(code: str) -> None:
    """Loops, variables, other modules, f-strings, broken and hostile code: one unknown action with the text."""
    done = read(code, NORM_XY, Counter())
    assert [type(action) for action in done] == [Unknown]
    assert done[0].src is not None
    assert json.loads(done[0].src).strip() == code.strip()
    assert not Path("/tmp/gdp-owned").exists()  # noqa: S108


def test_what_is_understood_beside_it_stays() -> None:
    """In its order; and what is unknown may have moved the cursor."""
    code = "pyautogui.moveTo(0.1, 0.2)\nif a:\n    b()\npyautogui.scroll(-1)"
    assert actions(code) == [Hover(point=(0.1, 0.2)), Unknown(), Scroll(direction="down", dy=1, unit="wheel")]


def test_pauses_beside_actions_are_counted_and_left_out() -> None:
    """They are a script's pace; and they do not come between a move and its drag."""
    notes: Counter[str] = Counter()
    code = "pyautogui.moveTo(0.1, 0.2)\ntime.sleep(1)\npyautogui.dragTo(0.3, 0.4)\ntime.sleep(0.5)"
    assert actions(code, NORM_XY, notes) == [Drag(path=((0.1, 0.2), (0.3, 0.4)))]
    assert notes == {"pause of a script left out": 2}


def test_the_source_of_an_action_is_its_own_text() -> None:
    """Also behind characters of several bytes and on shared lines."""
    done = read(
        "pyautogui.write('你'); pyautogui.press('a')\npyautogui.moveTo(0, 1)\npyautogui.scroll(1)", NORM_XY, Counter()
    )
    assert [json.loads(action.src or "") for action in done] == [
        "pyautogui.write('你')", "pyautogui.press('a')", "pyautogui.moveTo(0, 1)\npyautogui.scroll(1)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "frame"),
    [("pyautogui.click(1.2, 0.5)", NORM_XY), ("pyautogui.click(-0.01, 0.5)", NORM_XY),
     ("pyautogui.click(1921, 5)", HD), ("pyautogui.dragTo(5, 1081)", HD), ("pyautogui.click(960, 540)", NORM_XY)],
)  # fmt: skip
def test_a_point_off_the_screen_is_refused(code: str, frame: Frame) -> None:
    """Pixels read as fractions among them."""
    with pytest.raises(Refused, match="coordinate"):
        read(code, frame, Counter())


@given(st.integers(0, 1920), st.integers(0, 1080), st.integers(-50, 50).filter(bool))
def test_pixels_come_back_exactly(x: int, y: int, clicks: int) -> None:
    """Rounding the fraction gives the pixel again, whatever it is."""
    [click] = actions(f"pyautogui.click({x}, {y})", HD)
    assert isinstance(click, Click)
    assert click.point is not None
    assert (round(click.point[0] * 1920), round(click.point[1] * 1080)) == (x, y)
    [scroll] = actions(f"pyautogui.scroll({clicks}, {x}, {y})", HD)
    assert isinstance(scroll, Scroll)
    assert (scroll.dy, scroll.direction) == (-clicks, "up" if clicks > 0 else "down")


@given(st.text(max_size=30))
def test_any_text_can_be_typed(text: str) -> None:
    """As Python writes it down."""
    assert actions(f"pyautogui.write({text!r})") == [Type(text=text)]


@given(st.text(max_size=60))
def test_no_text_brings_it_down(code: str) -> None:
    """Whatever is handed over as code, something comes out, and no module is loaded for it."""
    before = set(sys.modules)
    assert read(code, NORM_XY, Counter())
    assert set(sys.modules) - before <= {"encodings.idna", "stringprep"}
