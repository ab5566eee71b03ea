"""`gdp import mobileworld`, on rollouts built as its trajectory logger writes them."""

import json
from pathlib import Path
from typing import Any

import build
import pytest
from importing import imported, report, rows, trajectories

from pipeline.actions import (
    Answer,
    AskUser,
    Button,
    CallTool,
    Click,
    Drag,
    Frame,
    LongPress,
    OpenApp,
    Scroll,
    Swipe,
    Terminate,
    Type,
    Unknown,
    Wait,
)
from pipeline.records import Inbound, Trajectory

W, H = 540, 1200


def wrote(arguments: dict[str, Any], name: str = "mobile_use", thinking: str = "I see it.") -> str:
    """Return what MAI-UI writes."""
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<thinking>\n{thinking}\n</thinking>\n<tool_call>\n{call}\n</tool_call>"


def step(number: int, prediction: str | None, action: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a logged step."""
    return {"task_goal": "Mute calls", "step": number, "prediction": prediction, "action": action,
            "ask_user_response": None, "tool_call": None, **changes}  # fmt: skip


def rollout(root: Path, *steps: dict[str, Any], task: str = "MuteTask", result: str | None = "score: 1.0\nreason: ok",
            tools: list[Any] | None = None) -> Path:  # fmt: skip
    """Write a rollout with a screenshot for each step, and the marked ones that the logger adds."""
    folder = root / task
    for name in ("screenshots", "marked_screenshots"):
        (folder / name).mkdir(parents=True)
    for each in steps:
        build.screen(each["step"], W, H).save(folder / "screenshots" / f"{task}-0-{each['step']}.png")
        build.screen(99, W, H).save(folder / "marked_screenshots" / f"marked-{task}-0-{each['step']}.png")
    run = {"tools": tools, "traj": list(steps), "token_usage": {"total": 7}}
    (folder / "traj.json").write_text(json.dumps({"0": run} if steps else {}, ensure_ascii=False, indent=4))
    if result is not None:
        (folder / "result.txt").write_text(result)
    return root


def only(out: Path) -> Trajectory:
    """Return the only trajectory of an import."""
    [trajectory] = trajectories(out)
    return trajectory


def px(value: int, side: int) -> int:
    """Return a grid value in pixels, as the benchmark's translation does."""
    return int(value / 999 * side)


def test_a_rollout(tmp_path: Path) -> None:
    """The model's exact points, replies before the step that they were there for, tools, the score."""
    box = [100, 200, 300, 400]
    steps = (
        step(1, wrote({"action": "open", "text": "Phone"}), {"action_type": "open_app", "app_name": "Phone"}),
        step(2, wrote({"action": "click", "coordinate": [63, 504]}),
             {"action_type": "click", "x": px(63, W), "y": px(504, H)}),
        step(3, wrote({"action": "click", "coordinate": box}),
             {"action_type": "click", "x": px(200, W), "y": px(300, H)}),
        step(4, wrote({"action": "swipe", "direction": "up", "coordinate": [500, 500]}),
             {"action_type": "scroll", "direction": "down", "x": px(500, W), "y": px(500, H)}),
        step(5, wrote({"action": "drag", "start_coordinate": [1, 2], "end_coordinate": [998, 999]}),
             {"action_type": "drag", "start_x": px(1, W), "start_y": px(2, H), "end_x": px(998, W), "end_y": H}),
        step(6, wrote({"action": "ask_user", "text": "Which one?"}), {"action_type": "ask_user", "text": "Which one?"}),
        step(7, wrote({"q": [1]}, name="map.search"),
             {"action_type": "mcp", "action_name": "map.search", "action_json": {"q": [1]}},
             ask_user_response="The first."),
        step(8, wrote({"action": "type", "text": "it's <b>\n你好"}),
             {"action_type": "input_text", "text": "it's <b>\n你好"},
             tool_call=[{"text": "found", "ok": True}]),
        step(9, wrote({"action": "system_button", "button": "menu"}),
             {"action_type": "unknown", "text": "Unknown button"}),
        step(10, wrote({"action": "terminate", "status": "success"}), {"action_type": "finished", "text": "success"}),
    )  # fmt: skip
    root = rollout(tmp_path / "in", *steps, tools=[{"name": "map.search"}])
    done = imported("mobileworld", root, tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    trajectory = only(tmp_path / "out")
    assert (trajectory.trajectory_id, trajectory.goal) == ("MuteTask", "Mute calls")
    assert (trajectory.outcome.status, trajectory.outcome.reward, trajectory.outcome.reason) == ("success", 1.0, "ok")
    assert [json.loads(tool) for tool in trajectory.tools] == [{"name": "map.search"}]
    actions = [each.actions[0] for each in trajectory.steps]
    assert [type(action) for action in actions] == [
        OpenApp, Click, Click, Swipe, Drag, AskUser, CallTool, Type, Button, Terminate,
    ]  # fmt: skip
    click, boxed, swipe, drag = actions[1:5]
    assert isinstance(click, Click)
    assert click.point == (63 / 999, 504 / 999)
    assert click.frame == Frame(kind="grid", scale=999)
    assert json.loads(click.src or "")["arguments"]["coordinate"] == [63, 504]
    assert isinstance(boxed, Click)
    assert boxed.point == pytest.approx((200 / 999, 300 / 999))
    assert boxed.bbox == tuple(value / 999 for value in box)
    assert isinstance(swipe, Swipe)
    assert (swipe.direction, swipe.start) == ("up", (500 / 999, 500 / 999))
    assert isinstance(drag, Drag)
    assert drag.path == ((1 / 999, 2 / 999), (998 / 999, 1.0))
    assert [each.inbound for each in trajectory.steps[5:9]] == [
        (), (Inbound("user_reply", "The first."),),
        (Inbound("tool_response", "[{'text': 'found', 'ok': True}]", "map.search"),), (),
    ]  # fmt: skip
    assert {each.text.thought for each in trajectory.steps} == {"I see it."}
    assert trajectory.steps[1].response is not None
    assert trajectory.steps[1].response.raw == steps[1]["prediction"]
    assert trajectory.steps[8].execution is not None
    assert trajectory.steps[8].execution.status == "failed"
    assert report(tmp_path / "out")["losses"] == {"swipe without start or end point": 1}
    screens = {path.read_bytes() for path in (tmp_path / "out").glob("*/*.png")}
    assert screens == {path.read_bytes() for path in root.glob("*/screenshots/*.png")}


def test_where_they_differ_what_was_executed_counts(tmp_path: Path) -> None:
    """Another scale, other words, no readable reply: the pixels led to the next screen."""
    steps = (
        step(1, wrote({"action": "click", "coordinate": [500, 500]}), {"action_type": "click", "x": 100, "y": 100}),
        step(2, 'do(action="Tap", element=[1,2])', {"action_type": "click", "x": 270, "y": 600}),
        step(3, wrote({"action": "wait"}) + wrote({"action": "answer", "text": "x"}), {"action_type": "wait"}),
        step(4, "Parsing error", {"action_type": "unknown", "text": "Invalid JSON"}),
    )
    done = imported("mobileworld", rollout(tmp_path / "in", *steps, result=None), tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    trajectory = only(tmp_path / "out")
    first, second, third, fourth = (each.actions[0] for each in trajectory.steps)
    assert isinstance(first, Click)
    assert (first.point, first.frame) == ((100 / W, 100 / H), Frame(kind="px", size=(W, H)))
    assert isinstance(second, Click)
    assert second.point == (0.5, 0.5)
    assert isinstance(third, Wait)
    assert isinstance(fourth, Unknown)
    assert trajectory.steps[3].execution is not None
    assert trajectory.steps[3].execution.status == "unparsed"
    assert trajectory.outcome.status == "unknown"
    assert report(tmp_path / "out")["losses"] == {
        "action of no known meaning": 1, "further call in a reply": 1,
        "prediction and executed action differ: the executed one taken": 1,
        "prediction not understood: the executed action taken": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"action_type": "double_tap", "x": 270, "y": 600}, Click(point=(0.5, 0.5), count=2)),
        ({"action_type": "long_press", "x": 270, "y": 600}, LongPress(point=(0.5, 0.5))),
        ({"action_type": "input_text", "text": "a", "clear_text": True}, Type(text="a", clear=True)),
        ({"action_type": "scroll", "direction": "left"}, Scroll(direction="left")),
        ({"action_type": "swipe", "direction": "left"}, Unknown()),
        ({"action_type": "navigate_home"}, Button(name="home")),
        ({"action_type": "keyboard_enter"}, Button(name="enter")),
        ({"action_type": "answer", "text": "42"}, Answer(text="42")),
        ({"action_type": "finished", "text": "fail"}, Terminate(status="failure")),
        ({"action_type": "status", "goal_status": "infeasible"}, Terminate(status="infeasible")),
        ({"action_type": "finished"}, Unknown()),
        ({"action_type": "click"}, Unknown()),
        ({"action_type": "click", "index": 3}, Unknown()),
        ({}, Unknown()),
    ],
)
def test_executed_actions(tmp_path: Path, action: dict[str, Any], expected: Any) -> None:
    """Of agents whose replies are in another grammar."""
    root = rollout(tmp_path / "in", step(1, "something else", action))
    assert imported("mobileworld", root, tmp_path / "out").exit_code == 0
    [found] = only(tmp_path / "out").steps[0].actions
    fields = {name: getattr(found, name) for name in found.__struct_fields__ if name not in {"src", "frame"}}
    assert type(found)(**fields) == expected
    assert json.loads(found.src or "") == action


