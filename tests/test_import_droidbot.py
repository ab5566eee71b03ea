"""`droidbot`: states that several events share, views as elements, resets as borders between trajectories."""

from collections import Counter
from pathlib import Path
from typing import Any

import build
import pytest
from import_sources import droidbot, droidbot_event, dump, view
from importing import REAL, imported, report, rows, trajectories

from pipeline.actions import Action, Button, CallTool, Click, Key, LongPress, OpenApp, Scroll, Swipe, Type, Unknown
from pipeline.records import Observation

VIEW = view((90, 360, 180, 440))
START = {"event_type": "intent", "intent": "am start com.app/com.app.Main"}
STOP = {"event_type": "intent", "intent": "am force-stop com.app"}
TOUCH = {"event_type": "touch", "x": None, "y": None, "view": VIEW}


def test_a_run(tmp_path: Path) -> None:
    """The touch goes to the middle of its view; the tree becomes elements; the last state is the final screen."""
    source = droidbot(
        tmp_path / "in", droidbot_event("1", START, "a", "a"), droidbot_event("2", TOUCH, "a", "b"),
    )  # fmt: skip
    done = imported("droidbot", source, tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    [trajectory] = trajectories(tmp_path / "out")
    opened, touch = (step.actions[0] for step in trajectory.steps)
    assert isinstance(opened, OpenApp)
    assert opened.name == "com.app"
    assert isinstance(touch, Click)
    assert (touch.point, touch.bbox) == ((0.375, 0.5), (0.25, 0.45, 0.5, 0.55))
    first, second = trajectory.steps
    assert first.observation.image == second.observation.image  # one state, stored once
    assert (second.observation.app, second.observation.activity) == ("com.app", "com.app/.Main")
    whole, button = second.observation.elements  # the invisible one and the one below the screen are left out
    assert (whole.bbox, whole.text, whole.clickable, whole.role) == ((0, 0, 1, 1), None, False, "TextView")
    assert (button.text, button.parent, button.clickable, button.enabled, button.checked) == (
        "Open",
        0,
        True,
        True,
        None,
    )
    assert trajectory.final_observation is not None
    assert trajectory.final_observation.image != second.observation.image
    assert trajectory.goal == "Explore the app com.app"
    assert report(tmp_path / "out")["losses"] == {"synthesised goal": 1, "view outside the screen": 3}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"event_type": "touch", "x": 36.0, "y": 80.0}, Click(point=(0.1, 0.1))),
        ({"event_type": "long_touch", "view": VIEW, "duration": 2000}, LongPress(point=(0.375, 0.5), duration=2)),
        ({"event_type": "swipe", "start_x": 36, "start_y": 80, "end_view": VIEW},
         Swipe(start=(0.1, 0.1), end=(0.375, 0.5))),
        ({"event_type": "scroll", "view": VIEW, "direction": "DOWN"}, Scroll(point=(0.375, 0.5), direction="down")),
        ({"event_type": "scroll", "direction": "LEFT"}, Scroll(direction="left")),
        ({"event_type": "set_text", "view": VIEW, "text": "HelloWorld"},
         Type(text="HelloWorld", point=(0.375, 0.5), bbox=(0.25, 0.45, 0.5, 0.55))),
        ({"event_type": "key", "name": "BACK"}, Button(name="back")),
        ({"event_type": "key", "name": "SEARCH"}, Key(keys=("search",))),
        ({"event_type": "intent", "intent": "am broadcast -a x"},
         CallTool(name="adb_shell", arguments='{"command":"am broadcast -a x"}')),
        ({"event_type": "manual"}, Unknown()),
    ],
)  # fmt: skip
def test_every_event(tmp_path: Path, event: dict[str, Any], expected: Action) -> None:
    """As DroidBot itself would carry it out."""
    assert imported("droidbot", droidbot(tmp_path / "in", droidbot_event("1", event)), tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    [found] = trajectory.steps[0].actions
    fields = {name: getattr(found, name) for name in found.__struct_fields__}
    assert type(found)(**{**fields, "src": None, "frame": None}) == expected
    assert '"event_type"' in (found.src or "")


def test_resets_divide(tmp_path: Path) -> None:
    """They are DroidBot's, no agent's; each is counted."""
    kill = {"event_type": "kill_app", "stop_intent": "am force-stop com.app"}
    events = [kill, START, TOUCH, STOP, START, kill, TOUCH]
    source = droidbot(tmp_path / "in", *(droidbot_event(str(n), event, "a", "a") for n, event in enumerate(events)))
    assert imported("droidbot", source, tmp_path / "out").exit_code == 0
    assert {t.trajectory_id: len(t.steps) for t in trajectories(tmp_path / "out")} == {
        "run-1": 2,
        "run-2": 1,
        "run-3": 1,
    }
    assert report(tmp_path / "out")["losses"]["reset by DroidBot"] == 3


def test_a_state_that_was_not_stored(tmp_path: Path) -> None:
    """Its screen is missing; the event stays in the history if it needs no view."""
    source = droidbot(tmp_path / "in", droidbot_event("1", START, "nowhere", "a"), droidbot_event("2", TOUCH, "a", "a"))
    assert imported("droidbot", source, tmp_path / "out").exit_code == 1
    assert [(r["scope"], r["code"], r["record"]) for r in rows(tmp_path / "out")] == [
        ("screenshot", "image_missing", "event 1")
    ]
    [trajectory] = trajectories(tmp_path / "out")
    assert len(trajectory.steps) == 2


def test_stale_sizes_and_loops(tmp_path: Path) -> None:
    """A turned device keeps its old width and height; a view that is its own ancestor has no parent."""
    source = droidbot(tmp_path / "in", droidbot_event("1", TOUCH, "c", "c"), states=())
    dump(source / "run" / "states" / "state_1.json", {
        "tag": "1", "state_str": "c", "width": 360, "height": 800, "views": [
            view((400, 180, 800, 360), temp_id=1, parent=2), view((0, 0, 800, 360), temp_id=2, parent=2),
        ],
    })  # fmt: skip
    (source / "run" / "states" / "screen_1.png").write_bytes(build.encoded(build.screen(0, 800, 360)))
    dump(
        source / "run" / "events" / "event_1.json",
        droidbot_event("1", {**TOUCH, "view": view((400, 180, 800, 360))}, "c"),
    )
    assert imported("droidbot", source, tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    assert [e.bbox for e in trajectory.steps[0].observation.elements] == [(0.5, 0.5, 1, 1), (0, 0, 1, 1)]
    assert getattr(trajectory.steps[0].actions[0], "point", None) == (0.75, 0.75)


PAGE = [
    view((0, 0, 360, 800), temp_id=0, clickable=False, text=None, package="com.app", focused=False),
    view((20, 80, 340, 120), temp_id=1, parent=0, clickable=False, text="Title", editable=False, focused=False),
    view((20, 700, 340, 736), temp_id=2, parent=0, editable=False, focused=False),
]


def screen_of(tmp_path: Path, *views: dict[str, Any]) -> Observation:
    """Return the screen of a state with these views."""
    source = droidbot(tmp_path / "in", droidbot_event("1", {**TOUCH, "x": 36, "y": 80}, "s"), states=())
    dump(source / "run" / "states" / "state_1.json", {
        "tag": "1", "state_str": "s", "width": 360, "height": 800, "foreground_activity": "com.app/.Main",
        "views": list(views),
    })  # fmt: skip
    (source / "run" / "states" / "screen_1.png").write_bytes(build.encoded(build.screen(0, 360, 800)))
    assert imported("droidbot", source, tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    return trajectory.steps[0].observation


def test_what_a_plain_page_proves(tmp_path: Path) -> None:
    """No keyboard, no overlay, everything on top."""
    seen = screen_of(tmp_path, *PAGE)
    assert (seen.keyboard, seen.overlay, [e.topmost for e in seen.elements]) == (False, False, [True] * 3)


@pytest.mark.parametrize(
    ("views", "keyboard", "overlay", "topmost"),
    [
        ([{**PAGE[0], "package": "com.keyboard"}, *PAGE[1:]], None, None, [True] * 3),
        ([*PAGE[:2], {**PAGE[2], "editable": True, "focused": True}], None, False, [True] * 3),
        ([*PAGE[:2], {**PAGE[2], "editable": True}], False, False, [True] * 3),
        ([*PAGE, {**PAGE[2], "temp_id": 3, "editable": True, "focused": True, "visible": False}], None, False,
         [True] * 3),
        ([*PAGE, {**PAGE[2], "temp_id": 3, "focused": None, "editable": None}], None, False, [True, True, None, None]),
        ([*PAGE, {**PAGE[0], "temp_id": 3, "parent": 0}], False, False, [True, None, None, True]),
        ([*PAGE, {**PAGE[1], "temp_id": 3, "parent": 1}], False, False, [True] * 4),
        ([{**PAGE[0], "parent": None}, *PAGE[1:], {**PAGE[2], "temp_id": 1}], False, False, [None] * 4),
        ([{**PAGE[0], "bounds": [[40, 200], [320, 600]]},
          {**PAGE[1], "bounds": [[60, 220], [300, 260]]}], False, True, [True] * 2),
    ],
    ids=["a window of the keyboard", "an editor with the focus", "an editor without it", "an unseen editor with it",
         "the focus unknown", "a layer over the page", "a text in a text", "numbers twice", "a dialog"],
)  # fmt: skip
def test_what_a_state_proves(
    tmp_path: Path,
    views: list[dict[str, Any]],
    keyboard: bool | None,
    overlay: bool | None,
    topmost: list[bool | None],
) -> None:
    """And nothing more: the order of DroidBot's list says nothing about what is in front."""
    seen = screen_of(tmp_path, *views)
    assert (seen.keyboard, seen.overlay, [e.topmost for e in seen.elements]) == (keyboard, overlay, topmost)


def test_a_screenshot_that_is_a_scaled_copy(tmp_path: Path) -> None:
    """Events count in the device's pixels as boxes do, whatever the size of the picture."""
    source = droidbot(tmp_path / "in", droidbot_event("1", {**TOUCH, "x": 135, "y": 400}), states=("a",))
    small = build.encoded(build.screen(0, build.WIDTH // 2, build.HEIGHT // 2), "JPEG")
    (source / "run" / "states" / "screen_2021-01-01_000000.jpg").write_bytes(small)
    assert imported("droidbot", source, tmp_path / "out").exit_code == 0
    [trajectory] = trajectories(tmp_path / "out")
    [action] = trajectory.steps[0].actions
    assert isinstance(action, Click)
    assert action.point == (135 / build.WIDTH, 400 / build.HEIGHT)
    assert action.bbox == (0.25, 0.45, 0.5, 0.55)
    assert action.bbox in [element.bbox for element in trajectory.steps[0].observation.elements]


@pytest.mark.skipif(not (REAL / "droidbot").exists(), reason="the published recordings are not here")
def test_the_published_run(tmp_path: Path) -> None:
    """Counted by hand: 46 events, which are 30 touches, 9 starts, 4 keys and 3 resets; one state was not stored."""
    done = imported("droidbot", REAL / "droidbot", tmp_path / "out")
    assert (done.exit_code, bool(done.stdout)) == (1, True)
    assert report(tmp_path / "out")["actions"] == {"button": 4, "click": 30, "open_app": 9}
    assert {t.trajectory_id: len(t.steps) for t in trajectories(tmp_path / "out")} == {
        "qqmusic-1": 30, "qqmusic-2": 3, "qqmusic-3": 10,
    }  # fmt: skip
    assert [(row["code"], row["record"]) for row in rows(tmp_path / "out")] == [
        ("image_missing", "event 2021-12-06_204601")
    ]


@pytest.mark.skipif(not (REAL / "droidbot").exists(), reason="the published recordings are not here")
def test_what_the_published_run_proves(tmp_path: Path) -> None:
    """Looked at: no screen shows a keyboard; the overlays are a dialog (2 steps) and a menu (3 steps).

    The share sheet, the splash screen and the dialog of full width are left unknown, as are the home page and the page
    that DroidBot lists together with the home page below it.
    """
    imported("droidbot", REAL / "droidbot", tmp_path / "out")
    steps = {(t.trajectory_id, s.index): s.observation for t in trajectories(tmp_path / "out") for s in t.steps}
    assert Counter(o.keyboard for o in steps.values()) == {False: 21, None: 22}
    assert [where for where, o in steps.items() if o.overlay] == [
        ("qqmusic-1", 28), ("qqmusic-1", 29), ("qqmusic-3", 1), ("qqmusic-3", 4), ("qqmusic-3", 5),
    ]  # fmt: skip
    pages = {"qqmusic-1": {0, *range(8, 11), *range(12, 15), *range(17, 27)}, "qqmusic-2": {0, 1}, "qqmusic-3": {0}}
    assert {w for w, o in steps.items() if o.overlay is False} == {(t, n) for t, ns in pages.items() for n in ns}
    album = steps["qqmusic-1", 4].elements
    assert Counter(e.topmost for e in album) == {None: 287, True: 5}
    assert not any(e.topmost for e in album if e.text)
