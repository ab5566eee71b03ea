"""The recorded steps behind the samples of a shard."""

from collections.abc import Sequence

import msgspec

from pipeline.dataset import Dataset
from pipeline.tables import StepRow, step_from_row

COLUMNS = [*StepRow.__struct_fields__[:-1], "step"]


class Recordings:
    """The trajectories of a shard; rows that are no steps are told of, and their trajectory counts as unknown."""

    def __init__(self, dataset: Dataset, number: int) -> None:
        self._steps: dict[str, list[StepRow]] = {}
        self._keys: dict[str, list[int | None]] = {}
        self.broken: dict[str, str] = {}
        """By trajectory, what is wrong with its rows."""
        for index, row in enumerate(dataset.rows("steps", number, COLUMNS)):
            name, where = row["trajectory_id"], f"steps/{number:05d}.parquet[{index}]"
            try:
                step = step_from_row(row)
            except (msgspec.DecodeError, TypeError) as error:
                self.broken.setdefault(name, f"found {error} in {where}, expected a recorded step")
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

    def step(self, trajectory_id: str, index: int) -> StepRow | None:
        """Return one recorded step, None if the dataset has no such step."""
        steps = self.steps(trajectory_id)
        return steps[index] if index < len(steps) else None

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
