"""Plots as SVG text: coloured by the page's variables, so that they are right on light and on dark; texts escaped."""

import html
import math
from collections.abc import Sequence

from msgspec import Struct

from pipeline.terminal import DIRECTIONS

from .clicks import ClickMap

WIDTH = 440
BAR = 40
"""Height of a bar with its name above."""
CHARACTER = 10.5
"""Width of a digit in a wide typeface at the size that phones show (`page.css`), with some room."""
PLOT_HEIGHT = 120
BINS = 24
"""Bars of a histogram at most."""
ROOM = 1
"""How much wider a plot may become to show a limit, in its widths."""
CELL = 10


class Bin(Struct, frozen=True):
    """A bar of a histogram: whole numbers from `low` up to, not including, `high`."""

    low: int
    high: int
    count: int


def bars(counts: dict[str, int], *, beside: dict[str, int] | None = None, most: int = 14) -> str:
    """Return horizontal bars of the commonest values, the rest as one; `beside` are another dataset's, by shares."""
    names = list(counts)
    shown, rest = names[:most], names[most:]
    rows = [(name, counts[name], (beside or {}).get(name, 0)) for name in shown]
    if rest:
        rows.append((f"{len(rest)} others", sum(counts[name] for name in rest),
                     sum((beside or {}).get(name, 0) for name in rest)))  # fmt: skip
    total, total_beside = max(sum(counts.values()), 1), max(sum((beside or {}).values()), 1)
    longest = max([count / total for _, count, _ in rows] + [other / total_beside for *_, other in rows] + [1e-9])
    parts = []
    for number, (name, count, other) in enumerate(rows):
        y, share = number * BAR, count / total
        value = f"{count:,} ({share:.0%})" + (f" / {other / total_beside:.0%}" if beside is not None else "")
        parts += _line(y, name, value)
        height = 7 if beside is not None else 12
        parts.append(f'<rect x="0" y="{y + 20}" width="{_n(WIDTH * share / longest)}" height="{height}" class="bar">'
                     f"<title>{escaped(name)}: {count:,}, {share:.1%}</title></rect>")  # fmt: skip
        if beside is not None:
            width = _n(WIDTH * other / total_beside / longest)
            parts.append(f'<rect x="0" y="{y + 27}" width="{width}" height="7" class="other">'
                         f"<title>{escaped(name)}: {other:,} in the other dataset</title></rect>")  # fmt: skip
    return _svg(WIDTH, max(len(rows), 1) * BAR, parts)


