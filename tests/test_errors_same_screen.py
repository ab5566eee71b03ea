"""Errors after which the screen stays the same: an eligible record of each kind, and each fact that forbids it.

With its guard switched off, each fact lets the error pass: so it is this guard that stops it, and no other would.
"""

from typing import Any

import msgspec
import pytest
from episodes import BUTTON, CLICK, DEAD, element, episode, proposals, screen, shown, step
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions import Click, Scroll, Terminate, Type, Wait
from pipeline.errors import KINDS, Refusal
from pipeline.errors.guards import without
from pipeline.errors.scene import Scene
from pipeline.records import Element, Label, ScrollState
from pipeline.screens.geometry import contains, distance

SWITCH = element(BUTTON, text="Dark mode", role="switch", bbox=(0.8, 0.4, 0.95, 0.45))
LABEL = element(DEAD, text="Dark mode", role="text", bbox=(0.05, 0.4, 0.3, 0.45), wired=False)
FIELD = Element(
    bbox=(0.3, 0.4, 0.7, 0.5), text="Name", role="textbox", clickable=True, editable=True, focused=False, topmost=True
)
OFF = element(BUTTON, text="Create", bbox=(0.3, 0.8, 0.7, 0.86), enabled=False, notifies=False)
ON = element(OFF, enabled=True)
LIST = Element(
    bbox=(0.0, 0.1, 1.0, 1.0), role="main", clickable=False, topmost=True,
    scroll=ScrollState(y=900, max_y=900, refresh=False, endless=False),
)  # fmt: skip
REST: dict[str, Any] = {"settled": True, "shortcuts": False, "touch_radius": 0.0, "dynamic": ()}
DARK = Click(point=(0.85, 0.42))

ELIGIBLE: dict[str, tuple[int, dict[int, dict[str, Any]]]] = {
    "tap_dead": (2, {}),
    "noop_twice": (2, {}),
    "tap_label": (2, {2: {**screen(SWITCH, LABEL), "actions": (DARK,), "touch_radius": 0.0}}),
    "tap_near_miss": (2, {2: {"touch_radius": 4.0}}),
    "tap_disabled": (2, {2: screen(BUTTON, OFF), 3: {**screen(BUTTON, ON), "actions": (Click(point=(0.5, 0.83)),)}}),
    "type_unfocused": (2, {2: {**screen(FIELD), "shortcuts": False}, 3: {"actions": (Type(text="Anna Lind"),)}}),
    "scroll_edge": (2, {2: screen(LIST, BUTTON)}),
    "wait_needless": (2, {2: {"settled": True}}),
    "missed_finish": (4, {4: {"settled": True, "actions": (Terminate(status="success"),)}}),
}
"""For each kind the step at which it fires, and what its record has beside the plain one; step 4 is the last."""

MESSAGE = Element(bbox=(0.1, 0.95, 0.9, 0.99), text="Saved", role="status", clickable=False)
CLOCK = Element(bbox=(0.8, 0.0, 1.0, 0.02), text="9:30", role="android.widget.TextClock", clickable=False)
SPINNER = Element(bbox=(0.4, 0.6, 0.6, 0.65), role="android.widget.ProgressBar", clickable=False)
SEEN = element(BUTTON, source="ocr")
WITH: dict[str, tuple[Element, ...]] = {
    "tap_label": (SWITCH, LABEL), "tap_disabled": (BUTTON, OFF), "type_unfocused": (FIELD,),
    "scroll_edge": (LIST, BUTTON),
}  # fmt: skip


def found(kind: str, *changes: dict[str, Any], at: int | None = None) -> Any:
    """Return what the kind says of its eligible record with some facts of the step changed."""
    own, facts = ELIGIBLE[kind]
    where = own if at is None else at
    steps = []
    for index in range(5):
        known = dict(facts.get(index, {}))
        for change in changes if index == where else ():
            known.update(change)
        steps.append(step(index, **known))
    return KINDS[kind].propose(episode(*steps), where)


def plus(kind: str, *more: Element) -> dict[str, Any]:
    """Return the change that shows further elements on the kind's screen."""
    return screen(*WITH.get(kind, (BUTTON, DEAD)), *more)


TAPS = ("tap_dead", "noop_twice", "tap_label", "tap_near_miss")
QUIET = (*TAPS, "type_unfocused", "scroll_edge")
AT_REST = (*QUIET, "tap_disabled", "wait_needless", "missed_finish")
OTHER = element(FIELD, bbox=(0.1, 0.6, 0.9, 0.65), text="Other")

