"""Scrolls and swipes against what the turn says of them: the field's most repeated mistake is the wrong way round."""

import re
from collections.abc import Iterator

from pipeline.actions import OPPOSITE, Direction, Scroll, Swipe

from .case import Decision
from .check import Context, Finding

_SAID: dict[str, tuple[tuple[re.Pattern[str], Direction], ...]] = {
    "scroll": (
        (re.compile(r"\bscroll(?:ing)? (?:further )?down\b|向下滚动|往下滚", re.IGNORECASE), "down"),
        (re.compile(r"\bscroll(?:ing)? (?:back )?up\b|向上滚动|往上滚", re.IGNORECASE), "up"),
    ),
    "swipe": (
        (re.compile(r"\bswip(?:e|ing) down\b|向下滑|往下滑|下拉", re.IGNORECASE), "down"),
        (re.compile(r"\bswip(?:e|ing) up\b|向上滑|往上滑|上滑", re.IGNORECASE), "up"),
        (re.compile(r"\bswip(?:e|ing) left\b|向左滑|往左滑|左滑", re.IGNORECASE), "left"),
        (re.compile(r"\bswip(?:e|ing) right\b|向右滑|往右滑|右滑", re.IGNORECASE), "right"),
    ),
}
"""What is said of the recorded gesture: people say "scroll up" of a swipe up too, so each verb judges its own only."""


def contradicted(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a gesture that goes the other way than its instruction says."""
    action, words = decision.turn.actions[0], decision.turn.instruction
    content = _content(action) if words else None
    if content is None or not words:
        return
    verb, way = ("scroll", content) if isinstance(action, Scroll) else ("swipe", OPPOSITE[content])
    said = {each for pattern, each in _SAID[verb] if pattern.search(words)}
    if said == {OPPOSITE[way]}:
        found = f"found a {verb} {way}, expected {said.pop()} as {words[:60]!r} says"
        yield Finding(decision.turn_path, found)


def _content(action: object) -> Direction | None:
    """Return on which side more is shown, None if the action is no gesture along one axis."""
    match action:
        case Scroll(direction=way) if way is not None:
            return way
        case Scroll(dx=dx, dy=dy) if dy and not dx:
            return "down" if dy > 0 else "up"
        case Swipe(direction=way) if way is not None:
            return OPPOSITE[way]
        case Swipe(start=start, end=end) if start is not None and end is not None:
            dx, dy = end[0] - start[0], end[1] - start[1]
            if abs(dy) > 2 * abs(dx):
                return "up" if dy > 0 else "down"
            if abs(dx) > 2 * abs(dy):
                return "left" if dx > 0 else "right"
    return None
