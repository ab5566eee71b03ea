"""The picture of the main table: a dot for each share, a line for its interval, a small dot for each seed."""

from collections.abc import Mapping, Sequence
from typing import Any

from train.metrics import wilson

from .score import pooled

WIDTH, LEFT, RIGHT, ROW, TOP = 720, 300, 24, 44, 56
MEASURES = (
    ("success", "#2f5fd0", lambda one: (one["success"], one["episodes"])),
    ("wrong turns made good", "#d07a2f", lambda one: (sum(one["recovered"].values()), sum(one["planted"].values()))),
)
"""What is drawn: its name, its colour, and how it is counted."""


def draw(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return an SVG; each arm has the results with planted turns, a seed each."""
    height = TOP + ROW * len(results) + 36
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13" fill="#333">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for number, (name, colour, _) in enumerate(MEASURES):
        x = LEFT + 150 * number
        parts.append(f'<circle cx="{x}" cy="22" r="5" fill="{colour}"/><text x="{x + 12}" y="27">{name}</text>')
    for percent in range(0, 101, 20):
        x, bottom = _x(percent / 100), height - 30
        parts.append(f'<line x1="{x}" y1="{TOP - 12}" x2="{x}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{percent} %</text>')
    for row, (title, seeds) in enumerate(results.items()):
        middle = TOP + ROW * row + ROW / 2 - 8
        parts.append(f'<text x="{LEFT - 14}" y="{middle + 5}" text-anchor="end">{title}</text>')
        for number, (_, colour, counted) in enumerate(MEASURES):
            parts += _bar(middle - 7 + 14 * number, colour, counted(pooled(seeds)), [counted(each) for each in seeds])
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(y: float, colour: str, total: tuple[int, int], seeds: Sequence[tuple[int, int]]) -> list[str]:
    if not total[1]:
        return []
    low, high = (_x(end) for end in wilson(*total))
    dots = [f'<circle cx="{_x(hits / of)}" cy="{y}" r="2" fill="none" stroke="{colour}"/>' for hits, of in seeds if of]
    line = f'<line x1="{low}" y1="{y}" x2="{high}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
    return [line, *dots, f'<circle cx="{_x(total[0] / total[1])}" cy="{y}" r="5" fill="{colour}"/>']


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)
