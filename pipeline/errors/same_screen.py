"""What kinds have in common whose error provably changes nothing."""

from .kind import Episode, Injected, Outcome, Refusal, Truth
from .turns import Slip, unchanged


class SameScreen(Injected):
    """A kind whose sample shows the same screen before and after the error."""

    name: str
    truth: Truth = "same screen"

    def slip(self, episode: Episode, index: int) -> Slip | Refusal | None:
        """Return an action that does nothing on the screen of step `index`, or why there is none."""
        raise NotImplementedError

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return the sample in which that action comes before the decision at step `index`."""
        slip = self.slip(episode, index)
        if not isinstance(slip, Slip):
            return slip
        return (unchanged(episode, index, self.name, (slip,), slip.right),)
