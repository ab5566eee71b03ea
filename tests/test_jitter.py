"""`--jitter` and `--recentre`: the trained click moves, stays on its target, and nothing else changes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import build
import pytest

from pipeline.actions import Click
from pipeline.augment_errors import AugmentConfig
from pipeline.augmentation.jitter import RECORDED
from pipeline.exceptions import ConfigError
from pipeline.records import Sample
from pipeline.screens.geometry import contains
from pipeline.storage.dataset import Dataset


def dataset(tmp_path: Path, change: Callable[[dict[str, Any]], None] = lambda document: None, **config: Any) -> Dataset:
    """Slice two trajectories of which each step may be changed, without errors of other kinds."""
    for name in ("a", "b"):
        document = build.trajectory(name, 6, first_screen=10 * (name == "b"))
        for step in document["steps"]:
            change(step)
        build.write(tmp_path / "in", document)
    return build.sliced(tmp_path / "in", tmp_path / "d", **config)


def clicks(found: Dataset) -> dict[str, tuple[Sample, Click]]:
    """Return the clean samples that train a click."""
    samples = (sample for sample in found.samples() if sample.origin == "clean")
    return {s.sample_id: (s, a) for s in samples if isinstance(a := s.turns[-1].actions[0], Click)}


@pytest.mark.parametrize("layout", ["mai-ui", "qwen3-vl"])
def test_the_trained_click_moves_within_its_target(tmp_path: Path, layout: str) -> None:
    """Messages say the new point, provenance the recorded one, the history what was executed; all checks pass."""
    source = dataset(tmp_path, layout=layout)
    found = build.augmented(tmp_path / "d", tmp_path / "out", rate=0, jitter=1.0)
    assert found.manifest.details["jitter"] == {"considered": 10, "made": 10, "truthful": 10}
    points = set()
    for name, (sample, click) in clicks(found).items():
        before, recorded = clicks(source)[name]
        assert click.point is not None
        assert click.point != recorded.point
        assert click.synth
        assert click.bbox == recorded.bbox
        assert contains((0.3, 0.4, 0.7, 0.5), click.point)
        assert json.loads(sample.provenance[RECORDED]) == list(recorded.point or ())
        assert sample.turns[:-1] == before.turns[:-1]
        assert sample.messages[:-1] == before.messages[:-1]
        x, y = (round(value * 999) for value in click.point)
        assert f"[{x}, {y}]" in (sample.messages[-1].content[0].text or "")
        assert contains((0.3, 0.4, 0.7, 0.5), (x / 999, y / 999))
        points.add(click.point)
    assert len(points) == 10
    assert build.validated(tmp_path / "out").findings == 0


def test_the_probability_holds_and_a_rerun_moves_nothing_twice(tmp_path: Path) -> None:
    """The same seed draws the same, another one another; the recorded point is never lost."""
    dataset(tmp_path)
    half = build.augmented(tmp_path / "d", tmp_path / "half", rate=0, jitter=0.5)
    moved = {name for name, (sample, _) in clicks(half).items() if RECORDED in sample.provenance}
    assert 0 < len(moved) < 10
    other = build.augmented(tmp_path / "d", tmp_path / "other", rate=0, jitter=0.5, seed=1)
    assert {name for name, (sample, _) in clicks(other).items() if RECORDED in sample.provenance} != moved
    again = build.augmented(tmp_path / "half", tmp_path / "again", rate=0, jitter=1.0)
    for name, (sample, click) in clicks(again).items():
        assert json.loads(sample.provenance[RECORDED]) == [0.5, 0.45]
        if name in moved:
            assert click == clicks(half)[name][1]


def test_without_jitter_nothing_moves(tmp_path: Path) -> None:
    """And the report does not speak of it."""
    source = dataset(tmp_path)
    found = build.augmented(tmp_path / "d", tmp_path / "out", rate=0)
    assert list(found.samples()) == list(source.samples())
    assert not {"jitter", "points"} & found.manifest.details.keys()


def test_errors_are_made_of_the_recorded_clicks(tmp_path: Path) -> None:
    """A correction is the recorded tap, whatever its clean sample became."""
    source = dataset(tmp_path)
    found = build.augmented(tmp_path / "d", tmp_path / "out", rate=0.5, jitter=1.0)
    corrections = [s for s in found.samples() if s.origin == "error_correction"]
    assert corrections
    for sample in corrections:
        clean = clicks(source).get(sample.sample_id.split("+")[0])
        assert clean is None or sample.turns[-1].actions == (clean[1],) or sample.error_kind == "accidental_back"
        assert RECORDED not in sample.provenance


def test_the_recording_may_name_a_part_of_the_target(tmp_path: Path) -> None:
    """A text that passes taps on to the row around it: the point stays within the text."""

    def text_of_row(step: dict[str, Any]) -> None:
        if step["actions"][0]["type"] == "click":
            step["actions"][0].update(point=[0.3, 0.64], bbox=[0.1, 0.62, 0.5, 0.66])

    dataset(tmp_path, text_of_row)
    found = build.augmented(tmp_path / "d", tmp_path / "out", rate=0, jitter=1.0)
    assert found.manifest.details["jitter"] == {"considered": 10, "made": 10, "truthful": 10}
    assert all(contains((0.1, 0.62, 0.5, 0.66), click.point or (0, 0)) for _, click in clicks(found).values())
    assert build.validated(tmp_path / "out").manifest.rejected.get("coordinates") is None


CHANGES: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    ("no_elements", lambda step: step["observation"].update(elements=[])),
    ("covered", lambda step: step["observation"]["elements"][2].update(topmost=None, source="ocr")),
    ("target_unclear", lambda step: step["observation"]["elements"][2].update(bbox=[0.3, 0.4, 0.9, 0.5])),
    ("target_unclear", lambda step: step["observation"]["elements"][2].update(clickable=False)),
    ("small", lambda step: _thin(step)),
    ("no_room", lambda step: step["observation"]["elements"].append(
        {"bbox": [0.3, 0.4, 0.7, 0.5], "parent": 2, "clickable": None})),
]  # fmt: skip


def _thin(step: dict[str, Any]) -> None:
    box = [0.49, 0.4, 0.51, 0.5]  # 7 of 360 pixels
    step["observation"]["elements"][2]["bbox"] = box
    for action in step["actions"]:
        if action["type"] == "click":
            action["bbox"] = box


@pytest.mark.parametrize(("reason", "change"), CHANGES)
def test_where_it_is_not_sure_the_point_stays(
    tmp_path: Path, reason: str, change: Callable[[dict[str, Any]], None]
) -> None:
    """And the report counts why."""
    source = dataset(tmp_path, change)
    found = build.augmented(tmp_path / "d", tmp_path / "out", rate=0, jitter=1.0)
    assert found.manifest.details["jitter"] == {"considered": 10, f"refused: {reason}": 10}
    assert list(found.samples()) == list(source.samples())


def _beside(step: dict[str, Any]) -> None:
    for action in step["actions"]:
        if action["type"] == "click":
            action["point"] = [0.5, 0.55]


def test_a_click_beside_its_target_is_reported_and_moved_on_request(tmp_path: Path) -> None:
    """Validation refuses it as it is; moved onto its target it passes."""
    source = dataset(tmp_path, _beside)
    left = build.augmented(tmp_path / "d", tmp_path / "left", rate=0, jitter=1.0)
    assert left.manifest.details["points"] == {"off_target": 10}
    assert left.manifest.details["jitter"] == {"considered": 0}
    assert list(left.samples()) == list(source.samples())
    assert build.validated(tmp_path / "left").manifest.rejected == {"beside_target": 10}
    found = build.augmented(tmp_path / "d", tmp_path / "out", rate=0, recentre=True)
    assert found.manifest.details["points"] == {"off_target": 10}
    assert found.manifest.details["jitter"] == {"considered": 10, "made": 10, "truthful": 10}
    for sample, click in clicks(found).values():
        assert click.point is not None
        assert contains((0.3, 0.4, 0.7, 0.5), click.point)
        assert json.loads(sample.provenance[RECORDED]) == [0.5, 0.55]
    assert build.validated(tmp_path / "out").manifest.rejected.get("coordinates") is None


def test_without_elements_the_middle_of_the_box_is_all_that_is_known(tmp_path: Path) -> None:
    """Asked for, the click goes there; onto another element than the named one it never goes."""

    def bare(step: dict[str, Any]) -> None:
        _beside(step)
        step["observation"]["elements"] = []

    dataset(tmp_path, bare)
    found = build.augmented(tmp_path / "d", tmp_path / "out", rate=0, recentre=True)
    assert {tuple(round(v, 6) for v in click.point or ()) for _, click in clicks(found).values()} == {(0.5, 0.45)}


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_probability_out_of_range_is_refused(share: float) -> None:
    """One line that says what is expected."""
    with pytest.raises(ConfigError, match="expected a probability from 0 to 1"):
        AugmentConfig(jitter=share)