CASES: list[tuple[str, str, dict[str, Any]]] = [
    *((kind, "labelled_neighbour", {"label": Label(role="recovery")}) for kind in AT_REST),
    *((kind, "dynamic_region", {"dynamic": ((0.1, 0.1, 0.2, 0.2),)}) for kind in AT_REST),
    *((kind, "dynamic_region", plus(kind, CLOCK)) for kind in AT_REST),
    *((kind, "unsettled", plus(kind, SPINNER)) for kind in (*QUIET, "tap_disabled")),
    *((kind, "unsettled", {"settled": False}) for kind in (*QUIET, "tap_disabled")),
    *((kind, "transient", plus(kind, MESSAGE)) for kind in AT_REST),
    *((kind, "partial_tree", plus(kind, element(MESSAGE, role="", source="ocr"))) for kind in AT_REST),
    *((kind, "no_elements", screen()) for kind in ("wait_needless", "missed_finish")),
    *((kind, "keyboard", {"keyboard": value}) for kind in (*QUIET, "tap_disabled") for value in (True, None)),
    *((kind, "overlay", {"overlay": value}) for kind in QUIET for value in (True, None)),
    *((kind, "focused_field", plus(kind, element(OTHER, focused=True))) for kind in (*QUIET, "tap_disabled")),
    *((kind, "focus_unknown", plus(kind, element(OTHER, focused=None))) for kind in (*QUIET, "tap_disabled")),
    *((kind, "settling_unknown", {"settled": None}) for kind in ("wait_needless", "missed_finish")),
    ("tap_label", "wiring_unknown", screen(SWITCH, element(LABEL, wired=None))),
    ("tap_label", "label_wired", screen(SWITCH, element(LABEL, wired=True))),
    ("tap_dead", "label_wired", screen(BUTTON, element(DEAD, wired=True))),
    ("tap_label", "near_control", screen(SWITCH, LABEL, element(BUTTON, bbox=(0.28, 0.4, 0.4, 0.45)))
     | {"touch_radius": 60.0}),
    ("tap_dead", "live_surface", plus("tap_dead", Element(bbox=(0, 0, 1, 0.2), role="SurfaceView", clickable=False))),
    ("tap_near_miss", "reach_unknown", {"touch_radius": None}),
    ("tap_near_miss", "near_control", {"touch_radius": 300.0}),
    ("tap_near_miss", "live_surface", plus("tap_near_miss", Element(bbox=(0, 0, 1, 1), role="map", clickable=False))),
    ("tap_disabled", "disabled_answers", screen(BUTTON, element(OFF, notifies=None))),
    ("tap_disabled", "disabled_answers", screen(BUTTON, element(OFF, notifies=True))),
    ("tap_disabled", "covered", screen(BUTTON, element(OFF, topmost=False))),
    ("tap_disabled", "covered", screen(BUTTON, element(OFF, topmost=None))),
    ("tap_disabled", "inside_control",
     screen(BUTTON, element(OFF, parent=2), element(BUTTON, bbox=(0.2, 0.7, 0.8, 0.9)))),
    ("type_unfocused", "shortcuts", {"shortcuts": None}),
    ("type_unfocused", "shortcuts", {"shortcuts": True}),
    ("scroll_edge", "not_at_edge", screen(element(LIST, scroll=ScrollState(y=450, max_y=900, refresh=False)), BUTTON)),
    ("scroll_edge", "pull_to_refresh", screen(element(LIST, scroll=ScrollState(y=0, max_y=900)), BUTTON)),
    ("scroll_edge", "pull_to_refresh", screen(element(LIST, scroll=ScrollState(max_y=9, refresh=True)), BUTTON)),
    ("scroll_edge", "endless_list", screen(element(LIST, scroll=ScrollState(y=900, max_y=900, endless=True)), BUTTON)),
    ("scroll_edge", "endless_list", screen(element(LIST, scroll=ScrollState(y=900, max_y=900)), BUTTON)),
    ("scroll_edge", "scroll_chained",
     screen(LIST, BUTTON, element(LIST, bbox=(0.1, 0.2, 0.9, 0.9), scroll=ScrollState(y=5, max_y=9, endless=False)))),
]  # fmt: skip


