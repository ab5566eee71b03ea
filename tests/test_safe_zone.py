"""A tap in the zone lands on its element, whatever its corners, its children and its neighbours are like."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline.actions import Box, Point
from pipeline.augmentation.safe_zone import SMALLEST, Unmovable, Zone, safe_zone
from pipeline.records import Element, ScrollState
from pipeline.screens.geometry import contains, from_grid, to_grid

WIDTH, HEIGHT = 400, 800
BUTTON = Element(bbox=(0.25, 0.25, 0.75, 0.375), clickable=True, topmost=True, text="Go")  # 100, 200, 300, 300


def box(x1: float, y1: float, x2: float, y2: float) -> Box:
    """Return pixels as fractions of the screenshot, cut off at its edges."""
    cut = [min(max(x / WIDTH, 0.0), 1.0) for x in (x1, x2)], [min(max(y / HEIGHT, 0.0), 1.0) for y in (y1, y2)]
    return (cut[0][0], cut[1][0], cut[0][1], cut[1][1])


def zone(*elements: Element, target: int = 0) -> Zone:
    """Return the zone of an element that has one."""
    found = safe_zone(elements, target, WIDTH, HEIGHT)
    assert isinstance(found, Zone), found
    return found


def taps(found: Zone, n: int = 60) -> list[Point]:
    """Return points drawn from the zone."""
    return [point for seed in range(n) if (point := found.draw(seed)) is not None]


@st.composite
def rounded_boxes(draw: st.DrawFn) -> tuple[float, float, float, float, float]:
    """Return a box in pixels, on the screen or half outside, and the radius of its corners."""
    x, y = draw(st.floats(-150, 390)), draw(st.floats(-300, 790))
    across, down = draw(st.floats(12, 500)), draw(st.floats(12, 900))
    radius = draw(st.floats(0, 1)) * min(across, down) / 2
    return x, y, x + across, y + down, radius


def on_shape(shape: tuple[float, float, float, float, float], x: float, y: float) -> bool:
    """Tell whether a real hit test at the pixel would find the rounded box."""
    x1, y1, x2, y2, radius = shape
    if not contains((x1, y1, x2, y2), (x, y)):
        return False
    beyond_x = max(x1 + radius - x, x - (x2 - radius), 0)
    beyond_y = max(y1 + radius - y, y - (y2 - radius), 0)
    return math.hypot(beyond_x, beyond_y) <= radius + 1e-6


@given(rounded_boxes(), st.booleans(), st.integers(0, 9))
@example((350.0, 100.0, 650.0, 400.0, 150.0), False, 0)  # of a circle a sliver can be seen
@example((350.0, 100.0, 650.0, 400.0, 150.0), True, 0)
@example((-250.0, 100.0, 50.0, 400.0, 150.0), False, 0)
@example((100.0, 100.0, 300.0, 300.0, 100.0), False, 0)
def test_a_drawn_point_is_on_the_element_however_round_it_is(
    shape: tuple[float, float, float, float, float], known: bool, seed: int
) -> None:
    """Also where only a part of it can be seen, and after rounding to the grid of 999."""
    radius = shape[4] if known else None
    element = msgspec.structs.replace(BUTTON, bbox=box(*shape[:4]), radius=radius)
    found = safe_zone((element,), 0, WIDTH, HEIGHT)
    if isinstance(found, Unmovable):
        visible = element.bbox
        thin = min((visible[2] - visible[0]) * WIDTH, (visible[3] - visible[1]) * HEIGHT)
        assert found.reason == ("small" if thin < SMALLEST - 1e-6 else "cut_off")
        return

    def rounded(point: Point) -> Point:
        return from_grid(*to_grid(point, 999), 999)

    points = [found.draw(seed, n, rounded=rounded) for n in range(25)]
    if (point := points[0]) is None:  # of what goes on beyond a corner of the screen little is sure
        assert (
            known or not contains((0, 0, WIDTH, HEIGHT), shape[:2]) or not contains((0, 0, WIDTH, HEIGHT), shape[2:4])
        )
        return
    for x, y in (each for drawn in points if drawn is not None for each in (drawn, rounded(drawn))):
        assert on_shape(shape, x * WIDTH, y * HEIGHT)
        assert contains(element.bbox, (x, y))
        assert contains((0, 0, 1, 1), (x, y))
    assert point == found.draw(seed, 0, rounded=rounded)


@given(st.floats(40, 390), st.floats(40, 700), st.integers(0, 9))
def test_an_ellipse_is_no_trap(across: float, down: float, seed: int) -> None:
    """A box whose corners are rounded by half of each side."""
    element = msgspec.structs.replace(BUTTON, bbox=box(5, 5, 5 + across, 5 + down))
    point = zone(element).draw(seed)
    assert point is not None
    x, y = point[0] * WIDTH - 5 - across / 2, point[1] * HEIGHT - 5 - down / 2
    assert math.hypot(x / (across / 2), y / (down / 2)) <= 1


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Return any box of the screen."""
    x1, x2 = sorted((draw(st.floats(0, WIDTH)), draw(st.floats(0, WIDTH))))
    y1, y2 = sorted((draw(st.floats(0, HEIGHT)), draw(st.floats(0, HEIGHT))))
    return box(x1, y1, x2, y2)


