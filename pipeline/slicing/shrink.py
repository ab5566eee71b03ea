"""How much of its past a sample shows, and in which order that shrinks where a budget asks for less.

First screenshots go, the oldest first: the step is then told as the history policy tells older steps. When only those
are left that must be seen, whole steps go, the oldest first. Nothing else is ever left out.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence

from msgspec import Struct

from pipeline.storage.manifest import Slicing


class View(Struct, frozen=True):
    """Positions of turns; the last turn is the decision."""

    first: int
    """The first turn that is told."""
    visible: tuple[int, ...]
    """The turns that show their screenshots."""


def views(showing: Sequence[int], last: int, slicing: Slicing, *, image_window: int, evidence: int = 1) -> list[View]:
    """Return what a sample may show of turns 0..last, from the fullest view to the barest.

    `showing` are the turns to which a screenshot belongs; the last `evidence` turns keep theirs.
    """
    first = 0 if slicing.max_history is None else max(0, last - slicing.max_history)
    can_show = [position for position in showing if position >= first][-image_window:]
    must_show = max(1, sum(position > last - evidence for position in can_show))
    fewer = [tuple(can_show[start:]) for start in range(max(1, len(can_show) - must_show + 1))]
    barest = fewer[-1]
    latest = max(first, min(last - slicing.min_history, *barest, last - evidence + 1))
    return [View(first, visible) for visible in fewer] + [View(n, barest) for n in range(first + 1, latest + 1)]


def fullest(choices: Sequence[View], cost: Callable[[View], int], most: int) -> View | None:
    """Return the first view that costs at most `most`, None if there is none; each costs less than the one before."""
    if cost(choices[0]) <= most:
        return choices[0]
    place = bisect_left(choices, True, lo=1, key=lambda view: cost(view) <= most)
    return choices[place] if place < len(choices) else None
