"""What no single sample or shard shows: leaks, repeated ids, duplicates, contradictions, thoughts said over and over.

Gathered once, before the shards are checked, from narrow columns; a shard is given what concerns it.
"""

import hashlib
from collections import Counter, defaultdict
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.actions import Action, Click, LongPress
from pipeline.dataset import Dataset
from pipeline.describe import same_goal
from pipeline.leaks import across
from pipeline.records import Outcome, StepText

NEAR = 0.05
"""Clicks nearer than this, in fractions of the screen, are the same decision."""


class Facts(Struct, frozen=True):
    """About the whole dataset, or as much of it as one shard needs."""

    leaking: dict[str, str] = {}
    """By trajectory, what of it stands on both sides of the split: itself, its goal or its app."""
    repeated: frozenset[str] = frozenset()
    """Sample ids that occur more than once."""
    outcomes: dict[str, str] = {}
    """By trajectory, how the recording says that it ended."""
    duplicates: dict[str, str] = {}
    """By trajectory, an earlier one with the same screens and actions."""
    contradictions: dict[tuple[str, int], str] = {}
    """By trajectory and step, another step on the same screen for the same goal that does something else."""
    thoughts: dict[str, int] = {}
    """Thoughts that several recorded steps share, and how many."""

    def of(self, trajectories: frozenset[str]) -> "Facts":
        """Return what concerns these trajectories."""
        return Facts(
            leaking=_some(self.leaking, trajectories),
            repeated=self.repeated,
            outcomes=_some(self.outcomes, trajectories),
            duplicates=_some(self.duplicates, trajectories),
            contradictions={key: value for key, value in self.contradictions.items() if key[0] in trajectories},
            thoughts=self.thoughts,
        )


class _Decision(Struct):
    actions: tuple[Action, ...]
    text: StepText = StepText()


class _Header(Struct):
    outcome: Outcome = Outcome(status="unknown")


def gather(dataset: Dataset) -> Facts:
    """Return the facts of a dataset."""
    leaking, repeated = across(dataset)
    found = _Gatherer()
    columns = ["trajectory_id", "step_index", "goal", "image", "step", "trajectory"]
    for number in dataset.manifest.shard_numbers():
        for row in dataset.rows("steps", number, columns):
            found.add(row)
    found.close()
    shared = {thought: times for thought, times in found.thoughts.items() if times > 1}
    return Facts(leaking, repeated, found.outcomes, found.duplicates, dict(found.contradictions), shared)


class _Gatherer:
    """Reads the recorded steps once, in order."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.duplicates: dict[str, str] = {}
        self.contradictions: dict[tuple[str, int], str] = {}
        self.thoughts: Counter[str] = Counter()
        self._step = msgspec.json.Decoder(_Decision)
        self._header = msgspec.json.Decoder(_Header)
        self._first: dict[bytes, str] = {}
        self._seen: dict[bytes, list[tuple[str, int, Action]]] = defaultdict(list)
        self._now: str | None = None
        self._hash = hashlib.sha256()

    def add(self, row: dict[str, Any]) -> None:
        name = row["trajectory_id"]
        if name != self._now:
            self.close()
            self._now, self._hash = name, hashlib.sha256(same_goal(row["goal"]).encode())
            self.outcomes[name] = self._header.decode(row["trajectory"]).outcome.status
        image = row["image"] and row["image"]["sha256"]
        self._hash.update(f"{image} ".encode())
        if row["step"] is None:
            return
        decision = self._step.decode(row["step"])
        self._hash.update(msgspec.json.encode(decision.actions))
        if decision.text.thought:
            self.thoughts[decision.text.thought] += 1
        if image and len(decision.actions) == 1:
            self._compare(
                hashlib.sha256(f"{image} {same_goal(row['goal'])}".encode()).digest(), row, decision.actions[0]
            )

    def close(self) -> None:
        """Note the trajectory that ended."""
        if self._now is not None:
            first = self._first.setdefault(self._hash.digest(), self._now)
            if first != self._now:
                self.duplicates[self._now] = first
        self._now = None

    def _compare(self, place: bytes, row: dict[str, Any], action: Action) -> None:
        name, index = row["trajectory_id"], row["step_index"]
        for other, step, before in self._seen[place]:
            if other != name and differ(before, action):
                self.contradictions.setdefault((name, index), f"step {step} of {other!r}")
                self.contradictions.setdefault((other, step), f"step {index} of {name!r}")
        if len(self._seen[place]) < 8:  # enough to contradict
            self._seen[place].append((name, index, action))


def differ(one: Action, other: Action) -> bool:
    """Tell whether two actions are different decisions: other types, or taps far from each other."""
    if type(one) is not type(other):
        return True
    if isinstance(one, Click | LongPress) and isinstance(other, Click | LongPress):
        if one.point is None or other.point is None:
            return False
        return max(abs(one.point[0] - other.point[0]), abs(one.point[1] - other.point[1])) > NEAR
    return False


def _some(values: dict[str, str], wanted: frozenset[str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if key in wanted}
