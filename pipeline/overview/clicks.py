"""Where trained actions land: a map for each app and form of screen; a phone and a desktop lay out one app apart."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from pipeline.actions import Point

GRIDS = {"tall": (12, 24), "upright": (12, 24), "wide": (24, 12)}
"""By form of screen, the cells of a map across and down."""
NARROW = 1.6
"""Height by width from which a screen is a phone's; a tablet's is less high."""

Size = tuple[int, int]
"""Width and height in pixels."""


class ClickMap(Struct, frozen=True):
    """The trained points on one form of one app's screen."""

    app: str
    screen: str
    """`tall`, `upright` or `wide`."""
    size: Size
    """The commonest one."""
    points: int
    cells: list[list[int]]
    """Points in each cell of the screenshot, from its left upper corner: rows of columns."""


class Clicks:
    """Counts points."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], list[list[int]]] = {}
        self._sizes: dict[tuple[str, str], Counter[Size]] = {}

    def add(self, app: str, size: Size, point: Point) -> None:
        """Count a point, in fractions of a screenshot of that size."""
        key = (app, form(size))
        columns, rows = GRIDS[key[1]]
        if key not in self._cells:
            self._cells[key] = [[0] * columns for _ in range(rows)]
            self._sizes[key] = Counter()
        x, y = (min(max(at, 0.0), 0.999999) for at in point)
        self._cells[key][int(y * rows)][int(x * columns)] += 1
        self._sizes[key][size] += 1

    def maps(self) -> tuple[ClickMap, ...]:
        """Return the maps, the one with the most points first."""
        found = [
            ClickMap(app, screen, min(_commonest(sizes)), sizes.total(), self._cells[app, screen])
            for (app, screen), sizes in self._sizes.items()
        ]
        return tuple(sorted(found, key=lambda each: (-each.points, each.app, each.screen)))


def form(size: Size) -> str:
    """Return the form of a screen: a phone held upright is `tall`, a tablet `upright`, all others are `wide`.

    >>> form((1080, 2400)), form((1536, 2048)), form((1920, 1080))
    ('tall', 'upright', 'wide')
    """
    width, height = size
    return "tall" if height >= NARROW * width else "upright" if height > width else "wide"


def _commonest(sizes: Counter[Size]) -> Iterable[Size]:
    most = max(sizes.values())
    return (size for size, times in sizes.items() if times == most)
