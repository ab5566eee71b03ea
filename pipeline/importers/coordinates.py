"""From a source's coordinates to fractions of the screenshot: x first, in [0, 1], with the source's frame kept."""

import math
from collections.abc import Sequence

from pipeline.actions import Box, Frame, Point

from .refusal import Refused, shortened

Size = tuple[int, int]
"""Width and height in pixels."""

NORM_YX = Frame(kind="norm", axes="yx")
NORM_XY = Frame(kind="norm")


def px(size: Size) -> Frame:
    """Return the frame of pixels of a screenshot of that size; raises Refused where a side has none."""
    if min(size) < 1:
        raise Refused("size_mismatch", f"a screen of {size[0]}x{size[1]}", "a pixel at least each way")
    return Frame(kind="px", size=size)


def grid(scale: int) -> Frame:
    """Return the frame of an integer grid 0..999 or 0..1000."""
    assert scale in {999, 1000}
    return Frame(kind="grid", scale=999 if scale == 999 else 1000)


def point(frame: Frame, pair: Sequence[object]) -> Point:
    """Return the point as fractions of the screenshot; raises Refused where it is no point on the screen."""
    if len(pair) != 2:
        raise Refused("coordinate", f"{len(pair)} numbers {shortened(list(pair))}", "two")
    first, second = (_fraction(frame, number, axis) for axis, number in enumerate(pair))
    if not (0 <= first <= 1 and 0 <= second <= 1):
        raise Refused("coordinate", f"the point {shortened(list(pair))}", f"one {_extent(frame)}")
    return (second, first) if frame.axes == "yx" else (first, second)


def corners(frame: Frame, four: Sequence[object]) -> Box | None:
    """Return the box given by two opposite corners, cut to the screen; None where nothing of it is on the screen.

    Raises Refused where it is no box.
    """
    if len(four) != 4:
        raise Refused("coordinate", f"{len(four)} numbers {shortened(list(four))}", "four")
    a, b, c, d = (_fraction(frame, number, axis % 2) for axis, number in enumerate(four))
    x1, y1, x2, y2 = (b, a, d, c) if frame.axes == "yx" else (a, b, c, d)
    x1, x2, y1, y2 = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    if x1 >= 1 or y1 >= 1 or x2 <= 0 or y2 <= 0:
        return None
    return (max(x1, 0.0), max(y1, 0.0), min(x2, 1.0), min(y2, 1.0))


def corner_and_extent(frame: Frame, four: Sequence[object]) -> Box | None:
    """Return the box given by one corner and its two extents (x, y, w, h; or y, x, h, w), as `corners` does."""
    if len(four) != 4:
        raise Refused("coordinate", f"{len(four)} numbers {shortened(list(four))}", "four")
    a, b, c, d = (_number(number) for number in four)
    return corners(frame, (a, b, a + c, b + d))


def screen_size(recorded: Size | None, picture: Size) -> Size:
    """Return the size that a source's pixel coordinates count in.

    The picture's own, where they agree or the recorded one is stale after a rotation; the recorded one, where the
    picture is a scaled copy. Raises Refused where the two contradict each other.
    """
    if recorded is None or recorded in {picture, picture[::-1]}:
        return picture
    across, down = picture[0] / max(recorded[0], 1), picture[1] / max(recorded[1], 1)
    if min(recorded) > 0 and math.isclose(across, down, rel_tol=0.01):
        return recorded
    raise Refused("size_mismatch", f"a screen of {recorded[0]}x{recorded[1]}",
                  f"the shape of the screenshot, {picture[0]}x{picture[1]}")  # fmt: skip


def _fraction(frame: Frame, number: object, axis: int) -> float:
    value = _number(number)
    match frame.kind:
        case "px" | "resized_px":
            assert frame.size is not None
            return value / frame.size[axis if frame.axes == "xy" else 1 - axis]
        case "grid":
            assert frame.scale is not None
            return value / frame.scale
        case "norm":
            return value


def _number(value: object) -> float:
    """Return a finite float; raises Refused."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("coordinate", shortened(value), "a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Refused("coordinate", shortened(value), "a finite number")
    return number


def _extent(frame: Frame) -> str:
    if frame.size is not None:
        return f"on the screen of {frame.size[0]}x{frame.size[1]}"
    return f"from 0 to {frame.scale or 1}"
