"""`tap_dead`: a tap on a text that does not react, then the right tap; the screen is provably the same.

Precondition: the elements are recorded, the text's own element and all around it are not interactive, nothing
interactive lies within a finger's slop, nothing covers it, and the screen has no focused field, keyboard or overlay
that a tap anywhere would dismiss.
"""

from .kind import Episode, Refusal
from .same_screen import SameScreen
from .scene import text_of
from .taps import DEAD, aimed, choose, tap, texts
from .turns import Slip


class TapDead(SameScreen):
    """The kind `tap_dead`."""

    name = "tap_dead"
    meaning = "a tap on a text that does not react"

    def slip(self, episode: Episode, index: int) -> Slip | Refusal | None:
        """Return a tap on a dead text of the screen."""
        aim = aimed(episode, index)
        if not isinstance(aim, tuple):
            return aim
        target = aim[1]
        scene = episode.scenes[index]
        others = [number for number in texts(scene) if text_of(scene.elements[number]) != target]
        dead = choose(episode, index, self.name, others, target, DEAD)
        return dead if isinstance(dead, Refusal) else tap(dead, "tap_dead", target)
