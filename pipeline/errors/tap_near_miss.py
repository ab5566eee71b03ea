"""`tap_near_miss`: a tap just beside the control, then on it.

Precondition: the recording says how far around a control a tap still counts (hit slop, minimum touch targets: without a
word on it every gap is a guess), and the point lies farther than that from everything that reacts.
"""

from pipeline import seeds
from pipeline.actions import Click, Point
from pipeline.screens.geometry import centre

from .guards import against, refusal
from .kind import Episode, Refusal
from .same_screen import SameScreen
from .taps import aimed
from .turns import Saying, Slip

FACTORS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
"""How far off the centre, in half sizes of the target; 1 is its edge."""
SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))
BESIDE = ("off_screen", "near_control", "label_wired", "wiring_unknown", "live_surface")


class TapNearMiss(SameScreen):
    """The kind `tap_near_miss`."""

    name = "tap_near_miss"
    meaning = "a tap just beside the control"

    def slip(self, episode: Episode, index: int) -> Slip | Refusal | None:
        """Return a tap in the gap beside the target."""
        aim = aimed(episode, index)
        if not isinstance(aim, tuple):
            return aim
        scene = episode.scenes[index]
        # Beside the controls of a dialog may be beside the dialog, which closes it.
        refused = refusal(("overlay", "reach_unknown"), scene)
        if refused is not None:
            return refused
        assert scene.target is not None
        target = scene.target.bbox
        (x, y), half = centre(target), ((target[2] - target[0]) / 2, (target[3] - target[1]) / 2)
        open_: list[Point] = []
        last: str | None = None
        for dx, dy in SIDES:
            for factor in FACTORS:
                point = (x + dx * factor * half[0], y + dy * factor * half[1])
                guard = against(BESIDE, scene, None, point)
                last = guard or last
                if guard is None:
                    open_.append(point)
                    break  # the nearest on this side
        if not open_:
            return Refusal(last or "near_control")
        point = seeds.pick(open_, episode.seed, self.name, episode.name, index, "where")
        names: dict[str, str | None] = {"target": aim[1]}
        return Slip(
            action=Click(point=point),
            name=None,
            wrong=Saying("tap_near_miss_wrong", names),
            right=Saying("tap_near_miss_right", names),
        )
