"""Sentences about actions, names of elements, the language of a goal."""

import pytest

from pipeline import actions as a
from pipeline.describe import language, same_goal, sentence, sentences
from pipeline.layouts.conversation import text_message
from pipeline.records import Element, Label
from pipeline.screens.screen import ancestors, hit, label, shown_text, target_box, target_element
from pipeline.slicing.compose import estimate_tokens, judged


@pytest.mark.parametrize(
    ("action", "english", "chinese"),
    [
        (a.Click(point=(0.1, 0.1)), 'Tap "OK"', "点击“OK”"),
        (a.Click(point=(0.1, 0.1), count=2), 'Double-tap "OK"', "双击“OK”"),
        (a.LongPress(point=(0.1, 0.1)), 'Press and hold "OK"', "长按“OK”"),
        (a.Hover(point=(0.1, 0.1)), 'Point at "OK"', "指向“OK”"),
        (a.Type(text="a {name}"), "Type “a {name}”", "输入“a {name}”"),
        (a.Scroll(direction="left"), "Scroll left", "向左滚动"),
        (a.Scroll(dy=0.5, dx=0.1), "Scroll down", "向下滚动"),
        (a.Swipe(direction="up"), "Swipe up", "向上滑动"),
        (a.Swipe(start=(0.9, 0.5), end=(0.1, 0.6)), "Swipe left", "向左滑动"),
        (a.Swipe(start=(0.5, 0.5), end=(0.5, 0.5)), "Drag across the screen", "在屏幕上拖动"),
        (a.Drag(path=((0.1, 0.1), (0.2, 0.2))), "Drag across the screen", "在屏幕上拖动"),
        (a.Button(name="back"), "Press Back", "按返回键"),
        (a.Key(keys=("ctrl", "s")), "Press ctrl+s", "按ctrl+s"),
        (a.OpenApp(name="Files"), "Open Files", "打开Files"),
        (a.Wait(), "Wait", "等待"),
        (a.Answer(text="5"), "Answer “5”", "回答“5”"),
        (a.AskUser(text="5"), "Ask “5”", "询问“5”"),
        (a.Terminate(status="success"), "Finish: the task is done", "结束：任务已完成"),
        (a.Terminate(status="infeasible"), "Stop: the task cannot be done", "结束：任务无法完成"),
        (a.Screenshot(), "Do “screenshot”", "执行“screenshot”"),
    ],
)
def test_sentences(action: a.Action, english: str, chinese: str) -> None:
    """Sentences."""
    assert (sentence(action, "en", "OK"), sentence(action, "zh", "OK")) == (english, chinese)


def test_all_actions_of_a_response() -> None:
    """In order, each with its own target."""
    actions = (a.Click(point=(0.1, 0.1)), a.Type(text="x"), a.Key(keys=("enter",)))
    assert sentences(actions, "en", ("OK", None, None)) == 'Tap "OK", then type “x”, then press enter'
    assert sentences(actions[:2], "zh", (None, None)) == "点击该位置，然后输入“x”"


def test_a_target_without_a_name() -> None:
    """A target without a name."""
    assert sentence(a.Click(point=(0, 0)), "en") == "Tap this spot"
    assert sentence(a.Click(point=(0, 0)), "zh", "") == "点击该位置"


def test_language_and_goals() -> None:
    """Language and goals."""
    assert [language(text) for text in ("Open Wi-Fi", "打开 Wi-Fi", "", "Ünïcode")] == ["en", "zh", "en", "en"]
    assert same_goal(" Open\tWi-Fi\n") == same_goal("open wi-fi")
    assert same_goal("open wifi") != same_goal("open wi-fi")


PAGE = (
    Element(bbox=(0.0, 0.0, 1.0, 1.0), clickable=False),
    Element(bbox=(0.1, 0.1, 0.9, 0.3), clickable=True, parent=0),
    Element(bbox=(0.1, 0.1, 0.9, 0.3), clickable=True, topmost=False),
    Element(bbox=(0.2, 0.15, 0.4, 0.2), text="  Row \n one ", clickable=False, parent=1),
    Element(bbox=(0.5, 0.15, 0.6, 0.2), checked=False, parent=1),
    Element(bbox=(0.2, 0.5, 0.3, 0.6), text=" ", editable=True),
)


def test_the_smallest_thing_that_reacts_takes_the_tap() -> None:
    """The smallest thing that reacts takes the tap."""
    assert hit(PAGE, (0.25, 0.17)) is PAGE[1], "not the text, not what is covered"
    assert hit(PAGE, (0.55, 0.17)) is PAGE[4]
    assert hit(PAGE, (0.25, 0.8)) is None
    assert target_box(PAGE, a.Click(point=(0.25, 0.17))) == PAGE[1].bbox
    assert target_box(PAGE, a.Click(point=(0.25, 0.17), bbox=(0.0, 0.0, 0.5, 0.5))) == (0.0, 0.0, 0.5, 0.5)
    assert target_element(PAGE, a.Wait()) is None


def test_a_scroll_aims_at_no_element() -> None:
    """Its finger path starts elsewhere; a target box would refuse it later."""
    assert target_box(PAGE, a.Scroll(point=(0.25, 0.17), direction="down")) is None


def test_names_come_from_the_element_or_what_is_inside() -> None:
    """Names come from the element or what is inside."""
    assert label(PAGE, PAGE[3]) == "Row one"
    assert label(PAGE, PAGE[1]) == "Row one"
    assert label(PAGE, PAGE[2]) is None, "an equal element is another one"
    assert label(PAGE, PAGE[5]) is None
    assert shown_text(PAGE, (0.25, 0.17)) == PAGE[3].text
    assert shown_text(PAGE, (0.9, 0.9)) is None


def test_ancestors_end_even_in_a_circle() -> None:
    """Ancestors end even in a circle."""
    circle = (Element(bbox=(0, 0, 1, 1), parent=1), Element(bbox=(0, 0, 1, 1), parent=0, text="x"))
    assert [e.text for e in ancestors(circle, 0)] == ["x"]
    assert list(ancestors((Element(bbox=(0, 0, 1, 1), parent=7),), 0)) == []


def test_what_is_called_incorrect_is_an_error() -> None:
    """What is called incorrect is an error."""
    assert judged(Label(correct=False)) == "error"
    assert judged(Label(role="recovery", correct=True)) == "recovery"
    assert judged(Label()) == "normal"


def test_chinese_takes_more_tokens() -> None:
    """Chinese takes more tokens."""
    assert estimate_tokens([text_message("user", "abcd" * 10)]) == 15
    assert estimate_tokens([text_message("user", "中文字" * 10)]) == 25
    assert estimate_tokens([]) == 0
