"""Questions about one screen: which element is where, what carries an action, what would swallow a tap."""

from collections.abc import Iterator, Sequence

from pipeline.actions import Action, Box, Point, Scroll, target_point
from pipeline.records import Element

from .geometry import area, contains, smallest_containing


def interactive(element: Element) -> bool:
    """Tell whether a tap on the element could do something, as far as the record says."""
    return bool(element.clickable or element.editable or element.checked is not None)


def ancestors(elements: Sequence[Element], index: int) -> Iterator[Element]:
    """Yield the enclosing elements, innermost first; a loop in broken data ends the walk."""
    seen = {index}
    parent = elements[index].parent
    while parent is not None and parent not in seen and parent < len(elements):
        seen.add(parent)
        yield elements[parent]
        parent = elements[parent].parent


def takers(elements: Sequence[Element], point: Point) -> list[Element]:
    """Return the interactive elements at the point that nothing is known to cover."""
    x, y = point
    return [
        e for e in elements
        if (box := e.bbox)[1] <= y < box[3] and box[0] <= x < box[2] and interactive(e) and e.topmost is not False
    ]  # fmt: skip


def hit(elements: Sequence[Element], point: Point) -> Element | None:
    """Return the interactive element that takes a tap at the point: the smallest one there that nothing covers."""
    return smallest(takers(elements, point))


def smallest(there: Sequence[Element]) -> Element | None:
    """Return the smallest of the elements, the last one among equals, None of none."""
    return min(reversed(there), key=lambda element: area(element.bbox), default=None)


def target_element(elements: Sequence[Element], action: Action) -> Element | None:
    """Return the element that the action aims at, None where it aims at none; a scroll is about what is around it."""
    point = None if isinstance(action, Scroll) else target_point(action)
    return None if point is None else hit(elements, point)


def target_box(elements: Sequence[Element], action: Action) -> Box | None:
    """Return the recorded box of the action's target, or that of the element it aims at."""
    recorded: Box | None = getattr(action, "bbox", None)
    if recorded is not None:
        return recorded
    element = target_element(elements, action)
    return None if element is None else element.bbox


def own_label(element: Element) -> str:
    """Return the element's text on one line; empty if it has none."""
    return " ".join((element.text or "").split())


def label(elements: Sequence[Element], element: Element) -> str | None:
    """Return what a person would call the element: its own text, or the first text inside it.

    The element must be one of `elements`, not an equal one.
    """
    if name := own_label(element):
        return name
    for number, other in enumerate(elements):
        if other.text and any(each is element for each in ancestors(elements, number)) and (name := own_label(other)):
            return name
    return None


def shown_text(elements: Sequence[Element], point: Point) -> str | None:
    """Return the text of the smallest element with text at the point."""
    boxes = ((n, e.bbox) for n, e in enumerate(elements) if e.text and contains(e.bbox, point))
    index = smallest_containing(boxes, point)
    return None if index is None else elements[index].text
