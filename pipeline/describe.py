"""Say in one sentence what an action does, in English or Chinese, and in which language a goal is written."""

import re
from collections.abc import Sequence
from functools import cache

from .actions import (
    Action,
    Answer,
    AskUser,
    Button,
    Click,
    Direction,
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
    kind,
)
from .records import Lang

_WORD = re.compile(r"\w+")
_CJK = r"[\u3400-\u9fff\uf900-\ufaff]"
_CJK_WORD = r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+"

_DIRECTIONS = {
    "en": {"up": "up", "down": "down", "left": "left", "right": "right"},
    "zh": {"up": "上", "down": "下", "left": "左", "right": "右"},
}
_BUTTONS = {
    "en": {"back": "Press Back", "home": "Press Home", "enter": "Press Enter", "menu": "Press Menu"},
    "zh": {"back": "按返回键", "home": "按主屏幕键", "enter": "按回车键", "menu": "按菜单键"},
}
_WORDS = {
    "en": {
        "click": "Tap {name}", "double": "Double-tap {name}", "long_press": "Press and hold {name}",
        "hover": "Point at {name}",
        "type": "Type “{text}”", "scroll": "Scroll {way}", "swipe": "Swipe {way}", "drag": "Drag across the screen",
        "open_app": "Open {text}", "wait": "Wait", "answer": "Answer “{text}”", "ask_user": "Ask “{text}”",
        "key": "Press {text}", "success": "Finish: the task is done", "failure": "Stop: the task cannot be done",
        "other": "Do “{text}”", "nameless": "this spot", "then": ", then ",
    },
    "zh": {
        "click": "点击{name}", "double": "双击{name}", "long_press": "长按{name}",
        "hover": "指向{name}",
        "type": "输入“{text}”", "scroll": "向{way}滚动", "swipe": "向{way}滑动", "drag": "在屏幕上拖动",
        "open_app": "打开{text}", "wait": "等待", "answer": "回答“{text}”", "ask_user": "询问“{text}”",
        "key": "按{text}", "success": "结束：任务已完成", "failure": "结束：任务无法完成",
        "other": "执行“{text}”", "nameless": "该位置", "then": "，然后",
    },
}  # fmt: skip


def words_of(text: str) -> list[str]:
    """Return the words of a text; each Chinese character is one.

    >>> words_of("打开 Wi-Fi")
    ['打', '开', 'Wi', 'Fi']
    """
    return (_WORD if text.isascii() else _compiled(_CJK_WORD)).findall(text)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return the pattern, compiled where a text is first seen that may match: sets this large take milliseconds."""
    return re.compile(pattern)


def language(text: str) -> Lang:
    """Return the language of a goal: Chinese as soon as it has a Chinese character.

    >>> language("打开 Wi-Fi")
    'zh'
    """
    return "zh" if not text.isascii() and _compiled(_CJK).search(text) else "en"


def same_goal(goal: str) -> str:
    """Return what goals have in common that ask for the same: case and spaces make no difference.

    >>> same_goal("Open  Wi-Fi") == same_goal("open wi-fi")
    True
    """
    return " ".join(goal.casefold().split())


def quoted(name: str, lang: Lang) -> str:
    """Return a name on the screen as a sentence quotes it."""
    return f"“{name}”" if lang == "zh" else f'"{name}"'


def direction(way: str, lang: Lang) -> str:
    """Return `up`, `down`, `left` or `right` as a word of the language."""
    return _DIRECTIONS[lang][way]


def sentence(action: Action, lang: Lang, target: str | None = None) -> str:
    """Return the action as an imperative sentence; `target` is the text of the element that it lands on.

    >>> sentence(Click(point=(0.5, 0.5)), "en", "Photos")
    'Tap "Photos"'
    """
    words = _WORDS[lang]
    name = quoted(target, lang) if target else words["nameless"]
    match action:
        case Click(count=count):
            return words["click" if count == 1 else "double"].format(name=name)
        case LongPress():
            return words["long_press"].format(name=name)
        case Hover():
            return words["hover"].format(name=name)
        case Type(text=text):
            return words["type"].format(text=text)
        case Scroll() | Swipe() if (way := _way(action)) is not None:
            return words["scroll" if isinstance(action, Scroll) else "swipe"].format(way=_DIRECTIONS[lang][way])
        case Swipe() | Drag() | Scroll():
            return words["drag"]
        case Button(name=button) if button in _BUTTONS[lang]:
            return _BUTTONS[lang][button]
        case Key(keys=keys):
            return words["key"].format(text="+".join(keys))
        case OpenApp(name=app):
            return words["open_app"].format(text=app)
        case Wait():
            return words["wait"]
        case Answer(text=text) | AskUser(text=text):
            return words["answer" if isinstance(action, Answer) else "ask_user"].format(text=text)
        case Terminate(status=status):
            return words["success" if status in {"success", "already_done"} else "failure"]
        case _:
            return words["other"].format(text=kind(action))


def sentences(actions: Sequence[Action], lang: Lang, targets: Sequence[str | None]) -> str:
    """Return all actions of a response, in order, as one sentence; `targets` are what each lands on.

    >>> sentences((Click(point=(0.5, 0.5)), Type(text="a")), "en", ("Name", None))
    'Tap "Name", then type “a”'
    """
    first, *rest = [sentence(action, lang, target) for action, target in zip(actions, targets, strict=True)]
    then = _WORDS[lang]["then"]
    return first + "".join(f"{then}{each[0].lower()}{each[1:]}" for each in rest)


def _way(action: Scroll | Swipe) -> Direction | None:
    """Return the direction that the record names, or the main one of the way it goes."""
    if action.direction is not None:
        return action.direction
    dx, dy = 0.0, 0.0
    if isinstance(action, Scroll):
        dx, dy = action.dx or 0.0, action.dy or 0.0
    elif action.start is not None and action.end is not None:
        dx, dy = action.end[0] - action.start[0], action.end[1] - action.start[1]
    if dx == dy == 0:
        return None
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    return "down" if dy > 0 else "up"
