"""`noop_twice`: a tap that does nothing, and once more; only then another way.

Agents loop, so the correction must change what it does. Precondition: that of `tap_dead`.
"""

from msgspec.structs import replace

from .kind import Episode, Injected, Outcome, Refusal, Truth
from .scene import text_of
from .taps import DEAD, aimed, choose, tap, texts
from .turns import Saying, unchanged


class NoopTwice(Injected):
    """The kind `noop_twice`."""

    name = "noop_twice"
    meaning = "a tap that does nothing, twice"
    truth: Truth = "same screen"
    depth = 2
    share = 0.2

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return a dead tap and the same again before the tap at step `index`."""
        aim = aimed(episode, index)
        if not isinstance(aim, tuple):
            return aim
        scene, target = episode.scenes[index], aim[1]
        others = [number for number in texts(scene) if text_of(scene.elements[number]) != target]
        dead = choose(episode, index, self.name, others, target, DEAD)
        if isinstance(dead, Refusal):
            return dead
        first, name = tap(dead, "tap_dead", target), text_of(dead)
        again = replace(first, wrong=Saying("noop_twice_again", {"wrong": name}))
        right = Saying("noop_twice_right", {"wrong": name, "target": target})
        return (unchanged(episode, index, self.name, (first, again), right),)
