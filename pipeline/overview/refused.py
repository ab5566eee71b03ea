"""The refused rows, each with its reason, the screenshot that it is about, and where its action lands."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.exceptions import InputError
from pipeline.records import ImageRef, Sample
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import UNREADABLE, StepRow, step_from_row
from pipeline.view import marks
from pipeline.view.defect import defect


class Refused(Struct, frozen=True):
    """One refused row, as a page shows it."""

    stage: str
    scope: str
    code: str
    where: str
    message: str
    goal: str
    image: ImageRef | None
    """The screenshot of the decision, None where the row has none that is stored."""
    shapes: tuple[dict[str, Any], ...]
    """What is drawn on it, in fractions of it."""
    says: str
    """The trained response as it would have been."""


_row = msgspec.json.Decoder(Sample)


class Gallery:
    """Finds what refused rows are about."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._steps: dict[tuple[str, int], tuple[int, int]] | None = None
        self._samples: dict[str, tuple[int, int]] | None = None

    def rows(self, unwritten: tuple[dict[str, Any], ...] = ()) -> Iterator[Refused]:
        """Yield every refused row of the dataset, earlier stages' first; `unwritten` stand in no table."""
        for number in self.dataset.manifest.shard_numbers():
            yield from map(self._shown, self.dataset.rows("rejected", number))
        yield from map(self._shown, unwritten)

    def _shown(self, row: dict[str, Any]) -> Refused:
        fields = {name: row[name] for name in ("stage", "scope", "code", "where", "message")}
        sample = self._sample(row)
        if sample is not None:
            turn = sample.turns[-1] if sample.turns else None
            whole = defect(sample) is None
            image = sample.images[turn.image] if whole and turn and turn.image is not None else None
            actions = () if turn is None else turn.actions
            shapes = [shape for action in actions for shape in marks.shapes(action, sample.target.bbox)]
            texts = (part.text for message in sample.messages[-1:] for part in message.content if part.text)
            return Refused(**fields, goal=sample.goal, image=image, shapes=tuple(shapes), says="".join(texts))
        step = self._step(row["trajectory_id"], row["step_index"])
        if step is None:
            return Refused(**fields, goal="", image=None, shapes=(), says="")
        actions = () if step.facts is None else step.facts.actions
        drawn = tuple(shape for action in actions for shape in marks.shapes(action))
        return Refused(**fields, goal=step.goal, image=step.image, shapes=drawn, says="")

    def _sample(self, row: dict[str, Any]) -> Sample | None:
        """Return the refused sample; None where there was none, or where it is no sample at all."""
        try:
            if row["row"] is not None:
                return _row.decode(row["row"])
            if row["sample_id"] is None:
                return None
            if self._samples is None:
                self._samples = {
                    str(name): (shard, number)
                    for shard, table in self.dataset.tables("samples", ["sample_id"])
                    for number, name in enumerate(table.column(0).to_pylist())
                }
            place = self._samples.get(row["sample_id"])
            return None if place is None else self.dataset.sample(*place)
        except (*UNREADABLE, InputError):
            return None

    def _step(self, trajectory_id: str | None, index: int | None) -> StepRow | None:
        if trajectory_id is None or index is None:
            return None
        if self._steps is None:
            self._steps = {
                (str(name), int(step)): (shard, number)
                for shard, table in self.dataset.tables("steps", ["trajectory_id", "step_index"])
                for number, (name, step) in enumerate(zip(*(each.to_pylist() for each in table.columns), strict=True))
            }
        place = self._steps.get((trajectory_id, index))
        try:
            return None if place is None else step_from_row(self.dataset.pick("steps", place[0], [place[1]])[0])
        except UNREADABLE:
            return None

    def bytes(self, ref: ImageRef) -> bytes | None:
        """Return a stored screenshot, None where it cannot be read: that may be what the row was refused for."""
        try:
            return self.dataset.image(ref)
        except InputError:
            return None
