"""`gui-odyssey`: a grid of 1000, keys among the taps, touch paths, missing screenshots."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from import_sources import odyssey, odyssey_step, picture
from importing import imported, report, rows, trajectories

from pipeline.actions import Action, Button, Click, LongPress, Swipe, Terminate, Type


def actions(tmp_path: Path, *steps: dict[str, Any]) -> list[Action]:
    """Return what becomes of the steps."""
    done = imported("gui-odyssey", odyssey(tmp_path / "in", steps), tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    [trajectory] = trajectories(tmp_path / "out")
    return [step.actions[0] for step in trajectory.steps]


def test_every_action(tmp_path: Path) -> None:
    """Both spellings of each; keys stand among the taps."""
    path = "[(500, 800), (490, 500), (480, 310)]"
    found = actions(
        tmp_path,
        odyssey_step(0),
        odyssey_step(1, "CLICK", "KEY_HOME"),
        odyssey_step(2, "CLICK", "KEY_APPSELECT"),
        odyssey_step(3, "BACK", ""),
        odyssey_step(4, "LONG_PRESS", [[1000, 0]]),
        odyssey_step(5, "SCROLL", [[500, 800], [480, 310]], ps=path),
        odyssey_step(6, "TEXT", "7 am"),
        odyssey_step(7, "TYPE", "8 am"),
        odyssey_step(8, "INCOMPLETE", "", ps="no such app"),
    )
    click, home, recent, back, held, swipe, text, typed, ended = found
    assert isinstance(click, Click)
    assert (click.point, click.bbox) == ((0.25, 0.5), (0.2, 0.45, 0.3, 0.55))
    assert click.frame is not None
    assert click.frame.scale == 1000
    assert [a.name for a in (home, recent, back) if isinstance(a, Button)] == ["home", "recent", "back"]
    assert isinstance(held, LongPress)
    assert held.point == (1.0, 0.0)
    assert isinstance(swipe, Swipe)
    assert (swipe.start, swipe.end, swipe.path) == ((0.5, 0.8), (0.48, 0.31), ((0.5, 0.8), (0.49, 0.5), (0.48, 0.31)))
    assert [a.text for a in (text, typed) if isinstance(a, Type)] == ["7 am", "8 am"]
    assert isinstance(ended, Terminate)
    assert (ended.status, ended.text) == ("infeasible", "no such app")


def test_what_stands_around_the_steps(tmp_path: Path) -> None:
    """Wordings of the task, apps, device, texts; pictures in a numbered subfolder."""
    steps = [odyssey_step(0), odyssey_step(1, "COMPLETE", "")]
    source = odyssey(tmp_path / "in", steps, folder="data_3")
    assert imported("gui-odyssey", source, tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    assert trajectory.goal == "Use Clock to set an alarm."
    assert [(goal.kind, goal.text) for goal in trajectory.goals] == [
        ("natural", "Set an alarm"),
        ("template", "Set {}"),
    ]
    assert (trajectory.apps, trajectory.outcome.status) == (("Clock",), "success")
    assert trajectory.device is not None
    assert trajectory.device.name == "Pixel Fold"
    text = trajectory.steps[0].text
    assert (text.observation, text.thought, text.instruction, text.summary) == (
        "A screen.", "I tap.", "Tap it", "So far, nothing.",
    )  # fmt: skip


def test_a_missing_screenshot_costs_no_history(tmp_path: Path) -> None:
    """The step stays, with the size that the device has; slice refuses what would show the picture."""
    source = odyssey(tmp_path / "in", [odyssey_step(n) for n in range(4)])
    (source / "screenshots" / "12_1.png").unlink()
    (source / "screenshots" / "12_2.png").write_bytes(b"")
    done = imported("gui-odyssey", source, tmp_path / "out")
    assert (done.exit_code, bool(done.stdout)) == (1, True)
    assert [(r["scope"], r["code"], r["record"]) for r in rows(tmp_path / "out")] == [
        ("screenshot", "image_missing", "step 1"), ("screenshot", "image_broken", "step 2"),
    ]  # fmt: skip
    assert report(tmp_path / "out")["counts"] == {
        "trajectories": {"in": 1, "out": 1, "rejected": 0}, "steps": {"in": 4, "out": 4, "rejected": 0},
        "screenshots": {"in": 4, "out": 2, "rejected": 2},
    }  # fmt: skip
    [trajectory] = trajectories(tmp_path / "out")
    assert len({step.observation.image.path for step in trajectory.steps}) == 4


def test_a_picture_of_a_name_that_two_folders_have_is_none(tmp_path: Path) -> None:
    """Which of them is meant nobody says."""
    source = odyssey(tmp_path / "in", [odyssey_step(0)], folder="a")
    shutil.copytree(source / "screenshots" / "a", source / "screenshots" / "b")
    picture(source / "screenshots" / "b" / "12_0.png", 5)
    imported("gui-odyssey", source, tmp_path / "out")
    assert [r["code"] for r in rows(tmp_path / "out")] == ["image_missing"]


@pytest.mark.parametrize("ps", ["[[0, 0], [10, 10]]", "[[500, 800], [9999, 1]]", "gibberish", "[" * 5000, [[1]], "1"])
def test_a_touch_path_that_cannot_be_theirs_is_left_out(tmp_path: Path, ps: Any) -> None:
    """It does not join the two ends; the swipe itself stays, and the loss is counted."""
    [swipe] = actions(tmp_path, odyssey_step(0, "SCROLL", [[500, 800], [480, 310]], ps=ps))
    assert isinstance(swipe, Swipe)
    assert swipe.path == ()
    assert report(tmp_path / "out")["losses"] == {"touch path that contradicts its ends": 1}


@pytest.mark.parametrize(
    ("action", "info"),
    [("CLICK", [[250, 1001]]), ("CLICK", "KEY_MENU"), ("CLICK", []), ("SCROLL", [[1, 1]]), ("TEXT", ""),
     ("LONG_PRESS", [["a", 1]]), ("CLICK", [[1e308, 1]]), ("CLICK", [[250, 500, 5]])],
)  # fmt: skip
def test_what_an_action_cannot_do_without(tmp_path: Path, action: str, info: Any) -> None:
    """The step is refused."""
    imported(
        "gui-odyssey", odyssey(tmp_path / "in", [odyssey_step(0), odyssey_step(1, action, info)]), tmp_path / "out"
    )
    assert [r["code"] for r in rows(tmp_path / "out")] in (["coordinate"], ["shape"])
    assert [len(t.steps) for t in trajectories(tmp_path / "out")] == [1]
