"""Write what `gdp validate` lets through, and refused rows with their reasons."""

from typing import Any

import msgspec
import pyarrow as pa
from msgspec.structs import replace

from pipeline.checks import Finding
from pipeline.checks.schema import refused as refused_by_schema
from pipeline.records import Sample
from pipeline.slicing.token_count import TokenCount
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Shard
from pipeline.storage.place import Place
from pipeline.storage.shards import ShardWriter, take_over
from pipeline.storage.tables import UNREADABLE, rejected_row, sample_row, to_json

from . import redact
from .redact import Names

Flags = dict[int, tuple[str, ...]]
"""By number of a row of `samples/` that is kept, the checks that warn of it."""


def refused_row(fingerprint: str, sample: Sample, where: str, wrong: list[tuple[str, Finding]]) -> dict[str, Any]:
    """Return the row of `rejected/` of a sample: its first error, and how many more there are; all of the schema's."""
    code, finding = wrong[0]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    message = _every([each for _, each in wrong]) if code == "schema" else finding.message + more
    return rejected_row("validate", fingerprint, "sample", code, f"{where} {finding.path}", message, sample=sample)


def unreadable_row(fingerprint: str, dataset: Dataset, number: int, index: int) -> tuple[dict[str, Any], list[Finding]]:
    """Return the row of `rejected/` of what no reader takes for a sample, and all that the schema finds in it."""
    (row,) = dataset.pick("samples", number, [index])
    document = row | {name: _loaded(row[name]) for name in ("turns", "target", "earlier_targets", "provenance")}
    found = refused_by_schema(document)
    where = f"samples/{number:05d}.parquet[{index}] {row['sample_id']} {found[0].path}"
    made = rejected_row("validate", fingerprint, "sample", "schema", where, _every(found),
                        trajectory_id=row["trajectory_id"], step_index=row["step_index"])  # fmt: skip
    return made | {"sample_id": row["sample_id"], "row": to_json(document)}, found


def _every(found: list[Finding]) -> str:
    """Return all findings, those after the first with their paths: one row is often wrong in several places."""
    first, *more = found
    return "; ".join([first.message, *(f"{each.path}: {each.message}" for each in more)])


def write(dataset: Dataset, out: Place, number: int, flags: Flags, refused: list[dict[str, Any]]) -> tuple[Shard, ...]:
    """Write a shard: the rows that are kept, with their flags and otherwise as they are."""
    with ShardWriter(out, number, ("samples", "rejected"), _metadata(dataset)) as writer:
        kept = dataset.table("samples", number, list(flags))
        column = kept.schema.get_field_index("flags")
        marked = pa.array(list(map(list, flags.values())), kept.schema.field(column).type)
        writer.write_table("samples", kept.set_column(column, kept.schema.field(column), marked))
        for row in (*dataset.rows("rejected", number), *refused):
            writer.write("rejected", row)
        shards = writer.commit()
    return shards + take_over(dataset, out, number, ("steps", "images"))


def write_redacted(
    dataset: Dataset,
    out: Place,
    number: int,
    flags: Flags,
    refused: list[dict[str, Any]],
    names: Names,
    count: TokenCount | None,
) -> tuple[Shard, ...]:
    """Write a shard without secrets: its samples, its recorded steps, its refused rows; screenshots as they are."""
    with ShardWriter(out, number, ("steps", "samples", "rejected"), _metadata(dataset)) as writer:
        for row in dataset.rows("steps", number):
            writer.write("steps", redact.step_row(row, names))
        for index, sample in enumerate(dataset.sample_rows(number)):
            if index in flags and isinstance(sample, Sample):
                kept = redact.sample(replace(sample, flags=flags[index]), dataset.manifest, names, count)
                writer.write("samples", sample_row(kept))
        for row in (*dataset.rows("rejected", number), *refused):
            writer.write("rejected", redact.rejected_row(row, names))
        shards = writer.commit()
    return shards + take_over(dataset, out, number, ("images",))


def _metadata(dataset: Dataset) -> dict[str, str]:
    return {"stage": "validate", "contract": to_json(dataset.manifest.contract)}


def _loaded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except UNREADABLE:
        return text