@pytest.mark.parametrize("kind", ELIGIBLE)
def test_an_eligible_record_is_proposed(kind: str) -> None:
    """The same screen before and after; the recorded decision at the end; the evidence in view."""
    at, _ = ELIGIBLE[kind]
    (proposal,) = proposals(found(kind))
    assert proposal.past == at
    *wrong, right = proposal.tail
    assert {item.image for item in proposal.tail} == {step(at).image}
    assert [item.turn.role for item in wrong] == ["error"] * KINDS[kind].depth
    assert right.turn.role == "recovery"
    assert proposal.evidence == len(proposal.tail)
    assert all(item.turn.actions[0].synth for item in wrong)
    assert all(item.turn.thought for item in proposal.tail)
    assert KINDS[kind].truth == "same screen"


@pytest.mark.parametrize(("kind", "guard", "change"), CASES)
def test_one_fact_stops_it_and_only_its_guard(kind: str, guard: str, change: dict[str, Any]) -> None:
    """The guard of that fact speaks; without it, it is not what forbids the error any more."""
    assert found(kind, change) == Refusal(guard)
    with without(guard):
        assert found(kind, change) != Refusal(guard)
    assert found(kind, change) == Refusal(guard)


WINDOW = Element(bbox=(0.05, 0.01, 0.95, 0.95), role="FrameLayout", source="a11y", clickable=False, topmost=True)


def dialog(window: Element = WINDOW, *more: Element) -> dict[str, Any]:
    """Return the change that makes all of the screen a dialog with a window of its own."""
    inside = [element(each, parent=0, source="a11y") for each in (BUTTON, DEAD)]
    return {**screen(window, *inside, *more), "overlay": True}


@pytest.mark.parametrize("kind", ["tap_dead", "noop_twice"])
def test_a_tap_inside_a_dialog_closes_none(kind: str) -> None:
    """Where all that is listed is the dialog's own window; not where there is a page around it that a tap may hit."""
    proposals(found(kind, dialog()))
    assert found("tap_near_miss", dialog()) == Refusal("overlay")
    for window in (
        element(WINDOW, bbox=(0.0, 0.0, 1.0, 1.0)),
        element(WINDOW, bbox=(0.0, 0.01, 1.0, 0.95)),
        element(WINDOW, bbox=(0.05, 0.0, 0.95, 1.0)),
        element(WINDOW, bbox=(0.05, 0.05, 0.95, 0.2)),  # what is listed reaches out of it
        element(WINDOW, source="dom"),
    ):
        assert found(kind, dialog(window)) == Refusal("overlay")
    assert found(kind, dialog(WINDOW, element(DEAD, bbox=(0.1, 0.6, 0.3, 0.65)))) == Refusal("overlay")  # two roots
    assert found(kind, dialog(), {"overlay": None}) == Refusal("overlay")


@pytest.mark.parametrize(("kind", "at"), [(kind, at) for kind in QUIET for at in (0, 4)])
def test_not_at_the_edges(kind: str, at: int) -> None:
    """The first decision and the last are left alone."""
    facts = ELIGIBLE[kind][1].get(2, {})
    if kind != "type_unfocused" or at == 0:  # needs a step after it
        following = {1: ELIGIBLE[kind][1].get(3, {})} if at == 0 else {}
        steps = [step(n, **(facts if n == at else following.get(n, {}))) for n in range(5)]
        assert KINDS[kind].propose(episode(*steps), at) == Refusal("edge_of_trajectory")


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("tap_label", screen(SWITCH, element(LABEL, text="Version"))),
        ("tap_disabled", screen(BUTTON, ON)),
        ("type_unfocused", screen(BUTTON)),
        ("scroll_edge", screen(BUTTON, DEAD)),
        ("scroll_edge", {"actions": (Scroll(point=(0.5, 0.5), direction="up"),)}),
        ("wait_needless", {"actions": (Wait(),)}),
        ("missed_finish", {"actions": (Terminate(status="failure"),)}),
        ("missed_finish", {"actions": (CLICK,)}),
    ],
)
def test_where_a_kind_does_not_apply_it_is_silent(kind: str, change: dict[str, Any]) -> None:
    """Such steps are not even counted as considered."""
    assert found(kind, change) is None


def test_a_control_that_stays_inactive_is_no_slip_of_order() -> None:
    """It must be active on the next screen, and used."""
    at, facts = ELIGIBLE["tap_disabled"]
    for following in (screen(BUTTON, OFF), {"actions": (CLICK,)}):
        known = {**facts, 3: {**facts[3], **following}}
        steps = [step(n, **known.get(n, {})) for n in range(5)]
        assert KINDS["tap_disabled"].propose(episode(*steps), at) == Refusal("not_enabled_later")


