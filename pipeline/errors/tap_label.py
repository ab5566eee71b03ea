"""`tap_label`: a tap on the text beside a control that names it, then on the control itself.

Precondition: that of `tap_dead`, and the recording says that the text is not wired to the control: in HTML a tap on a
`label` with `for` acts on its field.
"""

from .kind import Episode, Refusal
from .same_screen import SameScreen
from .scene import text_of, words
from .taps import DEAD, aimed, choose, tap, texts
from .turns import Slip


class TapLabel(SameScreen):
    """The kind `tap_label`."""

    name = "tap_label"
    meaning = "a tap on the text that names a control"

    def slip(self, episode: Episode, index: int) -> Slip | Refusal | None:
        """Return a tap on a dead text that has a word in common with the target."""
        aim = aimed(episode, index)
        if not isinstance(aim, tuple):
            return aim
        scene, target = episode.scenes[index], aim[1]
        alike = [n for n in texts(scene) if scene.elements[n] is not scene.target]
        alike = [n for n in alike if words(text_of(scene.elements[n])) & words(target)]
        if not alike:
            return None
        label = choose(episode, index, self.name, alike, target, (*DEAD, "wiring_unknown"))
        return label if isinstance(label, Refusal) else tap(label, "tap_label", target)
