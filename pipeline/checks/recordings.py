"""The recorded steps behind the samples of a shard."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.storage.dataset import Dataset
from pipeline.storage.sample_reader import Unreadable
from pipeline.storage.step_reader import COLUMNS, read_steps
from pipeline.storage.tables import StepRow


class Recordings:
    """The trajectories of a shard; rows that are no steps are told of, and their trajectory counts as unknown."""

    def __init__(self, dataset: Dataset, number: int) -> None:
        self._steps: dict[str, list[StepRow]] = {}
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

    def steps(self, trajectory_id: str) -> Sequence[StepRow]:
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


def _named(batch: "pa.RecordBatch") -> Iterator[tuple[str, StepRow | Unreadable]]:
    """Return the rows with the trajectories that they are of."""
    return zip(map(str, batch.column("trajectory_id").to_pylist()), read_steps(batch), strict=True)