@given(st.lists(st.tuples(boxes(), st.booleans()), max_size=4), st.integers(0, 9))
def test_never_on_a_child_that_takes_taps_nor_under_a_cover(others: list[tuple[Box, bool]], seed: int) -> None:
    """Children that may be clickable and elements of another branch are left out, with their edges."""
    elements = [BUTTON]
    for bbox, child in others:
        elements.append(Element(bbox=bbox, parent=0 if child else None, clickable=child))
    point = zone(*elements).draw(seed)
    assume(point is not None)
    assert point is not None
    for element in elements[1:]:
        whole = contains(element.bbox, BUTTON.bbox[:2]) and element.bbox[2] >= 0.75 and element.bbox[3] >= 0.375
        assert (whole and element.parent is None) or not contains(element.bbox, point)


CHILD = Element(bbox=box(180, 230, 220, 270), parent=0, clickable=False)


@pytest.mark.parametrize(
    ("change", "left_out"),
    [
        ({}, False),
        ({"text": "OK"}, False),
        ({"clickable": True}, True),
        ({"clickable": None}, True),
        ({"editable": True}, True),
        ({"checked": False}, True),
        ({"long_clickable": True}, True),
        ({"wired": True}, True),
        ({"parent": None}, True),
    ],
)
def test_what_lies_on_the_element(change: dict[str, Any], left_out: bool) -> None:
    """A plain child passes taps on; all else in the middle of the button keeps them, as far as is known."""
    child = msgspec.structs.replace(CHILD, **change)
    points = taps(zone(BUTTON, child))
    assert len(points) > 50
    assert any(contains(child.bbox, point) for point in points) is not left_out


def test_what_the_element_lies_on_is_no_cover() -> None:
    """Its ancestors, and all that contains the whole of it: the recorder saw it on top."""
    page = Element(bbox=(0, 0, 1, 1))
    card = Element(bbox=(0.1, 0.2, 0.9, 0.5), parent=0, clickable=True)
    button = msgspec.structs.replace(BUTTON, parent=1)
    alone = zone(BUTTON)
    assert zone(page, card, button, target=2).holes == alone.holes == ()


SHEET = Element(bbox=(0, 0.2, 1, 0.6), topmost=True)
ROW = Element(bbox=box(50, 170, 350, 240), clickable=True, topmost=False)


@pytest.mark.parametrize(
    ("row", "extra", "left_out"),
    [
        ({}, None, False),
        ({"topmost": None}, None, True),
        ({"topmost": True}, None, True),
        ({"bbox": box(50, 20, 350, 240)}, None, True),  # the sheet does not reach its centre: what covers it?
        ({}, Element(bbox=box(180, 190, 220, 220), topmost=True), True),  # perhaps this button does, docked into a bar
        ({}, Element(bbox=box(180, 190, 220, 220), topmost=True, parent=0), False),
        ({"parent": 0}, None, False),  # the button itself hides it
        ({"parent": 0, "bbox": box(50, 150, 350, 240)}, None, True),  # something else in the sheet does
    ],
)
def test_what_a_sheet_covers_does_not_cover_its_buttons(
    row: dict[str, Any], extra: Element | None, left_out: bool
) -> None:
    """The recorder saw that the row's centre is hidden, and only the sheet is there to hide it."""
    elements = [SHEET, msgspec.structs.replace(BUTTON, parent=0), msgspec.structs.replace(ROW, **row)]
    holes = zone(*elements, *([] if extra is None else [extra]), target=1).holes
    row_top = elements[2].bbox[1] * HEIGHT - 2
    assert any(abs(hole[1] - row_top) < 1 for hole in holes) is left_out


