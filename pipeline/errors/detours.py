"""What kinds have in common whose wrong action opens another recorded screen: the way out, and the second try."""

import re
from collections.abc import Iterable

from msgspec import Struct

from pipeline import seeds
from pipeline.actions import Action, Button, Click
from pipeline.augmentation.graph import Edge, Route
from pipeline.errors.guards.decision import goes_back
from pipeline.records import ImageRef

from .kind import Episode, Proposal
from .turns import Saying, made, recorded_box, repaired

WAY_OUT = re.compile(
    r"\b(back|close|cancel|dismiss|navigate up|not now|no thanks|later|skip|got it|ok)\b"
    r"|返回|关闭|取消|以后再说|暂不|跳过|知道了|稍后|确定|^[x×✕]$",
    re.IGNORECASE,
)
"""Names of what leaves a page, a menu or a dialog again."""


class Detour(Struct, frozen=True):
    """A wrong action that leads to a recorded screen, and the recorded way back."""

    action: Action
    name: str | None
    image: ImageRef
    escape: Action
    escape_name: str | None
    wrong: Saying
    out: Saying
    retry: Saying


def way_out(edges: Iterable[Edge]) -> Edge | None:
    """Return the recorded action that leaves a screen as people do: Back, or a control that says so."""
    known = list(edges)
    back = next((edge for edge in known if goes_back(edge.action)), None)
    named = (e for e in known if isinstance(e.action, Click) and e.name is not None and WAY_OUT.search(e.name))
    return back or next(named, None)


def escape_of(route: Route) -> tuple[Action, str | None] | None:
    """Return the way out of the screen that a route leads to; Back where a test switched its proof off."""
    edge = way_out(route.returns)
    if edge is not None:
        return edge.action, edge.name
    return None if route.returns else (Button(name="back"), None)


def pick(episode: Episode, index: int, kind: str, found: list[Detour]) -> Detour:
    """Return one of the detours."""
    return seeds.pick(found, episode.seed, kind, episode.name, index, "where")


def there_and_back(episode: Episode, index: int, kind: str, detour: Detour) -> tuple[Proposal, Proposal]:
    """Return two samples: one trains the way out of the wrong screen, the other the second try after it."""
    here = episode.turn(index).image
    wrong = made(
        episode, index, kind, detour.action, detour.wrong, here, name=detour.name, role="error", inbound=True
    )  # fmt: skip
    out = made(
        episode, index, kind, detour.escape, detour.out, detour.image, name=detour.escape_name, role="recovery"
    )  # fmt: skip
    retry = repaired(episode, index, kind, detour.retry)
    return (
        Proposal(index, (wrong, out), bbox=recorded_box(detour.escape), part="escape"),
        Proposal(index, (wrong, out, retry), evidence=3, bbox=recorded_box(retry.turn.actions[0]), part="retry"),
    )
