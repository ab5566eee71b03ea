"""Read the whole dataset once, narrow columns only, for what no single sample or shard shows."""

import hashlib
from collections import Counter, defaultdict
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from pipeline.actions import Action, Click, LongPress, kind
from pipeline.describe import same_goal
from pipeline.records import Outcome, StepText
from pipeline.storage.dataset import Dataset
from pipeline.validation.leaks import across

from .alike import Alike
from .facts import Facts, Tally
from .phrases import Phrases

NEAR = 0.05
"""Clicks nearer than this, in fractions of the screen, are the same decision."""
ENOUGH = 8
"""Decisions on one screen for one goal that are compared with each other."""


class _Row(NamedTuple):
    """What is read of a recorded step."""

    trajectory_id: str
    step_index: int
    split: str
    goal: str
    app: str | None
    image: dict[str, Any] | None
    step: str | None
    trajectory: str


class _Decision(Struct):
    actions: tuple[Action, ...]
    text: StepText = StepText()


class _Device(Struct):
    width: int | None = None
    height: int | None = None


class _Header(Struct):
    outcome: Outcome = Outcome(status="unknown")
    device: _Device | None = None


def gather(dataset: Dataset) -> Facts:
    """Return the facts of a dataset."""
    leaking, repeated = across(dataset)
    found = _Gatherer(dataset)
    for number in dataset.manifest.shard_numbers():
        for batch in dataset.batches("steps", number, list(_Row._fields)):
            for row in zip(*(batch.column(name).to_pylist() for name in _Row._fields), strict=True):
                found.add(_Row._make(row))
    found.close()
    return Facts(
        leaking=leaking,
        repeated=repeated,
        outcomes=found.outcomes,
        devices=found.devices,
        duplicates=found.duplicates,
        near_duplicates=found.alike.near_duplicates(found.duplicates),
        contradictions=found.contradictions,
        seen=found.alike.seen(),
        thoughts={thought: times for thought, times in found.thoughts.items() if times > 1},
        sentences=found.phrases.finish(dataset),
        tally=Tally(dict(found.actions), dict(found.apps), _origins(dataset)),
    )


def _origins(dataset: Dataset) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for _, table in dataset.tables("samples", ["origin"]):
        counts.update(map(str, table.column(0).to_pylist()))
    return dict(counts)


class _Gatherer:
    """Takes the recorded steps in order."""

    def __init__(self, dataset: Dataset) -> None:
        self.outcomes: dict[str, str] = {}
        self.devices: dict[str, tuple[int, int]] = {}
        self.duplicates: dict[str, str] = {}
        self.contradictions: dict[tuple[str, int], str] = {}
        self.thoughts: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.apps: Counter[str] = Counter()
        self.phrases = Phrases()
        self.alike = Alike(dataset)
        self._step = msgspec.json.Decoder(_Decision)
        self._header = msgspec.json.Decoder(_Header)
        self._first: dict[bytes, str] = {}
        self._seen: dict[bytes, list[tuple[str, int, Action]]] = defaultdict(list)
        self._now: str | None = None
        self._goal = ""
        self._told: list[bytes] = []
        """What the trajectory shows and does, step by step."""

    def add(self, row: _Row) -> None:
        name, image = row.trajectory_id, row.image
        if name != self._now:
            self._open(row)
        if row.app:
            self.apps[row.app] += 1
        digest = image and image["sha256"]
        self._told.append(f"{digest} ".encode())
        if row.step is None:
            return
        try:
            decision = self._step.decode(row.step)
        except msgspec.DecodeError:
            return  # the check of the recorded steps says so
        self._told.append(msgspec.json.encode(decision.actions))
        if decision.actions:
            self.actions[kind(decision.actions[0])] += 1
        if decision.text.thought:
            self.thoughts[decision.text.thought] += 1
            self.phrases.add(decision.text.thought)
        self.alike.add(name, row.step_index, row.split, self._goal, image, decision.actions)
        if digest and len(decision.actions) == 1:
            place = hashlib.sha256(f"{digest} {self._goal}".encode()).digest()  # all are kept: short ones
            self._compare(place, name, row.step_index, decision.actions[0])

    def close(self) -> None:
        """Note the trajectory that ended."""
        if self._now is not None:
            whole = hashlib.sha256(b"".join([self._goal.encode(), *self._told])).digest()
            first = self._first.setdefault(whole, self._now)
            if first != self._now:
                self.duplicates[self._now] = first
        self._now = None

    def _open(self, row: _Row) -> None:
        self.close()
        self._now, self._goal = row.trajectory_id, same_goal(row.goal)
        self._told = []
        try:
            header = self._header.decode(row.trajectory)
        except msgspec.DecodeError:
            header = _Header()  # the check of the recorded steps says so
        self.outcomes[row.trajectory_id] = header.outcome.status
        device = header.device
        if device is not None and device.width and device.height:
            self.devices[row.trajectory_id] = (device.width, device.height)

    def _compare(self, place: bytes, name: str, index: int, action: Action) -> None:
        for other, step, before in self._seen[place]:
            if other != name and differ(before, action):
                self.contradictions.setdefault((name, index), f"step {step} of {other!r}")
                self.contradictions.setdefault((other, step), f"step {index} of {name!r}")
        if len(self._seen[place]) < ENOUGH:
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
