"""Other ways to the same goal: where two recordings of one goal pass the same screen, one may go on as the other did.

A splice replaces steps of one recording (the host) by steps of another (the donor) between two screens that both pass.
It is proved by the graph: the screens are equal states, every replaced and every replacing step only leads from page to
page, each of them is recorded in both directions, so it left nothing behind, and both recordings succeed on equal
screens. When in doubt there is none.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from pipeline.actions import Browser, Button, Click, Scroll, Swipe, Terminate
from pipeline.errors import Episode
from pipeline.errors.guards import forbids
from pipeline.screens.screen import label, target_element
from pipeline.storage.tables import StepRow

States = tuple[int, ...]
"""Of the graph: one a screen, the final one included; -1 where it is not known."""
Ways = frozenset[tuple[int, int]]
"""Pairs of states of which some recording goes from the first to the second."""


class Walked(Struct, frozen=True):
    """A recording and the states that it passes."""

    shard: int
    name: str
    states: States


class Splice(Struct, frozen=True):
    """Go with the host up to `leave`, with the donor from `enter` to `exit`, and on with the host from `rejoin`."""

    leave: int
    enter: int
    exit: int
    rejoin: int


def splices(
    host: Episode, donor: Episode, mine: States, theirs: States, ways: Ways, counts: Counter[str]
) -> Iterator[Splice]:
    """Yield the proved splices of the two recordings that do not overlap; `counts` learns of the others."""
    taken = 0
    for splice in _partings(host, donor, mine, theirs):
        counts["considered"] += 1
        doubt = _doubt(host, donor, mine, theirs, ways, splice)
        if doubt is None and splice.leave < taken:
            doubt = "overlaps"
        if doubt is not None:
            counts[f"refused: {doubt}"] += 1
            continue
        taken = splice.rejoin
        counts["truthful"] += 1
        yield splice


def _partings(host: Episode, donor: Episode, mine: States, theirs: States) -> Iterator[Splice]:
    """Yield where the recordings stand on equal screens, go on to different ones, and meet again."""
    for leave in range(len(host.steps) - 1):
        for enter in range(len(donor.steps) - 1):
            if mine[leave] < 0 or mine[leave] != theirs[enter] or mine[leave + 1] == theirs[enter + 1]:
                continue
            later = theirs[enter + 1 : len(donor.steps)]
            rejoin = next((n for n in range(leave + 1, len(host.steps)) if mine[n] >= 0 and mine[n] in later), None)
            if rejoin is not None:
                yield Splice(leave, enter, enter + 1 + later.index(mine[rejoin]), rejoin)


def _doubt(
    host: Episode, donor: Episode, mine: States, theirs: States, ways: Ways, splice: Splice
) -> str | None:  # fmt: skip
    """Return what keeps the splice from being proved, or None."""
    if not (_succeeds(host) and _succeeds(donor)) or mine[-1] < 0 or mine[-1] != theirs[-1]:
        return "other_end"
    if any(host.role(n) != "normal" for n in range(splice.rejoin + 1)) or any(
        donor.role(n) != "normal" for n in range(splice.enter, splice.exit)
    ):
        return "labelled_step"
    replaced = host.steps[splice.leave : splice.rejoin]
    replacing = donor.steps[splice.enter : splice.exit]
    if not all(map(_navigates, (*replaced, *replacing))):
        return "not_navigation"
    for states in (mine[splice.leave : splice.rejoin + 1], theirs[splice.enter : splice.exit + 1]):
        for before, after in pairwise(states):
            if before < 0 or after < 0 or before == after or (after, before) not in ways:
                return "one_way"
    return None


def _succeeds(episode: Episode) -> bool:
    last = episode.steps[-1].facts
    action = None if last is None else last.actions[-1]
    return isinstance(action, Terminate) and action.status == "success"


def _navigates(step: StepRow) -> bool:
    """Tell whether the step only leads from page to page, as far as can be seen."""
    if step.facts is None or len(step.facts.actions) != 1 or step.facts.inbound:
        return False
    match step.facts.actions[0]:
        case Click(count=1, button="left") as click:
            element = target_element(step.observation.elements, click)
            if element is None or forbids("toggles", element):
                return False
            name = label(step.observation.elements, element)
            return name is None or not forbids("irreversible", name)
        case Button(name="back") | Browser(op="back" | "forward") | Scroll() | Swipe():
            return True
        case _:
            return False


def spliced(host: Sequence[object], donor: Sequence[object], splice: Splice) -> list[tuple[str, int]]:
    """Return the steps of the other way up to where it rejoins, each as `host` or `donor` and its number there."""
    assert splice.rejoin < len(host)
    assert splice.exit <= len(donor)
    return [
        *(("host", n) for n in range(splice.leave)),
        *(("donor", n) for n in range(splice.enter, splice.exit)),
        ("host", splice.rejoin),
    ]
