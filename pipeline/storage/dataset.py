"""Read a dataset: through its manifest only, page checksums verified, screenshots by (shard, row) in any order."""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.exceptions import InputError
from pipeline.records import ImageRef, Sample, Split
from pipeline.screens.fingerprint import Fingerprint

from .columns import DAMAGED_HINT, check_columns
from .manifest import MANIFEST, Manifest, Shard
from .place import Place, Where
from .sample_reader import CODED, SampleReader, Unreadable
from .tables import SCHEMAS, UNREADABLE, Row, StepRow, sample_from_row, step_from_row

if TYPE_CHECKING:
    import polars as pl

CACHED_ROW_GROUPS = 4
"""About 64 MB of screenshots at most."""
OPEN_FILES = 64
THREADS = False
"""Whether columns are decoded in threads, which cost more than they gain where each core has a worker."""


@lru_cache(maxsize=2)
def _manifest(data: bytes) -> Manifest:
    """Return the manifest, decoded once: a worker opens its dataset for each task, and the file grows with the shards.

    All that open it share the object.
    """
    return msgspec.json.decode(data, type=Manifest)


class Dataset:
    """A dataset on disk; picklable, so every worker process opens its own files."""

    def __init__(self, place: Place, manifest: Manifest) -> None:
        self.place = place
        self.manifest = manifest
        self._shards = {shard.name: shard for shard in manifest.shards}
        self._process = os.getpid()
        self._files: OrderedDict[tuple[str, tuple[str, ...]], pq.ParquetFile] = OrderedDict()
        self._groups: OrderedDict[tuple[str, int], pa.ChunkedArray[Any]] = OrderedDict()

    @classmethod
    def open(cls, where: Where, *, pairs: bool = False) -> "Dataset":
        """Open the dataset in a folder or URL; raises InputError if there is none or its manifest is broken.

        Preference pairs are a dataset that no stage reads: only `pairs` opens one.
        """
        place = Place.of(where)
        try:
            data = place.read(MANIFEST)
        except NotADirectoryError:
            raise InputError(str(place), "found a file, expected a dataset folder") from None
        except FileNotFoundError:
            if not place.exists():
                hint = "gdp slice TRAJECTORIES -o OUT makes one"
                raise InputError(str(place), "found nothing there, expected a dataset folder", hint) from None
            hint = "run the stage that writes it to its end; of trajectories, gdp slice makes one"
            raise InputError(str(place), f"found no {MANIFEST}, expected a dataset", hint) from None
        except OSError as error:
            raise InputError(str(place), f"cannot read it ({error}), expected a dataset") from error
        try:
            manifest = _manifest(data)
        except UNREADABLE as error:
            where_ = f"{place}/{MANIFEST}"
            raise InputError(where_, f"found {error}, expected a manifest", "run the stage again") from error
        if not manifest.shards:
            where_ = f"{place}/{MANIFEST}"
            raise InputError(where_, "found no shard named in it, expected those of a dataset", DAMAGED_HINT)
        if manifest.stage == "pairs" and not pairs:
            hint = "DPO trainers read them; stages read the dataset that they were made beside"
            raise InputError(str(place), "found preference pairs, expected samples", hint)
        return cls(place, manifest)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Dataset, (self.place, self.manifest))

    @property
    def path(self) -> str:
        """The folder or URL, as it was given."""
        return str(self.place)

    def shard(self, table: str, number: int) -> Shard | None:
        """Return the manifest's entry of a shard, None if the table has no such shard."""
        return self._shards.get(f"{table}/{number:05d}.parquet")

    def verify(self, shard: Shard) -> None:
        """Raise InputError unless the file is, byte for byte, the one that the manifest names."""
        where = f"{self.path}/{shard.name}"
        with _Explained(where):
            size = self.place.size(shard.name)
            if size is not None and size != shard.bytes:
                raise InputError(where, f"found {size} bytes, expected {shard.bytes}: it is damaged", DAMAGED_HINT)
            with self.place.open(shard.name) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != shard.sha256:
            message = f"found sha256 {digest[:12]}…, expected {shard.sha256[:12]}…: it is damaged"
            raise InputError(where, message, DAMAGED_HINT)

    def rows(self, table: str, number: int, columns: list[str] | None = None) -> Iterator[Row]:
        """Yield the rows of one shard of a table; nothing if the table has no such shard."""
        for batch in self.batches(table, number, columns):
            yield from batch.to_pylist()

    def batches(
        self, table: str, number: int, columns: list[str] | None = None, coded: tuple[str, ...] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one shard of a table in Arrow's form; nothing if the table has no such shard.

        Columns that are `coded`, by their path in the file, come as numbers of texts, each text once.
        """
        shard = self.shard(table, number)
        if shard is None:
            return
        with self._explained(shard.name):
            file = self._open(shard.name, coded)
            for group in range(file.num_row_groups):  # one by one: numbers of texts are those of a row group
                yield from file.iter_batches(256, row_groups=[group], columns=columns, use_threads=THREADS)

    def table(self, table: str, number: int, rows: Sequence[int] | None = None) -> "pa.Table":
        """Return one shard of a table, or the named rows of it; empty if the table has no such shard.

        Columns come in our order and types, whatever other program wrote them; raises InputError where they cannot.
        """
        shard, schema = self.shard(table, number), SCHEMAS[table]
        if shard is None:
            return schema.empty_table()
        where = f"{self.path}/{shard.name}"
        with self._explained(shard.name):
            found = self._open(shard.name).read()
        if other := sorted(set(schema.names) ^ set(found.column_names)):
            message = f"found other columns than this version writes ({', '.join(other)}), expected the same"
            raise InputError(where, message, DAMAGED_HINT)
        if rows is not None:
            found = found.take(pa.array(rows, pa.int64()))
        try:
            return found.select(schema.names).cast(schema).replace_schema_metadata(None)
        except (pa.ArrowException, ValueError) as error:  # ValueError: a null where none may be
            reason = str(error).splitlines()[0][:120]
            message = f"found columns of other types than this version writes ({reason}), expected the same"
            raise InputError(where, message, DAMAGED_HINT) from error

    def frame(self, table: str, columns: list[str]) -> "pl.DataFrame":
        """Return columns of a whole table, every shard of it; for questions that no single shard answers."""
        import polars as pl

        parts = [pl.DataFrame(part) for _, part in self.tables(table, columns)]
        return pl.concat(parts) if parts else pl.DataFrame(SCHEMAS[table].empty_table().select(columns))

    def tables(self, table: str, columns: list[str]) -> Iterator[tuple[int, pa.Table]]:
        """Yield, shard by shard, its number and columns of it."""
        for number in self.manifest.shard_numbers():
            shard = self.shard(table, number)
            if shard is not None:
                with self._explained(shard.name):
                    part = self._open(shard.name).read(columns=columns, use_threads=THREADS)
                yield number, part

    def pick(self, table: str, number: int, rows: Sequence[int], columns: list[str] | None = None) -> list[Row]:
        """Return some rows of a shard in the order asked for; only the row groups that hold them are read."""
        name = f"{table}/{number:05d}.parquet"
        found: dict[int, Row] = {}
        with self._explained(name):
            file, start = self._open(name), 0
            for group in range(file.metadata.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                wanted = [row for row in rows if start <= row < end]
                if wanted:
                    part = file.read_row_group(group, columns=columns)
                    found.update({row: part.slice(row - start, 1).to_pylist()[0] for row in wanted})
                start = end
            if missing := [row for row in rows if row not in found]:
                raise IndexError(f"no row {missing[0]}, {start} rows")
        return [found[row] for row in rows]

    def sample(self, number: int, row: int) -> Sample:
        """Return the sample in a row of a shard; raises InputError where it is none."""
        where = f"{self.path}/samples/{number:05d}.parquet[{row}]"
        try:
            return sample_from_row(self.pick("samples", number, [row])[0])
        except UNREADABLE as error:
            hint = f"gdp validate {self.path} finds every such row; with -o it writes the others"
            raise InputError(where, f"found {error}, expected a sample", hint) from error

    def samples(self, split: Split | None = None) -> Iterator[Sample]:
        """Yield the samples of a split, or all, in the order of the shards."""
        for number in self.manifest.shard_numbers():
            for sample in self.shard_samples(number):
                if split is None or sample.split == split:
                    yield sample

    def shard_samples(self, number: int) -> Iterator[Sample]:
        """Yield the samples of one shard."""
        for index, sample in enumerate(self.sample_rows(number)):
            if isinstance(sample, Unreadable):
                where = f"{self.path}/samples/{number:05d}.parquet[{index}]"
                raise InputError(where, f"found {sample.error}, expected a sample") from sample.error
            yield sample

    def sample_rows(self, number: int) -> Iterator[Sample | Unreadable]:
        """Yield the samples of one shard, and what stands in the place of rows that are none."""
        for rows in self.sample_batches(number):
            yield from rows

    def sample_batches(self, number: int) -> Iterator[list[Sample | Unreadable]]:
        """Yield them some at a time."""
        reader = SampleReader()
        for batch in self.batches("samples", number, coded=CODED):
            yield list(reader.read(batch))

    def steps(self, number: int, wanted: Container[str] | None = None) -> Iterator[StepRow]:
        """Yield the recorded steps of one shard, or only those of the wanted trajectories; raises InputError."""
        for index, row in enumerate(self.rows("steps", number)):
            if wanted is None or row["trajectory_id"] in wanted:
                try:
                    yield step_from_row(row)
                except UNREADABLE as error:
                    raise self.no_step(number, index, row, error) from error

    def no_step(self, number: int, index: int, row: Row, error: Exception) -> InputError:
        """Return the error of a row of `steps/` that is none; `error` is what reading it raised."""
        where = f"{self.path}/steps/{number:05d}.parquet[{index}] {row['trajectory_id']}"
        hint = "gdp validate tells which samples it spoils; the stage that wrote it makes it anew, with --fresh"
        return InputError(where, f"found {error}, expected a recorded step", hint)

    def fingerprints(self, number: int) -> tuple[Fingerprint, ...]:
        """Return the fingerprints of a shard's screenshots, by row; their bytes are not read."""
        return tuple(Fingerprint(**row) for row in self.rows("images", number, list(Fingerprint.__struct_fields__)))

    def image(self, ref: ImageRef) -> bytes:
        """Return the encoded bytes of a stored screenshot; raises InputError if the shard is missing or damaged."""
        name = f"images/{ref.shard:05d}.parquet"
        with self._explained(f"{name}[{ref.row}]"):
            file = self._open(name)
            row, group = ref.row, 0
            while row >= (rows := file.metadata.row_group(group).num_rows):
                row -= rows
                group += 1
            value: bytes = self._group(name, group)[row].as_py()
            return value

    def _group(self, name: str, group: int) -> "pa.ChunkedArray[Any]":
        key = (name, group)
        if key not in self._groups:
            self._groups[key] = self._open(name).read_row_group(group, columns=["bytes"]).column(0)
            if len(self._groups) > CACHED_ROW_GROUPS:
                self._groups.popitem(last=False)
        self._groups.move_to_end(key)
        return self._groups[key]

    def _open(self, name: str, coded: tuple[str, ...] = ()) -> pq.ParquetFile:
        if self._process != os.getpid():  # forked: the parent's open files are not ours to use
            self._process = os.getpid()
            self._files.clear()
        if (name, coded) not in self._files:
            shard = self._shards.get(name)
            if shard is None:
                raise InputError(f"{self.path}/{name}", "found a shard that the manifest does not name, expected none")
            if not name.startswith("images/"):  # small; of screenshots every page and every picture has its own hash
                self.verify(shard)
            self._files[name, coded] = self._file(name, coded)
            if len(self._files) > OPEN_FILES:
                self._files.popitem(last=False)
        self._files.move_to_end((name, coded))
        return self._files[name, coded]

    def _file(self, name: str, coded: tuple[str, ...]) -> pq.ParquetFile:
        try:
            file = pq.ParquetFile(
                self.place.open(name),
                read_dictionary=list(coded),
                page_checksum_verification=True,
                pre_buffer=self.place.local is None,  # fewer requests; of a local file it is a copy for nothing
            )
        except KeyError:  # a column that should be coded is not there, or of another kind
            file = pq.ParquetFile(self.place.open(name))
        check_columns(file, name.split("/")[0], f"{self.path}/{name}")
        return file

    def _explained(self, what: str) -> "_Explained":
        return _Explained(f"{self.path}/{what}")


class _Explained:
    """Turn what pyarrow and the file system raise into one line that names the shard."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise InputError(self.where, "found no file, expected the shard that the manifest names") from error
        if isinstance(error, OSError | pa.ArrowException | IndexError):
            reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            message = f"found a damaged shard ({reason}), expected readable Parquet"
            raise InputError(self.where, message, DAMAGED_HINT) from error
