"""`scroll_edge`: scrolling on although the page ends here, then the right action.

Precondition: everything scrollable under the point says that there is nothing more on that side (in the web: scrollTop
at its limit), and pulling there neither loads again nor loads more.
"""

from collections.abc import Iterator

from pipeline import seeds
from pipeline.actions import Direction, Point, Scroll
from pipeline.errors.guards.wording import asked_for
from pipeline.screens.geometry import area, centre

from .guards import DECISION, QUIET, against, refusal
from .kind import Episode, Refusal
from .same_screen import SameScreen
from .scene import Scene
from .turns import Saying, Slip

WAYS: tuple[Direction, ...] = ("down", "up")
PAGES = 0.5
"""How far the slip scrolls, in screenfuls."""


class ScrollEdge(SameScreen):
    """The kind `scroll_edge`."""

    name = "scroll_edge"
    meaning = "scrolling where there is nothing more"

    def slip(self, episode: Episode, index: int) -> Slip | Refusal | None:
        """Return a scroll beyond the edge of the largest thing that scrolls."""
        scene = episode.scenes[index]
        scrollable = [n for n, element in enumerate(scene.elements) if element.scroll is not None]
        if not scrollable or isinstance(scene.action, Scroll):
            return None
        refused = refusal(DECISION, episode, index) or refusal(("partial_tree",), scene) or refusal(QUIET, scene)
        if refused is not None:
            return refused
        largest = max(scrollable, key=lambda number: area(scene.elements[number].bbox))
        guards = dict(_edges(scene, largest))
        ways = [way for way in WAYS if guards[way] is None]
        if not ways:
            return Refusal(next((g for g in guards.values() if g not in {None, "not_at_edge"}), None) or "not_at_edge")
        if asked_for(Scroll(), scene.step.goal):
            return Refusal("goal_asks_for_it")
        way = seeds.pick(ways, episode.seed, self.name, episode.name, index, "where")
        amount = PAGES if way == "down" else -PAGES
        return Slip(
            action=Scroll(point=centre(scene.elements[largest].bbox), direction=way, dx=0, dy=amount, unit="page"),
            name=None,
            wrong=Saying("scroll_edge_wrong", {"way": way}),
            right=Saying("scroll_edge_right", {"way": way, "target": scene.target_name}),
        )


def _edges(scene: Scene, number: int) -> Iterator[tuple[Direction, str | None]]:
    """Yield for each way what forbids to scroll the element there."""
    point: Point = centre(scene.elements[number].bbox)
    scroll = scene.elements[number].scroll
    for way in WAYS:
        guard = against(("not_at_edge", "pull_to_refresh", "endless_list"), scroll, way)
        yield (
            way,
            guard
            or against(("scroll_chained",), scene, point, way)
            or against(("off_screen", "covered", "live_surface"), scene, number, point),
        )
