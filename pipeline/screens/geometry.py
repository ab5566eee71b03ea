"""Sizes and coordinate grids: the arithmetic that decides where a click lands."""

import math
from collections.abc import Iterable, Sequence

from pipeline.actions import Box, Point

MAX_ASPECT = 200
"""Qwen's processors refuse pictures that are more elongated."""


def smart_resize(width: int, height: int, *, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Return the (width, height) in pixels that a Qwen-VL processor would choose for a picture.

    Each side becomes a multiple of `factor` (patch size x merge size: 28 for Qwen2.5-VL, 32 for Qwen3-VL), the area
    stays within [min_pixels, max_pixels], the aspect ratio is kept up to that rounding. A screenshot stored at this
    size passes the processor unchanged, as a second application changes nothing; both hold if max_pixels is at least
    2 * min_pixels and leaves room for one row of patches, else `screens.images` refuses the picture. Rounding is
    Python's (half to even), as in qwen-vl-utils `vision_process.py`; ports that round half up click beside the target.
    No side is shorter than `factor`, as there; transformers differs for pictures with sides below half of it.
    Raises ValueError where the aspect ratio exceeds 200.

    >>> smart_resize(1080, 2400, factor=32, min_pixels=65536, max_pixels=1280 * 32 * 32)
    (768, 1696)
    """
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(
            f"aspect ratio {max(width, height) / min(width, height):.0f}:1, expected at most {MAX_ASPECT}:1"
        )
    new_width = max(factor, round(width / factor) * factor)
    new_height = max(factor, round(height / factor) * factor)
    if new_width * new_height > max_pixels:
        shrink = math.sqrt(width * height / max_pixels)
        new_width = max(factor, math.floor(width / shrink / factor) * factor)
        new_height = max(factor, math.floor(height / shrink / factor) * factor)
    elif new_width * new_height < min_pixels:
        grow = math.sqrt(min_pixels / (width * height))
        new_width = math.ceil(width * grow / factor) * factor
        new_height = math.ceil(height * grow / factor) * factor
    return new_width, new_height


def fits(size: tuple[int, int], *, factor: int, min_pixels: int, max_pixels: int) -> bool:
    """Tell whether `smart_resize` leaves a picture as it is.

    >>> fits((8192, 32), factor=32, min_pixels=65536, max_pixels=1280 * 32 * 32)  # as 16384x82 becomes
    False
    """
    try:
        return smart_resize(*size, factor=factor, min_pixels=min_pixels, max_pixels=max_pixels) == size
    except ValueError:  # it may be longer than allowed: rounding can do that to one that was as long as allowed
        return False


def model_size(
    width: int, height: int, *, factor: int, min_pixels: int, max_pixels: int, max_dim: int | None = None
) -> tuple[int, int]:
    """Return the (width, height) in pixels at which a screenshot is stored: `smart_resize`, within a long side too.

    The processors know no limit of the long side; a screenshot brought within `max_dim` beforehand passes them
    unchanged, as both sides are multiples of `factor` and the area is within theirs. Rounding is down, as theirs is
    where they shrink. Smaller limits make no side longer, but for one `factor` where the area alone brings the longer
    side within `max_dim`, so that the other one is not brought along. Raises ValueError where the aspect ratio exceeds
    200, or where what is left within `max_dim` has fewer than `min_pixels`.

    >>> model_size(1080, 2400, factor=32, min_pixels=65536, max_pixels=1280 * 32 * 32, max_dim=1024)
    (448, 1024)
    """
    size = smart_resize(width, height, factor=factor, min_pixels=min_pixels, max_pixels=max_pixels)
    if max_dim is None or max(size) <= max_dim:
        return size
    longest = max_dim // factor
    within = (max(1, side * longest // max(width, height)) * factor for side in (width, height))
    new_width, new_height = (min(pair) for pair in zip(size, within, strict=True))
    if new_width * new_height < min_pixels:
        raise ValueError(f"{new_width}x{new_height} pixels within {max_dim} a side, expected {min_pixels} pixels")
    return new_width, new_height


def to_grid(point: Point, scale: int) -> list[int]:
    """Return the point on the integer grid 0..scale; exact for numbers that came from that grid.

    >>> to_grid((0.5, 1.0), 999)
    [500, 999]
    """
    return [round(point[0] * scale), round(point[1] * scale)]


def from_grid(x: float, y: float, scale: int) -> Point:
    """Return the fractions of a grid point; raises ValueError outside 0..scale."""
    if not (0 <= x <= scale and 0 <= y <= scale):
        raise ValueError(f"coordinate [{x}, {y}], expected numbers from 0 to {scale}")
    return (x / scale, y / scale)


def contains(box: Box, point: Point) -> bool:
    """Tell whether the point lies in the box; half open, as a real hit test is: right and bottom edges miss."""
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


def centre(box: Box) -> Point:
    """Return the middle of the box."""
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def area(box: Box) -> float:
    """Return the box's share of the screenshot."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def overlap(one: Box, other: Box) -> float:
    """Return the share that both boxes cover of the area that they cover together, from 0 to 1.

    >>> overlap((0, 0, 2, 1), (1, 0, 3, 1)) == 1 / 3
    True
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def inside(inner: Box, outer: Box, slack: float = 1e-6) -> bool:
    """Tell whether one box lies within another."""
    return (
        inner[0] >= outer[0] - slack
        and inner[1] >= outer[1] - slack
        and inner[2] <= outer[2] + slack
        and inner[3] <= outer[3] + slack
    )


def distance(box: Box, point: Point, width: int, height: int) -> float:
    """Return the distance in pixels from a point to the nearest place of a box, 0 inside it."""
    dx = max(box[0] - point[0], 0.0, point[0] - box[2]) * width
    dy = max(box[1] - point[1], 0.0, point[1] - box[3]) * height
    return math.hypot(dx, dy)


def straight(path: Sequence[Point], slack: float = 0.05) -> bool:
    """Tell whether a path runs along the line from its first point to its last, as a swipe by two ends would."""
    (x1, y1), (x2, y2) = path[0], path[-1]
    dx, dy = x2 - x1, y2 - y1
    length = dx * dx + dy * dy
    for x, y in path:
        along = min(max(((x - x1) * dx + (y - y1) * dy) / length, 0.0), 1.0) if length else 0.0
        if math.hypot(x - x1 - along * dx, y - y1 - along * dy) > slack:
            return False
    return True


def smallest_containing(boxes: Iterable[tuple[int, Box]], point: Point) -> int | None:
    """Return the key of the smallest box that contains the point, the last one among equals, or None."""
    best: tuple[float, int] | None = None
    for key, box in boxes:
        if contains(box, point) and (best is None or area(box) <= best[0]):
            best = (area(box), key)
    return None if best is None else best[1]
