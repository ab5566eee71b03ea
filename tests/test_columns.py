"""A Parquet file that is no table of ours is told of in one line, before its rows are read."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import build
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from pipeline.exceptions import InputError
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import MANIFEST
from pipeline.storage.tables import SCHEMAS

TABLES = ("samples", "steps", "images")
COLUMNS = [(table, field.name) for table in TABLES for field in SCHEMAS[table]]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A trajectory in one shard."""
    folder = tmp_path_factory.mktemp("columns")
    return build.sliced(build.corpus(folder / "in", 1), folder / "d")


def foreign(
    good: Dataset, out: Path, name: str, edit: Callable[[pa.Table], pa.Table], *, statistics: bool = True
) -> Dataset:
    """Return a copy of the dataset one of whose tables another program wrote."""
    shards = []
    for shard in good.manifest.shards:
        file, table = out / shard.name, pq.read_table(Path(good.path) / shard.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(edit(table) if shard.name.startswith(name) else table, file, write_statistics=statistics)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        shards.append(replace(shard, bytes=file.stat().st_size, sha256=digest))
    (out / MANIFEST).write_bytes(replace(good.manifest, shards=tuple(shards)).to_json())
    return Dataset.open(out)


def refusal(dataset: Dataset, table: str) -> str:
    """Return what is said of the table."""
    read = (lambda: dataset.sample_batches(0)) if table == "samples" else lambda: dataset.rows(table, 0)
    with pytest.raises(InputError) as told:
        list(read())
    assert told.value.where == f"{dataset.path}/{table}/00000.parquet"
    assert told.value.hint
    return told.value.message


def nullable(table: pa.Table) -> pa.Table:
    """Return the table with the types that programs write which know of no required columns."""
    return pa.Table.from_pylist(table.to_pylist(), pa.schema([field.with_nullable(True) for field in table.schema]))


@pytest.mark.parametrize(("table", "name"), COLUMNS)
def test_a_column_that_is_not_there(good: Dataset, tmp_path: Path, table: str, name: str) -> None:
    """Whichever it is."""
    dataset = foreign(good, tmp_path / "bad", table, lambda rows: rows.drop_columns([name]))
    assert refusal(dataset, table) == f"found no column {name}, expected those that this version writes"


@pytest.mark.parametrize(("table", "name"), COLUMNS)
def test_a_column_of_another_kind(good: Dataset, tmp_path: Path, table: str, name: str) -> None:
    """A truth value is nothing that we store."""

    def edit(rows: pa.Table) -> pa.Table:
        return rows.set_column(rows.column_names.index(name), name, pa.array([True] * rows.num_rows))

    dataset = foreign(good, tmp_path / "bad", table, edit)
    assert refusal(dataset, table).startswith(f"found bool in the column {name}, expected ")


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize(("table", "name"), COLUMNS)
def test_a_null(good: Dataset, tmp_path: Path, table: str, name: str, *, statistics: bool) -> None:
    """One row without what each must have; the file says so, or its values do; where none is needed it is read."""

    def edit(rows: pa.Table) -> pa.Table:
        values = [None, *rows[name].to_pylist()[1:]]
        kind = nullable(rows).schema.field(name)
        return nullable(rows).set_column(rows.column_names.index(name), kind, pa.array(values, kind.type))

    dataset = foreign(good, tmp_path / "bad", table, edit, statistics=statistics)
    if SCHEMAS[table].field(name).nullable:
        assert next(dataset.rows(table, 0))[name] is None
    else:
        assert refusal(dataset, table) == f"found a row without {name}, expected one in each"


@pytest.mark.parametrize("table", TABLES)
def test_the_same_in_other_types(good: Dataset, tmp_path: Path, table: str) -> None:
    """Wider numbers, larger texts, dictionaries, nothing required, another order: the rows are the same."""
    wide = {pa.int32(): pa.int64(), pa.string(): pa.dictionary(pa.int32(), pa.string()),
            pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}  # fmt: skip

    def edit(rows: pa.Table) -> pa.Table:
        fields = [pa.field(field.name, wide.get(field.type, field.type)) for field in reversed(rows.schema)]
        return nullable(rows).select([field.name for field in fields]).cast(pa.schema(fields))

    assert list(foreign(good, tmp_path / "theirs", table, edit).rows(table, 0)) == list(good.rows(table, 0))


def test_a_manifest_without_shards(good: Dataset, tmp_path: Path) -> None:
    """There is nothing to read, which is not the same as no sample."""
    (tmp_path / MANIFEST).write_bytes(replace(good.manifest, shards=()).to_json())
    with pytest.raises(InputError, match="found no shard named in it, expected those of a dataset"):
        Dataset.open(tmp_path)
