"""Where on an element any tap surely lands on it: the zone that `--jitter` draws from, a pure function of the elements.

The zone is the element's box less a margin of max(2 px, 10 %) a side, within the viewport and within what scrolls it,
without its corners where they may be rounded, and without all that lies on it: children that take taps themselves and
elements that may cover it: where the recording does not say what is on top, all that are not around it. Boxes are half
open, as a real hit test is. Lengths are pixels of the recorded screenshot.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist

from msgspec import Struct

from pipeline import seeds
from pipeline.actions import Box, Point
from pipeline.records import Element
from pipeline.screens.geometry import centre, contains
from pipeline.screens.screen import ancestors, interactive

SMALLEST = 12.0
"""An element that is thinner keeps its point."""
MARGIN_PX, MARGIN_SHARE = 2.0, 0.1
SPREAD = 0.25
"""Standard deviation of the drawn points, as a share of the element's extent: about that of human taps."""
TRIES = 64
FOUND = frozenset({"human", "ocr", "sam"})
"""Sources of elements that were found in the picture, so that others may be missing."""

_Span = tuple[float, float]


class Unmovable(Struct, frozen=True):
    """Why the point on an element must stay."""

    reason: str


class Zone(Struct, frozen=True):
    """The safe places of one element, in pixels of a screenshot of `width` by `height`."""

    width: int
    height: int
    visible: Box
    """The part of the element that can be seen."""
    inner: Box
    """That part less the margin."""
    shapes: tuple[Box, ...]
    """Bounds of rounded rectangles, or ellipses, of which the element contains what all of them have in common."""
    radius: float | None
    """Of rounded rectangles; None for ellipses, which corners of any roundness contain."""
    holes: tuple[Box, ...]
    """What may take a tap in the element's place."""

    def contains(self, point: Point) -> bool:
        """Tell whether a tap at the point, in fractions of the screenshot, surely lands on the element."""
        x, y = point[0] * self.width, point[1] * self.height
        return (
            contains(self.inner, (x, y))
            and all(self._within(shape, x, y) for shape in self.shapes)
            and not any(hole[0] <= x <= hole[2] and hole[1] <= y <= hole[3] for hole in self.holes)
        )

    def draw(self, *parts: object, rounded: Callable[[Point], Point] = lambda point: point) -> Point | None:
        """Return a point of the zone in fractions of the screenshot, the same for the same parts; None if none is hit.

        `rounded` is what the model's grid makes of a point: it must lie in the zone too.
        """
        spans = ((self.visible[0], self.visible[2], self.inner[0], self.inner[2]),
                 (self.visible[1], self.visible[3], self.inner[1], self.inner[3]))  # fmt: skip
        for attempt in range(TRIES):
            x, y = (
                _truncated(*span, seeds.uniform(*parts, "point", axis, attempt))
                for axis, span in zip("xy", spans, strict=True)
            )
            point = (x / self.width, y / self.height)
            if self.contains(point) and self.contains(rounded(point)):
                return point
        return None

    def _within(self, shape: Box, x: float, y: float) -> bool:
        half_x, half_y = (shape[2] - shape[0]) / 2, (shape[3] - shape[1]) / 2
        off_x, off_y = abs(x - shape[0] - half_x), abs(y - shape[1] - half_y)
        if self.radius is None:
            return math.hypot(off_x / half_x, off_y / half_y) <= 1
        radius = min(self.radius, half_x, half_y)
        beyond = math.hypot(max(off_x - half_x + radius, 0), max(off_y - half_y + radius, 0))
        return off_x <= half_x and off_y <= half_y and beyond <= radius


