"""What the dataset as a whole is made of: which actions, which apps, how many corrections."""

from collections import Counter
from collections.abc import Iterator

from .facts import Tally
from .thresholds import Thresholds

FEW = 50
"""Decisions below which shares mean nothing."""


def actions(tally: Tally, limits: Thresholds) -> Iterator[str]:
    """Yield a type of action that nearly all decisions are."""
    yield from _most(tally.actions, limits.action_share, "the decisions are {}")


def apps(tally: Tally, limits: Thresholds) -> Iterator[str]:
    """Yield an app that nearly all screens are of."""
    yield from _most(tally.apps, limits.app_share, "the screens are of {}")


def corrections(tally: Tally, limits: Thresholds) -> Iterator[str]:
    """Yield a share of error-correction samples that teaches to correct what is right."""
    total, made = sum(tally.origins.values()), tally.origins.get("error_correction", 0)
    if total and made / total > limits.correction_share:
        share = f"{made / total:.0%} error-correction samples"
        yield f"found {share}, expected {limits.correction_share:.0%} at most"


def _most(found: dict[str, int], most: float, words: str) -> Iterator[str]:
    total = sum(found.values())
    if total >= FEW:
        name, count = Counter(found).most_common(1)[0]
        if count / total > most:
            yield f"found that {count / total:.0%} of {words.format(name)}, expected {most:.0%} at most"
