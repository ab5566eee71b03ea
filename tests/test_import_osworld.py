"""`gdp import osworld`, on rollouts built as OSWorld's runners write them: the screenshot comes after the action."""

import json
from pathlib import Path
from typing import Any

import build
import pytest
from importing import imported, report, rows, trajectories

from pipeline.actions import Click, Drag, Frame, Hover, Key, KeyDown, Scroll, Terminate, Type, Unknown, Wait
from pipeline.records import Trajectory

W, H = 384, 216


class Rollout:
    """A folder as a runner leaves it; every screenshot differs."""

    def __init__(self, root: Path, name: str = "chrome/4f2a", *, initial: str | None = "initial_state.png") -> None:
        self.folder = root / name
        self.folder.mkdir(parents=True)
        self.lines: list[dict[str, Any]] = []
        self.number = 0
        if initial:
            self.picture(initial)

    def picture(self, name: str) -> None:
        """Save a new screen."""
        self.number += 1
        build.screen(self.number, W, H).save(self.folder / name)

    def act(self, step_num: int, action: Any, response: Any = "said", **changes: Any) -> None:
        """Execute an action: log a line, save the screen after it."""
        stamp = f"20261124@10101{len(self.lines)}"
        name = f"step_{step_num}_{stamp}.png"
        self.picture(name)
        self.lines.append({"step_num": step_num, "action_timestamp": stamp, "action": action, "response": response,
                           "reward": 0, "done": False, "info": {}, "screenshot_file": name, **changes})  # fmt: skip

    def write(self, result: str | None = "1.0\n", instruction: str | None = "Zip it") -> None:
        """Write what the runner writes at the end."""
        (self.folder / "traj.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        if result is not None:
            (self.folder / "result.txt").write_text(result)
        if instruction is not None:
            (self.folder / "task_instruction.jsonl").write_text(json.dumps({"instruction": instruction}))


def only(out: Path) -> Trajectory:
    """Return the only trajectory of an import."""
    [trajectory] = trajectories(out)
    return trajectory


def pictures(out: Path, trajectory: Trajectory) -> list[bytes]:
    """Return the screenshots of the steps and the last one."""
    [folder] = [path.parent for path in out.glob("*/trajectory.json")]
    shown = [step.observation for step in trajectory.steps]
    if trajectory.final_observation is not None:
        shown.append(trajectory.final_observation)
    return [(folder / each.image.path).read_bytes() for each in shown]


def test_each_step_gets_the_screen_before_it(tmp_path: Path) -> None:
    """Shifted by one; several actions of one response are one step; the last screen is the final one."""
    rollout = Rollout(tmp_path / "in")
    rollout.act(1, "pyautogui.click(192, 108)", "Thought: a menu\nAction: Click it\n```python\n…```")
    rollout.act(2, "pyautogui.write('abc')", "# Step 2:\n## Thought:\nI type.\n## Action:\nType it\n## Code:\n…")
    rollout.act(2, "pyautogui.press('enter')", "# Step 2:\n## Thought:\nI type.\n## Action:\nType it\n## Code:\n…")
    rollout.act(3, "DONE", {"response": "Done."})
    rollout.write()
    done = imported("osworld", tmp_path / "in", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    trajectory = only(tmp_path / "out")
    assert (trajectory.trajectory_id, trajectory.goal) == ("chrome/4f2a", "Zip it")
    assert [[type(action) for action in step.actions] for step in trajectory.steps] == [
        [Click], [Type, Key], [Terminate],
    ]  # fmt: skip
    names = ["initial_state.png", *(line["screenshot_file"] for line in rollout.lines)]
    expected = [names[0], names[1], names[3], names[4]]  # before steps 1, 2, 3, and the last
    assert pictures(tmp_path / "out", trajectory) == [(rollout.folder / name).read_bytes() for name in expected]
    [click] = trajectory.steps[0].actions
    assert isinstance(click, Click)
    assert (click.point, click.frame) == ((0.5, 0.5), Frame(kind="px", size=(W, H)))
    texts = [(step.text.thought, step.text.instruction) for step in trajectory.steps]
    assert texts[0][0] == "a menu"
    assert texts[1] == ("I type.", "Type it")
    assert [step.response.raw if step.response else None for step in trajectory.steps][2] == "Done."
    assert (trajectory.outcome.status, trajectory.outcome.by, trajectory.outcome.reward) == ("success", "env", 1.0)


def test_without_a_first_screen(tmp_path: Path) -> None:
    """Refused, with what to do; on request it goes on without the first step, counted."""
    rollout = Rollout(tmp_path / "in", initial=None)
    for number in (1, 2, 3):
        rollout.act(number, f"pyautogui.click({number}, 1)")
    rollout.write()
    assert imported("osworld", tmp_path / "in", tmp_path / "out").exit_code == 1
    [row] = rows(tmp_path / "out")
    assert row["code"] == "first_screen"
    assert "--first-step drop" in row["expected"]
    done = imported("osworld", tmp_path / "in", tmp_path / "dropped", "--first-step", "drop")
    assert done.exit_code == 0, done.stderr
    trajectory = only(tmp_path / "dropped")
    assert len(trajectory.steps) == 2
    assert report(tmp_path / "dropped")["losses"] == {"first step left out: its screenshot was not saved": 1}
    expected = [(rollout.folder / line["screenshot_file"]).read_bytes() for line in rollout.lines]
    assert pictures(tmp_path / "dropped", trajectory) == expected


def test_a_screen_saved_before_the_action(tmp_path: Path) -> None:
    """Of the runner with GET_OBS_BEFORE_ACTION=1."""
    rollout = Rollout(tmp_path / "in", initial=None)
    rollout.act(1, "WAIT")
    rollout.picture(f"obs_before_step_1_{rollout.lines[0]['action_timestamp']}.png")
    rollout.write()
    assert imported("osworld", tmp_path / "in", tmp_path / "out").exit_code == 0
    before = next(rollout.folder.glob("obs_before*")).read_bytes()
    assert pictures(tmp_path / "out", only(tmp_path / "out"))[0] == before


def test_an_appended_run_is_another_episode(tmp_path: Path) -> None:
    """The runner appends to the file of a run that it repeats; only the second one owns score and first screen."""
    rollout = Rollout(tmp_path / "in")
    for number in (1, 2, 1, 2, 3):
        rollout.act(number, "pyautogui.press('a')")
    rollout.lines.insert(2, {"Error": "Time limit exceeded in chrome/4f2a"})
    rollout.write("0.0")
    assert imported("osworld", tmp_path / "in", tmp_path / "out").exit_code == 1
    assert [(row["code"], row["record"]) for row in rows(tmp_path / "out")] == [("first_screen", "run 1")]
    trajectory = only(tmp_path / "out")
    assert (trajectory.trajectory_id, len(trajectory.steps)) == ("chrome/4f2a#2", 3)
    assert (trajectory.outcome.status, trajectory.outcome.reward) == ("failure", 0.0)


def test_the_tasks_text(tmp_path: Path) -> None:
    """From the benchmark's examples, from the first line, or nowhere."""
    for name in ("a", "b", "c"):
        rollout = Rollout(tmp_path / "in", f"gimp/{name}")
        if name == "b":
            rollout.lines.append({"instruction": "From the line", "initial_state": "initial_state.png"})
        rollout.act(1, "DONE")
        rollout.write(None, None)
    examples = tmp_path / "evaluation_examples" / "examples" / "gimp"
    examples.mkdir(parents=True)
    (examples / "a.json").write_text(json.dumps({"id": "a", "instruction": "Crop it", "related_apps": ["gimp"]}))
    tasks = str(examples.parent.parent)
    done = imported("osworld", tmp_path / "in", tmp_path / "out", "--tasks", tasks)
    assert done.exit_code == 1
    assert [(each.goal, each.apps) for each in trajectories(tmp_path / "out")] == [
        ("Crop it", ("gimp",)), ("From the line", ()),
    ]  # fmt: skip
    [row] = rows(tmp_path / "out")
    assert (row["code"], row["file"], "--tasks" in row["expected"]) == ("no_goal", "gimp/c/traj.jsonl", True)
    missing = imported("osworld", tmp_path / "in", tmp_path / "x", "--tasks", str(tmp_path / "none"))
    assert (missing.exit_code, "found nothing there" in missing.stderr) == (1, True)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("WAIT", [Wait()]),
        (" done ", [Terminate(status="success")]),
        ("FAIL", [Terminate(status="infeasible")]),
        (
            {"action_type": "CLICK", "x": 192, "y": 108, "button": "right", "num_clicks": 2},
            [Click(point=(0.5, 0.5), button="right", count=2)],
        ),
        ({"action_type": "CLICK", "parameters": {}}, [Click()]),
        ({"action_type": "MOVE_TO", "parameters": {"x": 192, "y": 108}}, [Hover(point=(0.5, 0.5))]),
        ({"action_type": "DRAG_TO", "x": 192, "y": 108}, [Drag(path=((0.5, 0.5),), from_cursor=True)]),
        ({"action_type": "SCROLL", "dx": 0, "dy": -5}, [Scroll(direction="down", dy=5, unit="wheel")]),
        ({"action_type": "TYPING", "text": "a"}, [Type(text="a")]),
        ({"action_type": "PRESS", "key": "enter"}, [Key(keys=("enter",))]),
        ({"action_type": "HOTKEY", "keys": ["ctrl", "c"]}, [Key(keys=("ctrl", "c"))]),
        ({"action_type": "KEY_DOWN", "key": "ctrl"}, [KeyDown(key="ctrl")]),
        ({"action_type": "DONE"}, [Terminate(status="success")]),
        ({"name": "computer", "input": {}, "command": "pyautogui.press('a')\n"}, [Key(keys=("a",))]),
        ({"action_type": "DANCE"}, [Unknown()]),
        ({"action_type": ["CLICK"]}, [Unknown()]),
        ("agent.click('x')", [Unknown()]),
        (None, [Unknown()]),
        (3, [Unknown()]),
    ],
)
def test_actions(tmp_path: Path, action: Any, expected: list[Any]) -> None:
    """Words, records of computer_13, code within a record, all else as unknown."""
    rollout = Rollout(tmp_path / "in")
    rollout.act(1, action)
    rollout.write()
    done = imported("osworld", tmp_path / "in", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    found = []
    for each in only(tmp_path / "out").steps[0].actions:
        assert json.loads(each.src or "") is not None or action is None
        fields = {name: getattr(each, name) for name in each.__struct_fields__ if name not in {"src", "frame"}}
        found.append(type(each)(**fields))
    assert found == expected


@pytest.mark.parametrize(
    ("numbers", "action", "code", "kept"),
    [((1, 3), "WAIT", "step_gap", 1), ((5, 6), "WAIT", "step_gap", 0),
     ((1,), "pyautogui.click(385, 5)", "coordinate", 0), ((1,), "pyautogui.click(float('nan'), 5)", None, 1)],
)  # fmt: skip
def test_what_cannot_be_taken(
    tmp_path: Path, numbers: tuple[int, ...], action: str, code: str | None, kept: int
) -> None:
    """Gaps and points off the screen."""
    rollout = Rollout(tmp_path / "in")
    for number in numbers:
        rollout.act(number, action)
    rollout.write()
    imported("osworld", tmp_path / "in", tmp_path / "out")
    assert [row["code"] for row in rows(tmp_path / "out")][:1] == ([code] if code else [])
    assert [len(each.steps) for each in trajectories(tmp_path / "out")] == ([kept] if kept else [])


def test_lost_pictures(tmp_path: Path) -> None:
    """A missing one costs the steps from there on; a missing last one only itself; paths do not lead out."""
    for name, lost in (("a", 0), ("b", 2), ("c", 1)):
        rollout = Rollout(tmp_path / "in", name)
        for number in (1, 2, 3):
            rollout.act(number, "WAIT")
        if name == "c":
            rollout.lines[lost]["screenshot_file"] = "../a/initial_state.png"
        else:
            (rollout.folder / rollout.lines[lost]["screenshot_file"]).unlink()
        rollout.write()
    assert imported("osworld", tmp_path / "in", tmp_path / "out").exit_code == 1
    assert [(row["file"][0], row["scope"], row["code"]) for row in rows(tmp_path / "out")] == [
        ("a", "step", "image_missing"), ("a", "step", "history_broken"), ("b", "screenshot", "image_missing"),
        ("c", "step", "path_escape"),
    ]  # fmt: skip
    assert sorted((t.trajectory_id, len(t.steps)) for t in trajectories(tmp_path / "out")) == [
        ("a", 1), ("b", 3), ("c", 2),
    ]  # fmt: skip
