"""`accidental_back`: Back pressed one time too many, then the same tap again to return.

Precondition: the step before was a plain navigating tap, and some recording of the same app went Back from a screen
equal to this one to a screen equal to the one before (an app that lost its scroll position or counts views would
differ). The screen after the error is this trajectory's own, one step earlier.
"""

from pipeline.actions import Button, Click
from pipeline.errors.guards.wording import asked_for

from .guards import against, forbids, refusal
from .kind import Episode, Injected, Outcome, Proposal, Refusal, Truth
from .turns import Saying, made, recorded_box, repaired


class AccidentalBack(Injected):
    """The kind `accidental_back`."""

    name = "accidental_back"
    meaning = "Back pressed once too often"
    truth: Truth = "graph"

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return an accidental Back on the screen of step `index`, repaired by the tap of the step before."""
        if index == 0:
            return None
        before, here = episode.scenes[index - 1], episode.scenes[index]
        action = before.action
        if not isinstance(action, Click) or action.point is None or action.count != 1:
            return None
        guards = ("edge_of_trajectory", "labelled_neighbour", "back_is_right", "back_not_proved")
        refused = refusal(guards, episode, index)
        if refused is not None:
            return refused
        for scene in (before, here):
            guard = against(("keyboard", "overlay", "focused_field"), scene)
            if guard is not None:
                return Refusal(guard)
        element, target = before.target, before.target_name
        if element is None or target is None:
            return Refusal("target_unnamed")
        if forbids("toggles", element):
            return Refusal("toggles")
        if forbids("irreversible", target):
            return Refusal("irreversible")
        if asked_for(Button(name="back"), here.step.goal):
            return Refusal("goal_asks_for_it")
        return (self._compose(episode, index, target),)

    def _compose(self, episode: Episode, index: int, target: str) -> Proposal:
        image = episode.turn(index).image
        wrong = made(episode, index, self.name, Button(name="back"), Saying("back_wrong"), image, inbound=True)
        right = repaired(episode, index - 1, self.name, Saying("back_right", {"target": target}), at=index)
        return Proposal(index, (wrong, right), bbox=recorded_box(right.turn.actions[0]))
