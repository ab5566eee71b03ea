"""Move the trained click of clean samples: `--jitter` within its target's safe zone, `--recentre` back onto the target.

Only the trained turn moves. The history keeps what was executed, and so do the recorded steps; the sample's provenance
names the recorded point. Errors are made elsewhere, by their own guards, never by a wider jitter.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pipeline import seeds
from pipeline.actions import Action, Click, Point, target_point
from pipeline.layouts import Layout
from pipeline.records import Element, Sample
from pipeline.screens.geometry import centre, contains
from pipeline.screens.screen import ancestors, hit, interactive
from pipeline.slicing.compose import Setting, TooLong, with_action
from pipeline.storage.tables import StepRow, to_json

from .safe_zone import Unmovable, safe_zone

RECORDED = "recorded_point"
"""The entry of a moved sample's provenance."""
SAME_BOX_PX = 2.0
"""Two boxes are one element's if no side is further apart."""


class Jitter(Struct, frozen=True):
    """What is to be moved."""

    share: float = 0.0
    """Probability that a clean click moves."""
    recentre: bool = False
    """Whether a click beside its recorded target is moved onto it."""
    seed: int = 0

    @property
    def idle(self) -> bool:
        """Whether nothing can move."""
        return not self.share and not self.recentre


def off_target(action: Action) -> bool:
    """Tell whether a trained click lies beside the box that the recording names as its target."""
    click = _placed(action)
    return click is not None and click.bbox is not None and not contains(click.bbox, click.point or (-1, -1))


def moved(
    sample: Sample, step: StepRow, layout: Layout, setting: Setting, jitter: Jitter, counts: Counter[str]
) -> Sample:
    """Return the sample with its click moved, or as it is; `counts` learns what became of it."""
    click = _placed(sample.turns[-1].actions[0])
    alone = len(sample.turns[-1].actions) == 1
    if click is None or not alone or sample.origin != "clean" or RECORDED in sample.provenance:
        return sample
    draw = (jitter.seed, "jitter", sample.sample_id)
    if off_target(click):
        if not jitter.recentre:
            return sample
    elif seeds.uniform(*draw, "whether") >= jitter.share:
        return sample
    counts["considered"] += 1
    point = _new_point(click, step, _on_grid(sample, layout), draw)
    if isinstance(point, Unmovable):
        counts[f"refused: {point.reason}"] += 1
        return sample
    made = with_action(layout, setting, sample, replace(click, point=point, synth=True))
    if isinstance(made, TooLong):  # the new point has more digits
        counts["refused: too_long"] += 1
        return sample
    counts["truthful"] += 1
    counts["made"] += 1
    return replace(made, provenance={**sample.provenance, RECORDED: to_json(click.point)})


def as_recorded(provenance: dict[str, str]) -> dict[str, str]:
    """Return the provenance of what is made from the recorded steps, wherever the clean sample's click went."""
    return {key: value for key, value in provenance.items() if key != RECORDED}


def _placed(action: Action) -> Click | None:
    """Return the action if it is a click with a place."""
    return action if isinstance(action, Click) and action.point is not None else None


def _on_grid(sample: Sample, layout: Layout) -> Callable[[Point], Point]:
    """Return what the model's grid makes of a point: written as the response, and read back."""
    turn = sample.turns[-1]

    def rounded(point: Point) -> Point:
        action = replace(turn.actions[0], point=point)
        return target_point(layout.parse(layout.response(replace(turn, actions=(action,))), turn.size).action) or point

    return rounded


def _new_point(
    click: Click, step: StepRow, rounded: Callable[[Point], Point], draw: tuple[object, ...]
) -> Point | Unmovable:
    elements, size = step.observation.elements, step.observation.image
    if not elements:
        if click.bbox is None or contains(click.bbox, click.point or (-1, -1)):
            return Unmovable("no_elements")
        return centre(click.bbox)  # asked for, and the box is all that is known
    target = _target(elements, click, size.width, size.height)
    if target is None:
        return Unmovable("target_unclear")
    zone = safe_zone(elements, target, size.width, size.height)
    if isinstance(zone, Unmovable):
        return zone
    return zone.draw(*draw, rounded=rounded) or Unmovable("no_room")


def _target(elements: Sequence[Element], click: Click, width: int, height: int) -> int | None:
    """Return the number of the element that is clicked; where the recording names a box, of the one that has it."""

    def named(element: Element) -> bool:
        sides = zip(element.bbox, click.bbox or element.bbox, (width, height) * 2, strict=True)
        return all(abs(a - b) * length <= SAME_BOX_PX for a, b, length in sides)

    def taker(number: int) -> Element | None:
        """Return what takes a tap on the element: itself, or the nearest around it that takes any."""
        return next((e for e in (elements[number], *ancestors(elements, number)) if interactive(e)), None)

    if click.bbox is not None and click.point is not None and not contains(click.bbox, click.point):
        return next((n for n, element in enumerate(elements) if named(element) and taker(n)), None)
    found = None if click.point is None else hit(elements, click.point)
    if click.bbox is None or found is None:
        return next((n for n, element in enumerate(elements) if element is found), None)
    return next((n for n, element in enumerate(elements) if named(element) and taker(n) is found), None)
