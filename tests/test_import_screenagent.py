"""`screenagent`: replies that a person replaced, judgements, presses and releases, several actions a turn."""

from collections import Counter
from pathlib import Path
from typing import Any

import build
import pytest
from import_sources import click, dump, said, screenagent, screenagent_reply
from importing import REAL, imported, report, rows, trajectories

from pipeline.actions import Action, Click, Drag, Hover, Key, MouseDown, Scroll, Type, Unknown, Wait
from pipeline.records import Trajectory

PLAN = [{"action_type": "PlanAction", "element": "点击“菜单”"}]
GOOD = [{"action_type": "EvaluateSubTaskAction", "situation": "sub_task_success"}]
RETRY = [{"action_type": "EvaluateSubTaskAction", "situation": "need_retry", "advice": "again"}]


def session(tmp_path: Path, *replies: dict[str, Any], more: tuple[str, ...] = ()) -> Trajectory:
    """Import one session that is clean."""
    done = imported("screenagent", screenagent(tmp_path / "in", *replies), tmp_path / "out", *more)
    assert done.exit_code == 0, done.stderr
    [trajectory] = trajectories(tmp_path / "out")
    return trajectory


def test_a_replaced_reply_is_a_labelled_error(tmp_path: Path) -> None:
    """Never carried out, on the same screen; the person's is its correction, judged by the reply after it."""
    wrong = said([click(10, 760)], "I click there.")
    trajectory = session(
        tmp_path,
        screenagent_reply("1", PLAN),
        screenagent_reply("2", [click(512, 384)], wrong),
        screenagent_reply("3", GOOD),
        more=("--rejected", "keep"),
    )
    error, recovery = trajectory.steps
    assert (error.label.role, error.label.correct, error.label.by) == ("error", False, "human")
    assert error.execution is not None
    assert error.execution.status == "skipped"
    assert error.observation.image == recovery.observation.image
    assert (recovery.label.role, recovery.label.corrects_step, recovery.label.correct) == ("recovery", 0, True)
    assert isinstance(error.actions[0], Click)
    assert error.actions[0].point == (10 / 1024, 760 / 768)
    assert error.response is not None
    assert error.response.raw == wrong
    assert (error.text.thought, recovery.text.thought) == ("I click there.", "I click.")
    assert (error.text.instruction, recovery.text.instruction) == (None, "点击“菜单”")
    assert error.subgoal == recovery.subgoal == "点击“菜单”"
    assert trajectory.final_observation is not None
    assert (trajectory.outcome.status, trajectory.platform, trajectory.goal) == ("success", "windows", "打开菜单")


def test_replaced_replies_may_be_left_out(tmp_path: Path) -> None:
    """Then nothing is labelled as an error, and the texts may be the translated ones."""
    reply = screenagent_reply("2", [click(512, 384)], said([click(1, 1)]))
    trajectory = session(tmp_path, reply, more=("--lang", "en"))
    [step] = trajectory.steps
    assert step.label.role == "normal"
    assert report(tmp_path / "out")["losses"]["rejected reply dropped"] == 1
    assert (trajectory.goal, trajectory.lang) == ("Open the menu", "en")
    assert (step.text.thought, step.text.instruction) == ("I click, in English.", "Click the menu")


@pytest.mark.parametrize(
    "written", ["I cannot.", said([{"action_type": "Fly"}]), "```json\n[{\n```", said([click(5, 9999)]), said("x")]
)
def test_a_replaced_reply_without_a_usable_action_is_counted(tmp_path: Path, written: str) -> None:
    """There is nothing to show of it."""
    trajectory = session(tmp_path, screenagent_reply("2", [click(512, 384)], written))
    assert [step.label.role for step in trajectory.steps] == ["normal"]
    assert report(tmp_path / "out")["losses"] == {"rejected reply without a usable action": 1}


@pytest.mark.parametrize("width", [0, -1])
def test_a_screen_without_pixels_is_refused(tmp_path: Path, width: int) -> None:
    """Also where the rejected reply is compared with the corrected one, before any picture is looked at."""
    replies = (
        screenagent_reply("1", [click(512, 384)]),
        screenagent_reply("2", [click(512, 384)], said([click(1, 1)]), video_width=width),
    )
    done = imported("screenagent", screenagent(tmp_path / "in", *replies), tmp_path / "out")
    assert done.exit_code == 1, done.stderr
    [trajectory] = trajectories(tmp_path / "out")
    assert len(trajectory.steps) == 1
    assert [(row["scope"], row["code"]) for row in rows(tmp_path / "out")] == [("step", "size_mismatch")]


