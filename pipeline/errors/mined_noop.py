"""`mined_noop`: a recorded tap that changed nothing, and the next one nearby that did.

Nothing is invented: turns and screens are the recorded ones. The tap without effect is no clean sample any more. Taps
that may have an effect one cannot see (copying, saving, a switch that is out of view) are left alone.
"""

import math
import re

from pipeline.actions import Click

from .guards import against
from .kind import Episode, Outcome, Proposal, Refusal, Truth
from .mined import called_repair, called_wrong, slip_of
from .turns import Saying

NEARBY_DP = 48
SILENT = re.compile(
    r"\b(copy|cop(y|ies|ied)|save\w*|share\w*|download\w*|refresh\w*|reload|sync\w*|record\w*|play|pause|mute|volume)\b"
    r"|复制|保存|分享|下载|刷新|同步|录|播放|暂停|静音|音量",
    re.IGNORECASE,
)
"""Actions whose effect need not show."""


class MinedNoop:
    """The kind `mined_noop`."""

    name = "mined_noop"
    meaning = "a recorded tap without effect, and the next one"
    truth: Truth = "recorded"
    replaces = True
    depth = 1
    weight = 1.0
    share = 1.0

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return the recorded history of a tap at step `index` that repairs the one before."""
        if index == 0 or not episode.around(index).unchanged:
            return None
        before, here = episode.scenes[index - 1], episode.scenes[index]
        tap, again = before.action, here.action
        if not isinstance(tap, Click) or tap.point is None:
            return None
        refused = against(("labelled_neighbour",), episode, index) or against(("aimless",), episode, index - 1)
        if refused is not None:
            return Refusal(refused)
        if not isinstance(again, Click) or again.point is None:
            return Refusal("not_retried")
        dx, dy = (again.point[0] - tap.point[0]) * here.width, (again.point[1] - tap.point[1]) * here.height
        if math.hypot(dx, dy) > NEARBY_DP * here.scale:
            return Refusal("not_retried")
        if episode.around(index + 1).state < 0 or episode.around(index + 1).unchanged:
            return Refusal("retry_changed_nothing")
        turn = episode.turn(index - 1).turn
        if SILENT.search(" ".join((turn.instruction or "", turn.thought or "", before.target_name or ""))):
            return Refusal("silent_effect")
        guard = against(("unsettled", "dynamic_region"), before)
        if guard is None and before.target is not None:
            guard = against(("toggles",), before.target)
        if guard is not None:
            return Refusal(guard)
        saying = Saying("mined_noop_right", {"slip": slip_of(turn), "target": here.target_name})
        tail = (called_wrong(episode, index - 1), called_repair(episode, index, self.name, saying))
        return (Proposal(index - 1, tail),)

    def slips(self, episode: Episode, index: int) -> tuple[int, ...]:
        """Return the tap without effect."""
        return (index - 1,)
