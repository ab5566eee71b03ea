"""`wait_needless`: waiting although everything is there, then the right action.

Precondition: the recording says that the screen had come to rest, and the target of the recorded action is in view.
Waiting is often right, so this stays rare.
"""

from pipeline.actions import Click, Wait
from pipeline.errors.guards.wording import asked_for

from .guards import DECISION, refusal
from .kind import Episode, Refusal
from .same_screen import SameScreen
from .turns import Saying, Slip


class WaitNeedless(SameScreen):
    """The kind `wait_needless`."""

    name = "wait_needless"
    meaning = "waiting although nothing is loading"
    share = 0.05

    def slip(self, episode: Episode, index: int) -> Slip | Refusal | None:
        """Return a wait before a tap on something that is in view."""
        scene = episode.scenes[index]
        if not isinstance(scene.action, Click):
            return None
        at_rest = ("no_elements", "partial_tree", "settling_unknown", "dynamic_region", "unsettled", "transient")
        refused = refusal(DECISION, episode, index) or refusal(at_rest, scene)
        if refused is not None:
            return refused
        if asked_for(Wait(), scene.step.goal):
            return Refusal("goal_asks_for_it")
        if scene.target is None or scene.target.topmost is False:
            return Refusal("target_unnamed")
        return Slip(
            action=Wait(),
            name=None,
            wrong=Saying("wait_needless_wrong"),
            right=Saying("wait_needless_right", {"target": scene.target_name}),
        )
