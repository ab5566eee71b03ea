"""The recorded steps behind the samples of a shard."""

from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa
from msgspec import Struct

from pipeline.actions import TAPS, Point
from pipeline.records import Element, ImageRef, Screenshot
from pipeline.screens.screen import takers
from pipeline.storage.dataset import Dataset
from pipeline.storage.sample_reader import Unreadable
from pipeline.storage.step_reader import COLUMNS, read_steps
from pipeline.storage.tables import StepFacts, StepRow


class _Seen(Struct, gc=False):
    elements: tuple[Element, ...] = ()


_seen = msgspec.json.Decoder(_Seen)


class RecordedStep(Struct, gc=False):
    """A recorded step without its elements, which would take most of the memory, and of the time to go through it.

    They are looked at once, while they are read: for the controls at its taps, which is what nearly all decisions ask.
    """

    step_index: int
    image: ImageRef | None
    """None if it has no stored screenshot."""
    screenshot: Screenshot
    """As it was recorded."""
    facts: StepFacts | None
    """None for the observation after the last step."""
    tapped: tuple[tuple[Point, Sequence[Element]], ...]
    """The points of its taps, and the controls there that nothing is known to cover."""
    _seen: "tuple[Element, ...] | pa.StringScalar"
    """The elements, or the observation as it is stored."""

    @classmethod
    def of(cls, row: StepRow, observation: "pa.StringScalar") -> "RecordedStep":
        """Return the step of a row, whose observation is stored so."""
        facts, elements = row.facts, row.observation.elements
        points = [each.point for each in facts.actions if isinstance(each, TAPS)] if facts is not None else ()
        tapped = tuple([(point, takers(elements, point)) for point in points if point is not None])
        doubtful = any(len(there) != 1 for _, there in tapped)  # then checks go through all elements
        seen = elements if doubtful else observation
        return cls(row.step_index, row.image, row.observation.image, facts, tapped, seen)

    @property
    def elements(self) -> tuple[Element, ...]:
        """All recorded elements, always the same objects."""
        if not isinstance(self._seen, tuple):
            self._seen = _seen.decode(self._seen.as_py() or "").elements
        return self._seen

    def takers(self, point: Point) -> Sequence[Element]:
        """Return the controls at the point that nothing is known to cover; equal to some of the `elements`."""
        for known, there in self.tapped:
            if known == point:
                return there
        return takers(self.elements, point)


class Recordings:
    """The trajectories of a shard; rows that are no steps are told of, and their trajectory counts as unknown."""

    def __init__(self, dataset: Dataset, number: int) -> None:
        self._steps: dict[str, list[RecordedStep]] = {}
        self._keys: dict[str, list[int | None]] = {}
        self.broken: dict[str, str] = {}
        """By trajectory, what is wrong with its rows."""
        rows = (row for batch in dataset.batches("steps", number, COLUMNS) for row in _named(batch))
        for index, (name, step) in enumerate(rows):
            where = f"steps/{number:05d}.parquet[{index}]"
            if isinstance(step, Unreadable):
                self.broken.setdefault(name, f"found {step.error} in {where}, expected a recorded step")
                continue
            steps = self._steps.setdefault(name, [])
            if step.step_index != len(steps):
                said = f"found step {step.step_index} in {where}, expected step {len(steps)} of the recording"
                self.broken.setdefault(name, said)
            steps.append(step)
        for name in self.broken:
            self._steps.pop(name, None)

    def steps(self, trajectory_id: str) -> Sequence[RecordedStep]:
        """Return a trajectory's steps in order, its final observation last if it has one."""
        return self._steps.get(trajectory_id, ())

    def keys(self, trajectory_id: str) -> Sequence[int | None]:
        """Return numbers that are equal for steps with the same stored screen and action; None where not known."""
        keys = self._keys.get(trajectory_id)
        if keys is None:
            numbers: dict[object, int] = {}
            keys = self._keys[trajectory_id] = [
                None if step.image is None or step.facts is None
                else numbers.setdefault((step.image.sha256, step.facts.actions), len(numbers))
                for step in self.steps(trajectory_id)
            ]  # fmt: skip
        return keys


def _named(batch: "pa.RecordBatch") -> Iterator[tuple[str, RecordedStep | Unreadable]]:
    """Yield the rows with the trajectories that they are of."""
    names = batch.column("trajectory_id").to_pylist()
    for name, observation, row in zip(names, batch.column("observation"), read_steps(batch), strict=True):
        yield str(name), row if isinstance(row, Unreadable) else RecordedStep.of(row, observation)
