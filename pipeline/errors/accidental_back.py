"""`accidental_back`: Back pressed one time too many, then the same tap again to return.

Precondition: the step before was a plain navigating tap, and some trajectory of the same app recorded Back from exactly
this screen to exactly the screen before it (equal pixels: an app that lost its scroll position or counts views would
differ). The screen after the error is that recorded one.
"""

from msgspec.structs import replace

from pipeline.actions import Button, Click
from pipeline.compose import Shown
from pipeline.describe import sentence
from pipeline.records import Turn

from .kind import IRREVERSIBLE, Episode, Proposal, Refusal, eventful, goes_back, named_target, restless
from .thoughts import say


class AccidentalBack:
    """The kind `accidental_back`."""

    name = "accidental_back"
    meaning = "Back pressed once too often"
    replaces = False

    def propose(self, episode: Episode, index: int) -> Proposal | Refusal | None:
        """Return an accidental Back on the screen of step `index`, repaired by the tap of the step before."""
        if index == 0:
            return None
        before, here = episode.steps[index - 1], episode.steps[index]
        action = before.facts.actions[0] if before.facts is not None else None
        if not isinstance(action, Click) or action.point is None or action.count != 1:
            return None
        if index == len(episode.steps) - 1:
            return Refusal("edge_of_trajectory")
        if eventful(episode, (index - 1, index)):
            return Refusal("labelled_neighbour")
        if here.facts is not None and goes_back(here.facts.actions[0]):
            return Refusal("back_is_right")
        if index not in episode.back_proved:
            return Refusal("back_not_proved")
        guard = restless(before.observation) or restless(here.observation)
        if guard is not None:
            return Refusal(guard)
        aim = named_target(before.observation, action)
        if aim is None:
            return Refusal("target_unnamed")
        element, target = aim
        if element.editable or element.checked is not None:
            return Refusal("not_navigation")
        if IRREVERSIBLE.search(target):
            return Refusal("irreversible")
        return self._compose(episode, index, target)

    def _compose(self, episode: Episode, index: int, target: str) -> Proposal:
        lang, draw = episode.lang, (episode.seed, self.name, episode.name, index)
        back = Button(name="back", synth=True)
        recorded, again = episode.turn(index), episode.turn(index - 1)
        wrong = Turn(
            step_index=index,
            actions=(back,),
            thought=say("back_wrong", lang, *draw),
            instruction=sentence(back, lang),
            inbound=recorded.turn.inbound,
            role="error",
        )
        right = replace(again.turn, thought=say("back_right", lang, *draw, target=target), role="recovery", inbound=())
        bbox = getattr(right.actions[0], "bbox", None)
        return Proposal((*episode.shown(index), Shown(wrong, recorded.image), Shown(right, again.image)), bbox)
