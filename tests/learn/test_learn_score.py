"""The experiment's own arithmetic: what is held out, what the arms train, what an interval is."""

import json
import math
import re
from pathlib import Path

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.learn import figure, score
from benchmarks.learn.__main__ import main as learn
from benchmarks.learn.arms import ARMS, unmask
from benchmarks.learn.goals import GOALS, LAYOUTS, LOOKS, SPLITS, VALIDATION, Goal, Split
from pipeline.storage.dataset import Dataset


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_what_is_acted_on_was_never_recorded(split: Split) -> None:
    """Neither the goal nor the layout of an episode is in the recordings; the parts of both are."""
    recorded = split.curriculum()
    layouts, goals = {layout for layout, _ in recorded}, {goal for _, goal in recorded}
    assert not layouts & set(split.held_out_layouts)
    assert not goals & set(split.held_out)
    assert set(LAYOUTS) == {*layouts, *split.held_out_layouts}
    assert {*goals, *split.held_out} == {*GOALS, *LOOKS, Goal(VALIDATION)}
    assert {p for layout in split.held_out_layouts for p in layout.split(",")} <= {
        p for layout in layouts for p in layout.split(",")
    }
    for goal in split.held_out:
        assert {other.verb for other in goals if other.file == goal.file} >= {"look"}
        assert sum(other.file == goal.file for other in goals) >= 3
        assert sum(other.verb == goal.verb for other in goals) >= 4
    assert len({goal.text for goal in goals}) == len({goal.name for goal in goals}) == len(goals)


def test_settings_are_chosen_on_other_goals_and_layouts_than_are_measured() -> None:
    measured, chosen = SPLITS["measured"], SPLITS["chosen"]
    assert not set(measured.held_out) & set(chosen.held_out)
    assert not set(measured.held_out_layouts) & set(chosen.held_out_layouts)


@given(st.integers(1, 400).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_an_interval_holds_its_share(counted: tuple[int, int]) -> None:
    hits, of = counted
    low, high = score.wilson(hits, of)
    assert 0 <= low <= hits / of <= high <= 1
    assert high - low < 2 / math.sqrt(of) + 1e-9


@pytest.mark.parametrize(("hits", "of", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 20, 0.0, 0.1611)])
def test_wilson_as_published(hits: int, of: int, low: float, high: float) -> None:
    """Values of R's `prop.test(correct=FALSE)`."""
    assert score.wilson(hits, of) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def result(success: int, planted: dict[str, int], recovered: dict[str, int]) -> dict[str, object]:
    return {"episodes": 10, "success": success, "invalid": 0, "planted": planted, "recovered": recovered,
            "on path": 30, "went back": 3, "decisions": 60}  # fmt: skip


def test_seeds_are_pooled_and_shown() -> None:
    seeds = [result(4, {"back": 2}, {"back": 1}), result(6, {"back": 1, "dead_tap": 4}, {"dead_tap": 2})]
    assert score.pooled(seeds)["planted"] == {"back": 3, "dead_tap": 4}
    table = score.main_table({"an arm": seeds})
    assert "| an arm | 50 (30–70) | 40 / 60 | 43 (16–75) | 10 (5–20) |" in table
    assert "1 of 3" in score.kinds_table({"an arm": seeds})
    assert "2 of 4" in score.kinds_table({"an arm": seeds})
    assert "| an arm | 50 (30–70) | 40 / 60 | 10 (5–20) |" in score.calm_table({"an arm": seeds})


def test_the_figure_is_whole_and_shows_every_seed() -> None:
    seeds = [result(4, {"back": 2}, {"back": 1}), result(10, {}, {})]
    drawn = figure.draw({"an arm": seeds, "none planted": [result(0, {}, {})]})
    small = re.findall(r'<circle cx="([\d.]+)" cy="[\d.]+" r="2"', drawn)
    shares = [round((float(x) - figure.LEFT) / (figure.WIDTH - figure.LEFT - figure.RIGHT), 2) for x in small]
    assert shares == [0.4, 1.0, 0.5, 0.0]  # success of both seeds, the one with a planted turn, then the other arm
    assert drawn.count('r="5"') == 2 + 3  # the key, and a share each but for turns of which none was planted


def test_steps_of_one_kind_are_summed() -> None:
    times = {"train-clean-0": {"cpu": 60.0}, "train-ec10-1": {"cpu": 71.0}, "merge": {"cpu": 5.0}}
    assert score.times_table(times).splitlines()[2:] == ["| train | 2 | 60 to 71 | 131 |", "| merge | 1 | 5 | 5 |"]


def test_only_wrong_turns_are_unmasked(tmp_path: Path) -> None:
    """The copy differs in nothing but the weights of the wrong turns, and `gdp validate` refuses it."""
    build.sliced(build.back_corpus(tmp_path / "t"), tmp_path / "s", max_pixels=131072, val_fraction=0.4)
    masked = build.augmented(tmp_path / "s", tmp_path / "masked", rate=0.4)
    unmask(tmp_path / "masked", tmp_path / "unmasked")
    copy = Dataset.open(tmp_path / "unmasked")
    pairs = list(zip(masked.samples(), copy.samples(), strict=True))
    changed = [(a, b) for a, b in pairs if a != b]
    assert changed
    assert {a.sample_id for a, _ in changed} == {a.sample_id for a, _ in pairs if a.origin == "error_correction"}
    for a, b in changed:
        weights = [(m.loss_weight, n.loss_weight) for m, n in zip(a.messages, b.messages, strict=True)]
        wrong = sum(turn.role == "error" for turn in a.turns)
        assert weights.count((0.0, 1.0)) == wrong
        assert weights[-1] == (1.0, 1.0)
        assert [m.content for m in a.messages] == [m.content for m in b.messages]
    assert build.validated(tmp_path / "masked").manifest.rejected == {}
    assert build.validated(tmp_path / "unmasked").manifest.rejected == {"trained_turns": len(changed)}


def test_arms_are_what_was_asked_for() -> None:
    assert {(arm.percent, arm.masked) for arm in ARMS} == {(0, True), (10, True), (20, True), (30, True), (20, False)}
    assert len({arm.name for arm in ARMS}) == len({arm.title for arm in ARMS}) == len(ARMS)


def test_only_seeds_that_every_arm_is_done_with_are_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "measured" / "results"
    folder.mkdir(parents=True)
    counted = json.dumps({"planted": result(4, {"back": 2}, {"back": 1}), "calm": result(9, {}, {})})
    command = ["--report", "--work", str(tmp_path), "--chromium", "none"]
    for arm in ARMS:
        with pytest.raises(SystemExit, match="no seed is done"):
            learn(command)
        (folder / f"{arm.name}-0.json").write_text(counted)
    (folder / f"{ARMS[0].name}-1.json").write_text(counted)
    learn(command)
    told = capsys.readouterr().out
    assert "Trainings of each arm: 1." in told
    assert all(f"| {arm.title} | 40 (17–69) | 40 |" in told for arm in ARMS)
