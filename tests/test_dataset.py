"""Reading a dataset: any screenshot from any process, damage is named, memory stays small."""

import hashlib
import io
import multiprocessing
import pickle
import random
from pathlib import Path
from unittest import mock

import build
import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import slice as slicing
from pipeline.exceptions import InputError
from pipeline.records import ImageRef, Sample, Turn
from pipeline.stage import Running
from pipeline.storage.dataset import CACHED_ROW_GROUPS, Dataset
from pipeline.storage.place import Place
from pipeline.storage.sample_reader import CODED, SampleReader, Unreadable
from pipeline.storage.shards import ROW_GROUP_BYTES, ROW_GROUP_ROWS, TableWriter
from pipeline.storage.step_reader import COLUMNS, read_steps
from pipeline.storage.tables import StepRow, sample_from_row, step_from_row


@pytest.fixture(scope="module")
def sliced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two shards."""
    root = tmp_path_factory.mktemp("dataset")
    build.corpus(root / "in", n=4, n_steps=10)
    slicing.run(root / "in", root / "out", slicing.SliceConfig(shard_size=2), Running())
    return root / "out"


def refs(dataset: Dataset) -> list[ImageRef]:
    """Return every screenshot reference of every sample."""
    return [ref for sample in dataset.samples() for ref in sample.images]


def check_all(dataset: Dataset, wanted: list[ImageRef]) -> int:
    """Read the screenshots and return how many had the promised bytes; run in other processes too."""
    return sum(hashlib.sha256(dataset.image(ref)).hexdigest() == ref.sha256 for ref in wanted)


def test_screenshots_come_in_any_order(sliced: Path) -> None:
    """Random access returns the bytes of the reference, with few row groups in memory."""
    dataset = Dataset.open(sliced)
    wanted = refs(dataset)
    random.Random(1).shuffle(wanted)  # noqa: S311 - no secret
    assert check_all(dataset, wanted) == len(wanted)
    assert len(dataset._groups) <= CACHED_ROW_GROUPS


def test_columns_and_rows_say_the_same(sliced: Path) -> None:
    """What is read fast, by columns and from the middle of a batch too, is what is read row by row."""
    dataset = Dataset.open(sliced)
    for number in dataset.manifest.shard_numbers():
        samples = [sample_from_row(row) for row in dataset.rows("samples", number)]
        assert list(dataset.sample_rows(number)) == samples
        for batch in dataset.batches("samples", number, coded=CODED):
            assert list(SampleReader().read(batch[3:9])) == samples[3:9]
            assert list(SampleReader().read(batch[:0])) == []
        steps = [step_from_row(row) for row in dataset.rows("steps", number)]
        (batch,) = dataset.batches("steps", number, COLUMNS)
        assert list(read_steps(batch)) == steps
        assert list(read_steps(batch[3:9])) == steps[3:9]


def rewritten(sliced: Path, samples: pa.Table, coded: tuple[str, ...] = CODED, **how: int) -> Dataset:
    """Return the dataset with other samples in its first shard, as another program may write them."""
    dataset, buffer = Dataset.open(sliced), io.BytesIO()
    pq.write_table(samples, buffer, **how)
    dataset._files["samples/00000.parquet", coded] = pq.ParquetFile(buffer, read_dictionary=list(coded))
    return dataset


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_rows_may_be_grouped_otherwise(sliced: Path, size: int) -> None:
    """Texts are numbered anew in each row group; those of other programs have other lengths."""
    dataset = rewritten(sliced, Dataset.open(sliced).table("samples", 0), row_group_size=size)
    assert list(dataset.shard_samples(0)) == list(Dataset.open(sliced).shard_samples(0))


def test_a_table_comes_in_our_order_and_types(sliced: Path) -> None:
    """Whatever wrote it: other programs order columns by name, and have large texts and lists."""
    ours = Dataset.open(sliced).table("samples", 0)
    theirs = pl.DataFrame(ours).to_arrow().select(sorted(ours.column_names))
    assert theirs.schema != ours.schema
    assert rewritten(sliced, theirs, coded=()).table("samples", 0) == ours
    assert rewritten(sliced, theirs, coded=()).table("samples", 0, [3, 1]) == ours.take([3, 1])


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("step_index", ["one", "two"], "columns of other types"),
        ("goal", [None, "Do it"], "columns of other types"),
        ("more", [1, 1], r"other columns .*\(more\)"),
    ],
)
def test_a_table_of_other_types_is_told_of(sliced: Path, name: str, values: list[object], found: str) -> None:
    """No text for a number, no null where none may be, no column more; a row that is not asked for may have a null."""
    rows = list(Dataset.open(sliced).rows("samples", 0))[:2]
    for row, value in zip(rows, values, strict=True):
        row[name] = value
    dataset = rewritten(sliced, pa.Table.from_pylist(rows), coded=())
    with pytest.raises(InputError, match=f"found {found}"):
        dataset.table("samples", 0)
    if name == "goal":
        assert dataset.table("samples", 0, [1])["goal"].to_pylist() == ["Do it"]


@pytest.mark.parametrize("name", ["role", "content", "loss_weight"])
def test_a_message_without_something_makes_no_sample(sliced: Path, name: str) -> None:
    """Null stands where our own schema lets none be; the other rows are read."""
    rows = list(Dataset.open(sliced).rows("samples", 0))
    rows[1]["messages"][1][name] = None
    _, broken, *rest = rewritten(sliced, pa.Table.from_pylist(rows)).sample_rows(0)
    assert isinstance(broken, Unreadable) == (name != "content"), "without content it has no parts"
    assert not any(isinstance(each, Unreadable) for each in rest)


@pytest.mark.parametrize("name", ["turns", "target", "earlier_targets", "provenance"])
def test_null_where_a_text_should_be_makes_no_sample(sliced: Path, name: str) -> None:
    """Other programs write columns with nulls; the row is told of, and the others are read."""
    rows = list(Dataset.open(sliced).rows("samples", 0))
    rows[1][name] = None
    _, broken, *rest = rewritten(sliced, pa.Table.from_pylist(rows)).sample_rows(0)
    assert isinstance(broken, Unreadable)
    assert all(isinstance(each, Sample) for each in rest)


@pytest.mark.parametrize(("value", "readable"), [("text", True), (b"text", True), (7, False), ([], False)])
def test_turns_of_another_type_make_no_sample(sliced: Path, value: object, readable: bool) -> None:
    """A text may be stored as bytes; what is none is told of."""
    rows = list(Dataset.open(sliced).rows("samples", 0))
    for row in rows:
        row["turns"] = row["turns"].encode() if value == b"text" else row["turns"] if value == "text" else value
    read = list(rewritten(sliced, pa.Table.from_pylist(rows)).sample_rows(0))
    assert {type(each) for each in read} == {Sample if readable else Unreadable}


def test_turns_as_we_write_them_are_cut_apart(sliced: Path) -> None:
    """None is read as any JSON, which takes several times as long."""
    with mock.patch.object(SampleReader, "_foreign_turns", side_effect=AssertionError):
        assert len(list(Dataset.open(sliced).shard_samples(0))) > 3


@pytest.mark.parametrize(
    ("was", "put"),
    [
        ("[{", "[ {"),
        ('[{"step_index":0', '[{"step_inde_":0'),
        ('"thought":"', '"thought":"},{\\"step_index\\":'),
        ('"thought":"', '"thought":"},{'),
        ('"step_index":1,', '"role":"normal","step_index":1,'),
        ('},{"step_index":1,', '}}},{"step_index":1,'),
        ('},{"step_index":1,', ',"more":[{},{"step_index":1}]},{"step_index":1,'),
        ('"actions":[{', '"actions":[{"step_index":0},{'),
        ('"step_index":1,', '"step_index":-1,'),
        ('"loss_weight":1.0}]', '"loss_weight":1.00}'),
        ("}]", "}]]"),
    ],
)
def test_turns_are_read_as_json_however_they_are_written(sliced: Path, was: str, put: str) -> None:
    """Texts that hold what stands between turns, other orders of fields, lists that are broken in any place."""
    rows = list(Dataset.open(sliced).rows("samples", 0))
    for row in rows[2:4]:
        assert was in row["turns"]
        row["turns"] = row["turns"].replace(was, put)
    read = list(rewritten(sliced, pa.Table.from_pylist(rows)).sample_rows(0))
    for row, sample in zip(rows, read, strict=True):
        try:
            turns = msgspec.json.decode(row["turns"], type=tuple[Turn, ...])
        except msgspec.DecodeError:
            assert isinstance(sample, Unreadable)
        else:
            assert isinstance(sample, Sample)
            assert sample.turns == turns


def test_a_row_that_is_no_step_stands_alone(sliced: Path) -> None:
    """Its error is told in its place; a step without a screenshot is one."""
    (batch,) = Dataset.open(sliced).batches("steps", 0, COLUMNS)
    rows = batch.to_pylist()[:4]
    rows[1]["observation"] = "{}"
    rows[2]["step"] = "[" * 100_000
    rows[3]["image"] = None
    first, *broken, last = read_steps(pa.RecordBatch.from_pylist(rows, schema=batch.schema))
    assert [type(each) for each in broken] == [Unreadable, Unreadable]
    assert isinstance(first, StepRow)
    assert isinstance(last, StepRow)
    assert last.image is None


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # what data loaders do
def test_several_processes_read_at_once(sliced: Path, method: str) -> None:
    """A dataset opened, and used, before it goes to workers serves each of them."""
    dataset = Dataset.open(sliced)
    wanted = refs(dataset)
    check_all(dataset, wanted[:3])
    with multiprocessing.get_context(method).Pool(2) as pool:
        parts = [(dataset, wanted[start::4]) for start in range(4)]
        assert sum(pool.starmap(check_all, parts)) == len(wanted)
    assert check_all(pickle.loads(pickle.dumps(dataset)), wanted) == len(wanted)  # noqa: S301 - our own object


def test_a_flipped_byte_of_a_screenshot_is_noticed(sliced: Path, tmp_path: Path) -> None:
    """The page's checksum names shard and row; nothing wrong is ever returned."""
    copy = tmp_path / "copy"
    for file in sliced.rglob("*"):
        if file.is_file():
            (copy / file.relative_to(sliced)).parent.mkdir(parents=True, exist_ok=True)
            (copy / file.relative_to(sliced)).write_bytes(file.read_bytes())
    dataset = Dataset.open(copy)
    ref = refs(dataset)[0]
    shard = copy / "images" / f"{ref.shard:05d}.parquet"
    data = bytearray(shard.read_bytes())
    place = data.find(dataset.image(ref)) + 1000
    data[place] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=rf"images/{ref.shard:05d}.parquet\[{ref.row}\]"):
        Dataset.open(copy).image(ref)


