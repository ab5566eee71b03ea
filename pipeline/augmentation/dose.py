"""How many error-correction samples of which kind: the choice over a whole dataset.

A shard's survey says what could be injected; here it is decided, so that the wanted share is met exactly although
shards are made independently of each other, and the same whatever order the surveys come in.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping

from msgspec import Struct

from pipeline import seeds
from pipeline.errors import KINDS


class Candidate(Struct, frozen=True):
    """Something that could be injected before a decision."""

    decision: str
    """Id of the decision's clean sample."""
    kind: str
    samples: int
    """How many samples it would make: one, or one each for the way out and for the second try."""


def choose(
    candidates: Iterable[Candidate],
    *,
    samples: int,
    there: Mapping[str, int],
    rate: float,
    weights: Mapping[str, float],
    seed: int,
) -> dict[str, tuple[str, int]]:
    """Return for each chosen decision its kind and how many of its samples are made.

    Error-correction samples shall make up `rate` of the output, to the nearest sample. What replaces a clean sample is
    always taken. The others take turns by weight, one a decision, none beyond its kind's share.
    """
    listed = list(candidates)
    chosen = {each.decision: (each.kind, each.samples) for each in listed if KINDS[each.kind].replaces}
    made = Counter(there)
    made.update(kind for kind, _ in chosen.values())
    total = made.total()
    wanted = round(rate * (samples - total) / (1 - rate))
    queues = _queues((each for each in listed if not KINDS[each.kind].replaces), weights, seed)
    order = {kind: rank for rank, kind in enumerate(KINDS)}
    while total < wanted:
        for kind in sorted(queues, key=lambda name: (made[name] / weights[name], order[name])):
            queue = queues[kind]
            while queue and queue[0].decision in chosen:
                queue.popleft()
            if queue and made[kind] + 1 <= KINDS[kind].share * (total + 1):
                break
        else:
            break  # nothing is left, or nothing that would not be too much of its kind
        each = queue.popleft()
        n = min(each.samples, wanted - total)
        chosen[each.decision] = (kind, n)
        made[kind] += n
        total += n
    return chosen


def _queues(candidates: Iterable[Candidate], weights: Mapping[str, float], seed: int) -> dict[str, deque[Candidate]]:
    """Return the candidates of each kind in the order in which they are taken."""
    by_kind: dict[str, list[Candidate]] = {}
    for each in candidates:
        if weights[each.kind] > 0:
            by_kind.setdefault(each.kind, []).append(each)
    return {
        kind: deque(sorted(group, key=lambda each: seeds.digest(seed, "augment-errors", each.decision, kind)))
        for kind, group in by_kind.items()
    }
