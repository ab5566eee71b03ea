"""Curves as SVG, coloured by the page's style."""

import math
from dataclasses import dataclass
from html import escape

from .state import Series
from .words import number

WIDTH, HEIGHT = 390, 200
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 8, 22
TICKS = 4
DRAWN = 600
"""Points of a curve; of a longer series the mean of neighbours is drawn."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A named series; `shade` is the style's variable for its colour; marked ones show their points."""

    name: str
    points: Series
    shade: str
    marked: bool = False


def svg(curves: list[Curve], title: str, *, zero: bool = False) -> str:
    """Return the curves in one picture with axes; they begin at zero where that is near, or is wanted."""
    points = [point for curve in curves for point in curve.points]
    last = max(max(step for step, _ in points), 1)
    low, high = min(value for _, value in points), max(value for _, value in points)
    ticks = axis(0.0 if 0 <= low < high / 2 or zero else low, high)
    low, span = ticks[0], ticks[-1] - ticks[0]

    def place(step: float, value: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * step / last
        return across, TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / span)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for value in ticks:
        _, y = place(0, value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="var(--line)"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for step, anchor in ((0, "start"), (last, "end")):
        x, _ = place(step, low)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 5}" text-anchor="{anchor}">step {step}</text>')
    for curve in curves:
        line = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in thinned(curve.points))
        parts.append(f'<polyline points="{line}" fill="none" stroke="var(--{curve.shade})" stroke-width="1.6"/>')
        if curve.marked or len(curve.points) == 1:
            for step, value in curve.points:
                x, y = place(step, value)
                title = f"<title>step {step}: {value:.4f}</title>"
                dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="var(--{curve.shade})">{title}</circle>'
                parts.append(dot)
    return "".join([*parts, "</svg>"])


def axis(low: float, high: float) -> list[float]:
    """Return round numbers, evenly apart, from `low` or below to `high` or above.

    >>> axis(0, 3.13), axis(5, 5)
    ([0.0, 1.0, 2.0, 3.0, 4.0], [4.0, 5.0, 6.0])
    """
    if high == low:
        unit = 10.0 ** max(math.floor(math.log10(abs(low))), -300) if low else 1.0
        return [(round(low / unit) + place) * unit for place in ((-1, 0, 1) if low else (0, 1))]
    raw = (high - low) / TICKS
    unit = 10.0 ** math.floor(math.log10(raw))
    apart = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw * 0.999)
    first, last = math.floor(low / apart), math.ceil(high / apart * 0.999999)
    return [place * apart for place in range(first, max(last, first + 1) + 1)]


def thinned(points: Series) -> Series:
    """Return at most DRAWN points.

    >>> thinned([(1, 2.0), (2, 4.0)])
    [(1, 2.0), (2, 4.0)]
    """
    size = -(-len(points) // DRAWN)
    parts = [points[place : place + size] for place in range(0, len(points), size or 1)]
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]