def test_only_what_the_manifest_names_is_opened(sliced: Path) -> None:
    """A stray file in the folder is as good as absent."""
    dataset = Dataset.open(sliced)
    stray = sliced / "images" / "00099.parquet"
    stray.write_bytes((sliced / "images" / "00000.parquet").read_bytes())
    try:
        with pytest.raises(InputError, match="does not name"):
            dataset.image(ImageRef("0" * 64, 99, 0, 1, 1))
        assert [number for number in dataset.manifest.shard_numbers() if number == 99] == []
    finally:
        stray.unlink()


def test_row_groups_are_flushed_by_rows_and_by_bytes(tmp_path: Path) -> None:
    """16 small screenshots or 16 MB of large ones: no Arrow offset comes near its limit, and a fetch stays small."""
    names = ("small", "large")
    sizes = {"small": 1000, "large": 3 << 20}
    for name in names:
        out = Place(str(tmp_path / name))
        writer = TableWriter(out, "images", 0, {})
        for number in range(40):
            row = {"sha256": f"{number:064d}", "bytes": bytes([number]) * sizes[name], "width": 1, "height": 1,
                   "format": "png", "source_sha256": "", "source_width": 1, "source_height": 1,
                   "phash": bytes(32), "tiles": b""}  # fmt: skip
            assert writer.write(row) == number
        writer.commit()
        file = pq.ParquetFile(tmp_path / name / "images" / "00000.parquet")
        groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
        assert sum(group.num_rows for group in groups) == 40
        assert max(group.num_rows for group in groups) <= ROW_GROUP_ROWS
        column = file.schema_arrow.get_field_index("bytes")
        assert max(g.column(column).total_uncompressed_size for g in groups) < ROW_GROUP_BYTES + sizes[name] + 4096
        assert {g.column(column).compression for g in groups} == {"UNCOMPRESSED"}
        assert {g.column(0).compression for g in groups} == {"ZSTD"}


def test_a_screenshot_is_stored_once_and_taken_over_by_link(sliced: Path, tmp_path: Path) -> None:
    """However many samples show it; the next dataset shares the very file."""
    from pipeline import validate

    dataset = Dataset.open(sliced)
    stored = sum(shard.rows for shard in dataset.manifest.shards if shard.name.startswith("images/"))
    assert stored == len({ref.sha256 for ref in refs(dataset)}) < len(refs(dataset))
    validate.run(sliced, tmp_path / "next", validate.ValidateConfig(), Running())
    for shard in (sliced / "images").iterdir():
        assert (tmp_path / "next" / "images" / shard.name).stat().st_ino == shard.stat().st_ino