def test_a_tap_that_was_repeated_is_not_repeated_again() -> None:
    """`noop_twice` taps the same text twice and then does something else."""
    (proposal,) = proposals(found("noop_twice"))
    first, again, right = proposal.tail
    assert first.turn.actions == again.turn.actions
    assert first.turn.thought != again.turn.thought
    assert right.turn.actions == (CLICK,)


def test_scrolling_goes_where_there_is_nothing_more() -> None:
    """At the end of the list it goes down, at its top (that does not load again) up."""
    bounded = ScrollState(max_y=9, refresh=False, endless=False)
    for state, way in ((msgspec.structs.replace(bounded, y=9), "down"), (bounded, "up")):
        (proposal,) = proposals(found("scroll_edge", screen(element(LIST, scroll=state), BUTTON)))
        (action,) = proposal.tail[0].turn.actions
        assert isinstance(action, Scroll)
        assert action.direction == way
        assert (action.dy or 0) * (1 if way == "down" else -1) > 0


def test_typing_comes_too_early_and_only_once() -> None:
    """The slip is the next step's text; then the field is tapped, as recorded."""
    (proposal,) = proposals(found("type_unfocused"))
    assert proposal.tail[0].turn.actions == (Type(text="Anna Lind", synth=True),)
    assert proposal.tail[1].turn.actions == (CLICK,)


_unit = st.floats(0.02, 0.9)
_size = st.floats(0.01, 0.3)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[float, float, float, float]:
    """Return a box on the screen."""
    x, y = draw(_unit), draw(_unit)
    return (x, y, min(x + draw(_size), 1.0), min(y + draw(_size), 1.0))


@given(target=boxes(), others=st.lists(boxes(), max_size=6), radius=st.floats(0, 40))
def test_a_near_miss_is_out_of_reach_of_everything(
    target: tuple[float, float, float, float], others: list[tuple[float, float, float, float]], radius: float
) -> None:
    """Farther than the recorded radius from every control, on the screen, and nearest to where it should have gone."""
    aimed = element(BUTTON, bbox=target)
    elements = (*(element(BUTTON, bbox=box, text="Other") for box in others), aimed)
    point = ((target[0] + target[2]) / 2, (target[1] + target[3]) / 2)
    outcome = found("tap_near_miss", {**screen(*elements), "touch_radius": radius, "actions": (Click(point=point),)})
    if isinstance(outcome, Refusal):
        return
    (proposal,) = proposals(outcome)
    (slip,) = proposal.tail[0].turn.actions
    assert isinstance(slip, Click)
    assert slip.point is not None
    assert contains((0, 0, 1, 1), slip.point)
    assert all(distance(each.bbox, slip.point, 360, 800) > radius for each in elements)


@given(taps=st.lists(boxes(), max_size=8), text=boxes(), radius=st.none() | st.floats(0, 40))
def test_a_dead_tap_is_out_of_reach_of_everything(
    taps: list[tuple[float, float, float, float]], text: tuple[float, float, float, float], radius: float | None
) -> None:
    """Whatever lies where: a tap believed to be dead is at least 16 dp, or the recorded radius, from every control."""
    elements = (BUTTON, *(element(BUTTON, bbox=box, text=None) for box in taps), element(DEAD, bbox=text))
    outcome = found("tap_dead", {**screen(*elements), "touch_radius": radius, "actions": (Click(point=(0.31, 0.41)),)})
    if not isinstance(outcome, tuple):
        return
    (slip,) = outcome[0].tail[0].turn.actions
    least = 16 if radius is None else radius
    assert all(distance(each.bbox, slip.point, 360, 800) >= least for each in elements[:-1])


@given(boxes=st.lists(boxes(), min_size=1, max_size=8), x=st.floats(0, 0.99), y=st.floats(0, 0.99))
def test_crowded_is_what_the_distances_say(boxes: list[tuple[float, float, float, float]], x: float, y: float) -> None:
    """The short cut over far boxes changes nothing."""
    scene = Scene(step(0, **screen(*(element(BUTTON, bbox=box) for box in boxes))))
    assert scene.crowded((x, y)) == any(distance(box, (x, y), 360, 800) < scene.reach for box in boxes)


def test_history_is_kept() -> None:
    """The recorded turns before the slip are all there."""
    (proposal,) = proposals(found("tap_dead"))
    turns = shown(episode(*map(step, range(5))), proposal)
    assert [item.turn.step_index for item in turns] == [0, 1, 2, 2]
