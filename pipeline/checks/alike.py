"""Recordings that are nearly the same, and val decisions that train has too, by how the screens look."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

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


class _Decision(Struct, frozen=True, gc=False):
    name: str
    index: int
    words: frozenset[str]
    phash: bytes


class Alike:
    """Takes the recorded decisions in order."""

    def __init__(self, dataset: Dataset) -> None:
        self._hashes = {number: b"".join(each or b"" for each in table.column(0).to_pylist())
                        for number, table in dataset.tables("images", ["phash"])}  # fmt: skip
        self._sides: dict[str, dict[object, list[_Decision]]] = {"train": defaultdict(list), "val": defaultdict(list)}
        self._ways: dict[str, list[tuple[object, bytes]]] = defaultdict(list)
        self._words: dict[str, frozenset[str]] = {}

    def add(
        self, name: str, index: int, split: str, goal: str, image: dict[str, Any] | None, actions: Sequence[Action]
    ) -> None:
        """Take a decision and the screenshot that it was taken on."""
        hashes = self._hashes.get(image["shard"], b"") if image else b""
        start = PHASH_BYTES * image["row"] if image else 0
        phash = hashes[start : start + PHASH_BYTES]
        if goal not in self._words:
            self._words[goal] = frozenset(words_of(goal))
        key = tuple(map(_key, actions))
        self._ways[name].append((key, phash))
        if split in self._sides and phash and any(cell is not None for *_, cell in key):
            self._sides[split][key].append(_Decision(name, index, self._words[goal], phash))

    def seen(self) -> dict[tuple[str, int], str]:
        """Return, by val step, one of train with the same action on a screen that looks alike, for a similar goal."""
        near, found = self._similar_goals(), {}
        for key, decisions in self._sides["val"].items():
            by_goal: dict[frozenset[str], list[_Decision]] = defaultdict(list)
            for train in self._sides["train"].get(key, ()):
                by_goal[train.words].append(train)
            for val in decisions:
                candidates = [train for words in near[val.words] for train in by_goal.get(words, ())[:MOST]]
                alike = [each for each in candidates if distance(val.phash, each.phash) <= PHASH_BITS]
                if alike:  # the first by name: sets have no order
                    train = min(alike, key=lambda each: (each.name, each.index))
                    found[(val.name, val.index)] = f"step {train.index} of {train.name!r}"
        return found

    def _similar_goals(self) -> dict[frozenset[str], list[frozenset[str]]]:
        """Return, by the words of each val goal, those of the train goals that are similar.

        Such a goal has one of any few words of the other, more than it may lack: the rarest are looked up.
        """
        goals = {side: {each.words for of in self._sides[side].values() for each in of} for side in ("train", "val")}
        holding: dict[str, set[frozenset[str]]] = defaultdict(set)
        for words in goals["train"]:
            for word in words:
                holding[word].add(words)
        near = {}
        for words in goals["val"]:
            rarest = sorted(words, key=lambda word: (len(holding.get(word, ())), word))
            few = rarest[: int((1 - SIMILAR) * len(words) + 1e-9) + 1]
            near[words] = [other for other in set().union(*(holding.get(word, ()) for word in few))
                           if similar(words, other)]  # fmt: skip
        return near

    def near_duplicates(self, known: dict[str, str]) -> dict[str, str]:
        """Return, by trajectory not `known`, an earlier one with the same actions on screens that look alike."""
        found: dict[str, str] = {}
        groups: dict[object, list[str]] = defaultdict(list)
        for name, way in self._ways.items():
            if len(way) > 1 and name not in known:
                groups[tuple(key for key, _ in way)].append(name)
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


def similar(one: frozenset[str], other: frozenset[str]) -> bool:
    """Tell whether two goals have most of their words in common."""
    both, all_words = len(one & other), len(one) + len(other)
    return both >= SIMILAR * max(all_words - both, 1)


def _key(action: Action) -> tuple[object, ...]:
    """Return what two actions have in common that are nearly the same: type, text, cell of the screen."""
    point = target_point(action)
    cell = None if point is None else (int(point[0] / CELL), int(point[1] / CELL))
    return (type(action), getattr(action, "text", None), getattr(action, "direction", None), cell)
