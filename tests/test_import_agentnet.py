"""`gdp import agentnet` and `agentnetbench`, on the published example and on files built in their form."""

import json
from pathlib import Path
from typing import Any

import build
import pytest
from importing import REAL, imported, report, rows, trajectories

from pipeline.actions import Click, Drag, Key, Scroll, Terminate, Type, Unknown
from pipeline.records import Trajectory

EXAMPLE = REAL / "agentnet"


def step(index: int, code: str, **value: Any) -> dict[str, Any]:
    """Return a step of AgentNet."""
    return {"index": index, "image": f"{index}.png", "value": {"code": code, **value}}


def line(task: str, *steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a trajectory of AgentNet."""
    return {"task_id": task, "instruction": f"Do {task}", "traj": list(steps), **changes}


def source(root: Path, *lines: dict[str, Any], pictures: str = "images", n_pictures: int = 5) -> Path:
    """Write a release: a file of lines, the screenshots in a folder."""
    (root / pictures).mkdir(parents=True)
    (root / "agentnet.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    for number in range(n_pictures):
        build.screen(number, 640, 480).save(root / pictures / f"{number}.png")
    return root


def only(out: Path) -> Trajectory:
    """Return the only trajectory of an import."""
    [trajectory] = trajectories(out)
    return trajectory


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the published recordings are not here")
def test_the_published_example(tmp_path: Path) -> None:
    """15 steps, counted by hand in the file: 12 clicks (one of the right button), a drag, a scroll, the end."""
    done = imported("agentnet", EXAMPLE, tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert report(tmp_path / "out")["counts"]["steps"] == {"in": 15, "out": 15, "rejected": 0}
    assert report(tmp_path / "out")["actions"] == {"click": 12, "drag": 1, "scroll": 1, "terminate": 1}
    trajectory = only(tmp_path / "out")
    assert trajectory.trajectory_id == "task_example_0"
    assert trajectory.goal.startswith("Open the system display settings")
    assert {(s.observation.image.width, s.observation.image.height) for s in trajectory.steps} == {(1276, 718)}
    actions = [s.actions[0] for s in trajectory.steps]
    assert isinstance(actions[1], Click)
    assert (actions[1].button, actions[1].point) == ("right", (0.9553, 0.5117))
    assert isinstance(actions[3], Drag)
    assert actions[3].path == ((0.4546, 0.2682), (0.4107, 0.2773))
    assert isinstance(actions[5], Scroll)
    assert (actions[5].point, actions[5].direction, actions[5].dy) == ((0.396, 0.7839), "down", 3)
    assert actions[14] == Terminate(status="success", src=actions[14].src)


def test_a_label_is_the_step_s_own(tmp_path: Path) -> None:
    """`last_step_correct` judges the step that it stands in; the last step's is no judgement."""
    steps = (
        step(0, "pyautogui.click(0.1, 0.2)", last_step_correct=True, last_step_redundant=False, observation="o",
             thought="t", action="Click it", reflection="fine"),
        step(1, "pyautogui.click(0.3, 0.2)", last_step_correct=False, last_step_redundant=False, reflection="missed"),
        step(2, "pyautogui.click(0.5, 0.2)", last_step_correct=True, last_step_redundant=True),
        step(3, "computer.terminate(status='success')", last_step_correct=True, last_step_redundant=False),
    )  # fmt: skip
    made = line("t", *steps, task_completed=True, alignment_score=7, reason="done", natural_language_task="do it!")
    assert imported("agentnet", source(tmp_path / "in", made), tmp_path / "out").exit_code == 0
    trajectory = only(tmp_path / "out")
    labels = [s.label for s in trajectory.steps]
    assert [(each.role, each.error_kind, each.correct, each.redundant, each.by) for each in labels] == [
        ("normal", None, True, False, "judge"), ("error", "wrong", False, False, "judge"),
        ("error", "redundant", True, True, "judge"), ("normal", None, None, None, None),
    ]  # fmt: skip
    text = trajectory.steps[0].text
    assert (text.observation, text.thought, text.instruction, text.reflection) == ("o", "t", "Click it", "fine")
    assert (trajectory.outcome.status, trajectory.outcome.by, trajectory.outcome.reason) == ("success", "judge", "done")
    assert [(goal.kind, goal.text) for goal in trajectory.goals] == [("natural", "do it!")]
    assert json.loads(trajectory.extra or "") == {"alignment_score": 7}
    assert report(tmp_path / "out")["labels"] == {"error": 2, "normal": 2}


def test_pictures_go_by_their_names(tmp_path: Path) -> None:
    """Beside the file, in `images`, or anywhere if there is one of the name; lines out of order are sorted."""
    made = line("t", step(1, "pyautogui.press('a')"), step(0, "pyautogui.click(0, 1)"))
    root = source(tmp_path / "in", made, pictures="ubuntu/part-2")
    assert imported("agentnet", root, tmp_path / "a").exit_code == 0
    assert [type(s.actions[0]) for s in only(tmp_path / "a").steps] == [Click, Key]
    first = next((tmp_path / "a").glob("*/000.png")).read_bytes()
    assert first == (root / "ubuntu" / "part-2" / "0.png").read_bytes()
    (root / "images").mkdir()
    build.screen(9, 640, 480).save(root / "images" / "0.png")
    assert imported("agentnet", root, tmp_path / "b").exit_code == 0
    assert next((tmp_path / "b").glob("*/000.png")).read_bytes() == (root / "images" / "0.png").read_bytes()
    (root / "images" / "0.png").rename(root / "ubuntu" / "0.png")
    assert imported("agentnet", root, tmp_path / "c").exit_code == 1
    assert rows(tmp_path / "c")[0]["found"] == "2 files of the name '0.png'"


@pytest.mark.parametrize(
    ("steps", "code", "kept"),
    [
        ((step(0, "pyautogui.press('a')"), step(2, "pyautogui.press('a')")), "step_gap", 1),
        ((step(0, "pyautogui.press('a')"), step(0, "pyautogui.press('a')")), "step_gap", 1),
        ((step(0, "pyautogui.press('a')"), step(1, "pyautogui.click(960, 540)")), "coordinate", 1),
        ((step(0, "pyautogui.press('a')") | {"image": "../secret.png"},), "path_escape", 0),
        ((step(0, "pyautogui.press('a')") | {"image": "/etc/passwd"},), "path_escape", 0),
        ((step(0, "pyautogui.press('a')") | {"image": "none.png"},), "image_missing", 0),
        ((step(0, "pyautogui.press('a')") | {"image": ""},), "path_escape", 0),
        ((step(0, "pyautogui.press('a')") | {"image": "empty.png"},), "image_broken", 0),
        ((), "no_steps", 0),
    ],
)
def test_what_cannot_be_taken(tmp_path: Path, steps: tuple[dict[str, Any], ...], code: str, kept: int) -> None:
    """A row each; the steps before it stay."""
    root = source(tmp_path / "in", line("t", *steps))
    (root / "images" / "empty.png").write_bytes(b"")
    done = imported("agentnet", root, tmp_path / "out")
    assert done.exit_code == 1
    assert rows(tmp_path / "out")[0]["code"] == code
    assert [len(each.steps) for each in trajectories(tmp_path / "out")] == ([kept] if kept else [])


def test_a_line_without_a_goal_or_shape(tmp_path: Path) -> None:
    """The others are taken."""
    good = line("t", step(0, "for a in b: pass"))
    root = source(tmp_path / "in", line("u", step(0, "x"), instruction=""), good, {"task_id": 3}, good)
    assert imported("agentnet", root, tmp_path / "out").exit_code == 1
    assert [(row["code"], row["record"]) for row in rows(tmp_path / "out")] == [
        ("no_goal", "line 1"), ("shape", "line 3"), ("duplicate", "line 4"),
    ]  # fmt: skip
    assert report(tmp_path / "out")["losses"] == {"action of no known meaning": 1}


def action(kind: str, *boxes: list[float], **params: Any) -> dict[str, Any]:
    """Return an action of AgentNetBench."""
    return {"type": kind, "params": params, "metadata": {"bboxes": [{"rel_bbox": box} for box in boxes]}}


def task(root: Path, *steps: dict[str, Any], **changes: Any) -> Path:
    """Write a task of AgentNetBench."""
    (root / "images").mkdir(parents=True)
    for number, each in enumerate(steps):
        build.screen(number, 640, 480).save(root / "images" / f"t_{number}.png")
        each.setdefault("image", f"t_{number}.png")
    (root / "t.json").write_text(
        json.dumps({"task_id": "t", "high_level_task_description": "Do it", "steps": steps, **changes})
    )
    return root


def at(x: float, y: float) -> dict[str, float]:
    """Return a position."""
    return {"x": x, "y": y}


def test_agentnetbench(tmp_path: Path) -> None:
    """Actions, the box that a click may hit, alternatives, texts, milestones."""
    click = action("click", [0.1, 0.1, 0.3, 0.3], [0.15, 0.15, 0.1, 0.1], [0.9, 0.9, 0.5, 0.5], position=at(0.2, 0.2))
    root = task(
        tmp_path / "in",
        {"step_num": 1, "ground_truth_actions": [click], "milestone": True,
         "alternative_options": [[action("hotkey", keys=["ctrl", "s"])], [action("rightClick", position=at(0.5, 0.5))]],
         "inner_monologue": {"observation": "o", "thought": "t", "low_level_instruction": "Click it"}},
        {"step_num": 2, "ground_truth_actions": [action("moveTo", position=at(0.1, 0.2)),
                                                 action("dragTo", position=at(0.3, 0.4))]},
        {"step_num": 3, "ground_truth_actions": [action("write", content="abc"), action("press", keys=["enter"]),
                                                 action("scroll", amount=-3), action("dance")]},
        {"step_num": 4, "ground_truth_actions": [action("terminate", status="success")]},
        user_task_description="please do it",
    )  # fmt: skip
    done = imported("agentnetbench", root, tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    trajectory = only(tmp_path / "out")
    first, second, third, fourth = trajectory.steps
    [hit] = first.actions
    assert isinstance(hit, Click)
    assert hit.bbox == (0.15, 0.15, 0.25, 0.25)
    assert json.loads(hit.src or "") == click
    assert [[type(a) for a in each] for each in first.alternatives] == [[Key], [Click]]
    assert first.milestone is True
    assert (first.text.observation, first.text.thought, first.text.instruction) == ("o", "t", "Click it")
    [drag] = second.actions
    assert isinstance(drag, Drag)
    assert drag.path == ((0.1, 0.2), (0.3, 0.4))
    assert [each["type"] for each in json.loads(drag.src or "")] == ["moveTo", "dragTo"]
    assert [type(each) for each in third.actions] == [Type, Key, Scroll, Unknown]
    assert isinstance(fourth.actions[0], Terminate)
    assert [(goal.kind, goal.text) for goal in trajectory.goals] == [("user", "please do it")]
    assert report(tmp_path / "out")["losses"] == {
        "action of no known meaning": 1, "further target box": 2, "scroll without start point": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ({"ground_truth_actions": []}, "shape"),
        ({"ground_truth_actions": [action("click", position=at(1.5, 0.1))]}, "coordinate"),
        ({"ground_truth_actions": [action("click", [0.1, 0.1, 0.1], position=at(0.5, 0.1))]}, "coordinate"),
        ({"ground_truth_actions": [action("press", keys=["a"])], "step_num": 5}, "step_gap"),
        ({"ground_truth_actions": "click"}, "shape"),
        ({"ground_truth_actions": [action("press", keys=["a"])], "image": "../t.json"}, "path_escape"),
    ],
)
def test_agentnetbench_keeps_what_is_before_a_broken_step(tmp_path: Path, broken: dict[str, Any], code: str) -> None:
    """And says why."""
    good = {"ground_truth_actions": [action("press", keys=["a"])], "step_num": 1}
    root = task(tmp_path / "in", good, broken, dict(good, step_num=3, image="t_0.png"))
    assert imported("agentnetbench", root, tmp_path / "out").exit_code == 1
    assert [row["code"] for row in rows(tmp_path / "out")] == [code, "history_broken"]
    assert len(only(tmp_path / "out").steps) == 1
