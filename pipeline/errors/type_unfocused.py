"""`type_unfocused`: typing before the field has the focus, then the tap on the field.

Precondition: the recording taps a field and types into it next; no field has the focus, no keyboard is open, and the
recording says that keys do nothing here without a focused field (no shortcuts, no search that any letter opens).
"""

from msgspec.structs import replace

from pipeline.actions import Click, Type

from .guards import DECISION, QUIET, refusal
from .kind import Episode, Refusal
from .same_screen import SameScreen
from .turns import Saying, Slip


class TypeUnfocused(SameScreen):
    """The kind `type_unfocused`."""

    name = "type_unfocused"
    meaning = "typing before the field has the focus"

    def slip(self, episode: Episode, index: int) -> Slip | Refusal | None:
        """Return the typing of the next step, one step too early."""
        scene = episode.scenes[index]
        following = episode.scenes[index + 1].action if index + 1 < len(episode.steps) else None
        if not isinstance(scene.action, Click) or scene.target is None or not scene.target.editable:
            return None
        if not isinstance(following, Type) or following.point is not None or not following.text.strip():
            return None
        refused = (
            refusal(DECISION, episode, index)
            or refusal(("partial_tree", "shortcuts"), scene)
            or refusal(QUIET, scene)
        )  # fmt: skip
        if refused is not None:
            return refused
        text = following.text
        return Slip(
            action=replace(following, submit=None, clear=None),
            name=None,
            wrong=Saying("type_unfocused_wrong", {"text": text}),
            right=Saying("type_unfocused_right", {"text": text, "target": scene.target_name}),
        )
