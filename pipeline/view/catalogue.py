"""The index of a dataset: one narrow row for each sample, so that 100,000 of them can be filtered at once.

Only columns of a few bytes are held; conversations and screenshots are read when a page asks for them.
"""

import itertools
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from pipeline.storage.dataset import Dataset

FACETS = ("split", "origin", "error_kind", "action", "app", "flag")
"""What samples can be filtered by, each a column of the index; a sample may carry several flags."""

REMEMBERED_SEARCHES = 16


class Entry(Struct, frozen=True):
    """Where one sample is, and what it is."""

    number: int
    """Its place in the whole dataset."""
    shard: int
    row: int
    sample_id: str
    trajectory_id: str
    step_index: int
    split: str
    origin: str
    error_kind: str | None
    action: str
    app: str | None
    goal: str
    flag: tuple[str, ...]


class Catalogue:
    """The samples of a dataset, to be filtered and paged through."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.frame = _index(dataset)
        self._found: OrderedDict[str, pl.Series] = OrderedDict()
        ids = self.frame["sample_id"].to_list()
        self._by_id = {sample_id: number for number, sample_id in enumerate(ids)}
        self._by_trajectory: dict[str, list[int]] = {}
        for number, trajectory_id in enumerate(self.frame["trajectory_id"].to_list()):
            self._by_trajectory.setdefault(trajectory_id, []).append(number)

    def __len__(self) -> int:
        return self.frame.height

    def facets(self) -> dict[str, dict[str, int]]:
        """Return the values of each facet with the number of samples that have them, the commonest first."""
        found = {}
        for name in FACETS:
            column = self.frame[name]
            values = (column.explode() if name == "flag" else column).cast(pl.String).drop_nulls()
            counts = sorted(values.value_counts().iter_rows(), key=lambda each: (-each[1], each[0]))
            found[name] = dict(counts)
        return found

    def select(self, wanted: Mapping[str, str], text: str = "") -> pl.Series:
        """Return the numbers of the samples that have the wanted facets and contain the text, in order."""
        chosen = self.frame.with_row_index("number")
        for name, value in wanted.items():
            column = pl.col(name)
            chosen = chosen.filter(column.list.contains(value) if name == "flag" else column.cast(pl.String) == value)
        numbers = chosen["number"]
        if text.strip():
            numbers = numbers.filter(numbers.is_in(self._search(text.strip()).implode()))
        return numbers

    def entries(self, numbers: Sequence[int]) -> list[Entry]:
        """Return some samples' entries."""
        rows = self.frame[list(numbers)].iter_rows(named=True)
        return [
            Entry(number=number, **{**row, "flag": tuple(row["flag"])})
            for number, row in zip(numbers, rows, strict=True)
        ]

    def entry(self, sample_id: str) -> Entry | None:
        """Return the entry of a sample, None if there is no such sample."""
        number = self._by_id.get(sample_id)
        return None if number is None else self.entries([number])[0]

    def of_trajectory(self, trajectory_id: str) -> list[Entry]:
        """Return the entries of a trajectory's samples."""
        return self.entries(self._by_trajectory.get(trajectory_id, []))

    def texts(self, entries: Sequence[Entry]) -> list[list[str]]:
        """Return of each entry, in the dataset's order, the texts that a search looks into beside its id."""
        found = []
        for shard, members in itertools.groupby(entries, key=lambda entry: entry.shard):
            rows = self.dataset.pick("samples", shard, [entry.row for entry in members], ["messages"])
            found += [
                [part["text"] for message in row["messages"] if message["role"] != "system"
                 for part in message["content"] if part["text"]]
                for row in rows
            ]  # fmt: skip
        return found

    def trajectories(self) -> list[str]:
        """Return the ids of the trajectories that have samples, in order."""
        return list(self._by_trajectory)

    def _search(self, text: str) -> pl.Series:
        """Return the numbers of the samples with the text in their id or conversation; no prompt of ours counts."""
        if text not in self._found:
            numbers = [number for number, ids in self._matches(text) for number in (ids + number).to_list()]
            self._found[text] = pl.Series(numbers, dtype=pl.UInt32)
            if len(self._found) > REMEMBERED_SEARCHES:
                self._found.popitem(last=False)
        self._found.move_to_end(text)
        return self._found[text]

    def _matches(self, text: str) -> Iterator[tuple[int, pl.Series]]:
        """Yield, row group by row group, where it starts and which of its rows match."""
        start = 0
        for number in self.dataset.manifest.shard_numbers():
            for batch in self.dataset.batches("samples", number, ["sample_id", "messages"]):
                yield start, pl.Series(_matching(batch, text), dtype=pl.UInt32)
                start += batch.num_rows


def _matching(batch: pa.RecordBatch, text: str) -> list[int]:
    """Return the rows of the batch whose id or messages, the system's left out, contain the text in any case."""
    messages = batch.column("messages")
    flat, row_of = pc.list_flatten(messages), pc.list_parent_indices(messages)
    contents = pc.struct_field(flat, "content")
    texts = pc.struct_field(pc.list_flatten(contents), "text")
    message_of = pc.list_parent_indices(contents)
    said = pc.not_equal(pc.struct_field(flat, "role").take(message_of), pa.scalar("system"))
    hit = pc.and_(pc.fill_null(pc.match_substring(texts, text, ignore_case=True), False), said)
    named = pc.indices_nonzero(pc.match_substring(batch.column("sample_id"), text, ignore_case=True))
    return sorted({int(row) for row in (*row_of.take(message_of.filter(hit)).to_numpy(), *named.to_numpy())})


def _index(dataset: Dataset) -> pl.DataFrame:
    columns = ["sample_id", "trajectory_id", "step_index", "split", "origin", "error_kind", "goal", "target", "flags"]
    apps = dataset.frame("steps", ["trajectory_id", "step_index", "app"])
    parts = []
    for number, table in dataset.tables("samples", columns):
        part = pl.DataFrame(table).with_columns(
            pl.lit(number, pl.UInt32).alias("shard"),
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
            pl.col("target").str.json_path_match("$.actions[0].type").alias("action"),
            pl.col("flags").alias("flag"),
        )
        parts.append(part.drop("target", "flags"))
    if not parts:
        return pl.DataFrame(schema=_SCHEMA)
    joined = pl.concat(parts).join(apps, on=["trajectory_id", "step_index"], how="left", maintain_order="left")
    return joined.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items())


_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "shard": pl.UInt32,
    "row": pl.UInt32,
    "sample_id": pl.String,
    "trajectory_id": pl.Categorical,
    "step_index": pl.Int32,
    "split": pl.Categorical,
    "origin": pl.Categorical,
    "error_kind": pl.Categorical,
    "action": pl.Categorical,
    "app": pl.Categorical,
    "goal": pl.Categorical,
    "flag": pl.List(pl.String),
}