def safe_zone(elements: Sequence[Element], target: int, width: int, height: int) -> Zone | Unmovable:
    """Return where a tap surely lands on element number `target` of a screen of `width` by `height` pixels."""
    element = elements[target]
    complete = not any(each.source in FOUND for each in elements)
    if element.topmost is False or (element.topmost is None and not complete):
        return Unmovable("covered")  # by what is known, or by what was not found
    visible, clipped = _visible(elements, target, width, height)
    across, down = visible[2] - visible[0], visible[3] - visible[1]
    if min(across, down) < SMALLEST - 1e-6:
        return Unmovable("small")
    if element.radius is None and (clipped[0] or clipped[2]) and (clipped[1] or clipped[3]):
        return Unmovable("cut_off")  # how round its corners may be is anyone's guess
    margin_x, margin_y = max(MARGIN_PX, MARGIN_SHARE * across), max(MARGIN_PX, MARGIN_SHARE * down)
    inner = (visible[0] + margin_x, visible[1] + margin_y, visible[2] - margin_x, visible[3] - margin_y)
    # How long it is at least, if it goes on where nobody sees it: corners reach no further than half the shorter side.
    least = (down, across) if element.radius is None else (element.radius, element.radius)
    shapes = tuple(
        (x1 + margin_x, y1 + margin_y, x2 - margin_x, y2 - margin_y)
        for x1, x2 in _wholes((visible[0], visible[2]), (clipped[0], clipped[2]), least[0])
        for y1, y2 in _wholes((visible[1], visible[3]), (clipped[1], clipped[3]), least[1])
    )
    return Zone(width, height, visible, inner, shapes, element.radius, tuple(_holes(elements, target, width, height)))


def _truncated(start: float, end: float, low: float, high: float, share: float) -> float:
    """Return the place in low..high that has this share of a normal distribution around start..end before it."""
    normal = NormalDist((start + end) / 2, SPREAD * (end - start))
    before, after = normal.cdf(low), normal.cdf(high)
    place = before + share * (after - before)
    return min(max(normal.inv_cdf(place), low), high) if 0 < place < 1 else (start + end) / 2


def _visible(elements: Sequence[Element], target: int, width: int, height: int) -> tuple[Box, tuple[bool, ...]]:
    """Return the visible part of the element, and at which of its four sides more of it may be hidden."""
    x1, y1, x2, y2 = _pixels(elements[target].bbox, width, height)
    views = [(0.0, 0.0, float(width), float(height))]
    views += [_pixels(e.bbox, width, height) for e in ancestors(elements, target) if e.scroll is not None]
    left, top = max(view[0] for view in views), max(view[1] for view in views)
    right, bottom = min(view[2] for view in views), min(view[3] for view in views)
    clipped = (x1 <= left, y1 <= top, x2 >= right, y2 >= bottom)
    return (max(x1, left), max(y1, top), min(x2, right), min(y2, bottom)), clipped


def _wholes(span: _Span, clipped: tuple[bool, bool], least: float) -> list[_Span]:
    """Return what the whole span may be: what is visible, and where that touches an edge, what goes on beyond it."""
    start, end = span
    half = max(end - start, least)
    before = [(end - 2 * half, end)] if clipped[0] else []
    return [span, *before, (start, start + 2 * half)] if clipped[1] else [span, *before]


def _holes(elements: Sequence[Element], target: int, width: int, height: int) -> Iterator[Box]:
    """Yield the boxes on the element that may take a tap in its place, each with a margin."""
    element = elements[target]
    own = _pixels(element.bbox, width, height)
    around = [id(each) for each in ancestors(elements, target)]
    for number, other in enumerate(elements):
        box = _pixels(other.bbox, width, height)
        if number == target or not _overlap(own, box) or id(other) in around:
            continue
        if any(each is element for each in ancestors(elements, number)):
            passes_on = other.clickable is False and not interactive(other) and not other.long_clickable
            if passes_on and not other.wired:
                continue
        elif element.topmost and (_holds(box, own) or _beneath(elements, number, target)):
            continue  # what covered all of it would cover its centre
        yield (box[0] - MARGIN_PX, box[1] - MARGIN_PX, box[2] + MARGIN_PX, box[3] + MARGIN_PX)


def _beneath(elements: Sequence[Element], number: int, target: int) -> bool:
    """Tell whether another element lies under the target: the target's branch hides its centre.

    The branch are the target and those around it, a sheet for one, that are not around the other element too.
    """
    other, middle = elements[number], centre(elements[number].bbox)
    if other.topmost is not False:
        return False
    shared = [id(each) for each in ancestors(elements, number)]
    branch = [e for e in (elements[target], *ancestors(elements, target)) if id(e) not in shared]
    if not any(contains(e.bbox, middle) for e in branch):
        return False
    above = [n for n, e in enumerate(elements) if e.topmost and contains(e.bbox, middle) and id(e) not in shared]
    return all(any(e is b for e in (elements[n], *ancestors(elements, n)) for b in branch) for n in above)


def _pixels(box: Box, width: int, height: int) -> Box:
    return (box[0] * width, box[1] * height, box[2] * width, box[3] * height)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _holds(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]
