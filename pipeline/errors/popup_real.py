"""`popup_real`: a popup that nobody asked for, as another recording met it, and its dismissal.

Precondition: from a screen equal to the one before, the same action led another recording to a popup, and the recorded
dismissal of it leads to a screen equal to this one. Nobody errs: it is an anomaly, and nothing is masked.
"""

from pipeline import seeds
from pipeline.actions import Button, Click, LongPress
from pipeline.augmentation.graph import Edge, Route

from .detours import way_out
from .guards import DECISION, forbids, refusal
from .kind import Episode, Injected, Outcome, Proposal, Refusal, Truth
from .turns import Saying, made, recorded_box


class PopupReal(Injected):
    """The kind `popup_real`."""

    name = "popup_real"
    meaning = "a popup that nobody asked for, and its dismissal"
    truth: Truth = "graph"
    depth = 0

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return the dismissal of a popup that may lie over the screen of step `index`."""
        if index == 0 or episode.turn(index).turn.inbound:
            return None
        popups = [route for route in episode.around(index - 1).routes if _is_popup(episode, index, route)]
        if not popups:
            return None
        refused = refusal(DECISION, episode, index)
        if refused is not None:
            return refused
        if forbids("overlay", episode.scenes[index]):
            return Refusal("overlay")
        found: list[tuple[Route, Edge]] = []
        first: str | None = None
        for route in popups:
            close = way_out(route.onward)
            if close is None:
                first = first or "way_out_unknown"
            elif forbids("other_side", route, episode.steps[0].split):
                first = first or "other_side"
            elif close.name is not None and forbids("irreversible", close.name):
                first = first or "irreversible"
            else:
                found.append((route, close))
        if not found:
            return Refusal(first or "way_out_unknown")
        route, close = seeds.pick(found, episode.seed, self.name, episode.name, index, "where")
        saying = Saying("popup_escape", {"close": close.name}) if close.name else Saying("popup_escape_plain")
        turn = made(
            episode, index, self.name, close.action, saying, route.edge.image, name=close.name, role="normal"
        )  # fmt: skip
        return (Proposal(index, (turn,), evidence=1, bbox=recorded_box(close.action)),)


def _is_popup(episode: Episode, index: int, route: Route) -> bool:
    """Tell whether a route does what the step before did, and a popup came of it that leads on to this screen."""
    before, edge = episode.scenes[index - 1], route.edge
    facts = before.step.facts
    if facts is None or len(facts.actions) != 1:
        return False  # the popup came of one action alone
    if edge.overlay is not True or not route.onward or edge.state == episode.around(index).state:
        return False
    if isinstance(edge.action, Click | LongPress):
        aim = before.named(edge.action)
        return type(before.action) is type(edge.action) and aim is not None and aim[0] is before.target
    return (
        isinstance(edge.action, Button) and isinstance(before.action, Button) and edge.action.name == before.action.name
    )
