"""`gdp import androidworld`, on checkpoints pickled with stand-ins of AndroidWorld's classes."""

import datetime
import gzip
import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import build
import numpy as np
import pickling
import pytest
from importing import imported, report, rows, trajectories
from PIL import Image, ImageDraw
from test_pickle_plain import HOSTILE, OWNED, Evil

from pipeline.actions import (
    Answer,
    Button,
    Click,
    Drag,
    Key,
    LongPress,
    OpenApp,
    Scroll,
    Swipe,
    Terminate,
    Type,
    Unknown,
    Wait,
)
from pipeline.records import Trajectory

W, H = 108, 240
Made = types.SimpleNamespace
BOX = (10, 20, 51, 60)
MIDDLE = (30 / W, 40 / H)
SHARE = (10 / W, 20 / H, 51 / W, 60 / H)


def pixels(number: int) -> Any:
    """Return a screenshot as the environment gives it."""
    return np.asarray(build.screen(number, W, H))


def framed(number: int, box: tuple[int, int, int, int] = BOX) -> Any:
    """Return a screenshot with M3A's mark: a green frame two pixels wide, a white label with the index."""
    picture = build.screen(number, W, H)
    draw = ImageDraw.Draw(picture)
    draw.rectangle(box, outline=(0, 255, 0), width=2)
    draw.rectangle((box[0] + 2, box[1] + 2, box[0] + 20, box[1] + 14), fill="white")
    return np.asarray(picture)


def element(made: Made, box: tuple[float, float, float, float], **fields: Any) -> Any:
    """Return a UI element with its box in pixels and in fractions."""
    x1, y1, x2, y2 = box
    exact = made.BoundingBox(x_min=x1, x_max=x2, y_min=y1, y_max=y2)
    share = made.BoundingBox(x_min=x1 / W, x_max=x2 / W, y_min=y1 / H, y_max=y2 / H)
    return made.UIElement(**{"text": None, "content_description": None, "bbox": share, "bbox_pixels": exact,
                             "is_visible": True, "is_clickable": True, **fields})  # fmt: skip


def checkpoint(file: Path, make: Callable[[Made], Any], **changes: Any) -> Path:
    """Write a checkpoint whose steps `make` makes: a dictionary of lists, or whatever else."""
    with pickling.classes() as made:
        data = make(made)
        if isinstance(data, dict) and data and "step_number" not in data:
            data["step_number"] = list(range(max(map(len, data.values()))))
        episode = {
            "goal": "Add Ann", "task_template": "ContactsAddContact", "instance_id": 0, "is_successful": 1.0,
            "episode_data": data, "agent_name": "m3a", "run_time": 3.5, "seed": 30, "episode_length": 3,
            "finish_dtime": datetime.datetime(2026, 11, 24), "screen_config": {}, "exception_info": None,
            **changes,
        }  # fmt: skip
        packed = pickling.packed([episode])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(packed)
    return file.parent


def act(made: Made, **fields: Any) -> Any:
    """Return a JSONAction."""
    names = ("action_type", "index", "x", "y", "text", "direction", "goal_status", "app_name", "keycode", "clear_text")
    return made.JSONAction(**{**dict.fromkeys(names), **fields})


def only(out: Path) -> Trajectory:
    """Return the only trajectory of an import."""
    [trajectory] = trajectories(out)
    return trajectory


