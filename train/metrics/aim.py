"""Where a point has to be: the published rules for taps, each with its own box, border and distance.

Coordinates are fractions of the screenshot, x first, boxes [x1, y1, x2, y2].
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from pipeline.actions import Box, Point
from pipeline.records import Element
from pipeline.screens.geometry import contains


class Screen(Struct, frozen=True):
    """What a rule may know of the screen of a decision."""

    size: tuple[int, int] | None = None
    """Width and height in pixels of the screenshot that the model sees; None where it sees none."""
    box: Box | None = None
    """Of the element that the recorded action aims at."""
    elements: tuple[Element, ...] = ()

    def annotations(self) -> list[Box]:
        """Return the boxes that stand for annotated icons and texts: elements that enclose no other one.

        Benchmarks annotate texts and icons; in a recorded tree the containers around them would make any taps equal.
        """
        parents = {element.parent for element in self.elements if element.parent is not None}
        boxes = [element.bbox for number, element in enumerate(self.elements) if number not in parents]
        return boxes if self.box is None or self.box in boxes else [*boxes, self.box]


def apart(one: Point, other: Point) -> float:
    """Return the distance in shares of width and height: 0.14 is 14 % of the screen along either side."""
    return math.hypot(one[0] - other[0], one[1] - other[1])


def apart_in_pixels(one: Point, other: Point, size: tuple[int, int] | None) -> float:
    """Return the distance as a share of the screen's long side; without a size the screen counts as square."""
    width, height = size or (1, 1)
    return math.hypot((one[0] - other[0]) * width, (one[1] - other[1]) * height) / max(width, height)


def within(box: Box, point: Point) -> bool:
    """Tell whether the point lies in the box, all edges included."""
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def grown(box: Box, factor: float) -> Box:
    """Return the box with each side `factor` times as long, around the same middle.

    >>> grown((0.25, 0.25, 0.75, 0.75), 1.5)
    (0.125, 0.125, 0.875, 0.875)
    """
    dx, dy = (box[2] - box[0]) * (factor - 1) / 2, (box[3] - box[1]) * (factor - 1) / 2
    return (box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy)


def grown_on_screen(box: Box, factor: float) -> Box:
    """Return the box likewise, its top left corner kept on the screen as AITW's code does: the size stays.

    So a box at the left edge reaches further to the right than its middle would say
    (`_resize_annotation_bounding_boxes` of google-research `android_in_the_wild/action_matching.py`).

    >>> grown_on_screen((0.0, 0.25, 0.25, 0.5), 2.0)
    (0.0, 0.125, 0.5, 0.625)
    """
    width, height = box[2] - box[0], box[3] - box[1]
    left, top = max(0.0, box[0] - width * (factor - 1) / 2), max(0.0, box[1] - height * (factor - 1) / 2)
    return (left, top, left + min(1.0, width * factor), top + min(1.0, height * factor))


def shared(boxes: Iterable[Box], one: Point, other: Point) -> bool:
    """Tell whether some box holds both points."""
    return any(within(box, one) and within(box, other) for box in boxes)


def hit(truth: Any, guess: Any, screen: Screen) -> bool:
    """Tell by our own rule whether both point at one thing: in the target's box, right and bottom edges out.

    That is how a real screen tests it. Without a recorded box they may be 4 % of the screen's long side apart, in
    pixels. The recorded point itself always counts.
    """
    if truth.point is None or guess.point is None:
        return bool(truth.point == guess.point)
    if truth.point == guess.point:
        return True
    if screen.box is not None:
        return contains(screen.box, guess.point)
    return apart_in_pixels(truth.point, guess.point, screen.size) <= NEAR


NEAR = 0.04


def named_elements(elements: Sequence[Element], names: Iterable[str]) -> list[Element]:
    """Return the elements whose whole text is one of the names, case and spaces aside."""
    wanted = {" ".join(name.casefold().split()) for name in names}
    return [e for e in elements if e.text and " ".join(e.text.casefold().split()) in wanted]
