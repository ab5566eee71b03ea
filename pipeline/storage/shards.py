"""Write the shards of a dataset: rows to Parquet files that get their names only when they are complete.

Image row groups are small, so that fetching one screenshot never reads much more; their bytes are not compressed again,
and an Arrow batch holds at most one row group, so no 32-bit offset can overflow however large screenshots are. Pages
carry checksums, which `pipeline.storage.dataset` verifies.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from .dataset import Dataset
from .faults import reach
from .manifest import Flow, Shard
from .place import Place
from .tables import FEATURES, PAIRS, PICTURES, SCHEMAS, Row, to_table

ROW_GROUP_ROWS = 16
ROW_GROUP_BYTES = 16 << 20
"""Image row groups are flushed at whichever comes first."""
TEXT_ROW_GROUP_ROWS = 1024
EXAMPLES = 5
"""How many examples of one thing a manifest lists."""


class ShardResult(Struct, frozen=True):
    """What one shard came to; the journal's unit."""

    number: int
    shards: tuple[Shard, ...]
    counts: dict[str, Flow]
    rejected: dict[str, int]
    splits: dict[str, int]
    details: dict[str, Any] = {}
    """Further counts that the stage reports."""
    refused: tuple[Row, ...] = ()
    """Refused rows, where they are written nowhere."""


def _codec(column: str) -> Literal["none", "zstd"]:
    return "none" if column == "bytes" else "zstd"  # screenshots are compressed already


class TableWriter:
    """Write rows to one Parquet file under a temporary name; `commit` makes it visible."""

    def __init__(self, out: Place, name: str, number: int, metadata: dict[str, str]) -> None:
        self.name = f"{name}/{number:05d}.parquet"
        self._table = name
        self._out = out
        self._scratch = out.scratch(self.name)
        entries = {f"gdp.{key}": value for key, value in metadata.items()}
        if SCHEMAS[name] is PAIRS:
            entries["huggingface"] = json.dumps({"info": {"features": FEATURES}})
        schema = SCHEMAS[name].with_metadata(entries)
        self._writer = pq.ParquetWriter(
            self._scratch,
            schema,
            compression="none" if SCHEMAS[name] is PAIRS else {field.name: _codec(field.name) for field in schema},
            use_dictionary=name not in PICTURES,
            write_page_checksum=True,
            write_page_index=True,
            # Not of pictures: nobody asks which lies between two others, and comparing them costs.
            write_statistics=[field.name for field in schema if field.name not in {"bytes", "images"}],
            store_schema=True,
        )
        reach(f"{name}.opened")
        self._schema = schema
        self._pending: list[Row] = []
        self._pending_bytes = 0
        self.rows = 0

    def write(self, row: Row) -> int:
        """Add a row and return its number in the file."""
        self._pending.append(row)
        limit = TEXT_ROW_GROUP_ROWS
        if self._table in PICTURES:
            limit = ROW_GROUP_ROWS
            self._pending_bytes += sum(len(each["bytes"]) for each in row.get("images", (row,)))
        if len(self._pending) >= limit or self._pending_bytes >= ROW_GROUP_BYTES:
            self._flush()
        self.rows += 1
        return self.rows - 1

    def write_table(self, table: "pa.Table") -> None:
        """Add all rows of a table."""
        self._flush()
        rows = table.replace_schema_metadata(self._schema.metadata).combine_chunks()
        self._writer.write_table(rows, row_group_size=TEXT_ROW_GROUP_ROWS)
        self.rows += table.num_rows

    def commit(self) -> Shard:
        """Finish the file and give it its name; return the entry for the manifest."""
        self._flush()
        self._writer.close()
        shard = Shard(self.name, self.rows, self._scratch.stat().st_size, _sha256(self._scratch))
        self._out.commit(self._scratch, self.name, self._table)
        return shard

    def discard(self) -> None:
        """Remove whatever was written."""
        with contextlib.suppress(Exception):
            self._writer.close()
        self._scratch.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._pending:
            table: pa.Table = to_table(self._table, self._pending)
            self._writer.write_table(table.replace_schema_metadata(self._schema.metadata))
        self._pending, self._pending_bytes = [], 0


class ShardWriter:
    """The tables of one shard, committed together; leaving the block early leaves no file."""

    def __init__(self, out: Place, number: int, tables: Iterable[str], metadata: dict[str, str]) -> None:
        self.number = number
        self._tables = {name: TableWriter(out, name, number, metadata) for name in tables}

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._tables.values():
            writer.discard()

    def write(self, table: str, row: Row) -> int:
        """Add a row to a table and return its number there."""
        return self._tables[table].write(row)

    def write_table(self, table: str, rows: "pa.Table") -> None:
        """Add all rows of a table that was read."""
        self._tables[table].write_table(rows)

    def commit(self) -> tuple[Shard, ...]:
        """Make all tables visible, in the order in which they were named."""
        committed = tuple(writer.commit() for writer in self._tables.values())
        self._tables = {}
        return committed


def take_over(dataset: Dataset, out: Place, number: int, tables: Iterable[str]) -> tuple[Shard, ...]:
    """Take a shard's tables over from another dataset unchanged, without copying where the file system can link."""
    taken = [shard for table in tables if (shard := dataset.shard(table, number)) is not None]
    for shard in taken:
        dataset.verify(shard)
        out.take_over(dataset.place, shard.name, shard.name.split("/")[0])
    return tuple(taken)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
