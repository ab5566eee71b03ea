"""Verdicts counted: shares with 95 % intervals, by app, action type, origin, error kind and split."""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .case import Case
from .judge import Verdict

Z = 1.959963984540054
"""Of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A share of the samples that it can be asked of."""

    meaning: str
    greater_is_better: bool = True


METRICS: dict[str, Metric] = {
    "format_valid": Metric("the response is exactly one of the layout's answers"),
    "action_type": Metric("the type of action is the recorded one"),
    "grounding": Metric("of recorded actions that point, the prediction points at the same thing"),
    "text": Metric("of recorded texts, the prediction says the same"),
    "direction": Metric("of recorded scrolls, the prediction goes the same way"),
    "arguments": Metric("of recorded keys, buttons and the like, the prediction names the same"),
    "step_success": Metric("type and everything that belongs to it are right"),
    "false_reflection": Metric("of clean samples, the response claims an error or goes back", greater_is_better=False),
    "claimed_error": Metric("the part of it that claims an error in words", greater_is_better=False),
    "went_back": Metric("the part of it that goes back", greater_is_better=False),
    "recovery": Metric("of samples after an error, the response repairs it"),
    "noticed_error": Metric("of samples after an error, the response says that there was one"),
    "repeated_error": Metric("of samples after an error, the response makes it again", greater_is_better=False),
}
"""Shares, in the order of reports."""

MEANS = {
    "distance": "mean distance of the points, in shares of width and height, where both point",
    "text_similarity": "mean edit similarity of the texts, 0 to 1, where both say one",
}

GROUPS: dict[str, Callable[[Case, Verdict], str | None]] = {
    "app": lambda case, _: case.app,
    "action type": lambda _, verdict: verdict.kind,
    "origin": lambda case, _: case.origin,
    "error kind": lambda case, _: case.error_kind,
    "split": lambda case, _: case.split,
}
"""How samples are told apart; None is in no group."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its Wilson interval."""

    value: float
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over n samples."""

    value: float
    n: int


@dataclass(frozen=True)
class Summary:
    """What a set of verdicts comes to."""

    n: int
    rates: dict[str, Rate]
    means: dict[str, Mean]
    trajectories: dict[str, float]
    """Of the clean decisions judged: `n` trajectories, the share with every step right (`success`), and the mean share
    of steps before the first wrong one (`progress`), as AITZ's evaluation has them."""
    groups: dict[str, dict[str, "Summary"]]

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON-ready values."""
        return asdict(self)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927); all of [0, 1] for none of none.

    >>> [round(bound, 4) for bound in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == n else min(1.0, middle + half)
    return low, high


def difference(before: Sequence[bool], after: Sequence[bool]) -> tuple[float, float, float]:
    """Return after - before of a share of the same samples, with its 95 % interval.

    The interval is that of matched pairs by Agresti and Min (2005): half a pair is added to each cell of the table.
    """
    n = len(before)
    gained = sum(not b and a for b, a in zip(before, after, strict=True))
    lost = sum(b and not a for b, a in zip(before, after, strict=True))
    if n == 0:
        return 0.0, -1.0, 1.0
    up, down, total = gained + 0.5, lost + 0.5, n + 2
    middle = (up - down) / total
    half = Z * math.sqrt(up + down - (up - down) ** 2 / total) / total
    return (gained - lost) / n, max(-1.0, middle - half), min(1.0, middle + half)


def summarize(judged: Iterable[tuple[Case, Verdict]], *, grouped: bool = True) -> Summary:
    """Return the shares, means and groups of the verdicts."""
    listed = list(judged)
    groups: dict[str, dict[str, Summary]] = {}
    if grouped:
        for name, key in GROUPS.items():
            parts: dict[str, list[tuple[Case, Verdict]]] = defaultdict(list)
            for case, verdict in listed:
                if (value := key(case, verdict)) is not None:
                    parts[value].append((case, verdict))
            groups[name] = {value: summarize(part, grouped=False) for value, part in sorted(parts.items())}
    verdicts = [verdict for _, verdict in listed]
    return Summary(len(listed), _rates(verdicts), _means(verdicts), _trajectories(listed), groups)


def _rates(verdicts: Sequence[Verdict]) -> dict[str, Rate]:
    found = {}
    for name in METRICS:
        asked = [flag for verdict in verdicts if (flag := getattr(verdict, name)) is not None]
        if asked:
            found[name] = Rate(sum(asked) / len(asked), len(asked), *wilson(sum(asked), len(asked)))
    return found


def _means(verdicts: Sequence[Verdict]) -> dict[str, Mean]:
    found = {}
    for name in MEANS:
        values = [value for verdict in verdicts if (value := getattr(verdict, name)) is not None]
        if values:
            found[name] = Mean(statistics.fmean(values), len(values))
    return found


def _trajectories(judged: Sequence[tuple[Case, Verdict]]) -> dict[str, float]:
    steps: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for case, verdict in judged:
        if case.origin == "clean":
            steps[case.trajectory_id].append((case.step_index, verdict.step_success))
    if not steps:
        return {"n": 0}
    progress = []
    for each in steps.values():
        right = [success for _, success in sorted(each)]
        progress.append((right.index(False) if False in right else len(right)) / len(right))
    return {
        "n": len(progress),
        "success": sum(share == 1 for share in progress) / len(progress),
        "progress": statistics.fmean(progress),
    }
