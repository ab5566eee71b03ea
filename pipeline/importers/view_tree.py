"""What a tree of Android views proves about its screen: what lies on top, whether a keyboard or a dialog is there.

A list of nodes is no drawing order. `ViewGroup.addChildrenForAccessibility` hands its children over sorted by where
they are, as one reads; which of two is in front only `AccessibilityNodeInfo.getDrawingOrder` tells (elevation and a
custom order included), a number among siblings that android_env records and DroidBot does not. Sources:
frameworks/base, core/java/android/view/ViewGroup.java (`ChildListForAccessibility`) and View.java
(`populateAccessibilityNodeInfoDrawingOrderInParent`).
"""

from collections.abc import Sequence
from itertools import combinations, takewhile
from typing import NamedTuple

from pipeline.actions import Box, Point
from pipeline.records import Element
from pipeline.screens.geometry import area, centre, contains
from pipeline.screens.screen import interactive
from pipeline.screens.states import short_role

BARS = 0.08
"""Share of a side that the system's bars may take: they lie over a window that reaches below them."""
DIALOG = 0.9
"""A window that is shorter than this share of the screen in both directions leaves more free than the bars."""
SCRIM = 0.9
"""Share of the screen from which on something that takes taps may be there to close what lies on it."""
SHEET = 0.05
"""Share of the screen from which on something over other content may be a sheet, a drawer or a menu."""
REACH = 0.25
"""Content has to reach so near to the top and the bottom of a page; less may be a sheet with the page hidden."""
DRAWN_BY_ITSELF = frozenset({"", "glsurfaceview", "surfaceview", "textureview", "view", "webview"})
"""Roles of views that may take text without being called editable: games, terminals, web pages."""


class Place(NamedTuple):
    """A node's place in its tree."""

    number: int
    """Tells it apart from all others of the screen."""
    order: int = 0
    """When it is drawn among its siblings, from 1; of a window its layer; 0 where that is not recorded."""


Path = tuple[Place, ...]
"""The way to a node, from the outermost one to itself."""


def topmost(elements: Sequence[Element], paths: Sequence[Path]) -> list[bool | None]:
    """Tell for each element whether anything else covers its centre; what it encloses and is enclosed by does not.

    True where nothing else is there, or all of it is drawn before; False where something is drawn later and takes
    taps; None where the order is not recorded, where what is drawn later may be see-through, and below system bars.
    """
    return [
        None if _below_bars(point := centre(element.bbox)) else _uncovered(number, point, elements, paths)
        for number, element in enumerate(elements)
    ]


def keyboard(focused: Sequence[tuple[str | None, bool | None]], *, own_window: bool) -> bool | None:
    """Return False where no on-screen keyboard can be meant to be shown, else None; the tree never proves one.

    `focused` are role and `editable` of all views that have the input focus, or may have it, visible or not;
    `own_window` says that the tree is the app's, not the keyboard's. Android shows an input method for the view that
    has the focus, if that is an editor. Limits: an app that takes the focus away from an editor and forgets to hide
    the keyboard, and one that forces it open (`toggleSoftInput`).
    """
    writes = any(editable is not False or short_role(role) in DRAWN_BY_ITSELF for role, editable in focused)
    return None if writes or not own_window else False


def overlay(elements: Sequence[Element], *, own_window: bool) -> bool | None:
    """Tell from the elements of the one active window whether it is a dialog or a menu, or has one; None if unsure.

    True where the window is smaller than the screen in both directions. False only where it covers the screen, is the
    app's own, takes no taps over (nearly) its whole size, has content from top to bottom, and no two parts of it lie
    over each other as a sheet, a drawer or a menu does. Windows that take no focus (a tooltip, a system message) are in
    no tree.
    """
    roots = [element for element in elements if element.parent is None]
    if len(roots) != 1 or any(e.parent is not None and e.parent >= n for n, e in enumerate(elements)):
        return None
    left, top, right, bottom = roots[0].bbox
    if right - left < DIALOG and bottom - top < DIALOG:
        return True
    if roots[0].bbox != (0, 0, 1, 1) or not own_window:
        return None
    if any(_takes_taps(element) and area(element.bbox) >= SCRIM for element in elements):
        return None
    content = _contents(elements)
    whole = content[0]
    if whole is None or whole[1] > REACH or whole[3] < 1 - REACH:
        return None
    return None if _parts_overlap(elements, content) else False


def _below_bars(point: Point) -> bool:
    return not all(BARS <= side <= 1 - BARS for side in point)


def _uncovered(number: int, point: Point, elements: Sequence[Element], paths: Sequence[Path]) -> bool | None:
    answer: bool | None = True
    for other, element in enumerate(elements):
        if not contains(element.bbox, point) or _related(paths[other], paths[number]):
            continue
        in_front = _in_front(paths[other], paths[number])
        if in_front and _takes_taps(element):
            return False
        if in_front is not False:
            answer = None
    return answer


def _shared(one: Path, other: Path) -> int:
    """Return how many nodes two paths have in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0].number == pair[1].number, zip(one, other, strict=False)))


def _related(one: Path, other: Path) -> bool:
    return _shared(one, other) == min(len(one), len(other))


def _in_front(one: Path, other: Path) -> bool | None:
    """Tell whether the first of two nodes of different branches is drawn after the second."""
    fork = _shared(one, other)
    mine, its = one[fork].order, other[fork].order
    return None if not mine or not its or mine == its else mine > its


def _takes_taps(element: Element) -> bool:
    return element.clickable is not False or interactive(element)


def _contents(elements: Sequence[Element]) -> list[Box | None]:
    """Return for each element the box around all in it that shows a text or takes taps."""
    boxes: list[Box | None] = [e.bbox if e.text or _takes_taps(e) else None for e in elements]
    boxes[0] = None  # the window itself says nothing about where its content is
    for number in range(len(elements) - 1, 0, -1):
        box, parent = boxes[number], elements[number].parent
        if box is not None and parent is not None:
            around = boxes[parent]
            boxes[parent] = box if around is None else _around(around, box)
    return boxes


def _around(one: Box, other: Box) -> Box:
    return (min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3]))


def _parts_overlap(elements: Sequence[Element], content: Sequence[Box | None]) -> bool:
    """Tell whether the contents of two siblings share a good part of the screen."""
    families: dict[int | None, list[Box]] = {}
    for element, box in zip(elements, content, strict=True):
        if box is not None:
            families.setdefault(element.parent, []).append(box)
    return any(
        max(min(one[2], other[2]) - max(one[0], other[0]), 0) * max(min(one[3], other[3]) - max(one[1], other[1]), 0)
        > SHEET
        for family in families.values()
        for one, other in combinations(family, 2)
    )
