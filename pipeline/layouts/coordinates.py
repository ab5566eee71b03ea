"""The whole numbers that a layout writes for a point, and the way back."""

from functools import lru_cache

from msgspec import Struct

from pipeline.actions import Point


class Coordinates(Struct, frozen=True):
    """Fractions of a screenshot as whole numbers: the nearest to `fraction x span`, never above `largest`."""

    span: tuple[int, int]
    largest: tuple[int, int]

    def write(self, point: Point) -> list[int]:
        """Return [x, y]; a number that came from here comes out again exactly."""
        (width, height), (right, bottom) = self.span, self.largest
        x, y = round(point[0] * width), round(point[1] * height)
        return [right if x > right else x if x > 0 else 0, bottom if y > bottom else y if y > 0 else 0]

    def read(self, x: float, y: float) -> Point:
        """Return the fractions; raises ValueError for numbers that are not on the screenshot."""
        if not (0 <= x <= self.largest[0] and 0 <= y <= self.largest[1]):
            limits = f"x from 0 to {self.largest[0]} and y from 0 to {self.largest[1]}"
            raise ValueError(f"coordinate [{x}, {y}], expected {limits}")
        return (x / self.span[0], y / self.span[1])


@lru_cache(maxsize=64)
def grid(scale: int) -> Coordinates:
    """Return the grid 0..scale over any screenshot; both edges are on it.

    >>> grid(999).write((0.5, 1.0))
    [500, 999]
    """
    return Coordinates((scale, scale), (scale, scale))


@lru_cache(maxsize=64)
def pixels(width: int, height: int) -> Coordinates:
    """Return the pixels of a screenshot of that size; its right and bottom edges belong to the last pixel.

    >>> pixels(1092, 2408).write((0.5, 1.0))
    [546, 2407]
    """
    return Coordinates((width, height), (width - 1, height - 1))
