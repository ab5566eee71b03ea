"""Read the whole dataset once, narrow columns only, for what no single sample or shard shows."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import compress, groupby
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.actions import TAPS, Action, Point, kind
from pipeline.describe import same_goal
from pipeline.records import Outcome, StepText
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import UNREADABLE
from pipeline.validation.leaks import across

from .alike import Alike
from .facts import Facts, Tally
from .phrases import habits

NEAR = 0.05
"""Clicks nearer than this, in fractions of the screen, are the same decision."""
ENOUGH = 8
"""Decisions on one screen for one goal that are compared with each other."""

_SAMPLES = ["sample_id", "trajectory_id", "split", "goal", "origin"]
_STEPS = [
    "trajectory_id", "step_index", "split", "goal", "app", "image.sha256", "image.shard", "image.row", "step",
    "trajectory",
]  # fmt: skip
_Row = tuple[str, int, str, str, str | None, str | None, int | None, int | None, str | None, str]

_Choice = tuple[type[Action], Point | None]
_Made = tuple[str, int, _Choice]
"""A choice, and trajectory and step that made it."""


class _Decision(Struct):
    actions: tuple[Action, ...]
    text: StepText = StepText()


class _Turn(Struct):
    thought: str | None = None


class _Device(Struct):
    width: int | None = None
    height: int | None = None


class _Header(Struct):
    outcome: Outcome = Outcome(status="unknown")
    device: _Device | None = None


def gather(dataset: Dataset) -> Facts:
    """Return the facts of a dataset."""
    samples, steps = _Samples(dataset), _Steps(dataset)
    return Facts(
        members=samples.members,
        leaking=across(dataset, samples.sides, samples.goals),
        repeated=frozenset(name for name, times in samples.ids.items() if times > 1),
        outcomes=steps.outcomes,
        devices=steps.devices,
        duplicates=steps.duplicates,
        near_duplicates=steps.alike.near_duplicates(steps.duplicates),
        contradictions=dict(steps.contradictions),
        seen=steps.alike.seen(),
        thoughts={thought: times for thought, times in steps.thoughts.items() if times > 1},
        sentences=habits(steps.thoughts, samples.thoughts),
        tally=Tally(dict(steps.actions), dict(steps.apps), dict(samples.origins)),
    )


class _Samples:
    """What the samples show."""

    def __init__(self, dataset: Dataset) -> None:
        self.ids: Counter[str] = Counter()
        self.members: dict[int, frozenset[str]] = {}
        self.sides: set[tuple[str, str]] = set()
        self.goals: dict[str, str] = {}
        self.origins: Counter[str] = Counter()
        self.thoughts: Counter[str] = Counter()
        """Those of the corrections; the recorded steps have the others."""
        self._turns = msgspec.json.Decoder(list[_Turn])
        for number, table in dataset.tables("samples", _SAMPLES):
            columns: list[list[Any]] = [table.column(name).to_pylist() for name in _SAMPLES]
            ids, names, splits, goals, origins = columns
            self.ids.update(ids)
            self.members[number] = frozenset(map(str, names))
            self.sides.update(zip(names, splits, strict=True))
            self.goals.update(zip(names, goals, strict=True))
            self.origins.update(map(str, origins))
            made = [origin == "error_correction" for origin in origins]
            if any(made):
                self.thoughts.update(self._thoughts(dataset, number, made))

    def _thoughts(self, dataset: Dataset, number: int, wanted: list[bool]) -> Iterator[str]:
        """Yield the thoughts of the wanted samples of a shard."""
        for row in compress(dataset.rows("samples", number, ["turns"]), wanted):
            try:
                thought = self._turns.decode(row["turns"] or "")[-1].thought
            except (*UNREADABLE, IndexError):
                continue  # the check of the schema says so
            if thought:
                yield thought


class _Steps:
    """What the recorded steps show, trajectory by trajectory."""

    def __init__(self, dataset: Dataset) -> None:
        self.outcomes: dict[str, str] = {}
        self.devices: dict[str, tuple[int, int]] = {}
        self.duplicates: dict[str, str] = {}
        self.contradictions: dict[str, dict[int, str]] = defaultdict(dict)
        self.thoughts: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.apps: Counter[str] = Counter()
        self.alike = Alike(dataset)
        self._step = msgspec.json.Decoder(_Decision)
        self._header = msgspec.json.Decoder(_Header)
        self._first: dict[bytes, str] = {}
        self._seen: dict[str, dict[str, list[_Made]]] = defaultdict(dict)
        """By goal and screenshot, what was done."""
        for name, rows in groupby(_steps(dataset), itemgetter(0)):
            self._add(name, list(rows))

    def _add(self, name: str, rows: list[_Row]) -> None:
        goal, header = same_goal(rows[0][3]), rows[0][-1]
        self._open(name, header)
        told: list[object] = [goal]
        seen = self._seen[goal]
        for _, index, split, _, app, digest, shard, row, step, _ in rows:
            if app:
                self.apps[app] += 1
            told.append(digest)
            if step is None:
                continue
            try:
                decision = self._step.decode(step)
            except UNREADABLE:
                continue  # the check of the recorded steps says so
            actions, thought = decision.actions, decision.text.thought
            told.append(actions)
            if actions:
                self.actions[kind(actions[0])] += 1
            if thought:
                self.thoughts[thought] += 1
            self.alike.add(name, index, split, goal, shard, row, actions)
            if digest and len(actions) == 1:
                self._compare(seen.setdefault(digest, []), name, index, _choice(actions[0]))
        first = self._first.setdefault(hashlib.sha256(msgspec.json.encode(told)).digest(), name)
        if first != name:
            self.duplicates[name] = first

    def _open(self, name: str, trajectory: str) -> None:
        try:
            header = self._header.decode(trajectory)
        except UNREADABLE:
            header = _Header()  # the check of the recorded steps says so
        self.outcomes[name] = header.outcome.status
        device = header.device
        if device is not None and device.width and device.height:
            self.devices[name] = (device.width, device.height)

    def _compare(self, known: list[_Made], name: str, index: int, choice: _Choice) -> None:
        for other, step, before in known:
            if other != name and _differ(before, choice):
                self.contradictions[name].setdefault(index, f"step {step} of {other!r}")
                self.contradictions[other].setdefault(step, f"step {index} of {name!r}")
        if len(known) < ENOUGH:
            known.append((name, index, choice))


def _steps(dataset: Dataset) -> Iterator[_Row]:
    """Yield the recorded steps in order."""
    for _, table in dataset.tables("steps", _STEPS):
        flat = table.flatten()
        yield from zip(*(flat.column(name).to_pylist() for name in _STEPS), strict=True)


def _choice(action: Action) -> _Choice:
    """Return the action's type and, of a tap, its point: not the whole action, as those of all steps are kept."""
    return type(action), action.point if isinstance(action, TAPS) else None


def _differ(one: _Choice, other: _Choice) -> bool:
    """Tell whether two choices are different decisions: other types, or taps far from each other."""
    (a_type, a), (b_type, b) = one, other
    if a_type is not b_type or a is None or b is None:
        return a_type is not b_type
    return max(abs(a[0] - b[0]), abs(a[1] - b[1])) > NEAR
