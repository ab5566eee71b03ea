"""`missed_finish`: waiting although the task is done, then the end.

Precondition: the last recorded decision ends the episode with success, on a screen that had come to rest.
"""

from pipeline.actions import Terminate, Wait
from pipeline.errors.guards.wording import asked_for

from .guards import refusal
from .kind import Episode, Refusal
from .same_screen import SameScreen
from .turns import Saying, Slip


class MissedFinish(SameScreen):
    """The kind `missed_finish`."""

    name = "missed_finish"
    meaning = "waiting although the task is done"

    def slip(self, episode: Episode, index: int) -> Slip | Refusal | None:
        """Return a wait before the end."""
        scene = episode.scenes[index]
        if index == 0 or index != len(episode.steps) - 1:
            return None
        if not isinstance(scene.action, Terminate) or scene.action.status not in {"success", "already_done"}:
            return None
        at_rest = ("no_elements", "partial_tree", "settling_unknown", "dynamic_region", "unsettled", "transient")
        refused = refusal(("labelled_neighbour",), episode, index) or refusal(at_rest, scene)
        if refused is not None:
            return refused
        if asked_for(Wait(), scene.step.goal):
            return Refusal("goal_asks_for_it")
        return Slip(Wait(), None, Saying("missed_finish_wrong"), Saying("missed_finish_right"))
