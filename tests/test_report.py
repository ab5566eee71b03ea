"""What a stage tells: counts first, then the refused rows, and an exit code that follows from them."""

from pathlib import Path

import build
import pytest

from pipeline.report import StageReport, _detail
from pipeline.storage.dataset import Dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Slice a trajectory of 30 steps, of which 25 lack their screenshot and one is a labelled mistake."""
    root = tmp_path_factory.mktemp("report")
    document = build.trajectory("t", 30)
    document["steps"][1]["label"] = {"role": "error"}
    folder = build.write(root / "in", document)
    for number in range(5, 30):
        (folder / f"{number}.png").unlink()
    return build.sliced(root / "in", root / "d", history_images=1)


def test_the_first_twenty_are_named(dataset: Dataset) -> None:
    """All of them if that is wanted; what the recording holds back is counted and no finding."""
    report = StageReport.of(dataset)
    text = report.render_text()
    assert text.splitlines()[:3] == [
        f"slice: {dataset.path}", "  trajectories    1 in = 1 out + 0 rejected",
        "  samples         30 in = 4 out + 26 rejected",
    ]  # fmt: skip
    assert text.count("[image_missing]") == 20
    assert text.endswith("\n… and 5 more; --verbose names all")
    whole = report.detailed(True).render_text()
    assert whole.count("[image_missing]") == 25
    assert "  set aside       1 labelled_error" in whole
    assert "[labelled_error]" not in whole
    assert (report.findings, report.exit_code) == (25, 1)
    assert len(report.to_dict()["refused"]) == 26


def test_what_became_of_a_kind_of_error_reads_in_order() -> None:
    """Considered, possible, made, and why not; what replaces a clean sample says so."""
    value = {"considered": 9, "in place": 2, "made": 2, "refused: a": 3, "refused: b": 1, "truthful": 5}
    assert _detail(value) == "9 considered, 5 possible, 2 made (in place of the clean sample); not: 3 a, 1 b"
    assert _detail(value, 1).endswith("; not: 3 a, …")


def test_nothing_left_is_a_failure_that_says_so(tmp_path: Path) -> None:
    """A dataset without a sample ends the chain."""
    document = build.trajectory("t", 3)
    for step in document["steps"]:
        step["actions"] = [{"type": "unknown"}]
    report = StageReport.of(build.sliced(build.write(tmp_path / "in", document).parent, tmp_path / "d"))
    assert (report.empty, report.exit_code) == (True, 1)
    assert "hint: no sample is left" in report.render_text()


def test_what_is_held_back_on_purpose_is_no_failure(tmp_path: Path) -> None:
    """A mistake that the recording names is there to be learned from later."""
    document = build.trajectory("t", 3)
    document["steps"][1]["label"] = {"role": "error"}
    build.write(tmp_path / "in", document)
    report = StageReport.of(build.sliced(tmp_path / "in", tmp_path / "d"))
    assert report.manifest.rejected == {"labelled_error": 1}
    assert report.exit_code == 0
