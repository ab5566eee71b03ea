"""`gdp validate` and the whole dataset: leaks, ids, injected errors, what is told, taken over and refused."""

import hashlib
import json
from pathlib import Path
from typing import Any

import build
import polars as pl
import pytest
from msgspec.structs import replace
from spoiling import clean, last, message, refused, rendered, row, spoil

from pipeline.checks import Thresholds
from pipeline.checks.rules import levels
from pipeline.exceptions import ConfigError
from pipeline.layouts import LAYOUTS
from pipeline.records import Sample
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import MANIFEST
from pipeline.storage.place import Place


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Trajectories with errors added: nothing is wrong with them."""
    return clean(tmp_path_factory.mktemp("good"))


def test_the_val_side_of_a_leak_is_refused(good: Dataset, tmp_path: Path) -> None:
    """One trajectory, or one goal written otherwise, on both sides; the train side stays."""

    def by_trajectory(samples: list[Sample]) -> list[Sample]:
        return [replace(s, split="val" if s.sample_id in {"b0/0000", "b0/0002"} else "train") for s in samples]

    rows = refused(tmp_path / "1", build.edited(good, tmp_path / "1" / "bad", by_trajectory))
    assert [(row["sample_id"], row["code"]) for row in rows] == [("b0/0000", "split"), ("b0/0002", "split")]
    assert "found trajectory 'b0' in train and val" in rows[0]["message"]

    def by_goal(samples: list[Sample]) -> list[Sample]:
        goals = {"b0": "Do it", "b1": "do  IT", "b2": "Do that"}
        changed = []
        for sample in samples:
            named = replace(
                sample, goal=goals[sample.trajectory_id], split="val" if sample.trajectory_id == "b1" else "train"
            )
            changed.append(rendered(named, *named.turns))
        return changed

    rows = refused(tmp_path / "2", build.edited(good, tmp_path / "2" / "bad", by_goal))
    assert {row["trajectory_id"] for row in rows} == {"b1"}
    assert "found goal 'do  IT' in train and val" in rows[0]["message"]


def test_repeated_ids_are_refused(good: Dataset, tmp_path: Path) -> None:
    """Both of them: nobody can say which is meant."""
    rows = refused(tmp_path, build.edited(good, tmp_path / "bad", lambda samples: [*samples, samples[0]]))
    assert [row["sample_id"] for row in rows] == ["b0/0000", "b0/0000"]
    assert {row["code"] for row in rows} == {"repeated_id"}
    assert "more than once" in rows[0]["message"]


def test_an_error_out_of_view_is_refused(good: Dataset, tmp_path: Path) -> None:
    """An error-correction sample whose wrong turn is called normal, or lost its screen."""

    def renamed(samples: list[Sample]) -> list[Sample]:
        chosen = next(s for s in samples if s.error_kind == "tap_dead")
        turns = (*chosen.turns[:-2], replace(chosen.turns[-2], role="normal"), chosen.turns[-1])
        return [rendered(s, *turns) if s is chosen else s for s in samples]

    (row,) = refused(tmp_path, build.edited(good, tmp_path / "bad", renamed))
    assert row["code"] == "error_seen"
    assert "without both its screens in view" in row["message"]


@pytest.mark.parametrize(
    ("kind", "roles", "found"),
    [
        ("noop_twice", ("error", "error", "normal"), "found a decision of the role 'normal'"),
        ("tap_dead", ("error", "recovery"), None),
        ("noop_twice", ("error", "error", "recovery"), None),
    ],
)
def test_an_injected_error_has_the_turns_of_its_kind(
    good: Dataset, tmp_path: Path, kind: str, roles: tuple[str, ...], found: str | None
) -> None:
    """So many wrong turns at most, and then the repair."""

    def renamed(samples: list[Sample]) -> list[Sample]:
        chosen = next(s for s in samples if s.error_kind == kind)
        tail = [replace(turn, role=role) for turn, role in zip(chosen.turns[-len(roles) :], roles, strict=True)]
        return [rendered(s, *s.turns[: -len(roles)], *tail) if s is chosen else s for s in samples]

    rows = refused(tmp_path, build.edited(good, tmp_path / "bad", renamed))
    assert [row["code"] for row in rows] == ["error_turns"] * (found is not None)
    assert all(str(found) in row["message"] for row in rows)


def test_more_wrong_turns_than_the_kind_makes(good: Dataset, tmp_path: Path) -> None:
    """Two dead taps that call themselves one."""

    def renamed(samples: list[Sample]) -> list[Sample]:
        chosen = next(s for s in samples if s.error_kind == "noop_twice")
        return [replace(s, error_kind="tap_dead") if s is chosen else s for s in samples]

    (row,) = refused(tmp_path, build.edited(good, tmp_path / "bad", renamed))
    assert row["code"] == "error_turns"
    assert "found 2 wrong turns before the correction, expected 1" in row["message"]


def test_the_first_reason_counts_and_the_others_are_told(good: Dataset, tmp_path: Path) -> None:
    """A sample is refused once, however much is wrong with it."""
    (row,) = spoil(tmp_path, good, lambda s: message(last(s, thought=None), 1, loss_weight=1.0))
    assert row["code"] == "trained_turns"
    assert row["message"].endswith("(and 3 more)")


def test_scrolls_pass_whatever_lies_under_them(tmp_path: Path) -> None:
    """The finger path of a scroll starts beside the point that the record names."""
    document = build.trajectory("t", 3)
    document["steps"][1]["actions"] = [
        {"type": "scroll", "point": [0.5, 0.45], "direction": "down", "dy": 400, "unit": "px"}
    ]
    build.write(tmp_path / "in", document)
    for layout in LAYOUTS:
        build.sliced(tmp_path / "in", tmp_path / layout, layout=layout)
        assert build.validated(tmp_path / layout).findings == 0


def test_an_earlier_validation_is_not_told_again(good: Dataset, tmp_path: Path) -> None:
    """Its refused rows are carried along, but the second run refused nothing."""
    spoil(tmp_path, good, lambda s: last(s, thought=None))
    assert build.validated(tmp_path / "clean", tmp_path / "third").refused == ()


def test_a_good_dataset_is_taken_over(good: Dataset, tmp_path: Path) -> None:
    """Samples byte for byte, screenshots by link."""
    build.validated(Path(good.path), tmp_path / "out")
    kept = [replace(sample, flags=()) for sample in Dataset.open(tmp_path / "out").samples()]
    assert kept == list(good.samples())
    for table in ("images", "steps"):
        name = f"{table}/00000.parquet"
        assert (Path(good.path) / name).samefile(tmp_path / "out" / name)


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        ("turns", "[{", "turns"),
        ("turns", '[{"step_index": 0}]', "found no 'actions'"),
        ("target", '{"step_index": 2, "actions": [{"type": "tap"}]}', 'found "tap"'),
        ("messages", [{"role": "robot", "content": [], "loss_weight": 0.0}], 'found "robot"'),
        ("provenance", "7", "provenance"),
    ],
)
def test_a_row_that_no_reader_takes_for_a_sample(
    good: Dataset, tmp_path: Path, column: str, value: object, found: str
) -> None:
    """It is refused by the schema alone, with its place; the others are checked."""

    def broken(samples: list[Sample]) -> list[Sample | dict[str, Any]]:
        return [row(sample, **{column: value}) if n == 2 else sample for n, sample in enumerate(samples)]

    dataset = build.edited(good, tmp_path / "bad", broken)
    report = build.validated(Path(dataset.path), tmp_path / "clean")
    (only,) = (each for each in build.rows(Dataset.open(tmp_path / "clean"), "rejected") if each["stage"] == "validate")
    assert (only["code"], report.manifest.counts["samples"].rejected) == ("schema", 1)
    assert found in only["where"] + only["message"]
    assert json.loads(only["row"])["sample_id"] == only["sample_id"]
    (told,) = build.validated(Path(dataset.path), levels=levels(("border",), (), ())).refused
    assert told["code"] == "schema"


def test_what_is_wrong_with_the_whole_dataset_fails_as_it_is_told_to(good: Dataset) -> None:
    """It is counted, named with what was found, and refuses no row."""
    limits = Thresholds(correction_share=0.01)
    for severity, error, warning in (("error", 1, 1), ("warning", 0, 1), ("info", 0, 0)):
        chosen = levels(("correction_share",), (), (f"correction_share={severity}",))
        report = build.validated(Path(good.path), levels=chosen, thresholds=limits)
        assert (report.exit_code, report.failing_on("warning").exit_code) == (error, warning)
        assert report.manifest.details["dataset"] == {severity: 1}
        assert "error-correction samples, expected 1% at most" in report.render_text()
        assert report.refused == ()


def test_a_limit_of_tokens_needs_a_tokenizer(good: Dataset) -> None:
    """And the other way round: bytes are no tokens, and without a limit nothing is counted."""
    for alone in ({"max_tokens": 5}, {"tokenizer": "x/y"}):
        with pytest.raises(ConfigError, match="together with"):
            build.validated(Path(good.path), **alone)


def test_a_dataset_that_another_program_wrote_is_taken_over(good: Dataset, tmp_path: Path) -> None:
    """Polars writes large texts and lists, and here the columns in another order: read, refused, kept and written."""

    def nameless(samples: list[Sample]) -> list[Sample]:
        return [replace(samples[0], goal=" "), *samples[1:]]

    ours = build.edited(good, tmp_path / "ours", nameless)
    shards = []
    for shard in ours.manifest.shards:
        file = tmp_path / "theirs" / shard.name
        file.parent.mkdir(parents=True, exist_ok=True)
        frame = pl.read_parquet(tmp_path / "ours" / shard.name)
        frame.select(sorted(frame.columns)).write_parquet(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        shards.append(replace(shard, bytes=file.stat().st_size, sha256=digest))
    manifest = replace(ours.manifest, shards=tuple(shards))
    Place(str(tmp_path / "theirs")).write(MANIFEST, manifest.to_json(), "m")
    kept = []
    for name in ("ours", "theirs"):
        report = build.validated(tmp_path / name, tmp_path / f"{name}-kept")
        assert report.manifest.counts["samples"].rejected == 1
        kept.append(build.rows(Dataset.open(tmp_path / f"{name}-kept"), "samples"))
    assert kept[0] == kept[1]
