"""What trees of Android views prove: against a painter, and case by case on built trees."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions import Box
from pipeline.importers.view_tree import BARS, Path, Place, keyboard, overlay, topmost
from pipeline.records import Element
from pipeline.screens.geometry import centre, contains

Tree = tuple[list[Element], list[Path]]


def element(box: Box, parent: int | None = 0, **facts: Any) -> Element:
    """Return an element that takes no tap unless it says so."""
    return Element(bbox=box, parent=parent, source="a11y", **{"clickable": False, **facts})


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Return views with distinct drawing orders among siblings, whose numbers say nothing about them."""
    count = draw(st.integers(1, 12))
    parents = [None, *(draw(st.integers(0, number - 1)) for number in range(1, count))]
    order = draw(st.permutations(range(1, count + 1)))
    elements, paths = [], []
    sides = st.tuples(st.integers(0, 9), st.integers(0, 9))
    for number, parent in enumerate(parents):
        (x1, x2), (y1, y2) = (sorted(draw(sides)) for _ in range(2))
        box = (x1 / 10, y1 / 10, (x2 + 1) / 10, (y2 + 1) / 10)
        elements.append(element(box, parent, clickable=draw(st.booleans())))
        paths.append((*(paths[parent] if parent is not None else ()), Place(number, order[number])))
    return elements, paths


def painted(paths: list[Path], elements: list[Element], parent: int | None = None) -> Iterator[int]:
    """Yield the views as a device paints them: each before what it encloses, siblings by their order."""
    children = [number for number, each in enumerate(elements) if each.parent == parent]
    for number in sorted(children, key=lambda each: paths[each][-1].order):
        yield number
        yield from painted(paths, elements, number)


def family(paths: list[Path], number: int) -> set[int]:
    """Return a view, what encloses it and what it encloses."""
    return {n for n, path in enumerate(paths) if paths[number][-1] in path or path[-1] in paths[number]}


@given(trees())
def test_on_top_is_what_is_painted_last(tree: Tree) -> None:
    """With a drawing order: nothing of another branch is painted over the centre; what surely covers it takes taps."""
    elements, paths = tree
    found, canvas = topmost(elements, paths), list(painted(paths, elements))
    for number, each in enumerate(elements):
        point = centre(each.bbox)
        later = canvas[canvas.index(number) + 1 :]
        over = [n for n in later if n not in family(paths, number) and contains(elements[n].bbox, point)]
        if not all(BARS <= side <= 1 - BARS for side in point):
            assert found[number] is None
        elif any(elements[n].clickable for n in over):
            assert found[number] is False
        else:
            assert found[number] is (None if over else True)


@given(trees())
def test_without_an_order_only_what_stands_alone_is_on_top(tree: Tree) -> None:
    """So it is on top in whatever order the views are painted, and nothing is said to be covered."""
    elements, paths = tree
    found = topmost(elements, [tuple(Place(place.number) for place in path) for path in paths])
    for number, each in enumerate(elements):
        at = {n for n, other in enumerate(elements) if contains(other.bbox, centre(each.bbox))}
        inside = all(BARS <= side <= 1 - BARS for side in centre(each.bbox))
        assert found[number] is (True if inside and at <= family(paths, number) else None)
    for known, more in zip(found, topmost(elements, paths), strict=True):
        assert known is None or more is True


def test_equal_orders_say_nothing() -> None:
    """Android gives one number to what it draws at once."""
    elements = [element((0, 0, 1, 1), None), element((0.2, 0.2, 0.6, 0.6)), element((0.3, 0.3, 0.7, 0.7))]
    paths = [(Place(0, 1),), (Place(0, 1), Place(1, 2)), (Place(0, 1), Place(2, 2))]
    assert topmost(elements, paths) == [True, None, None]


