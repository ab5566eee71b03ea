"""What the trained thought says, against what is done: its reason, its action, its target, and what it claims was done.

Only clear contradictions count. Words in quotes are names on the screen; "the button" and its like name nothing.
"""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache

from pipeline.actions import (
    TAPS,
    Action,
    Answer,
    AskUser,
    Button,
    Click,
    Drag,
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
from pipeline.screens.screen import interactive, label, own_label, smallest

from .case import Decision
from .check import Context, Finding
from .vocabulary import may_quote, may_say, says

_REASON = re.compile(
    r"\b(?:so|because|since|to|need|needs|want|must|should|therefore|thus|hence|next|then|first|before|after|now|let's"
    r"|still|already|is (?:what|where|the one)|done|finished|complete[ds]?|will|can|goal|task|looking|find|check)\b"
    r"|因为|由于|所以|因此|需要|无需|应当|必须|为了|应该|先|再|接下来|然后|现在|已经|还|完成|任务|目标|要|就|以便|从而|可以|想",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"“([^”]{1,80})”|\"([^\"]{1,80})\"|「([^」]{1,80})」|'([^']{2,80})'(?!\w)")
_SAID: dict[str, re.Pattern[str]] = {
    "tap": re.compile(r"\b(?:tap|click|press|select|choose|open|hit|toggle|check|tick)(?:ing|s)?\b|点|按|选|打开|勾",
                      re.IGNORECASE),
    "type": re.compile(r"\b(?:typ(?:e|ing|es)|enter(?:ing|s)?|inputs?|fill(?:ing)? in|writ(?:e|ing))\b|输入|填|写",
                       re.IGNORECASE),
    "scroll": re.compile(r"\b(?:scroll|swip|flick|drag|slid)\w*|滚动|滑|拖|翻", re.IGNORECASE),
    "wait": re.compile(r"\bwait(?:ing|s)?\b|\bload(?:ing|s)?\b|等", re.IGNORECASE),
    "back": re.compile(r"\b(?:go|going|gets?|return|navigat\w+|press\w*) (?:back|home|to)\b|\breturn\w*\b|返回|回到|退",
                       re.IGNORECASE),
    "finish": re.compile(r"\b(?:done|finish\w*|complet\w*|end|accomplish\w*|fulfil\w*|terminat\w*|stop|answer\w*)\b"
                         r"|完成|结束|回答|做完|停", re.IGNORECASE),
}  # fmt: skip
"""Words for what somebody is about to do; `tap` is what any of the others may be done by."""
_INTENT = re.compile(
    r"\b(?:I(?:'ll| will| should| need to| have to| must|'m going to)?|let me)\s+(?:now |then |just |first )?"
    r"(tap|click|type|enter|scroll|swipe|wait|go back)\b"
    r"|(?:我|就|来|先|现在|接下来|所以)(?:需要|要|应该|会)?(点击|输入|滚动|滑动|等待|返回)",
    re.IGNORECASE,
)
_FAMILY = {
    "tap": "tap", "click": "tap", "type": "type", "enter": "type", "scroll": "scroll", "swipe": "scroll",
    "wait": "wait", "go back": "back",
    "点击": "tap", "输入": "type", "滚动": "scroll", "滑动": "scroll", "等待": "wait", "返回": "back",
}  # fmt: skip
_DONE = re.compile(
    r"\bI(?:'ve| have)? (?:already |just )?(typed|entered|scrolled|swiped)\b|我(?:已经|刚刚|刚)(输入|滚动|滑动)",
    re.IGNORECASE,
)
_PLAIN_REASONS = frozenset(
    {
        "so", "because", "since", "to", "need", "needs", "want", "must", "should", "therefore", "thus", "hence", "next",
        "then", "first", "before", "after", "now", "still", "already", "done", "finished", "will", "can", "goal",
        "task", "looking", "find", "check",
    }
)  # fmt: skip
"""Words any of which `_REASON` finds."""
_INTENT_WORDS = frozenset({"tap", "click", "type", "enter", "scroll", "swipe", "wait", "go"})
_DONE_WORDS = frozenset({"typed", "entered", "scrolled", "swiped"})
_STEP_WORDS = frozenset({"in", "at", "after", "since"})
"""One of them stands in all that `_INTENT`, `_DONE`, `_STEP` find in English."""
_STEP = re.compile(r"\b(?:in|at|after|since) step (\d{1,3})\b|第\s*(\d{1,3})\s*步(?:中|时|里|之后|以后)", re.IGNORECASE)


_TYPED = re.compile(
    r"\b(?:typ(?:e|ing)|enter(?:ing)?|inputt?(?:ing)?|writ(?:e|ing))\s+(?:(?:in|out|the|a|my|this|text|words?|phrase|query|term"
    r"|keywords?|name|title|number|message|value|following)[:,]?\s+){0,3}[\"“'‘](?P<en>.{1,200}?)[\"”'’](?!\w|\s+(?:field|box"
    r"|bar|input|cell|area|tab|page|menu|key|button|mode)\b)|(?:输入|键入|填写|填入)\s*[\"“'‘「](?P<zh>[^\"”'’」]{1,200})[\"”'’」]"
    r"(?!\s*(?:框|栏|页|键|字段))",
    re.IGNORECASE,
)
"""A text that is said to be typed; `enter` may have a place for its object, too."""
_TYPE_WORDS = frozenset({"type", "typing", "enter", "entering", "input", "inputting", "write", "writing"})
ALIKE = 0.6
"""From which ratio of difflib one text may be another with a slip of the pen."""


def reason(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought that names neither what it aims at nor why."""
    thought = decision.thought
    if _reasons(thought) or _QUOTED.search(thought):
        return
    if any(_SAID[family].search(thought) for family in _families(decision.turn.actions) - {"tap"}):
        return  # what goes back, waits or ends has no other target
    named = _label(decision)
    if named is None or _squeezed(named) not in _squeezed(thought):
        said = "found a thought that names neither target nor reason, expected one of them"
        yield Finding(decision.thought_path, said)


def action(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought that announces another kind of action than is taken, and none that it could be."""
    announced = _announced(decision.thought)
    taken = _families(decision.turn.actions) if announced else set()
    if not taken or announced[-1] in taken:
        return
    if not any(_SAID[family].search(decision.thought) for family in taken if family in _SAID):
        found = f"found a thought that announces to {announced[-1]} before a {kind(decision.turn.actions[0])}"
        yield Finding(decision.thought_path, f"{found}, expected what is done")


def target(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought that names another control of the screen than the one that is tapped, and not that one."""
    names = _quoted(decision.thought)
    if not names or not isinstance(decision.turn.actions[0], TAPS):
        return
    named = _label(decision)
    if named is None or _squeezed(named) in _squeezed(decision.thought) or any(_akin(name, named) for name in names):
        return
    others = {_squeezed(e.text or "") for e in decision.elements if interactive(e) and e.text}
    wrong = [name for name in names if _squeezed(name) in others]
    if wrong and wrong[-1] == names[-1]:
        said = f"found a thought about {wrong[-1][:40]!r} before a tap on {named[:40]!r}, expected it"
        yield Finding(decision.thought_path, said)


def typed(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought that announces another text than the one that is typed."""
    texts = [_squeezed(each.text) for each in decision.turn.actions if isinstance(each, Type)]
    if not any(texts) or not may_say(decision.thought, _TYPE_WORDS):
        return
    said = [found["en"] or found["zh"] for found in _TYPED.finditer(decision.thought)]
    if said and not any(_like(name, text) for name in (*said, *_quoted(decision.thought)) for text in texts):
        found = f"found a thought about typing {said[-1][:40]!r} before {next(filter(None, texts))[:40]!r} is typed"
        yield Finding(decision.thought_path, f"{found}, expected that text")


def claims(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought that says of earlier steps what none of them did."""
    thought, turns = decision.thought, decision.sample.turns
    for found in _STEP.finditer(thought) if may_say(thought, _STEP_WORDS) else ():
        if int(found[1] or found[2]) > decision.turn.step_index + 1:
            said = f"found {found[0]!r} at step {decision.turn.step_index}, expected an earlier one"
            yield Finding(decision.thought_path, said)
    done = _DONE.search(thought) if may_say(thought, _DONE_WORDS) else None
    if done is None or turns[0].step_index > 0:
        return
    family = {"typed": "type", "entered": "type", "输入": "type"}.get((done[1] or done[2]).lower(), "scroll")
    if family not in {each for turn in turns[: decision.number] for each in _families(turn.actions)}:
        said = f"found {done[0]!r} though no earlier step did, expected what the history shows"
        yield Finding(decision.thought_path, said)


def _label(decision: Decision) -> str | None:
    """Return what a person would call the tapped element, None where nothing is known of it."""
    point = getattr(decision.turn.actions[0], "point", None)
    taker = None if point is None else smallest(decision.controls(point))
    if point is None or taker is None:
        return None
    if name := own_label(taker):
        return name
    elements = decision.elements  # `label` knows the control by identity, so it is asked for once more
    taker = smallest(decision.controls(point))
    return None if taker is None else label(elements, taker)


def _families(actions: tuple[Action, ...]) -> set[str]:
    """Return the words' families that an action is spoken of in; none where anything may be said."""
    found: set[str] = set()
    for each in actions:
        match each:
            case Click() | LongPress() | OpenApp():
                found.add("tap")
            case Type():
                found.add("type")
            case Scroll() | Swipe() | Drag():
                found.add("scroll")
            case Wait():
                found.add("wait")
            case Button(name="back" | "home"):
                found.add("back")
            case Terminate() | Answer() | AskUser():
                found.add("finish")
            case Key() | _:
                return set()
    return found


def _reasons(thought: str) -> bool:
    return says(thought, _PLAIN_REASONS) or _REASON.search(thought) is not None


def _announced(thought: str) -> tuple[str, ...]:
    """Return the families of what the thought says is done next, in order; names in quotes say nothing."""
    if not may_say(thought, _INTENT_WORDS):
        return ()
    plain = _QUOTED.sub("", thought)
    return tuple(_FAMILY[(found[1] or found[2]).lower()] for found in _INTENT.finditer(plain))


def _quoted(thought: str) -> list[str]:
    return [next(filter(None, groups)) for groups in _QUOTED.findall(thought)] if may_quote(thought) else []


def _like(name: str, text: str) -> bool:
    """Tell whether two texts may be one: a part of it, or with a slip of the pen."""
    one = _squeezed(name)
    return not one or _akin(one, text) or SequenceMatcher(None, one, text).ratio() >= ALIKE


def _akin(name: str, other: str) -> bool:
    one, two = _squeezed(name), _squeezed(other)
    return bool(one) and (one in two or two in one)


@lru_cache(maxsize=8192)
def _squeezed(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
