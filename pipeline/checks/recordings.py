"""The recorded steps behind the samples of a shard."""

from collections.abc import Iterator, Sequence
from typing import Any

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

from .vocabulary import may_quote

Tapped = tuple[tuple[Point, Sequence[Element]], ...]


class _Elements(Struct, gc=False):
    elements: tuple[Element, ...] = ()


_observation = msgspec.json.Decoder(_Elements)


class RecordedStep(Struct, gc=False):
    """A recorded step: the controls at its taps, found while it was read; all of its elements only if asked for.

    Nearly all decisions ask for no more than those, and the elements of a shard's steps do not fit a core's cache.
    """

    step_index: int
    image: ImageRef | None
    """None if it has no stored screenshot."""
    screenshot: Screenshot
    """As it was recorded."""
    facts: StepFacts | None
    """None for the observation after the last step."""
    tapped: Tapped
    """The points of its taps, and the controls there that nothing is known to cover."""
    _stored: "tuple[pa.Array[Any], int]"
    """The column that holds the observation, and where in it."""
    _elements: tuple[Element, ...] | None

    @classmethod
    def of(cls, row: StepRow, stored: "tuple[pa.Array[Any], int]") -> "RecordedStep":
        """Return the step of a row whose observation is stored there."""
        facts, elements = row.facts, row.observation.elements
        tapped = () if facts is None else tuple([
            (action.point, takers(elements, action.point))
            for action in facts.actions if isinstance(action, TAPS) and action.point is not None
        ])  # fmt: skip
        kept = elements if facts is not None and _asks_on(tapped, facts.text.thought or "") else None
        return cls(row.step_index, row.image, row.observation.image, facts, tapped, stored, kept)

    @property
    def elements(self) -> tuple[Element, ...]:
        """All recorded elements, always the same objects."""
        if self._elements is None:
            column, place = self._stored
            elements = self._elements = _observation.decode(column[place].as_py()).elements
            self.tapped = tuple([(point, takers(elements, point)) for point, _ in self.tapped])
        return self._elements

    def controls(self, point: Point) -> Sequence[Element]:
        """Return the controls there that nothing is known to cover; once `elements` were asked for, some of those."""
        for known, there in self.tapped:
            if known == point:
                return there
        return takers(self.elements, point)


def _asks_on(tapped: Tapped, thought: str) -> bool:
    """Tell whether checks are likely to go on to other elements than the one that is tapped.

    They do where it is not one, and where a thought quotes and the control is known by the text within it.
    """
    return any(len(there) != 1 or (not there[0].text and may_quote(thought)) for _, there in tapped)


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
    names, column = batch.column("trajectory_id").to_pylist(), batch.column("observation")
    for place, (name, row) in enumerate(zip(names, read_steps(batch), strict=True)):
        yield str(name), row if isinstance(row, Unreadable) else RecordedStep.of(row, (column, place))