@pytest.mark.parametrize(
    ("focused", "expected"),
    [
        ([], False),
        ([("android.widget.GridView", False)], False),
        ([("android.widget.Button", False)], False),
        ([("android.widget.EditText", True)], None),
        ([("android.widget.Button", None)], None),
        ([("android.widget.Button", False), ("android.widget.EditText", True)], None),
        ([("android.webkit.WebView", False)], None),
        ([("android.view.View", False)], None),
        ([(None, False)], None),
    ],
)
def test_a_keyboard_needs_an_editor_with_the_focus(
    focused: list[tuple[str | None, bool | None]], expected: bool | None
) -> None:
    """A view that draws itself may be one without saying so; a tree never proves that there is a keyboard."""
    assert keyboard(focused, own_window=True) is expected
    assert keyboard(focused, own_window=False) is None


TOP, ROW, LAST = (0, 0.1, 1, 0.15), (0, 0.4, 1, 0.5), (0, 0.85, 1, 0.9)
PAGE = [
    element((0, 0, 1, 1), None), element((0, 0, 1, 1)), element(TOP, 1, text="Title"),
    element(ROW, 1, text="Row", clickable=True), element(LAST, 1, text="Last"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (PAGE, False),
        ([*PAGE, element((0, 0, 1, 1))], False),  # an empty layer holds nothing that could be over the page
        ([*PAGE, element((0.8, 0.8, 0.95, 0.9), clickable=True)], False),  # a round button
        ([*PAGE, element((0, 0, 1, 1), clickable=True)], None),  # a scrim
        ([PAGE[0], element((0, 0, 1, 1), clickable=True), *PAGE[2:]], None),  # one around a dialog
        ([*PAGE, element((0, 0.3, 1, 1)), element((0, 0.35, 1, 0.5), 5, text="Share"),
          element((0, 0.9, 1, 1), 5, text="Cancel")], None),  # a sheet
        ([*PAGE, element((0, 0, 0.8, 1)), element((0, 0.1, 0.8, 0.2), 5, text="Inbox"),
          element((0, 0.8, 0.8, 0.9), 5, text="Settings")], None),  # a drawer
        ([*PAGE, element((0.5, 0.1, 1, 0.45)), element((0.5, 0.1, 1, 0.25), 5, clickable=True),
          element((0.5, 0.3, 1, 0.45), 5, clickable=True)], None),  # a menu
        ([PAGE[0], PAGE[1], PAGE[3], PAGE[4]], None),  # a sheet whose page is hidden from the tree
        ([PAGE[0], PAGE[1], PAGE[2], PAGE[3]], None),
        ([element((0, 0, 1, 1), None)], None),  # nothing to see
        ([], None),
        ([*PAGE, element((0.1, 0.2, 0.2, 0.3), None)], None),  # two windows
        ([element((0, 0, 1, 1), 1), element((0, 0, 1, 1), 0)], None),  # a loop
        ([element((0.1, 0.4, 0.9, 0.6), None), element((0.2, 0.5, 0.4, 0.55), text="OK")], True),
        ([element((0, 0.08, 1, 1), None), *PAGE[1:]], None),  # it spares the status bar
        ([element((0, 0.5, 1, 1), None), element((0, 0.9, 1, 1), text="OK")], None),  # half of a split screen?
        ([element((0.07, 0.07, 1, 1), None), *PAGE[1:]], None),  # bars of a turned phone
        ([element((0.07, 0.3, 1, 0.8), None), element((0.2, 0.5, 0.4, 0.55), text="OK")], None),
        ([element((0.2, 0.07, 0.8, 1), None), element((0.2, 0.5, 0.4, 0.55), text="OK")], None),
    ],
)  # fmt: skip
def test_a_page_or_something_over_it(elements: list[Element], expected: bool | None) -> None:
    """Only a page without anything that could be a sheet, a drawer, a menu or a scrim has none."""
    assert overlay(elements, own_window=True) is expected
    assert overlay(elements, own_window=False) is (True if expected else None)
