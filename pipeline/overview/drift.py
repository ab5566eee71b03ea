"""How one dataset differs from another: settings, samples, and the distributions of what they hold."""

import hashlib
import math
import statistics
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Manifest
from pipeline.terminal import cut, safe_line

from .measure import COUNTED, MEASURED, Measures, shares

MUCH = 0.1
"""Distance from which a distribution counts as another one; 0 is equal, 1 has nothing in common."""


class Drift(Struct, frozen=True):
    """What changed from the other dataset to this one."""

    settings: dict[str, tuple[Any, Any]]
    """By the place in the manifest: (the other's, this one's)."""
    samples: dict[str, int]
    """How many ids are `only here`, `only there`, `changed` in content, and `equal`."""
    distances: dict[str, float]
    """By the names of COUNTED and MEASURED, from 0 to 1; see `total_variation` and `kolmogorov`."""
    moved: dict[str, str]
    """Of those beyond MUCH, what moved most, in words."""


def compare(own: Dataset, other: Dataset, mine: Measures, theirs: Measures) -> Drift:
    """Return how `own` differs from `other`."""
    distances, moved = {}, {}
    for name in (name for name in COUNTED if name in theirs.counts):
        now, before = (_of_all(each, name) for each in (mine, theirs))
        distances[name] = total_variation(now, before)
        if distances[name] >= MUCH:
            moved[name] = _most_moved(now, before)
    for name in (name for name in MEASURED if name in theirs.values):
        distances[name] = kolmogorov(mine.values[name], theirs.values[name])
        if distances[name] >= MUCH:
            ends = (median(theirs.values[name]), median(mine.values[name]))
            told = ["none" if each is None else f"median {spelled(each)}" for each in ends]
            moved[name] = f"{told[0]} there, {told[1]} here"
    settings = dict(_settings(own.manifest, other.manifest))
    return Drift(settings, _samples(own, other), {n: round(d, 4) for n, d in distances.items()}, moved)


def total_variation(one: dict[str, int], other: dict[str, int]) -> float:
    """Return half the sum of the differences of the shares: the share of samples that would have to change sides."""
    mine, theirs = shares(one), shares(other)
    if not mine or not theirs:
        return float(bool(mine) != bool(theirs))
    return math.fsum(abs(mine.get(name, 0) - theirs.get(name, 0)) for name in {*mine, *theirs}) / 2


def kolmogorov(one: Sequence[int], other: Sequence[int]) -> float:
    """Return the Kolmogorov-Smirnov statistic: the largest distance of the two cumulative distributions."""
    if not one or not other:
        return float(bool(one) != bool(other))
    mine, theirs = sorted(one), sorted(other)
    return max(abs(bisect_right(mine, x) / len(mine) - bisect_right(theirs, x) / len(theirs)) for x in {*mine, *theirs})


def median(values: Sequence[int]) -> float | None:
    """Return the median, None of nothing."""
    return float(statistics.median(values)) if values else None


def spelled(value: float) -> str:
    """Return a median of whole numbers as the numbers beside it are written.

    >>> spelled(1908.0), spelled(2.5)
    ('1,908', '2.5')
    """
    return f"{value:,.1f}".removesuffix(".0")


def _of_all(measures: Measures, name: str) -> dict[str, int]:
    """Return the counts of what only some samples have together with the samples that do not."""
    counts = measures.counts[name]
    if name not in {"error_kind", "flag"}:
        return counts
    return {**counts, "none": max(measures.samples - sum(counts.values()), 0)}


def _most_moved(mine: dict[str, int], theirs: dict[str, int]) -> str:
    now, before = shares(mine), shares(theirs)
    name = max(sorted({*now, *before}), key=lambda each: abs(now.get(each, 0) - before.get(each, 0)))
    return f"{name}: {before.get(name, 0):.0%} there, {now.get(name, 0):.0%} here"


def _settings(own: Manifest, other: Manifest) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield what the manifests say differently of how the data was made."""
    names = ["stage", "version", "seed", "contract", "slicing", "prompts", "image"]
    if own.stage == other.stage:
        names.append("config")
    mine, theirs = ({name: msgspec.to_builtins(getattr(each, name)) for name in names} for each in (own, other))
    one, two = dict(_leaves("", mine)), dict(_leaves("", theirs))
    for place in sorted({*one, *two}, key=lambda each: (names.index(each.partition(".")[0]), each)):
        if one.get(place) != two.get(place):
            yield place, (two.get(place), one.get(place))


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a tree holds, each under the names that lead to it."""
    if not isinstance(value, dict) or not value:
        yield place, value
        return
    for key, each in value.items():
        yield from _leaves(f"{place}.{key}" if place else str(key), each)


def _samples(own: Dataset, other: Dataset) -> dict[str, int]:
    mine, theirs = _digests(own), _digests(other)
    both = mine.keys() & theirs.keys()
    equal = sum(mine[name] == theirs[name] for name in both)
    return {
        "only here": len(mine) - len(both),
        "only there": len(theirs) - len(both),
        "changed": len(both) - equal,
        "equal": equal,
    }


def _digests(dataset: Dataset) -> dict[str, bytes]:
    """Return a short hash of each sample's content: what is said, shown and trained, and on which side it stands."""
    columns = ["sample_id", "split", "goal", "turns", "target", "images"]
    found = {}
    for number in dataset.manifest.shard_numbers():
        for row in dataset.rows("samples", number, columns):
            parts = (
                row["split"],
                row["goal"],
                row["turns"],
                row["target"],
                *(each["sha256"] for each in row["images"]),
            )
            found[row["sample_id"]] = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return found


def lines(drift: Drift, there: str, room: int | None = None) -> list[str]:
    """Return the differences for a person, the largest first, and in so many lines; what is left out is counted."""
    head = [f"against {there}:", "  samples   " + ", ".join(f"{count} {what}" for what, count in drift.samples.items())]
    settings = [f"  setting   {place}: {_value(before)} there, {_value(now)} here"
                for place, (before, now) in drift.settings.items()]  # fmt: skip
    names = sorted(drift.moved, key=lambda name: -drift.distances[name])
    moved = [f"  moved     {name} by {drift.distances[name]:.2f}: {drift.moved[name]}" for name in names]
    moved = moved or ["  moved     nothing: every distribution is within 0.1 of the other's"]
    if room is None:
        return [*map(safe_line, (*head, *settings, *moved))]
    left = max(room - len(head), 0)
    for_moved = min(len(moved), max(left - min(len(settings), SETTINGS), left // 2))
    told = [
        *head,
        *cut(settings, left - for_moved, "  setting   … and {} more, see --verbose, --format json or --report".format),
        *cut(moved, for_moved, "  moved     … and {} more, see --verbose, --format json or --report".format),
    ]
    return [*map(safe_line, told)]


SETTINGS = 6
"""Lines about settings where distributions need the room."""


def _value(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:59]}…"
