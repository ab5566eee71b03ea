"""Rows that are no samples: whoever looks sees which and why, and everything else as before."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import build
import pytest
from msgspec.structs import replace

from pipeline import inspect
from pipeline.exceptions import InputError
from pipeline.overview import write as overview
from pipeline.records import Sample
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import MANIFEST
from pipeline.storage.place import Place
from pipeline.storage.tables import sample_row
from pipeline.view import export
from pipeline.view.catalogue import Catalogue
from pipeline.view.present import Links, Presenter

Row = dict[str, Any]


def tree(column: str, change: Callable[[Any], None]) -> Callable[[Row], None]:
    """Return what changes a column that holds a tree as text."""

    def changed(row: Row) -> None:
        value = json.loads(row[column])
        change(value)
        row[column] = json.dumps(value)

    return changed


def refs(**changes: Any) -> Callable[[Row], None]:
    """Return what changes where a sample's screenshots stand."""
    return lambda row: row.update(images=[{**each, **changes} for each in row["images"]])


BREAK: dict[str, Callable[[Row], None]] = {
    "turns that are none": lambda row: row.update(turns="{"),
    "a target that is none": lambda row: row.update(target="null"),
    "a target off the screen": tree("target", lambda target: target["actions"][0].update(point=[1e300, 0])),
    "turns without an end": lambda row: row.update(turns="[" * 100_000),
    "a part of no screenshot": lambda row: row.update(sample_id=row["sample_id"] + "+crop"),
    "a kind of error that nobody knows": lambda row: row.update(error_kind="from_the_moon"),
    "no turns": lambda row: row.update(turns="[]"),
    "no messages": lambda row: row.update(messages=[]),
    "no screenshots": lambda row: row.update(images=[]),
    "a screenshot that is not there": tree("turns", lambda turns: turns[-1].update(image=7)),
    "no action": tree("turns", lambda turns: turns[-1].update(actions=[])),
    "a screenshot without a size": refs(width=0, height=0),
    "a screenshot in another shard": refs(shard=9),
    "a screenshot in another row": refs(row=10**6),
    "a screenshot by another name": refs(sha256="../../../gdp-escaped"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two trajectories in one shard."""
    folder = tmp_path_factory.mktemp("broken")
    return build.sliced(build.corpus(folder / "in", 2), folder / "good", max_pixels=131072)


def broken(good: Dataset, out: Path, spoil: Callable[[Row], None]) -> Dataset:
    """Spoil the second sample."""

    def edit(samples: list[Sample]) -> Iterable[Row]:
        rows = [sample_row(sample) for sample in samples]
        spoil(rows[1])
        return rows

    return build.edited(good, out, edit)


@pytest.mark.parametrize("what", BREAK)
def test_the_pages_live_on(good: Dataset, tmp_path: Path, what: str) -> None:
    """List, strips, every sample, and an export with all of them; the picture's name is none that the row chose."""
    dataset = broken(good, tmp_path / "bad", BREAK[what])
    catalogue = Catalogue(dataset)
    presenter = Presenter(catalogue, Links(lambda ref: "x", lambda trajectory, step: None))
    items = presenter.samples({}, "", 0)["items"]
    assert len(items) == len(catalogue)
    assert presenter.strips({}, "", 0)["items"]
    shown = [presenter.sample(item["id"]) for item in items]
    told = [place for place, each in enumerate(shown) if each is not None and "broken" in each]
    assert told in ([1], []), "one row is broken, the others are not"
    if told:
        assert "broken" in items[1]
        assert shown[1] is not None
        assert shown[1]["broken"]
        assert items[1]["id"] in shown[1]["row"]
    assert export.export(catalogue, tmp_path / "deep" / "er" / "out", 1000) == len(catalogue)
    assert not list(tmp_path.rglob("*gdp-escaped*"))
    assert not list(tmp_path.parent.glob("gdp-escaped*"))


STEPS: dict[str, Row] = {
    "an observation of nothing": {"observation": "{}"},
    "a step without an end": {"step": "[" * 100_000},
    "an element off the screen": {
        "observation": '{"image":{"path":"0.png","width":1,"height":1},"elements":[{"bbox":[9]}]}'
    },
}


@pytest.mark.parametrize("what", STEPS)
def test_a_recorded_step_that_is_none_is_told_of(good: Dataset, tmp_path: Path, what: str) -> None:
    """In its place on the strip, and by validate; the steps around it are shown."""
    out = tmp_path / "bad"
    rows = {table: build.rows(good, table) for table in ("steps", "images", "samples", "rejected")}
    rows["steps"][1].update(STEPS[what])
    manifest = replace(good.manifest, shards=build.write_shard(out, rows))
    Place(str(out)).write(MANIFEST, manifest.to_json(), "m")
    catalogue = Catalogue(Dataset.open(out))
    presenter = Presenter(catalogue, Links(lambda ref: "x", lambda trajectory, step: None))
    steps = presenter.strip(rows["steps"][1]["trajectory_id"])["steps"]
    assert [step["index"] for step in steps] == list(range(len(steps)))
    assert ["expected a recorded step" in step["says"] for step in steps][:3] == [False, True, False]
    assert presenter.step(rows["steps"][1]["trajectory_id"], 1) is None
    assert export.export(catalogue, tmp_path / "out", 1000) == len(catalogue)
    report = build.validated(out)
    assert {row["code"] for row in report.refused} == {"recording"}
    with pytest.raises(InputError, match=r"steps/00000.parquet\[1\] t0: found .*, expected a recorded step"):
        build.augmented(out, tmp_path / "augmented")


@pytest.mark.parametrize("what", BREAK)
def test_the_report_lives_on(good: Dataset, tmp_path: Path, what: str) -> None:
    """With and without an output, and against a damaged dataset."""
    dataset = broken(good, tmp_path / "bad", BREAK[what])
    for out in (None, tmp_path / "clean"):
        report = build.validated(Path(dataset.path), out)
        assert report.manifest.counts["samples"].rejected >= 1
        overview.write(overview.look(report, dataset), tmp_path / "report")
        page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
        assert page.count('<article class="card">') == min(overview.SHOWN, len(report.refused))
    measured = overview.look(build.validated(Path(dataset.path)), None).measures
    assert measured.samples == len(list(good.samples()))
    assert measured.unreadable in {0, 1}


@pytest.mark.parametrize("what", BREAK)
def test_inspect_prints_it_or_says_why_not(good: Dataset, tmp_path: Path, what: str) -> None:
    """One line with the place, never a traceback."""
    dataset = broken(good, tmp_path / "bad", BREAK[what])
    name = list(Catalogue(dataset).frame["sample_id"])[1]
    try:
        told = list(inspect.lines(inspect.find(dataset, name), colour=False))
    except InputError as error:
        told = [error.where, error.message]
    assert name in told[0] or "samples/00000.parquet[1]" in told[0]
    assert name in told[0] or told[1].endswith("expected a sample")