@pytest.mark.parametrize("parent", [None, 0])
def test_where_nobody_says_what_is_on_top_everything_may_be(parent: int | None) -> None:
    """But what the tree puts around the element; a banner over half of it leaves the other half."""
    page, banner = Element(bbox=(0, 0, 1, 1)), Element(bbox=box(0, 0, 400, 250))
    button = msgspec.structs.replace(BUTTON, topmost=None, parent=parent)
    points = taps(zone(page, button, banner, target=1))
    assert bool(points) is (parent is not None)
    assert all(point[1] * HEIGHT > 252 for point in points)
    alone = msgspec.structs.replace(BUTTON, topmost=None)
    assert any(point[1] * HEIGHT < 250 for point in taps(zone(alone)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"topmost": None, "source": "ocr"}, "covered"),
        ({"topmost": False}, "covered"),
        ({"bbox": box(10, 10, 21, 100)}, "small"),
        ({"bbox": box(10, 10, 100, 21)}, "small"),
        ({"bbox": box(0, 740, 100, 800)}, "cut_off"),
    ],
)
def test_where_a_point_must_stay(change: dict[str, Any], reason: str) -> None:
    """Nobody knows what is on top, or there is no room."""
    element = msgspec.structs.replace(BUTTON, **change)
    assert safe_zone((element,), 0, WIDTH, HEIGHT) == Unmovable(reason)


def test_a_list_shows_only_a_part_of_its_rows() -> None:
    """What a scrolling ancestor cuts off cannot be tapped."""
    scroller = Element(bbox=box(0, 0, 400, 240), scroll=ScrollState(max_y=500))
    row = msgspec.structs.replace(BUTTON, parent=0)
    assert all(point[1] * HEIGHT < 240 - 2 for point in taps(zone(scroller, row, target=1)))
    nearly_gone = Element(bbox=box(0, 0, 400, 210), scroll=ScrollState(max_y=500))
    assert safe_zone((nearly_gone, row), 1, WIDTH, HEIGHT) == Unmovable("small")


@pytest.mark.parametrize("scale", [7, 11, 23])
def test_the_grid_decides(scale: int) -> None:
    """On a coarse grid few places are left, and the point is one that lands there after rounding."""
    child = msgspec.structs.replace(CHILD, clickable=True)
    found = zone(BUTTON, child)
    drawn = [found.draw(n, rounded=lambda p: from_grid(*to_grid(p, scale), scale)) for n in range(40)]
    points = [point for point in drawn if point is not None]
    assert points
    assert any(not found.contains(from_grid(*to_grid(point, scale), scale)) for point in taps(found))
    assert all(found.contains(from_grid(*to_grid(point, scale), scale)) for point in points)


def test_nothing_is_drawn_where_nothing_is_left() -> None:
    """A child over all of it."""
    assert zone(BUTTON, msgspec.structs.replace(CHILD, bbox=BUTTON.bbox, clickable=True)).draw(0) is None


def test_points_spread_as_taps_of_people_do() -> None:
    """Around the middle, a quarter of the extent, within the margin of ten per cent; a bigger zone, no other shape."""
    points = taps(zone(msgspec.structs.replace(BUTTON, radius=0)), 400)
    across = [point[0] * WIDTH for point in points]
    mean = sum(across) / len(across)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in across) / len(across))
    assert abs(mean - 200) < 5
    assert 35 < deviation < 50
    assert min(across) >= 120
    assert max(across) < 280
    assert max(across) - min(across) > 140