@pytest.mark.parametrize(
    ("result", "status", "reward"),
    [("score: 0.0\nreason: no", "failure", 0.0), ("score: 0.5\nreason: half", "unknown", 0.5),
     ("score: nan\nreason: x", "unknown", None), ("boom", "unknown", None), ("", "unknown", None)],
)  # fmt: skip
def test_results(tmp_path: Path, result: str, status: str, reward: float | None) -> None:
    """Half a score is no success, and no failure."""
    root = rollout(tmp_path / "in", step(1, wrote({"action": "wait"}), {"action_type": "wait"}), result=result)
    assert imported("mobileworld", root, tmp_path / "out").exit_code == 0
    outcome = only(tmp_path / "out").outcome
    assert (outcome.status, outcome.reward) == (status, reward)


def test_backups_and_strays(tmp_path: Path) -> None:
    """A backup is refused, an empty run too; hidden files, logs and older logs are not opened."""
    waits = step(1, wrote({"action": "wait"}), {"action_type": "wait"})
    root = rollout(tmp_path / "in", waits)
    rollout(root, waits, task="MuteTask_backup_20260101_101010")
    rollout(root, task="Running", result=None)
    (root / "MuteTask" / "traj_backup_20260101_101010.json").write_text("{}")
    (root / "MuteTask" / "._traj.json").write_text("x")
    (root / "metadata.json").write_text("{}")
    assert imported("mobileworld", root, tmp_path / "out").exit_code == 1
    assert [(row["code"], row["file"]) for row in rows(tmp_path / "out")] == [
        ("superseded", "MuteTask_backup_20260101_101010/traj.json"), ("no_steps", "Running/traj.json"),
    ]  # fmt: skip
    assert len(trajectories(tmp_path / "out")) == 1


