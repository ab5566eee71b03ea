"""`gdp validate` and screenshots: a bad one refuses what shows it, and none is decoded in vain."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import build
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from spoiling import clean, refused

from pipeline.records import ImageRef, Sample
from pipeline.screens import images
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import SCHEMAS


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Trajectories with errors added: nothing is wrong with them."""
    return clean(tmp_path_factory.mktemp("good"))


def spoil_image(good: Dataset, tmp_path: Path, change: Callable[[bytes], bytes]) -> list[dict[str, Any]]:
    """Change the bytes of one stored screenshot, the recorded hash with them, and return what is refused."""
    new = ""

    def images(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal new
        data = change(rows[1]["bytes"])
        new = hashlib.sha256(data).hexdigest()
        rows[1] = {**rows[1], "bytes": data, "sha256": new}
        return rows

    def samples(each: list[Sample]) -> list[Sample]:
        def pointed(image: ImageRef) -> ImageRef:
            data = change(build.rows(good, "images")[1]["bytes"])
            return replace(image, sha256=hashlib.sha256(data).hexdigest()) if image.row == 1 else image

        return [replace(sample, images=tuple(map(pointed, sample.images))) for sample in each]

    return refused(tmp_path, build.edited(good, tmp_path / "bad", samples, images=images))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda data: data[: len(data) // 2], "found a picture that cannot be decoded"),
        (lambda data: b"", "found a picture that cannot be decoded"),
        (lambda data: data.replace(b"\xff\xc0", b"\xff\xc7"), "found a picture that cannot be decoded"),
        (lambda data: build.encoded(build.screen(5, 320, 640)), "found 320x640 pixels, expected 352x800"),
        (lambda data: build.encoded(build.screen(5, 352, 800), "GIF"), "found a picture that cannot be decoded"),
    ],
    ids=["truncated", "empty", "unknown coding", "other size", "other format"],
)
def test_a_bad_screenshot_refuses_every_sample_that_shows_it(
    good: Dataset, tmp_path: Path, change: Callable[[bytes], bytes], found: str
) -> None:
    """And no other."""
    showing = {sample.sample_id for sample in good.samples() if any(image.row == 1 for image in sample.images)}
    rows = spoil_image(good, tmp_path, change)
    assert {row["sample_id"] for row in rows} == showing
    assert {row["code"] for row in rows} == {"image_file"}
    assert all(found in row["message"] for row in rows)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"sha256": "0" * 64}, "in a row that says 000000000000…, 352x800, expected the same"),
        ({"width": 7}, ", 7x800, expected the same"),
        ({"format": "png"}, "found a jpeg file, expected png as recorded"),
    ],
    ids=["hash", "width", "format"],
)
def test_a_row_that_says_other_than_its_screenshot_is_refused(
    good: Dataset, tmp_path: Path, change: dict[str, Any], found: str
) -> None:
    """Though the sample's own reference to it is right."""

    def images(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | change if number == 1 else row for number, row in enumerate(rows)]

    showing = {sample.sample_id for sample in good.samples() if any(image.row == 1 for image in sample.images)}
    rows = refused(tmp_path, build.edited(good, tmp_path / "bad", lambda each: each, images=images))
    assert {row["sample_id"] for row in rows} == showing
    assert all(row["code"] == "image_file" and found in row["message"] for row in rows)


def test_without_pixels_no_screenshot_is_looked_at(good: Dataset, tmp_path: Path) -> None:
    """The sizes still are."""
    bad = build.edited(
        good, tmp_path / "bad", lambda each: each, images=lambda rows: [{**row, "bytes": b"x"} for row in rows]
    )
    assert build.validated(tmp_path / "bad").findings == len(list(bad.samples()))
    assert build.validated(tmp_path / "bad", pixels=False).findings == 0


def test_no_screenshot_is_decoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that samples of two shards show."""
    build.corpus(tmp_path / "in", 2)
    dataset = build.sliced(tmp_path / "in", tmp_path / "d", val_fraction=0, shard_size=1)
    borrowed = next(iter(dataset.shard_samples(0))).images[0]
    rows = list(dataset.rows("samples", 1))
    rows[-1]["images"][0] = msgspec.to_builtins(borrowed)
    path = tmp_path / "d" / "samples" / "00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS["samples"]), path, write_page_checksum=True)
    entry = dataset.shard("samples", 1)
    assert entry is not None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    changed = replace(entry, bytes=path.stat().st_size, sha256=digest)
    shards = tuple(changed if shard == entry else shard for shard in dataset.manifest.shards)
    (tmp_path / "d" / "manifest.json").write_bytes(replace(dataset.manifest, shards=shards).to_json())
    seen: list[bytes] = []
    decode = images.decode
    monkeypatch.setattr(images, "decode", lambda data: seen.append(data) or decode(data))
    report = build.validated(tmp_path / "d")
    assert {row["code"] for row in report.refused} == {"step_screen"}
    assert len(seen) == len(set(seen)) == sum(len(list(dataset.rows("images", number))) for number in (0, 1))
