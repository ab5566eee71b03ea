"""Recordings that are nearly the same, and val decisions that train has too, by how the screens look."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from pipeline.actions import Action, target_point
from pipeline.describe import words_of
from pipeline.screens.fingerprint import PHASH_BYTES, distance
from pipeline.screens.states import PHASH_BITS
from pipeline.storage.dataset import Dataset

CELL = 0.1
"""Actions are compared with those in the same cell, of this share of the screen, before screens are."""
MOST = 500
"""Candidates that one decision or recording is compared with."""
SIMILAR = 0.8
"""Share of their words that two goals have in common when they ask for nearly the same."""
SCREENS = 0.9
"""Share of the screens that look alike in two recordings which are nearly the same."""

Words = frozenset[str]


class _Decision(Struct, frozen=True, gc=False):
    name: str
    index: int
    words: Words
    phash: bytes


class Alike:
    """Takes the recorded decisions in order."""

    def __init__(self, dataset: Dataset) -> None:
        self._hashes = {number: b"".join(each or b"" for each in table.column(0).to_pylist())
                        for number, table in dataset.tables("images", ["phash"])}  # fmt: skip
        self._sides: dict[str, dict[int, list[_Decision]]] = {"train": defaultdict(list), "val": defaultdict(list)}
        self._ways: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self._words: dict[str, Words] = {}
        self._keys: dict[tuple[tuple[object, ...], ...], int] = {}
        """Numbers of what decisions have in common that do nearly the same."""
        self._aimed: list[bool] = []
        """By such a number, whether they are about a place on the screen."""

    def add(
        self,
        name: str,
        index: int,
        split: str,
        goal: str,
        shard: int | None,
        row: int | None,
        actions: Sequence[Action],
    ) -> None:
        """Take a decision, with shard and row of the screenshot that it was taken on."""
        start = PHASH_BYTES * (row or 0)
        phash = b"" if shard is None else self._hashes.get(shard, b"")[start : start + PHASH_BYTES]
        common = tuple([_key(action) for action in actions])
        if (key := self._keys.setdefault(common, len(self._keys))) == len(self._aimed):
            self._aimed.append(any(cell is not None for *_, cell in common))
        self._ways[name].append((key, phash))
        if phash and self._aimed[key] and split in self._sides:
            if (words := self._words.get(goal)) is None:
                words = self._words[goal] = frozenset(words_of(goal))
            self._sides[split][key].append(_Decision(name, index, words, phash))

    def seen(self) -> dict[str, dict[int, str]]:
        """Return, by val step, one of train with the same action on a screen that looks alike, for a similar goal."""
        goals = {side: {each.words for of in self._sides[side].values() for each in of} for side in ("train", "val")}
        near, found = similar_goals(goals["val"], goals["train"]), defaultdict[str, dict[int, str]](dict)
        for key, decisions in self._sides["val"].items():
            by_goal: dict[Words, list[_Decision]] = defaultdict(list)
            for train in self._sides["train"].get(key, ()):
                by_goal[train.words].append(train)
            for val in decisions:
                candidates = [train for words in near[val.words] for train in by_goal.get(words, ())[:MOST]]
                alike = [each for each in candidates if distance(val.phash, each.phash) <= PHASH_BITS]
                if alike:  # the first by name: sets have no order
                    train = min(alike, key=lambda each: (each.name, each.index))
                    found[val.name][val.index] = f"step {train.index} of {train.name!r}"
        return dict(found)

    def near_duplicates(self, known: dict[str, str]) -> dict[str, str]:
        """Return, by trajectory not `known`, an earlier one with the same actions on screens that look alike."""
        found: dict[str, str] = {}
        groups: dict[object, list[str]] = defaultdict(list)
        for name, way in self._ways.items():
            if len(way) > 1 and name not in known:
                groups[tuple([key for key, _ in way])].append(name)
        for names in groups.values():
            for number, name in enumerate(names[1:MOST], start=1):
                first = next(
                    (other for other in names[:number] if other not in found and self._alike(name, other)), None
                )
                if first is not None:
                    found[name] = first
        return found

    def _alike(self, one: str, other: str) -> bool:
        pairs = zip(self._ways[one], self._ways[other], strict=True)
        same = sum(bool(a and b) and distance(a, b) <= PHASH_BITS for (_, a), (_, b) in pairs)
        return same >= SCREENS * len(self._ways[one])


def similar_goals(some: Iterable[Words], others: Iterable[Words]) -> dict[Words, list[Words]]:
    """Return, by the words of some goals, those of the others that are similar.

    Goals are compared if the first word that they have in common, the rarest first, leaves enough words behind it in
    both (prefix and position filter of a similarity join: Xiao et al., Efficient similarity joins for near-duplicate
    detection, 2011).
    """
    others = list(others)
    times = Counter(word for words in others for word in words)
    starting: dict[str, dict[tuple[int, int], list[Words]]] = defaultdict(lambda: defaultdict(list))
    for other in others:
        for word, left in _front(other, times):
            starting[word][left, len(other)].append(other)
    near = {}
    for words in some:
        candidates = {
            other
            for word, left in _front(words, times)
            for (other_left, size), goals in starting.get(word, {}).items()
            if _enough(min(left, other_left), len(words) + size)
            for other in goals
        }
        near[words] = [other for other in candidates if _enough(len(words & other), len(words) + len(other))]
    return near


def _front(words: Words, times: Counter[str]) -> Iterator[tuple[str, int]]:
    """Yield the words, the rarest first, with which what a similar goal shares may start, and how many are left."""
    for left, word in zip(range(len(words), 0, -1), sorted(words, key=lambda word: (times[word], word)), strict=True):
        if not _enough(left, left + len(words)):  # a goal of just those that are left would be the most similar
            return
        yield word, left


def _enough(both: int, total: int) -> bool:
    """Tell whether two goals of `total` words are similar that have `both` in common."""
    return both >= SIMILAR * max(total - both, 1)


def _key(action: Action) -> tuple[object, ...]:
    """Return what two actions have in common that are nearly the same: type, text, cell of the screen."""
    point = target_point(action)
    cell = None if point is None else (int(point[0] / CELL), int(point[1] / CELL))
    return (type(action), getattr(action, "text", None), getattr(action, "direction", None), cell)
