"""What a check is: a name, how much it matters, and a function from a sample to its findings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Literal

from msgspec import Struct

from pipeline.dataset import Dataset
from pipeline.layouts import Layout
from pipeline.manifest import Manifest
from pipeline.records import ImageRef, Sample
from pipeline.tables import StepRow

from .facts import Facts
from .thresholds import Thresholds

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""A row with an error is rejected, one with a warning is kept and flagged, an info is only counted."""


class Finding(Struct, frozen=True):
    """Something wrong with a sample: a JSON path into it, and what was found and expected."""

    path: str
    message: str


@dataclass
class Context:
    """What checks may look at beside the sample."""

    dataset: Dataset
    layout: Layout
    number: int
    """Of the shard that is checked."""
    facts: Facts
    """What only the whole dataset shows."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    pixels: bool = True
    """Whether screenshots are decoded."""
    pictures: dict[ImageRef, str | None] = field(default_factory=dict)
    """What was found wrong with a screenshot as a sample refers to it; filled as they are looked at."""

    @property
    def manifest(self) -> Manifest:
        """The dataset's manifest."""
        return self.dataset.manifest

    @property
    def leaking(self) -> dict[str, str]:
        """By trajectory, what of it stands on both sides of the split."""
        return self.facts.leaking

    @property
    def repeated(self) -> frozenset[str]:
        """Sample ids that occur more than once."""
        return self.facts.repeated

    def steps(self, trajectory_id: str) -> Sequence[StepRow]:
        """Return a trajectory's recorded steps in order, its final observation last if it has one."""
        return self._steps.get(trajectory_id, ())

    def step(self, trajectory_id: str, index: int) -> StepRow | None:
        """Return one recorded step, None if the dataset has no such step."""
        steps = self.steps(trajectory_id)
        return steps[index] if index < len(steps) else None

    def outcome(self, trajectory_id: str) -> str | None:
        """Return how the recording says that it ended."""
        return self.facts.outcomes.get(trajectory_id)

    @cached_property
    def _steps(self) -> dict[str, tuple[StepRow, ...]]:
        rows = self.dataset.steps(self.number)
        return {name: tuple(group) for name, group in groupby(rows, key=lambda row: row.trajectory_id)}


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong with a sample."""

    severity: Severity
    """Unless the user decides otherwise."""
    meaning: str
    find: Callable[[Sample, Context], Iterator[Finding]]
