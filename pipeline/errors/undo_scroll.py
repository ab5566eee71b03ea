"""`undo_scroll`: what was just scrolled is scrolled back, then forth again.

Precondition: a recording scrolled back between screens equal to these, or the platform scrolls exactly and was not
stopped by an edge. The screen after the error is this trajectory's own, one step earlier.
"""

from msgspec.structs import replace

from pipeline.actions import OPPOSITE, Direction, Scroll
from pipeline.errors.guards.scrolling import reverses
from pipeline.errors.guards.wording import asked_for

from .guards import DECISION, refusal
from .kind import Episode, Injected, Outcome, Proposal, Refusal, Truth
from .turns import Saying, made, repaired


class UndoScroll(Injected):
    """The kind `undo_scroll`."""

    name = "undo_scroll"
    meaning = "scrolling back what was scrolled, then forth again"
    truth: Truth = "graph"

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return a scroll back on the screen of step `index`, repaired by the scroll of the step before."""
        scroll = episode.scenes[index - 1].action if index else None
        if not isinstance(scroll, Scroll) or episode.around(index).unchanged:
            return None
        way = direction_of(scroll)
        if way is None:
            return None
        action = episode.scenes[index].action
        if isinstance(action, Scroll) and reverses(action, scroll):
            return Refusal("undo_is_right")
        if asked_for(scroll, episode.steps[index].goal):
            return Refusal("goal_asks_for_it")
        refused = (
            refusal(DECISION, episode, index)
            or refusal(("dynamic_region", "unsettled", "transient"), episode.scenes[index])
            or refusal(("scroll_not_exact",), episode, index)
        )  # fmt: skip
        if refused is not None:
            return refused
        return (self._compose(episode, index, way),)

    def _compose(self, episode: Episode, index: int, way: Direction) -> Proposal:
        forth = episode.turn(index - 1).turn.actions[0]  # in the units of turns
        assert isinstance(forth, Scroll)
        back = replace(
            forth,
            direction=None if forth.direction is None else OPPOSITE[forth.direction],
            dx=None if forth.dx is None else -forth.dx,
            dy=None if forth.dy is None else -forth.dy,
        )
        saying = Saying("undo_scroll_wrong", {"way": OPPOSITE[way]})
        wrong = made(episode, index, self.name, back, saying, episode.turn(index).image, inbound=True)
        right = repaired(episode, index - 1, self.name, Saying("undo_scroll_right", {"way": way}), at=index)
        return Proposal(index, (wrong, right))


def direction_of(scroll: Scroll) -> Direction | None:
    """Return on which side the scroll showed more, None if it went across."""
    if scroll.direction is not None:
        return scroll.direction
    dx, dy = scroll.dx or 0.0, scroll.dy or 0.0
    if bool(dx) == bool(dy):
        return None
    if dx:
        return "right" if dx > 0 else "left"
    return "down" if dy > 0 else "up"
