"""Where the trained action lands: on what the recording says it aims at, and well inside of it.

Asked of the recorded elements of the decision's screen; without them nothing is said.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

from pipeline.actions import Box, Click, LongPress, Point
from pipeline.geometry import contains, inside
from pipeline.records import Element, Sample
from pipeline.screen import hit, takers

from .case import Decision
from .check import Context, Finding


def covered(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield an action whose point another element takes than the one that its box names."""
    for decision, path, point, elements in _aimed(sample, context):
        box = decision.target.bbox
        taker = hit(elements, point) if box is not None and contains(box, point) else None
        if taker is not None and box is not None and not inside(taker.bbox, box) and not inside(box, taker.bbox):
            yield Finding(path, f"found {_named(taker)} on top at the point, expected the target {_rounded(box)}")


def border(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a point so near the border of its target that rounding or a rounded corner may miss it."""
    limits = context.thresholds
    for decision, path, (x, y), _ in _aimed(sample, context):
        box, size = decision.target.bbox, decision.turn.size
        if box is None or size is None or not contains(box, (x, y)):
            continue
        for near, extent, length in ((min(x - box[0], box[2] - x), box[2] - box[0], size[0]),
                                     (min(y - box[1], box[3] - y), box[3] - box[1], size[1])):  # fmt: skip
            if near * length < limits.border_px and near < limits.border_share * extent:
                found = f"found the point {near * length:.1f} px from the border of its target"
                yield Finding(path, f"{found}, expected {limits.border_px:g} px or {limits.border_share:.0%} of it")
                break


def ambiguous(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a point on two controls of which neither lies within the other."""
    for _, path, point, elements in _aimed(sample, context):
        for one, other in combinations(takers(elements, point), 2):
            if not inside(one.bbox, other.bbox) and not inside(other.bbox, one.bbox):
                yield Finding(path, f"found both {_named(one)} and {_named(other)} there, expected one target")
                break


def swapped(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a point that is beside every control, while with x and y exchanged it is on one, or on its target."""
    for decision, path, (x, y), elements in _aimed(sample, context):
        box = decision.target.bbox
        if box is not None:
            wrong = not contains(box, (x, y)) and contains(box, (y, x))
        else:
            wrong = hit(elements, (x, y)) is None and hit(elements, (y, x)) is not None
        if wrong:
            found = f"found [{x:.3f}, {y:.3f}] beside all targets, on one with x and y exchanged"
            yield Finding(path, f"{found}, expected x first")


def _aimed(sample: Sample, context: Context) -> Iterator[tuple[Decision, str, Point, Sequence[Element]]]:
    """Yield each tap of the trained turns with its place and the elements of its screen."""
    for decision in context.case(sample).decisions:
        for number, action in enumerate(decision.target.actions):
            if isinstance(action, Click | LongPress) and action.point is not None:
                path = f"{decision.path}.actions[{number}].point"
                yield decision, path, action.point, context.elements(sample, decision)


def _named(element: Element) -> str:
    return f"{element.text[:40]!r}" if element.text else f"a {element.role or 'control'} at {_rounded(element.bbox)}"


def _rounded(box: Box) -> list[float]:
    return [round(value, 3) for value in box]
