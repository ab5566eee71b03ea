"""The report of `gdp validate`: its numbers against counting by hand, its pages against hostile data."""

import itertools
import json
import re
import shutil
from pathlib import Path

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pages import recordings

from pipeline.overview import charts, drift
from pipeline.overview.measure import Measures, measure, words
from pipeline.overview.refused import Gallery
from pipeline.storage.dataset import Dataset
from pipeline.terminal import safe

SAMPLES = Path(__file__).parent.parent / "sample_data" / "trajectories"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Slice recordings whose texts attack a page, and add errors."""
    root = tmp_path_factory.mktemp("overview")
    build.sliced(recordings(root / "in"), root / "sliced", max_pixels=131072, shard_size=3)
    return build.augmented(root / "sliced", root / "augmented", rate=0.4)


def test_what_is_measured_is_there(dataset: Dataset) -> None:
    """Each number is what going through the samples one by one gives."""
    found = measure(dataset)
    samples = list(dataset.samples())
    assert found.samples == len(samples)
    assert found.counts["split"] == dataset.manifest.splits
    assert found.counts["origin"] == dataset.manifest.details["origin"]
    assert sorted(found.values["tokens"]) == sorted(s.text_tokens_estimate + s.image_tokens for s in samples)
    assert sorted(found.values["history"]) == sorted(len(s.turns) - 1 for s in samples)
    pointing = [s for s in samples if getattr(s.target.actions[0], "point", None) is not None]
    assert sum(sum(map(sum, each.cells)) for each in found.clicks) == len(pointing) > 0
    assert sum(each.points for each in found.clicks) == len(pointing)
    assert sum(found.counts["action"].values()) == len(samples)


def test_an_app_has_a_map_for_each_form_of_screen(tmp_path: Path) -> None:
    """Points of its phone and its desktop screens are never in one picture, and each has its screen's shape."""
    build.write(tmp_path / "in", build.trajectory("phone", 3))
    wide = build.trajectory("desk", 3, first_screen=10, device={"width": 960, "height": 540, "scale": 1})
    for each in wide["steps"]:
        each["observation"]["image"] |= {"width": 960, "height": 540}
    build.write(tmp_path / "in", wide)
    found = measure(build.sliced(tmp_path / "in", tmp_path / "d", val_fraction=0, mode="window")).clicks
    assert [(each.app, each.screen, each.points) for each in found] == [("Test", "tall", 2), ("Test", "wide", 2)]
    assert [round(each.size[0] / each.size[1], 1) for each in found] == [0.4, 1.8]
    assert [each.cells[len(each.cells) * 45 // 100][len(each.cells[0]) // 2] for each in found] == [2, 2]
    assert charts.heat(found[0]).startswith('<svg viewBox="0 0 120 273"')
    assert charts.heat(found[1]).startswith('<svg viewBox="0 0 240 136"')


@pytest.mark.parametrize(("text", "number"), [("", 0), ("打开 设置", 4), ("open it, now", 3), ("打开Wi-Fi设置", 6)])
def test_words(text: str, number: int) -> None:
    """A Chinese character counts as a word."""
    assert words(text) == number


@given(st.lists(st.integers(-50, 100_000), min_size=1), st.lists(st.integers(0, 90_000)))
def test_a_histogram_loses_nothing(values: list[int], others: list[int]) -> None:
    """Every value lies in one bar, bars touch, and there are few."""
    ends = (min(others), max(others)) if others else (None, None)
    found = charts.bins(values, *ends)
    assert [each.count for each in found] == [sum(each.low <= v < each.high for v in values) for each in found]
    assert sum(each.count for each in found) == len(values)
    assert all(one.high == two.low for one, two in itertools.pairwise(found))
    assert len(found) <= charts.BINS + 1


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_distances(one: list[int], other: list[int]) -> None:
    """Symmetric, within [0, 1], 0 for the same, 1 without overlap."""
    there, back = drift.kolmogorov(one, other), drift.kolmogorov(other, one)
    assert there == back
    assert 0 <= there <= 1
    assert drift.kolmogorov(one, one) == 0
    counts = ({str(v): one.count(v) for v in one}, {str(v): other.count(v) for v in other})
    variation = drift.total_variation(*counts)
    assert variation == pytest.approx(drift.total_variation(*reversed(counts)))
    assert variation <= 1 + 1e-9
    apart = [value + 10 for value in other]
    assert drift.kolmogorov(one, apart) == (1 if one or apart else 0) or not (one and apart)


def test_against_itself_and_against_the_stage_before(dataset: Dataset) -> None:
    """Nothing differs from itself; what augment-errors added is what differs from its input."""
    own = measure(dataset)
    same = drift.compare(dataset, dataset, own, own)
    assert same.samples == {"only here": 0, "only there": 0, "changed": 0, "equal": own.samples}
    assert not same.settings
    assert not same.moved
    assert not any(same.distances.values())
    before = Dataset.open(Path(dataset.path).parent / "sliced")
    moved = drift.compare(dataset, before, own, measure(before))
    ids = {s.sample_id for s in before.samples()}
    assert moved.samples["only here"] == sum(s.sample_id not in ids for s in dataset.samples()) > 0
    assert moved.samples["changed"] == 0
    assert "origin" in moved.moved
    assert moved.settings["stage"] == ("slice", "augment-errors")
    assert not any(isinstance(value, dict) and value for pair in moved.settings.values() for value in pair)


def test_the_report_of_a_dataset_with_findings(dataset: Dataset, tmp_path: Path) -> None:
    """One file that stands alone, everything escaped, refused rows with their pictures, the same numbers in JSON."""
    (tmp_path / "limits.yaml").write_text("thought_words_min: 12\n")
    command = ["validate", dataset.path, "-o", tmp_path / "clean", "--report", tmp_path / "report", "--severity",
               "thought_length=error", "--thresholds", tmp_path / "limits.yaml", "--against", dataset.path]  # fmt: skip
    done = build.gdp(*command, "--format", "json")
    told, written = json.loads(done.stderr), json.loads((tmp_path / "report/report.json").read_bytes())
    clean = Dataset.open(tmp_path / "clean")
    refused = clean.manifest.rejected["thought_length"]
    assert refused > 0
    assert done.returncode == 1
    assert written["against"]["samples"]["only there"] == refused == told["against"]["samples"]["only there"]
    assert written["funnel"][-1]["samples"] == clean.manifest.counts["samples"].out
    cut = next(each["samples"] for each in written["funnel"] if each["after"] == "cut by slice")
    assert cut == sum(s.origin == "clean" for s in dataset.samples())
    assert "report.html: what is in the dataset" in build.gdp(*command, "--fresh").stderr
    assert {each["check"]: each["times"] for each in written["findings"]}["thought_length"] == refused
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    pages = [
        page,
        *(path.read_text(encoding="utf-8") for path in sorted((tmp_path / "report/rejected").glob("*.html"))),
    ]
    for text in pages:
        assert "<script" not in text
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//|url\(|@import""", text)
        assert "default-src 'none'" in text
    assert any("&lt;script&gt;" in text for text in pages)
    shown = [name for text in pages[1:] for name in re.findall(r'src="(images/[^"]+)"', text)]
    assert shown
    assert all((tmp_path / "report/rejected" / name).stat().st_size for name in shown)
    assert page.count("data:image/jpeg;base64,") == min(12, sum("frame none" not in each for each in _cards(pages[1:])))


def test_the_funnel_counts_as_the_stages_did(tmp_path: Path) -> None:
    """A repair of a labelled mistake takes the place of a clean sample: it was cut by slice, and is none added."""
    for name in ("notes-en-delete-old-list", "drive-en-star-supplier-list"):
        shutil.copytree(SAMPLES / name, tmp_path / "in" / name)
    sliced = build.sliced(tmp_path / "in", tmp_path / "sliced", max_pixels=131072)
    augmented = build.augmented(tmp_path / "sliced", tmp_path / "augmented", rate=0.4)
    build.gdp("validate", augmented.path, "--report", tmp_path / "report", "--severity", "thought_length=error")
    written = json.loads((tmp_path / "report/report.json").read_bytes())
    funnel = {each["after"]: each["samples"] for each in written["funnel"]}
    cut, added = sliced.manifest.counts["samples"], augmented.manifest.counts["samples"]
    assert added.out > added.into > 0
    assert augmented.manifest.details["labelled"]["in place"] > 0
    assert (funnel["decisions recorded"], funnel["cut by slice"]) == (cut.into, cut.out)
    assert funnel["with errors added"] == added.out


def _cards(pages: list[str]) -> list[str]:
    return [card for text in pages for card in text.split('<article class="card">')[1:]]


def test_a_report_without_an_output_says_the_same(dataset: Dataset, tmp_path: Path) -> None:
    """Refused rows that stand in no table are shown with their pictures, too; an earlier report is written over."""
    (tmp_path / "limits.yaml").write_text("thought_words_min: 12\n")
    same = ["--severity", "thought_length=error", "--thresholds", tmp_path / "limits.yaml", "-q"]
    build.gdp("validate", dataset.path, "-o", tmp_path / "clean", "--report", tmp_path / "one", *same)
    for _ in range(2):
        build.gdp("validate", dataset.path, "--report", tmp_path / "two", *same)
    one, two = (json.loads((tmp_path / name / "report.json").read_bytes()) for name in ("one", "two"))
    assert one["findings"] == two["findings"]
    assert one["counts"] == two["counts"]
    assert one["funnel"] == two["funnel"]
    assert len(list((tmp_path / "two/rejected/images").iterdir())) == len(
        list((tmp_path / "one/rejected/images").iterdir())
    )


@pytest.mark.parametrize("where", ["file", "other", "inside"])
def test_a_report_never_overwrites_what_is_not_its_own(dataset: Dataset, tmp_path: Path, where: str) -> None:
    """A file, a folder with other things, the dataset itself: one line each, before anything runs."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    folder = Path(dataset.path) / "report" if where == "inside" else tmp_path / where
    done = build.gdp("validate", dataset.path, "--report", folder)
    assert done.returncode in {1, 2}
    assert str(folder) in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == "mine"
    assert not (Path(dataset.path) / "report").exists()


def test_measures_of_nothing() -> None:
    """A dataset without a sample has a page, too."""
    empty = Measures(0, 0, {"split": {}}, {"tokens": []}, {})
    assert charts.histogram(empty.values["tokens"]) == ""
    assert charts.bars(empty.counts["split"]).startswith("<svg")


@pytest.mark.parametrize("inner", ["dataset", "output", "thesis", "link", "pages"])
def test_a_report_removes_only_its_own_pages(dataset: Dataset, tmp_path: Path, inner: str) -> None:
    """What stands where refused rows would be shown and is no earlier report is left alone, before anything runs."""
    report, rejected = tmp_path / "report", tmp_path / "report" / "rejected"
    report.mkdir()
    source, more = Path(dataset.path), []
    if inner == "dataset":
        source = Path(shutil.copytree(source, rejected))
    elif inner == "output":
        more = ["-o", rejected]
    elif inner == "link":
        rejected.symlink_to(source, target_is_directory=True)
    else:
        (rejected / "images").mkdir(parents=True)
        name = "thesis.txt" if inner == "thesis" else "images/holiday.jpeg"
        (rejected / name).write_text("mine")
    before = build.tree(tmp_path)
    done = build.gdp("validate", source, "--report", report, *more)
    assert done.returncode in {1, 2}
    assert str(report) in done.stderr
    assert build.tree(tmp_path) == before
    assert Dataset.open(source)


@pytest.mark.parametrize("command", [("validate", "--report", "s3://bucket/r"), ("view", "--export", "file:///tmp/r")])
def test_a_report_is_written_to_a_folder(dataset: Dataset, tmp_path: Path, command: tuple[str, str, str]) -> None:
    """A URL is no folder by that name."""
    stage, option, where = command
    done = build.gdp(stage, dataset.path, option, where, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{option}: found the URL {where}, expected a folder on this machine" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_report_above_the_output_is_refused_at_once(dataset: Dataset, tmp_path: Path) -> None:
    """Not when all the work is done."""
    done = build.gdp("validate", dataset.path, "-o", tmp_path / "r" / "clean", "--report", tmp_path / "r")
    assert done.returncode == 2
    assert "--report" in done.stderr
    assert not (tmp_path / "r").exists()


def test_a_shorter_report_leaves_nothing_of_a_longer_one(dataset: Dataset, tmp_path: Path) -> None:
    """Pages and pictures of the earlier one are gone."""
    bad = build.edited(dataset, tmp_path / "bad", lambda samples: [replace(sample, goal="") for sample in samples])
    assert build.gdp("validate", bad.path, "--report", tmp_path / "report", "-q").returncode == 1
    for folder in ("report", "fresh"):
        done = build.gdp("validate", dataset.path, "--report", tmp_path / folder, "-q", "--select", "goal")
        assert done.returncode == 0
    assert build.tree(tmp_path / "report") == build.tree(tmp_path / "fresh")


def test_what_few_samples_have_moves_little(dataset: Dataset) -> None:
    """One flag on one sample is not another distribution of flags: the samples without are counted, too."""
    own = measure(dataset)
    flagged = replace(own, counts={**own.counts, "flag": {"border": 1}})
    moved = drift.compare(dataset, dataset, flagged, own)
    assert moved.distances["flag"] == pytest.approx(1 / own.samples, abs=1e-4)
    assert not moved.moved


@given(st.dictionaries(st.text("ab", min_size=1, max_size=60), st.integers(0, 10**9), max_size=20), st.booleans())
def test_bars_and_their_numbers_fit_in_the_plot(counts: dict[str, int], beside: bool) -> None:
    """No bar is too long, and no name reaches the number beside it, at the largest size of the letters."""
    drawn = charts.bars(counts, beside=dict(counts) if beside else None)
    assert all(float(width) <= charts.WIDTH for width in re.findall(r' width="([\d.]+)"', drawn))
    names = re.findall(r'class="label">([^<]*)<title>', drawn)
    values = re.findall(r'class="value end">([^<]*)</text>', drawn)
    assert len(names) == len(values) == min(len(counts), 15)
    assert all(charts.CHARACTER * (len(name) + 1 + len(value)) <= charts.WIDTH
               for name, value in zip(names, values, strict=True))  # fmt: skip


def test_the_order_of_a_text_cannot_be_turned() -> None:
    """A mark for right-to-left in an id would let it look like another."""
    assert charts.escaped("a\u202e<b>\u2069") == "a\\u202e&lt;b&gt;\\u2069"
    assert safe("a\u202eb") == "a\\u202eb"


def test_a_step_that_slice_refused_is_shown_with_its_action(tmp_path: Path) -> None:
    """Where it would have landed is what makes the reason plain."""
    document = build.trajectory("t", 3)
    document["steps"][1]["label"] = {"role": "error"}
    build.write(tmp_path / "in", document)
    sliced = build.sliced(tmp_path / "in", tmp_path / "d", val_fraction=0)
    (row,) = [each for each in Gallery(sliced).rows() if each.scope == "sample"]
    assert row.image is not None
    assert [each["shape"] for each in row.shapes] == ["box", "point"]
