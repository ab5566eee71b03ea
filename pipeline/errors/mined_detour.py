"""`mined_detour`: a recorded visit to a page that was left again at once, and what was done instead.

A is left for B by a tap, B for A by Back, and the next tap on A goes elsewhere. Nothing is invented; the tap that led
to B is no clean sample any more. A visit may be part of the task: if the goal names the way to B, if B is visited
again, or if anything of B can be found in what is typed or answered later, it is left alone.
"""

from pipeline.actions import Answer, AskUser, CallTool, Click, Copy, Memorize, Type
from pipeline.errors.guards.decision import goes_back

from .guards import refusal
from .kind import Episode, Outcome, Proposal, Refusal, Truth
from .mined import called_repair, called_wrong, slip_of
from .scene import Scene, words
from .turns import Saying


class MinedDetour:
    """The kind `mined_detour`."""

    name = "mined_detour"
    meaning = "a recorded visit to the wrong page, left at once"
    truth: Truth = "recorded"
    replaces = True
    depth = 1
    weight = 1.0
    share = 1.0

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return the way out at step `index`, or the second try if the way out was the step before."""
        if index and self._shape(episode, index - 1):
            return self._guarded(episode, index - 1) or (self._out(episode, index),)
        if index > 1 and self._shape(episode, index - 2):
            return self._guarded(episode, index - 2) or (self._retry(episode, index),)
        return None

    def slips(self, episode: Episode, index: int) -> tuple[int, ...]:
        """Return the tap that led to the wrong page."""
        return (index - 1,) if index and self._shape(episode, index - 1) else (index - 2,)

    def _shape(self, episode: Episode, start: int) -> bool:
        """Tell whether a tap at step `start` is followed by Back to an equal screen, and then by another tap."""
        if start + 2 >= len(episode.steps):
            return False
        first, second, third = (episode.scenes[start + n].action for n in range(3))
        here, there, again = (episode.around(start + n).state for n in range(3))
        return (
            isinstance(first, Click)
            and goes_back(second)
            and isinstance(third, Click)
            and here >= 0
            and here == again != there
        )

    def _guarded(self, episode: Episode, start: int) -> Refusal | None:
        for index in (start, start + 1, start + 2):
            refused = refusal(("labelled_neighbour", "aimless"), episode, index)
            if refused is not None:
                return refused
        before, there, after = (episode.scenes[start + n] for n in range(3))
        if not before.elements or not there.elements:
            return Refusal("no_elements")
        if before.target is None or before.target_name is None or after.target is None:
            return Refusal("target_unnamed")
        if before.target_name == after.target_name:
            return Refusal("same_target")
        if words(before.target_name) & words(before.step.goal):
            return Refusal("goal_names_it")
        if any(episode.around(n).state == episode.around(start + 1).state for n in _others(episode, start + 1)):
            return Refusal("visited_again")
        if _informs(episode, start, there):
            return Refusal("visit_informs")
        return None

    def _out(self, episode: Episode, index: int) -> Proposal:
        slip = slip_of(episode.turn(index - 1).turn)
        saying = Saying("mined_detour_escape", {"slip": slip})
        return Proposal(
            index - 1, (called_wrong(episode, index - 1), called_repair(episode, index, self.name, saying))
        )  # fmt: skip

    def _retry(self, episode: Episode, index: int) -> Proposal:
        slip = slip_of(episode.turn(index - 2).turn)
        names: dict[str, str | None] = {"slip": slip, "target": episode.scenes[index].target_name}
        tail = (
            called_wrong(episode, index - 2),
            called_repair(episode, index - 1, self.name, Saying("mined_detour_escape", {"slip": slip})),
            called_repair(episode, index, self.name, Saying("mined_detour_retry", names)),
        )
        return Proposal(index - 2, tail, evidence=3)


def _others(episode: Episode, index: int) -> list[int]:
    return [n for n in range(len(episode.steps)) if n != index]


def _informs(episode: Episode, start: int, there: Scene) -> bool:
    """Tell whether what was seen on the page may be used later."""
    later = [scene.action for scene in episode.scenes[start + 2 :]]
    if any(isinstance(action, Answer | AskUser | Copy | Memorize | CallTool) for action in later):
        return True
    seen = words(" ".join(element.text or "" for element in there.elements))
    known = words(" ".join(e.text or "" for e in episode.scenes[start].elements) + " " + there.step.goal)
    typed = words(" ".join(action.text for action in later if isinstance(action, Type)))
    return bool(typed & (seen - known))