def test_an_agent_that_acts_by_coordinates(tmp_path: Path) -> None:
    """Clean screenshots, exact pixels, elements, texts, success; nothing of the pictures with marks."""

    def make(made: Made) -> dict[str, Any]:
        elements = [element(made, BOX, text="Create", is_checkable=True, is_checked=False),
                    element(made, (-20, -20, -5, -5), text="gone"),
                    element(made, (90, 200, 300, 400), content_description="FAB", is_clickable=False),
                    element(made, BOX, text="hidden", is_visible=False)]  # fmt: skip
        return {
            "raw_screenshot": [pixels(0), pixels(1), pixels(2)],
            "before_screenshot_with_som": [framed(0)] * 3,
            "after_screenshot_with_som": [framed(0), framed(1), None],
            "before_ui_elements": [elements, [], []],
            "action_output": ["Reason: It is there.\nAction: {…}"] * 3,
            "action_output_json": [act(made, action_type="click", x=54, y=60),
                                   act(made, action_type="drag_and_drop", touch_xy=(0, 0), lift_xy=(108, 240)),
                                   act(made, action_type="status", goal_status="complete")],
            "action_reason": ["It is there.", None, None],
            "summary": ["Action selected: click", "Can not execute the action, make sure", None],
        }  # fmt: skip

    root = checkpoint(tmp_path / "in" / "run_1" / "ContactsAddContact_0.pkl.gz", make)
    done = imported("androidworld", tmp_path / "in", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    trajectory = only(tmp_path / "out")
    assert (trajectory.trajectory_id, trajectory.goal) == ("run_1/ContactsAddContact_0", "Add Ann")
    assert (trajectory.outcome.status, trajectory.outcome.by, trajectory.outcome.reward) == ("success", "env", 1.0)
    first, second, third = trajectory.steps
    [click] = first.actions
    assert isinstance(click, Click)
    assert click.point == (0.5, 0.25)
    assert json.loads(click.src or "") == {"action_type": "click", "x": 54, "y": 60}
    assert [(e.text, e.clickable, e.checked) for e in first.observation.elements] == [
        ("Create", True, False), ("FAB", False, None),
    ]  # fmt: skip
    assert first.observation.elements[0].bbox == pytest.approx(SHARE)
    assert first.observation.elements[1].bbox == (90 / W, 200 / H, 1.0, 1.0)
    assert (first.text.thought, first.text.summary) == ("It is there.", "Action selected: click")
    assert second.text.thought == "It is there."  # spelled in the reply
    assert second.execution is not None
    assert second.execution.status == "failed"
    assert isinstance(second.actions[0], Drag)
    assert third.actions[0] == Terminate(status="success", src=third.actions[0].src)
    folder = next((tmp_path / "out").glob("*/trajectory.json")).parent
    assert len(list(folder.glob("*.png"))) == 3
    for number, step in enumerate(trajectory.steps):
        with Image.open(folder / step.observation.image.path) as picture:
            assert np.array_equal(np.asarray(picture), pixels(number))
    assert json.loads(trajectory.extra or "")["agent_name"] == "m3a"
    assert report(tmp_path / "out")["losses"] == {"element off the screen left out": 1, "screenshot encoded as PNG": 3}
    assert root.exists()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"action_type": "click", "index": 0}, Click(point=MIDDLE, bbox=SHARE)),
        ({"action_type": "click", "index": "1"},
         Click(point=(80 / W, 100 / H), bbox=(60 / W, 80 / H, 100 / W, 120 / H))),
        ({"action_type": "double_tap", "index": 0}, Click(point=MIDDLE, bbox=SHARE, count=2)),
        ({"action_type": "long_press", "index": 0}, LongPress(point=MIDDLE)),
        ({"action_type": "input_text", "index": 0, "text": "Ann", "clear_text": True},
         Type(text="Ann", point=MIDDLE, bbox=SHARE, submit=True, clear=True)),
        ({"action_type": "input_text", "text": "Ann"}, Type(text="Ann", submit=True)),
        ({"action_type": "scroll", "direction": "down"}, Scroll(direction="down")),
        ({"action_type": "scroll", "direction": "down", "index": 0}, Scroll(direction="down")),
        ({"action_type": "scroll", "direction": "up", "index": 1}, Scroll(direction="up", point=(80 / W, 100 / H))),
        ({"action_type": "swipe", "direction": "up"}, Swipe(direction="up")),
        ({"action_type": "swipe", "direction": "down"}, Swipe(direction="down")),
        ({"action_type": "swipe", "direction": "left"}, Swipe(direction="right")),
        ({"action_type": "swipe", "direction": "right"}, Swipe(direction="left")),
        ({"action_type": "navigate_back"}, Button(name="back")),
        ({"action_type": "press_keyboard", "keycode": "KEYCODE_DEL"}, Key(keys=("KEYCODE_DEL",))),
        ({"action_type": "open_app", "app_name": "Contacts"}, OpenApp(name="Contacts")),
        ({"action_type": "wait"}, Wait()),
        ({"action_type": "answer", "text": "7"}, Answer(text="7")),
        ({"action_type": "status", "goal_status": "infeasible"}, Terminate(status="infeasible")),
        ({"action_type": "click", "index": 7}, Unknown()),
        ({"action_type": "click", "index": -1}, Unknown()),
        ({"action_type": "click", "index": 2}, Unknown()),
        ({"action_type": "unknown"}, Unknown()),
    ],
)  # fmt: skip
def test_actions(tmp_path: Path, fields: dict[str, Any], expected: Any) -> None:
    """As `actuation.py` executes them: an index is the middle of its element, Enter always follows a text."""

    def make(made: Made) -> dict[str, Any]:
        elements = [element(made, BOX), element(made, (60, 80, 100, 120)), element(made, BOX, bbox_pixels=None)]
        return {"raw_screenshot": [pixels(0)], "before_ui_elements": [elements],
                "action_output_json": [act(made, **fields)]}  # fmt: skip

    checkpoint(tmp_path / "in" / "t.pkl.gz", make)
    done = imported("androidworld", tmp_path / "in", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    [step] = only(tmp_path / "out").steps
    [action] = step.actions
    plain = {name: getattr(action, name) for name in action.__struct_fields__ if name not in {"src", "frame"}}
    assert type(action)(**plain) == pytest.approx(expected) if not isinstance(action, Unknown) else True
    assert type(action) is type(expected)
    assert json.loads(action.src or "") == fields
    assert (step.execution is not None) == isinstance(action, Unknown)
    sideways = fields["action_type"] == "swipe" and fields["direction"] in {"left", "right"}
    assert (
        "swipe to the side, which AndroidWorld executes the other way" in report(tmp_path / "out")["losses"]
    ) is sideways


def test_a_target_painted_in_is_found(tmp_path: Path) -> None:
    """M3A draws it into `raw_screenshot` itself; a frame around another element is no such mark."""

    def make(made: Made) -> dict[str, Any]:
        elements = [element(made, BOX), element(made, (60, 80, 100, 120))]
        return {"raw_screenshot": [pixels(0), framed(1, (60, 80, 100, 120)), framed(2)],
                "before_ui_elements": [elements] * 3,
                "action_output_json": [act(made, action_type="click", index=0)] * 3}  # fmt: skip

    checkpoint(tmp_path / "in" / "t.pkl.gz", make)
    assert imported("androidworld", tmp_path / "in", tmp_path / "out").exit_code == 1
    [row] = rows(tmp_path / "out")
    assert (row["code"], row["record"], "--marked keep" in row["expected"]) == ("marked", "step 2", True)
    assert [step.observation.image.marked for step in only(tmp_path / "out").steps] == [False, False]
    assert imported("androidworld", tmp_path / "in", tmp_path / "kept", "--marked", "keep").exit_code == 0
    assert [step.observation.image.marked for step in only(tmp_path / "kept").steps] == [False, False, True]


def test_other_agents(tmp_path: Path) -> None:
    """T3A's names and its clean last screen; SeeAct's list of its own; an action that only the reply spells."""

    def t3a(made: Made) -> dict[str, Any]:
        return {"before_screenshot": [pixels(0), pixels(1)], "after_screenshot": [pixels(1), pixels(2)],
                "before_element_list": [[element(made, BOX)]] * 2,
                "action_output": ['Reason: a\nAction: {"action_type": "click", "index": 0}', "I give up"],
                "summary": ["Action selected", "Output for action selection is not in the correct format"]}  # fmt: skip

    def seeact(made: Made) -> dict[str, Any]:
        plain = [element(made, (0, 0, 9, 9)), element(made, BOX)]
        return {"screenshot": [pixels(3)], "ui_elements": [plain],
                "actionable_elements": [[made.SeeActElement(description="x", ui_element=plain[1], index=0)]],
                "action": [act(made, action_type="click", index=0)]}  # fmt: skip

    checkpoint(tmp_path / "in" / "a.pkl.gz", t3a)
    checkpoint(tmp_path / "in" / "b.pkl.gz", seeact)
    done = imported("androidworld", tmp_path / "in", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    first, second = trajectories(tmp_path / "out")
    assert isinstance(first.steps[0].actions[0], Click)
    assert first.steps[0].actions[0].point == pytest.approx(MIDDLE)
    assert isinstance(first.steps[1].actions[0], Unknown)
    assert first.steps[1].execution is not None
    assert first.steps[1].execution.status == "unparsed"
    assert first.steps[1].response is not None
    assert first.steps[1].response.raw == "I give up"
    assert first.final_observation is not None
    assert isinstance(second.steps[0].actions[0], Click)
    assert second.steps[0].actions[0].point == pytest.approx(MIDDLE)


@pytest.mark.parametrize(
    ("data", "changes", "code"),
    [
        (float("nan"), {"exception_info": "Traceback\nRuntimeError: no device"}, "no_steps"),
        ({}, {}, "no_steps"),
        ({"raw_screenshot": [pixels(0)]}, {"goal": ""}, "no_goal"),
        ({"raw_screenshot": [pixels(0)]}, {"goal": None}, "no_goal"),
        ({"raw_screenshot": [pixels(0)] * 2, "summary": ["a"], "step_number": [0, 1]}, {}, "shape"),
        ({"raw_screenshot": [pixels(0)] * 2, "step_number": [0, 2]}, {}, "step_gap"),
        ({"raw_screenshot": [pixels(0)] * 2, "step_number": [0, 0]}, {}, "step_gap"),
        ({"before_screenshot_with_som": [pixels(0)]}, {}, "image_missing"),
        ({"raw_screenshot": [None]}, {}, "image_missing"),
        ({"raw_screenshot": [np.zeros((4, 4), "u1")]}, {}, "image_broken"),
        ({"raw_screenshot": [np.zeros((4, 4, 3), "f4")]}, {}, "image_broken"),
        ({"raw_screenshot": [np.zeros((0, 4, 3), "u1")]}, {}, "size_mismatch"),
        ({"raw_screenshot": [pixels(0)], "action": [{"action_type": "click", "x": 109, "y": 5}]}, {}, "coordinate"),
        ({"raw_screenshot": [pixels(0)], "action": [{"action_type": "click", "x": float("inf"), "y": 5}]}, {},
         "coordinate"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken(tmp_path: Path, data: Any, changes: dict[str, Any], code: str) -> None:
    """Each with its reason, and nothing left to go on with."""
    checkpoint(tmp_path / "in" / "t.pkl.gz", lambda made: data, **changes)
    done = imported("androidworld", tmp_path / "in", tmp_path / "out")
    assert (done.exit_code, done.stdout) == (1, ""), done.stderr
    assert rows(tmp_path / "out")[0]["code"] == code
    if "exception_info" in changes:
        assert "RuntimeError: no device" in rows(tmp_path / "out")[0]["found"]


def test_a_turned_screen_is_refused(tmp_path: Path) -> None:
    """The elements count in a landscape screen, the screenshot is portrait: the points would be elsewhere."""

    def make(made: Made) -> dict[str, Any]:
        exact = made.BoundingBox(x_min=0, x_max=240, y_min=0, y_max=108)
        turned = made.UIElement(bbox_pixels=exact, bbox=made.BoundingBox(x_min=0.0, x_max=1.0, y_min=0.0, y_max=1.0))
        return {"raw_screenshot": [pixels(0)], "before_ui_elements": [[turned]],
                "action_output_json": [act(made, action_type="click", index=0)]}  # fmt: skip

    checkpoint(tmp_path / "in" / "t.pkl.gz", make)
    assert imported("androidworld", tmp_path / "in", tmp_path / "out").exit_code == 1
    assert rows(tmp_path / "out")[0]["code"] == "size_mismatch"


@pytest.mark.parametrize("success", [0.0, float("nan"), True, None, "yes"])
def test_success(tmp_path: Path, success: Any) -> None:
    """NaN is not known."""
    checkpoint(tmp_path / "in" / "t.pkl.gz", lambda made: {"raw_screenshot": [pixels(0)]}, is_successful=success)
    assert imported("androidworld", tmp_path / "in", tmp_path / "out").exit_code == 0
    expected = {0.0: "failure", True: "success"}.get(success if success == success else None, "unknown")
    assert only(tmp_path / "out").outcome.status == expected


def test_several_episodes_and_the_older_container(tmp_path: Path) -> None:
    """A pair of episodes and task names; each episode under its number."""
    episodes = [{"goal": f"g{n}", "episode_data": {"raw_screenshot": [pixels(n)]}} for n in range(2)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "all.pkl.gz").write_bytes(pickling.packed(([*episodes, 3], ["a"])))
    assert imported("androidworld", tmp_path / "in", tmp_path / "out").exit_code == 1
    assert sorted(each.trajectory_id for each in trajectories(tmp_path / "out")) == ["all#0", "all#1"]
    assert [(row["code"], row["record"]) for row in rows(tmp_path / "out")] == [("shape", "[2]")]


@pytest.mark.parametrize("name", ["os.system", "state for a class", "an array of objects", "bytes of an exabyte"])
def test_hostile_checkpoints(tmp_path: Path, name: str) -> None:
    """Refused as a whole, and nothing of them is run."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "t.pkl.gz").write_bytes(gzip.compress(HOSTILE[name]))
    done = imported("androidworld", tmp_path / "in", tmp_path / "out")
    assert (done.exit_code, done.stdout) == (1, "")
    assert rows(tmp_path / "out")[0]["code"] == "pickle"
    assert not OWNED.exists()


def test_foreign_objects(tmp_path: Path) -> None:
    """What a model's server answered lies in real checkpoints: dropped on request, counted, never built."""
    checkpoint(
        tmp_path / "in" / "t.pkl.gz",
        lambda made: {"raw_screenshot": [pixels(0)], "action_raw_response": [[made.Response(status=200), Evil()]]},
    )
    assert imported("androidworld", tmp_path / "in", tmp_path / "out").exit_code == 1
    assert rows(tmp_path / "out")[0]["found"] == "somewhere.models.Response"
    assert imported("androidworld", tmp_path / "in", tmp_path / "dropped", "--foreign", "drop").exit_code == 0
    assert report(tmp_path / "dropped")["losses"]["object of another program left out"] == 2
    assert not OWNED.exists()