def bins(values: Sequence[int], low: int | None = None, high: int | None = None) -> list[Bin]:
    """Return a histogram with round borders; `low` and `high` widen it to hold another dataset's values, too."""
    if not values:
        return []
    least = min(values) if low is None else min(low, *values)
    most = max(values) if high is None else max(high, *values)
    step = _step(max(most - least + 1, 1) / BINS)
    first = least // step * step
    counts = [0] * ((most - first) // step + 1)
    for value in values:
        counts[(value - first) // step] += 1
    return [Bin(first + n * step, first + (n + 1) * step, count) for n, count in enumerate(counts)]


def histogram(values: Sequence[int], *, beside: Sequence[int] = (), limit: int | None = None) -> str:
    """Return a histogram; another dataset's is drawn as a line over it, by shares, and a `limit` of its values across.

    A limit far beyond the values is not drawn: it would leave them no room.
    """
    if not values:
        return ""
    every = {*values, *beside}
    if limit is not None and limit <= max(every) + ROOM * (max(every) - min(every) + 1):
        every.add(limit)
    ends = (min(every), max(every))
    own, other = bins(values, *ends), bins(beside, *ends)
    top = max([each.count / len(values) for each in own] + [each.count / len(beside) for each in other])
    width = WIDTH / len(own)
    parts = []
    for number, each in enumerate(own):
        height = PLOT_HEIGHT * each.count / len(values) / top
        parts.append(
            f'<rect x="{_n(number * width + 1)}" y="{_n(PLOT_HEIGHT - height)}" width="{_n(max(width - 2, 1))}" '
            f'height="{_n(height)}" class="bar"><title>{_range(each)}: {each.count:,}</title></rect>'
        )
    if other:
        points = [(number * width + width / 2, PLOT_HEIGHT * (1 - each.count / len(beside) / top))
                  for number, each in enumerate(other)]  # fmt: skip
        line = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        parts.append(f'<polyline points="{line}" class="line"><title>the other dataset</title></polyline>')
    if limit is not None and limit in every:
        edge = _n(WIDTH * (limit + 1 - own[0].low) / (own[-1].high - own[0].low))  # values up to it are fine
        parts.append(f'<line x1="{edge}" y1="0" x2="{edge}" y2="{PLOT_HEIGHT}" class="limit">'
                     f"<title>the limit: {limit:,}</title></line>")  # fmt: skip
    parts.append(f'<line x1="0" y1="{PLOT_HEIGHT}" x2="{WIDTH}" y2="{PLOT_HEIGHT}" class="axis"/>')
    for number in sorted({0, len(own) // 2, len(own) - 1}):
        at = number * width + width / 2
        anchor = "start" if number == 0 else "end" if number == len(own) - 1 else "middle"
        x = {"start": 0, "end": WIDTH}.get(anchor, at)
        parts.append(f'<text x="{_n(x)}" y="{PLOT_HEIGHT + 18}" class="label {anchor}">{_range(own[number])}</text>')
    return _svg(WIDTH, PLOT_HEIGHT + 24, parts)


def heat(clicks: ClickMap) -> str:
    """Return a map of the screen, darker where more points are."""
    most = max(map(max, clicks.cells))
    across, down = len(clicks.cells[0]), len(clicks.cells)
    width = across * CELL
    height = max(round(width * clicks.size[1] / clicks.size[0]), 1)
    tall = height / down
    parts = [f'<rect x="0" y="0" width="{width}" height="{height}" class="screen"/>']
    for y, row in enumerate(clicks.cells):
        for x, count in enumerate(row):
            if count:
                strength = 0.2 + 0.8 * math.sqrt(count / most)
                parts.append(
                    f'<rect x="{x * CELL}" y="{_n(y * tall)}" width="{CELL}" height="{_n(tall)}" class="hot" '
                    f'fill-opacity="{strength:.2f}"><title>{count:,}</title></rect>'
                )
    return _svg(width, height, parts)


def funnel(stages: Sequence[tuple[str, int]]) -> str:
    """Return bars that get shorter from above: what is left after each stage."""
    most = max([count for _, count in stages] + [1])
    parts = []
    for number, (name, count) in enumerate(stages):
        y, width = number * BAR, WIDTH * count / most
        parts += _line(y, name, f"{count:,}")
        parts.append(f'<rect x="{_n((WIDTH - width) / 2)}" y="{y + 20}" width="{_n(width)}" height="12" class="bar">'
                     f"<title>{escaped(name)}: {count:,}</title></rect>")  # fmt: skip
    return _svg(WIDTH, len(stages) * BAR, parts)


def _line(y: int, name: str, value: str) -> list[str]:
    """Return a name at the left and its value at the right, above a bar; the name is cut where both have no room."""
    room = max(int(WIDTH / CHARACTER) - len(value) - 1, 1)
    shown = name if len(name) <= room else f"{name[: room - 1]}…"
    return [f'<text x="0" y="{y + 15}" class="label">{escaped(shown)}<title>{escaped(name)}</title></text>',
            f'<text x="{WIDTH}" y="{y + 15}" class="value end">{value}</text>']  # fmt: skip


def escaped(text: str) -> str:
    """Return the text for a page: nothing in it is markup, and nothing turns the order of what stands after it."""
    return html.escape(text.translate(DIRECTIONS))


def _step(wanted: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, … that is no smaller than wanted."""
    power = 1
    while power * 10 < wanted:
        power *= 10
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= wanted)


def _range(of: Bin) -> str:
    return f"{of.low:,}" if of.high - of.low == 1 else f"{of.low:,} to {of.high - 1:,}"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img">{"".join(parts)}</svg>'
