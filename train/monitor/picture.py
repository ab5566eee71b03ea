"""A run as text: curves in plain characters, verdicts, what is left to do."""

from collections.abc import Iterator
from itertools import pairwise

from pipeline.terminal import GREEN, GREY, RED, RESET, safe_line

from .state import Series, State, Verdict
from .words import facts, headline, number

ROWS = 12
AXIS = 9
"""Columns left of the curves."""

BARS = "▁▂▃▄▅▆▇█"
SIGNS = {"ok": ("ok  ", GREEN), "off": ("off ", GREY), "warn": ("warn", RED), "stop": ("STOP", RED)}


def draw(state: State, width: int, *, colour: bool) -> str:
    """Return the picture, `width` columns wide."""
    return "\n".join(_lines(state, max(40, width), colour))


def _lines(state: State, width: int, colour: bool) -> Iterator[str]:
    yield safe_line(f"{state.folder}: {headline(state)}")
    yield ""
    yield from chart(state.each_step("losses"), state.series("eval_loss"), width)
    yield ""
    rates = ((name, name.replace("learning_rate", "lr").replace("/", " ")) for name in state.rates())
    rows = [(title, state.series(name)) for name, title in rates]
    rows += [("grad norm", state.each_step("grad_norms")), ("tokens/s", state.series("tokens_per_second"))]
    for title, series in rows:
        if series:
            yield f"{safe_line(title):<10} {sparks(series, width - 32)}  now {number(series[-1][1])}"
    yield ""
    for name, value in facts(state):
        yield f"{name:<15} {safe_line(value)}"
    yield ""
    for verdict in state.verdicts():
        yield _told(verdict, colour)
    if hint := state.stop().get("hint"):
        yield safe_line(f"hint: {hint}")


def _told(verdict: Verdict, colour: bool) -> str:
    sign, shade = SIGNS[verdict.level]
    shown = f"{shade}{sign}{RESET}" if colour else sign
    times = f" ({verdict.count} times)" if verdict.count > 1 else ""
    return f"{shown} {verdict.guard:<13}{safe_line(verdict.text)}{times}".rstrip()


def chart(train: Series, val: Series, width: int) -> Iterator[str]:
    """Yield the rows of the loss chart: `·` is the train loss of a step, `o` an evaluation."""
    points = train + val
    if not points:
        yield "no loss yet"
        return
    low, high = min(value for _, value in points), max(value for _, value in points)
    columns = width - AXIS - 2
    last = max(step for step, _ in points) or 1
    span = high - low or 1.0
    grid = [[" "] * columns for _ in range(ROWS)]
    for series, mark in ((train, "·"), (val, "o")):
        for step, value in series:
            row = round((high - value) / span * (ROWS - 1))
            grid[row][round(step / last * (columns - 1))] = mark
    for place, row_of_marks in enumerate(grid):
        label = number(high - span * place / (ROWS - 1)) if place in (0, ROWS // 2, ROWS - 1) else ""
        yield f"{label:>{AXIS}} ┤{''.join(row_of_marks)}".rstrip()
    end = f"step {last}"
    yield f"{'':>{AXIS}} └0{end:>{columns - 1}}"
    yield f"{'':>{AXIS}}  · train loss of a step   o eval loss"


def sparks(series: Series, width: int) -> str:
    """Return the values as bars from the lowest to the highest, the mean of those that share a column.

    >>> sparks([(1, 0.0), (2, 1.0), (3, 2.0)], 3)
    '▁▅█'
    """
    values = [value for _, value in series]
    columns = max(1, min(width, len(values)))
    edges = [place * len(values) // columns for place in range(columns + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    span = high - low
    return "".join(BARS[round((mean - low) / span * 7)] if span else BARS[3] for mean in means)