def test_a_reply_that_was_only_reworded_is_no_error(tmp_path: Path) -> None:
    """The actions are the same."""
    trajectory = session(tmp_path, screenagent_reply("2", [click(1, 1)], said([click(1, 1)], "In other words.")))
    assert len(trajectory.steps) == 1


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        ([click(512, 384, "down"), click(600, 384, "move"), click(768, 384, "up")],
         [Drag(path=((0.5, 0.5), (600 / 1024, 0.5), (0.75, 0.5)))]),
        ([click(512, 384, "down")], [Hover(point=(0.5, 0.5)), MouseDown()]),
        ([click(512, 384, "drag", "right")], [Drag(path=((0.5, 0.5),), from_cursor=True, button="right")]),
        ([click(512, 384, "double_click"), click(0, 768, "click", "right")],
         [Click(point=(0.5, 0.5), count=2), Click(point=(0.0, 1.0), button="right")]),
        ([{"action_type": "MouseAction", "mouse_action_type": "scroll_down", "scroll_repeat": 3}],
         [Scroll(direction="down", dy=3.0, unit="wheel")]),
        ([{"action_type": "MouseAction", "mouse_action_type": "scroll_up", "scroll_repeat": 2}],
         [Scroll(direction="up", dy=-2.0, unit="wheel")]),
        ([{"action_type": "KeyboardAction", "keyboard_action_type": "press", "keyboard_key": ["Control_L", "v"]}],
         [Key(keys=("ctrl", "v"))]),
        ([{"action_type": "KeyboardAction", "keyboard_action_type": "press", "keyboard_key": "Ctrl+V"}],
         [Key(keys=("ctrl", "V"))]),
        ([{"action_type": "KeyboardAction", "keyboard_text": "你好\n"}], [Type(text="你好\n")]),
        ([{"action_type": "WaitAction", "wait_time": 1}], [Wait(seconds=1)]),
        ([{"action_type": "MouseAction", "mouse_action_type": "pinch"}], [Unknown()]),
        ([], [Wait(synth=True)]),
    ],
)  # fmt: skip
def test_every_action(tmp_path: Path, acts: list[Any], expected: list[Action]) -> None:
    """A press, its moves and the release are one drag; a drag that gives only its end starts at the cursor."""
    trajectory = session(tmp_path, screenagent_reply("2", acts))
    found = trajectory.steps[0].actions
    assert [type(a)(**{**{n: getattr(a, n) for n in a.__struct_fields__}, "src": None, "frame": None}) for a in found
            ] == expected  # fmt: skip
    assert all(action.src for action in found)


def test_two_tasks_in_a_session_and_derived_replies(tmp_path: Path) -> None:
    """Each task is an episode; one that is only planned is refused; what was derived is counted, not imported."""
    source = screenagent(
        tmp_path / "in", screenagent_reply("1", [click(1, 1)]), screenagent_reply("2", PLAN, task_prompt="另一个")
    )
    dump(source / "session1" / "1_translate_neg_plan.json", screenagent_reply("1", PLAN))
    done = imported("screenagent", source, tmp_path / "out")
    assert done.exit_code == 1
    assert [t.trajectory_id for t in trajectories(tmp_path / "out")] == ["session1-task1"]
    assert [(r["scope"], r["code"]) for r in rows(tmp_path / "out")] == [("trajectory", "no_steps")]
    assert report(tmp_path / "out")["losses"] == {"derived planning or judging reply": 1}


def test_judged_as_not_done(tmp_path: Path) -> None:
    """That a retry is wanted does not say that the action was wrong."""
    trajectory = session(tmp_path, screenagent_reply("1", [click(1, 1)]), screenagent_reply("2", RETRY))
    assert trajectory.steps[0].label.correct is None
    assert "again" in (trajectory.steps[0].text.reflection or "")
    assert trajectory.outcome.status == "unknown"


@pytest.mark.skipif(not (REAL / "screenagent").exists(), reason="the published recordings are not here")
def test_the_published_sessions(tmp_path: Path) -> None:
    """Counted by hand, session by session: 27 replies act; of 22 that differ from the model's, 18 of its can be shown.

    One session has a second task that is only planned. 28 files are derived (`_neg_`).
    """
    source = REAL / "screenagent"
    done = imported("screenagent", source, tmp_path / "out", "--rejected", "keep")
    assert (done.exit_code, bool(done.stdout)) == (1, True)
    steps = {t.trajectory_id: Counter(s.label.role for s in t.steps) for t in trajectories(tmp_path / "out")}
    assert steps == {
        "adc971ec65f14fab9da520596676466b-task1": {"error": 2, "recovery": 2, "normal": 1},
        "session1": {"error": 1, "recovery": 1, "normal": 1},
        "session2": {"error": 2, "recovery": 2},
        "session35": {"error": 3, "recovery": 3, "normal": 1},
        "session47": {"error": 1, "recovery": 1},
        "session49": {"error": 4, "recovery": 4},
        "task011": {"error": 1, "recovery": 1, "normal": 1},
        "task013": {"error": 4, "recovery": 4, "normal": 5},
    }
    assert [row["code"] for row in rows(tmp_path / "out")] == ["no_steps"]
    assert report(tmp_path / "out")["losses"]["derived planning or judging reply"] == 28
    imported("screenagent", source, tmp_path / "kept")
    assert report(tmp_path / "kept")["actions"] == {"click": 16, "drag": 2, "key": 5, "type": 4, "wait": 3}
    assert build.sliced(tmp_path / "kept", tmp_path / "sliced").manifest.counts["trajectories"].out == 8
