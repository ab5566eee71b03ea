"""Where the trained action lands: on what the recording says it aims at, and well inside of it.

Asked of the recorded elements of the decision's screen; without them nothing is said.
"""

from collections.abc import Iterator
from itertools import combinations

from pipeline.actions import Box
from pipeline.augmentation.cut import is_cut
from pipeline.records import Element
from pipeline.screens.geometry import contains, inside, overlap
from pipeline.screens.screen import smallest, takers

from .case import Decision
from .check import Context, Finding

SAME = 0.5
"""Of the area that two boxes cover, the share that both do, from which they may be one element's."""
_OWN = frozenset({"a11y", "dom"})


def covered(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield an action whose point another element takes than the one that its box names."""
    box = decision.target.bbox
    if box is None:
        return
    for tap in decision.doubtful:
        taker = smallest(tap.takers) if contains(box, tap.point) else None
        if taker is not None and not inside(taker.bbox, box) and not inside(box, taker.bbox):
            yield Finding(tap.path, f"found {_named(taker)} on top at the point, expected the target {_rounded(box)}")


def gone(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a target that is none of its screen's elements: it was chosen on another screen than the one recorded.

    Asked where the elements are the system's own: what a detector or a person drew may well leave one out.
    """
    box = decision.target.bbox
    if box is None or not decision.doubtful or any(taker.bbox == box for tap in decision.taps for taker in tap.takers):
        return  # nearly always it is the box of what is tapped
    elements = decision.elements
    if is_cut(decision.sample.sample_id) or not any(each.source in _OWN for each in elements):
        return
    if decision.taps and max(overlap(box, each.bbox) for each in elements) < SAME:
        path = f"{decision.path}.bbox"
        yield Finding(path, f"found {_rounded(box)} where the screen has no such element, expected one of its elements")


def border(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a point so near the border of its target that rounding or a rounded corner may miss it."""
    limits, box, size = context.thresholds, decision.target.bbox, decision.turn.size
    if box is None or size is None:
        return
    for tap in decision.taps:
        x, y = tap.point
        if not contains(box, tap.point):
            continue
        for near, extent, length in ((min(x - box[0], box[2] - x), box[2] - box[0], size[0]),
                                     (min(y - box[1], box[3] - y), box[3] - box[1], size[1])):  # fmt: skip
            if near * length < limits.border_px and near < limits.border_share * extent:
                found = f"found the point {near * length:.1f} px from the border of its target"
                yield Finding(tap.path, f"{found}, expected {limits.border_px:g} px or {limits.border_share:.0%} of it")
                break


def ambiguous(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a point on two controls of which neither lies within the other."""
    for tap in decision.doubtful:
        for one, other in combinations(tap.takers, 2):
            if not inside(one.bbox, other.bbox) and not inside(other.bbox, one.bbox):
                yield Finding(tap.path, f"found both {_named(one)} and {_named(other)} there, expected one target")
                break


def swapped(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a point that is beside every control, while with x and y exchanged it is on one, or on its target."""
    box = decision.target.bbox
    for tap in decision.doubtful:
        x, y = tap.point
        if box is not None:
            wrong = not contains(box, (x, y)) and contains(box, (y, x))
        else:
            wrong = not tap.takers and bool(takers(decision.elements, (y, x)))
        if wrong:
            found = f"found [{x:.3f}, {y:.3f}] beside all targets, on one with x and y exchanged"
            yield Finding(tap.path, f"{found}, expected x first")


def _named(element: Element) -> str:
    return f"{element.text[:40]!r}" if element.text else f"a {element.role or 'control'} at {_rounded(element.bbox)}"


def _rounded(box: Box) -> list[float]:
    return [round(value, 3) for value in box]
