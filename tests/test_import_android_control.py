"""`android-control`: TFRecord and protocol buffers by hand, N + 1 screenshots, scrolls without a place."""

import contextlib
import gzip
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_sources import control, control_episode, dump, forest, message, node, tf_example, tf_records, varint
from importing import imported, report, rows, trajectories

from pipeline.actions import Button, Click, LongPress, OpenApp, Scroll, Swipe, Terminate, Type, Unknown, Wait
from pipeline.importers.a11y_forest import screen
from pipeline.importers.coordinates import px
from pipeline.importers.protobuf import fields, varints
from pipeline.importers.refusal import Refused
from pipeline.importers.tfrecord import example, masked_crc, records

TAP = {"action_type": "click", "x": 135, "y": 400}
SCROLL = {"action_type": "scroll", "direction": "down"}


def test_an_episode(tmp_path: Path) -> None:
    """Points in pixels, the forest as elements, the keyboard, the appended end."""
    source = control(tmp_path / "in", control_episode(7, [TAP, SCROLL]))
    dump(source / "splits.json", {"train": [1], "validation": [], "test": [7]})
    done = imported("android-control", source, tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    [trajectory] = trajectories(tmp_path / "out")
    assert (trajectory.trajectory_id, trajectory.goal) == ("android-control-7", "Set an alarm")
    assert trajectory.source is not None
    assert (trajectory.source.original_id, trajectory.source.split) == ("7", "test")
    tap, scroll, end = (step.actions[0] for step in trajectory.steps)
    assert isinstance(tap, Click)
    assert (tap.point, tap.src) == ((0.375, 0.5), '{"action_type": "click", "x": 135, "y": 400}')
    assert tap.frame is not None
    assert (tap.frame.kind, tap.frame.size) == ("px", (360, 800))
    assert scroll == Scroll(direction="down", src=scroll.src, frame=scroll.frame)
    assert end == Terminate(status="success", synth=True)
    assert trajectory.final_observation is None
    assert [step.text.instruction for step in trajectory.steps] == ["Do step 0", "Do step 1", None]
    assert [step.subgoal for step in trajectory.steps] == ["Do step 0", "Do step 1", None]
    assert report(tmp_path / "out")["losses"] == {
        "scroll without distance": 1, "scroll without start point": 1, "synthesised terminate": 1,
        "view outside the screen": 3,
    }  # fmt: skip
    seen = trajectory.steps[0].observation
    assert (seen.app, seen.keyboard) == ("com.clock", True)
    frame, alarm, cut, keyboard = seen.elements
    assert (frame.role, frame.bbox, frame.clickable, frame.parent) == ("FrameLayout", (0, 0, 1, 1), False, None)
    assert (alarm.text, alarm.bbox, alarm.clickable, alarm.parent) == ("Alarm", (0.25, 0.45, 0.5, 0.55), True, 0)
    assert (cut.text, cut.bbox) == ("cut", (0, 0, 50 / 360, 0.05))
    assert keyboard.bbox == (0, 0.75, 1, 1)  # the window in front comes last
    assert (seen.overlay, [e.topmost for e in seen.elements]) == (None, [True, True, None, True])


WHOLE, TITLE, BUTTON = (0, 0, 360, 800), (20, 80, 340, 120), (20, 700, 340, 736)


def page(*more: bytes) -> tuple[int, int, list[bytes]]:
    """Return an app's window: a title, a button, and more children of its root."""
    children = range(1, 3 + len(more))
    return (1, 1, [node(0, WHOLE, children=children), node(1, TITLE, text="Title", order=2),
                   node(2, BUTTON, 14, text="Go", order=3), *more])  # fmt: skip


@pytest.mark.parametrize(
    ("windows", "overlay", "topmost"),
    [
        ([page()], False, [True] * 3),
        ([(3, 3, [node(0, (0, 0, 360, 24), 14)]), page()], False, [True] * 3 + [None]),
        ([(3, 3, [node(0, (0, 0, 360, 600), 14)]), page()], None, [False, False, True, True]),
        ([(3, 1, [node(0, (40, 300, 320, 500))]), page()], None, [None, True, True, True]),
        ([(3, 1, [node(0, (40, 300, 320, 500))])], True, [True]),
        ([page(node(3, WHOLE, order=4))], False, [True, None, None, True]),
        ([page(node(3, WHOLE, order=4, children=(4,)), node(4, TITLE, 14, text="Over", order=1))], False,
         [True, False, None, True, True]),
        ([page(node(3, WHOLE))], False, [True, None, None, True]),
        ([page(node(3, WHOLE, order=1))], False, [True] * 4),
    ],
    ids=["page", "bar", "shade", "dialog", "only a dialog", "layer", "text on a layer", "no order", "background"],
)  # fmt: skip
def test_what_a_forest_proves(
    windows: list[tuple[int, int, list[bytes]]], overlay: bool | None, topmost: list[bool | None]
) -> None:
    """From the layers of windows and the drawing orders of nodes; elements stand by window, those in front last."""
    seen = screen(forest(*windows), px((360, 800)), Counter())
    assert (seen.overlay, [e.topmost for e in seen.elements]) == (overlay, topmost)
    assert seen.keyboard is False
    assert screen(forest(), px((360, 800)), Counter()).keyboard is None


def test_without_the_appended_end(tmp_path: Path) -> None:
    """The last screenshot is then what follows the last action."""
    source = control(tmp_path / "in", control_episode(7, [TAP, TAP]), plain=True)
    assert imported("android-control", source, tmp_path / "out", "--finish", "none").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    assert len(trajectory.steps) == 2
    assert trajectory.final_observation is not None
    shown = [step.observation.image.sha256 for step in trajectory.steps]
    assert trajectory.final_observation.image.sha256 not in shown


def test_a_scroll_may_be_read_as_the_fingers(tmp_path: Path) -> None:
    """If the user says so."""
    source = control(tmp_path / "in", control_episode(7, [SCROLL]))
    assert imported("android-control", source, tmp_path / "out", "--scroll-means", "finger").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    swipe = trajectory.steps[0].actions[0]
    assert swipe == Swipe(direction="down", src=swipe.src, frame=swipe.frame)


@pytest.mark.parametrize(("means", "end"), [("content", (0.5, 0.3)), ("finger", (0.5, 0.7))])
def test_a_scroll_may_be_made_a_swipe(tmp_path: Path, means: str, end: Any) -> None:
    """Down is what comes into view, so the finger goes up; the ends are marked as made up, and counted."""
    source = control(tmp_path / "in", control_episode(7, [SCROLL]))
    options = ("--scrolls", "swipe", "--scroll-means", means, "--finish", "none")
    assert imported("android-control", source, tmp_path / "out", *options).exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    swipe = trajectory.steps[0].actions[0]
    assert isinstance(swipe, Swipe)
    assert (swipe.end, swipe.synth) == (end, True)
    assert report(tmp_path / "out")["losses"]["synthesised swipe"] == 1


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ({"action_type": "long_press", "x": 0, "y": 800}, LongPress(point=(0.0, 1.0))),
        ({"action_type": "open_app", "app_name": "Clock"}, OpenApp(name="Clock")),
        ({"action_type": "input_text", "text": "7 \"am\""}, Type(text="7 \"am\"")),
        ({"action_type": "type", "x": 36, "y": 80, "text": "7"}, Type(text="7", point=(0.1, 0.1), submit=True)),
        ({"action_type": "navigate_home"}, Button(name="home")),
        ({"action_type": "navigate_back"}, Button(name="back")),
        ({"action_type": "wait"}, Wait()),
        ({"action_type": "pinch"}, Unknown()),
    ],
    ids=str,
)  # fmt: skip
def test_every_action(tmp_path: Path, act: dict[str, Any], expected: Any) -> None:
    """A long press stays one; an unknown action is kept as such."""
    source = control(tmp_path / "in", control_episode(1, [act]))
    assert imported("android-control", source, tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    found = trajectory.steps[0].actions[0]
    assert found == type(expected)(**{**{n: getattr(expected, n) for n in expected.__struct_fields__},
                                      "src": found.src, "frame": found.frame})  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"goal": [b" "]}, "no_goal"),
        ({"goal": None}, "shape"),
        ({"episode_id": [1, 2]}, "shape"),
        ({"screenshots": [b"x"]}, "shape"),
        ({"step_instructions": []}, "shape"),
        ({"actions": [b"{", b"{"]}, "json_broken"),
        ({"actions": [b'{"action_type": "click", "x": 361, "y": 0}'] * 2}, "coordinate"),
        ({"actions": [b'{"action_type": "click", "x": 1e999, "y": 0}'] * 2}, "shape"),
        ({"actions": [b'{"action_type": "click"}'] * 2}, "coordinate"),
        ({"actions": [b'{"action_type": "scroll", "direction": "in"}'] * 2}, "shape"),
        ({"accessibility_trees": [b"\xff\xff"] * 3}, "container_broken"),
        ({"screenshot_widths": [500] * 3}, "size_mismatch"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_an_episode_that_cannot_be_taken(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    """The one before it and the one after it are."""
    source = control(
        tmp_path / "in", control_episode(1, [TAP]), control_episode(2, [TAP, TAP], **changes), control_episode(3, [TAP])
    )
    done = imported("android-control", source, tmp_path / "out")
    assert done.exit_code == 1
    assert code in {row["code"] for row in rows(tmp_path / "out")}
    assert {row["record"].split(",")[0] for row in rows(tmp_path / "out")} == {"record 2"}
    assert [t.trajectory_id for t in trajectories(tmp_path / "out")] == ["android-control-1", "android-control-3"]


def test_a_size_that_a_rotation_made_stale(tmp_path: Path) -> None:
    """The screenshot has its sides swapped: its pixels count."""
    source = control(
        tmp_path / "in", control_episode(1, [TAP], screenshot_widths=[800] * 2, screenshot_heights=[360] * 2)
    )
    assert imported("android-control", source, tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    assert getattr(trajectory.steps[0].actions[0], "point", None) == (0.375, 0.5)


@pytest.mark.parametrize("damage", ["cut", "byte", "gzip", "length"])
def test_a_damaged_file(tmp_path: Path, damage: str) -> None:
    """What comes before the damage is taken, the rest is one refusal that names the record."""
    data = tf_records([control_episode(1, [TAP]), control_episode(2, [TAP])])
    middle = len(data) // 2
    spoiled = {
        "cut": gzip.compress(data[:-9]),
        "byte": gzip.compress(data[: middle + 900] + bytes([data[middle + 900] ^ 1]) + data[middle + 901 :]),
        "gzip": gzip.compress(data, 0)[:-900],
        "length": gzip.compress(data[: len(data) // 2] + b"\xff" * 16),
    }[damage]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "android_control-00000-of-00001").write_bytes(spoiled)
    done = imported("android-control", tmp_path / "in", tmp_path / "out")
    assert done.exit_code == 1
    [row] = rows(tmp_path / "out")
    assert (row["scope"], row["code"], row["record"]) == ("trajectory", "container_broken", "record 2")
    assert [t.trajectory_id for t in trajectories(tmp_path / "out")] == ["android-control-1"]


def test_the_checksum_is_tfrecords() -> None:
    """Known values: CRC-32C of "123456789" is 0xE3069283; an empty record's masked one is in TensorFlow's own files."""
    crc = 0xE3069283
    assert masked_crc(b"123456789") == ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc(b"") == 0xA282EAD8


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.lists(st.binary()), st.booleans())
def test_examples_come_back(numbers: list[int], texts: list[bytes], packed: bool) -> None:
    """Signed numbers, packed or not, and bytes."""
    found = example(tf_example({"n": numbers, "b": texts}, packed=packed))
    assert [n - 2**64 if n >= 2**63 else n for n in found["n"] if isinstance(n, int)] == numbers
    assert found["b"] == texts


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused_or_read_but_never_more(noise: bytes) -> None:
    """Every reader either yields or raises Refused."""
    for reader in (lambda: list(fields(noise)), lambda: varints(noise), lambda: example(noise)):
        with contextlib.suppress(Refused):
            reader()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=4))
def test_records_come_back(values: list[bytes]) -> None:
    """One at a time, compressed or not."""
    for data in (tf_records(values), gzip.compress(tf_records(values))):
        assert list(records(io.BytesIO(data))) == values


def test_numbers_of_fixed_size_and_strange_wire_types() -> None:
    """The first are skipped over, the second are none."""
    assert list(fields(varint(1 << 3 | 5) + b"abcd" + message((2, 300)))) == [(1, 5, b"abcd"), (2, 0, 300)]
    for bad in (varint(1 << 3 | 3), varint(2), b"\x0a\x05ab", b"\x08\xff"):
        with pytest.raises(Refused):
            list(fields(bad))
