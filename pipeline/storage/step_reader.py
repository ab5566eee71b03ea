"""Rows of `steps/` as records, fast: column by column."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from pipeline.records import ImageRef, Observation

from .sample_reader import Unreadable
from .tables import UNREADABLE, StepFacts, StepRow

COLUMNS = [*StepRow.__struct_fields__[:-1], "step"]
_NONE = (None,) * len(ImageRef.__struct_fields__)
_observation = msgspec.json.Decoder(Observation)
_facts = msgspec.json.Decoder(StepFacts)


def read_steps(batch: "pa.RecordBatch") -> Iterator[StepRow | Unreadable]:
    """Yield the record of each row, in order; raises KeyError where a column is missing."""
    columns = [_refs(batch.column(name)) if name == "image" else batch.column(name).to_pylist() for name in COLUMNS]
    for name, index, split, goal, lang, scale, image, observation, step in zip(*columns, strict=True):
        try:
            seen, facts = _observation.decode(observation), None if step is None else _facts.decode(step)
            yield StepRow(name, index, split, goal, lang, scale, image, seen, facts)
        except UNREADABLE as error:
            yield Unreadable(error)


def _refs(column: Any) -> list[ImageRef | None]:
    """Return the screenshots, None where there is none."""
    values = zip(*(each.to_pylist() for each in column.flatten()), strict=True)
    return [None if each == _NONE else ImageRef(*each) for each in values]
