"""`aitz`: y first, boxes in pixels beside points in fractions, pictures by name."""

from pathlib import Path
from typing import Any

import pytest
from import_sources import aitz, aitz_step
from importing import REAL, imported, report, rows, trajectories
from PIL import Image

from pipeline.actions import Button, Click, LongPress, Swipe, Terminate, Type, Unknown, Wait


def test_points_are_y_first_and_boxes_pixels(tmp_path: Path) -> None:
    """[0.5, 0.25] is x 0.25, y 0.5; [80, 36, 40, 72] is y, x, height, width; boxes are cut at the edge, or left out."""
    done = imported("aitz", aitz(tmp_path / "in", [aitz_step(0), aitz_step(1), aitz_step(2, 10)]), tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    [trajectory] = trajectories(tmp_path / "out")
    step = trajectory.steps[0]
    assert isinstance(step.actions[0], Click)
    assert step.actions[0].point == (0.25, 0.5)
    assert step.actions[0].frame is not None
    assert step.actions[0].frame.axes == "yx"
    assert '"result_touch_yx":"[0.5, 0.25]"' in (step.actions[0].src or "")
    calls, sound = step.observation.elements
    assert (calls.bbox, calls.text, calls.role, calls.source) == ((0.1, 0.1, 0.3, 0.15), "Calls", "TEXT", "ocr")
    assert sound.bbox == (pytest.approx(300 / 360), 780 / 800, 1.0, 1.0)
    assert report(tmp_path / "out")["losses"] == {"box outside the screen": 3}
    assert (step.text.observation, step.text.thought) == ("A screen.", "I tap.")
    assert (step.text.instruction, step.text.expected) == ("tap it", "It opens.")
    assert (trajectory.trajectory_id, trajectory.goal, trajectory.outcome.status) == (
        "GENERAL-77",
        "Mute calls",
        "success",
    )


def test_boxes_in_fractions_as_cagui_has_them(tmp_path: Path) -> None:
    """No number above 1: [y, x, height, width] as fractions; the list may be plain JSON; numbers start at 1."""
    steps = [aitz_step(n, ui_positions=[[0.1, 0.2, 0.3, 0.4]], ui_text=["打开"], ui_types=None, duration=None,
                       image_path=f"GENERAL-77_{n - 1}.png") for n in (1, 2, 3)]  # fmt: skip
    assert imported("aitz", aitz(tmp_path / "in", steps), tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    [element] = trajectory.steps[0].observation.elements
    assert element.bbox == (0.2, 0.1, pytest.approx(0.6), pytest.approx(0.4))
    assert len(trajectory.steps) == 3


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        (4, {"result_lift_yx": "[0.53, 0.27]"}, Click(point=(0.25, 0.5))),
        (4, {"result_lift_yx": "[0.1, 0.25]"}, Swipe(start=(0.25, 0.5), end=(0.25, 0.1))),
        (3, {"result_action_text": "hello"}, Type(text="hello")),
        (5, {}, Button(name="back")),
        (6, {}, Button(name="home")),
        (7, {}, Button(name="enter")),
        (10, {}, Terminate(status="success")),
        (11, {}, Terminate(status="infeasible")),
        (0, {"duration": 1500}, LongPress(point=(0.25, 0.5))),
        (1, {}, Wait()),
        (99, {}, Unknown()),
    ],
)
def test_every_action(tmp_path: Path, kind: int, changes: dict[str, Any], expected: Any) -> None:
    """The number says which; touch and lift at most 0.04 apart are a tap."""
    steps = [aitz_step(0, kind, episode_length=1, **changes)]
    assert imported("aitz", aitz(tmp_path / "in", steps), tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    action = trajectory.steps[0].actions[0]
    assert type(action)(**{**_values(action), "src": None, "frame": None}) == expected


def _values(action: Any) -> dict[str, Any]:
    return {name: getattr(action, name) for name in action.__struct_fields__}


def test_pictures_by_their_names_and_steps_by_their_numbers(tmp_path: Path) -> None:
    """Whatever the order of the list, and though the recorded folder is another one than that on the disk."""
    steps = [aitz_step(2, 10), aitz_step(0), aitz_step(1)]
    assert imported("aitz", aitz(tmp_path / "in", steps), tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    [folder] = (path.parent for path in (tmp_path / "out").glob("*/trajectory.json"))
    for number, step in enumerate(trajectory.steps):
        original = tmp_path / "in" / "GENERAL-77" / f"GENERAL-77_{number}.png"
        assert (folder / step.observation.image.path).read_bytes() == original.read_bytes()


@pytest.mark.parametrize(
    ("numbers", "kept", "code"), [((0, 2), 1, "step_gap"), ((0, 1, 1), 2, "step_gap"), ((3, 4), 0, "step_gap")]
)
def test_gaps_and_repeated_numbers(tmp_path: Path, numbers: tuple[int, ...], kept: int, code: str) -> None:
    """The steps before the gap are kept; those after it would have a false history."""
    steps = [aitz_step(number, image_path="GENERAL-77_0.png") for number in numbers]
    imported("aitz", aitz(tmp_path / "in", steps), tmp_path / "out")
    found = rows(tmp_path / "out")
    assert found[0]["code"] == code
    assert [len(t.steps) for t in trajectories(tmp_path / "out")] == ([kept] if kept else [])
    assert report(tmp_path / "out")["counts"]["steps"] == {
        "in": len(numbers),
        "out": kept,
        "rejected": len(numbers) - kept,
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"result_touch_yx": "[0.5, 1.2]"}, "coordinate"),
        ({"result_touch_yx": "[-1.0, -1.0]"}, "coordinate"),
        ({"result_touch_yx": "[0.5]"}, "coordinate"),
        ({"result_touch_yx": "[NaN, 0.5]"}, "json_broken"),
        ({"result_touch_yx": None}, "coordinate"),
        ({"ui_positions": '[[1e300, 5, 1e300, 5], ["a", 1, 1, 1]]'}, "coordinate"),
        ({"image_path": "../GENERAL-77_0.png"}, "path_escape"),
        ({"image_path": "/etc/passwd"}, "path_escape"),
        ({"image_path": "nothing.png"}, "image_missing"),
        ({"image_path": "link.png"}, "path_escape"),
        ({"image_path": "empty.png"}, "image_broken"),
    ],
    ids=str,
)
def test_a_step_that_cannot_be_taken(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    """It is refused with its place, and what follows it with it."""
    source = aitz(tmp_path / "in", [aitz_step(0), aitz_step(1, **changes), aitz_step(2)])
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    (source / "GENERAL-77" / "link.png").symlink_to(tmp_path / "secret.png")
    (source / "GENERAL-77" / "empty.png").touch()
    done = imported("aitz", source, tmp_path / "out")
    assert (done.exit_code, bool(done.stdout)) == (1, True)
    assert [(r["scope"], r["code"], r["record"]) for r in rows(tmp_path / "out")] == [
        ("step", code, "step 1"), ("step", "history_broken", "step 2"),
    ]  # fmt: skip
    assert [len(t.steps) for t in trajectories(tmp_path / "out")] == [1]


@pytest.mark.skipif(not (REAL / "aitz").exists(), reason="the published recordings are not here")
def test_the_published_episode(tmp_path: Path) -> None:
    """Counted by hand: Home, a swipe up, a tap on the clock, the end; 14 boxes on the second screen."""
    assert imported("aitz", REAL / "aitz", tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    assert [type(step.actions[0]) for step in trajectory.steps] == [Button, Swipe, Click, Terminate]
    assert {(s.observation.image.width, s.observation.image.height) for s in trajectory.steps} == {(270, 600)}
    tap = trajectory.steps[2].actions[0]
    assert isinstance(tap, Click)
    assert tap.point == (0.6069772839546204, 0.49836206436157227)
    assert len(trajectory.steps[1].observation.elements) == 14
    assert trajectory.steps[1].observation.elements[0].bbox == (24 / 270, 56 / 600, 76 / 270, 64 / 600)