def test_a_gap_a_missing_screenshot_and_points_off_the_screen(tmp_path: Path) -> None:
    """Each costs its step and those after it."""
    waits = [step(n, wrote({"action": "wait"}), {"action_type": "wait"}) for n in (1, 2, 3, 5)]
    root = rollout(tmp_path / "in", *waits, task="gap")
    rollout(root, *waits[:3], task="lost")
    (root / "lost" / "screenshots" / "lost-0-2.png").write_bytes(b"")
    off = step(2, wrote({"action": "click", "coordinate": [1005, 3]}), {"action_type": "click", "x": 543, "y": 3})
    rollout(root, waits[0], off, task="off")
    (root / "renamed").mkdir()
    rollout(root, *waits[:2], task="before")
    (root / "before").rename(root / "renamed" / "after")
    assert imported("mobileworld", root, tmp_path / "out").exit_code == 1
    assert [(row["code"], row["file"].split("/")[0]) for row in rows(tmp_path / "out")] == [
        ("step_gap", "gap"), ("image_broken", "lost"), ("history_broken", "lost"), ("coordinate", "off"),
    ]  # fmt: skip
    assert sorted((each.trajectory_id, len(each.steps)) for each in trajectories(tmp_path / "out")) == [
        ("gap", 3), ("lost", 1), ("off", 1), ("renamed/after", 2),
    ]  # fmt: skip
