"""Injected errors are truthful: one changed fact of an eligible record, and the guard that speaks of it refuses."""

from typing import Any

import pytest
from episodes import (
    BUTTON,
    CLICK,
    DEAD,
    EDITABLE,
    OBSERVATION,
    around,
    edge,
    element,
    episode,
    proposals,
    screen,
    shown,
    step,
)

from pipeline.actions import Browser, Button, Click
from pipeline.augmentation.graph import Route, Surrounding
from pipeline.errors import KINDS, Refusal
from pipeline.errors.guards.wording import IRREVERSIBLE
from pipeline.records import Element, Execution, Label, Step, StepText
from pipeline.screens.geometry import centre, contains, distance
from pipeline.screens.screen import interactive
from pipeline.storage.tables import StepFacts

PROVED = {1: Surrounding(1), 2: Surrounding(2, acted=1, routes=(Route(edge(Button(name="back"), 1), (), ()),))}
"""Some recording went Back from the screen of step 2 to that of step 1."""


def proposed(kind: str, at: int = 2, *, proved: bool = True, n: int = 5, **changes: dict[str, Any]) -> Any:
    """Return what a kind says at step 2 of five; `here`, `before`, `all_`: changed facts of steps 2, 1, and all."""
    steps = [
        step(index, **changes.get("all_", {}), **changes.get({2: "here", 1: "before"}.get(index, ""), {}))
        for index in range(n)
    ]
    known = {2: PROVED, 4: {3: PROVED[1], 4: PROVED[2]}}.get(at, {}) if proved else {}
    return KINDS[kind].propose(episode(*steps, around=known), at)


TAP_DEAD_GUARDS: list[tuple[str, dict[str, Any]]] = [
    ("edge_of_trajectory", {"at": 0}),
    ("edge_of_trajectory", {"at": 4}),
    ("labelled_neighbour", {"here": {"label": Label(role="recovery")}}),
    ("labelled_neighbour", {"before": {"label": Label(role="error")}}),
    ("labelled_neighbour", {"before": {"label": Label(correct=False)}}),
    ("no_elements", {"here": screen()}),
    ("keyboard", {"here": {"keyboard": True}}),
    ("keyboard", {"here": {"keyboard": None}}),
    ("overlay", {"here": {"overlay": True}}),
    ("overlay", {"here": {"overlay": None}}),
    ("focused_field", {"here": screen(BUTTON, DEAD, element(EDITABLE, focused=True))}),
    ("target_unnamed", {"here": {"actions": (Click(point=(0.9, 0.9)),)}}),
    ("target_unnamed", {"here": screen(element(BUTTON, text=" "), DEAD)}),
    ("target_unnamed", {"here": screen(element(BUTTON, topmost=False), DEAD)}),
    ("irreversible", {"here": screen(element(BUTTON, text="Delete all"), DEAD)}),
    ("irreversible", {"here": screen(element(BUTTON, text="立即支付"), DEAD)}),
    ("no_dead_text", {"here": screen(BUTTON)}),
    ("reacts", {"here": screen(BUTTON, element(DEAD, clickable=None))}),
    ("reacts", {"here": screen(BUTTON, element(DEAD, clickable=True))}),
    ("reacts", {"here": screen(BUTTON, element(DEAD, editable=True, focused=False))}),
    ("reacts", {"here": screen(BUTTON, element(DEAD, checked=False))}),
    ("covered", {"here": screen(BUTTON, element(DEAD, topmost=None))}),
    ("covered", {"here": screen(BUTTON, element(DEAD, topmost=False))}),
    ("no_dead_text", {"here": screen(BUTTON, element(DEAD, text="x"))}),
    ("no_dead_text", {"here": screen(BUTTON, element(DEAD, text="x" * 41))}),
    ("no_dead_text", {"here": screen(BUTTON, element(DEAD, text="Send feedback"))}),
    ("no_dead_text", {"here": screen(BUTTON, element(DEAD, text=" Photos  "))}),
    ("no_dead_text", {"here": screen(BUTTON, element(DEAD, role="img"))}),
    ("inside_control", {"here": around(clickable=True)}),
    ("inside_control", {"here": around(clickable=None)}),
    ("inside_control", {"here": around(checked=True)}),
    ("near_control", {"here": screen(BUTTON, DEAD, Element(bbox=(0.1, 0.06, 0.6, 0.08), clickable=True))}),
    ("near_control", {"here": screen(BUTTON, DEAD, Element(bbox=(0.1, 0.06, 0.6, 0.08), clickable=None))}),
    ("near_control", {"all_": {"scale": 20.0}}),  # 16 dp are 320 pixels here, and the button is nearer
]  # fmt: skip


def test_an_eligible_record_is_proposed() -> None:
    """The fixture itself passes every guard, else no test below would mean anything."""
    for kind in ("tap_dead", "accidental_back"):
        assert proposals(proposed(kind))
    assert proposals(proposed("tap_dead", here=around()))


@pytest.mark.parametrize(("guard", "change"), TAP_DEAD_GUARDS)
def test_one_fact_stops_a_dead_tap(guard: str, change: dict[str, Any]) -> None:
    """And the guard of that fact is the one that speaks."""
    found = proposed("tap_dead", **change)
    assert found == Refusal(guard)


ACCIDENTAL_BACK_GUARDS: list[tuple[str, dict[str, Any]]] = [
    ("edge_of_trajectory", {"at": 4}),
    ("labelled_neighbour", {"here": {"label": Label(role="error")}}),
    ("labelled_neighbour", {"before": {"label": Label(role="recovery")}}),
    ("labelled_neighbour", {"before": {"label": Label(correct=False)}}),
    ("back_not_proved", {"proved": False}),
    ("back_is_right", {"here": {"actions": (Button(name="back"),)}}),
    ("back_is_right", {"here": {"actions": (Browser(op="back"),)}}),
    ("keyboard", {"here": {"keyboard": True}}),
    ("keyboard", {"before": {"keyboard": None}}),
    ("overlay", {"here": {"overlay": True}}),
    ("overlay", {"before": {"overlay": True}}),
    ("focused_field", {"here": screen(BUTTON, element(EDITABLE, focused=True))}),
    ("target_unnamed", {"before": screen(element(BUTTON, text=None))}),
    ("toggles", {"before": screen(element(BUTTON, editable=True))}),
    ("toggles", {"before": screen(element(BUTTON, checked=False))}),
    ("irreversible", {"before": screen(element(BUTTON, text="Send"))}),
]


@pytest.mark.parametrize(("guard", "change"), ACCIDENTAL_BACK_GUARDS)
def test_one_fact_stops_an_accidental_back(guard: str, change: dict[str, Any]) -> None:
    """And the guard of that fact is the one that speaks."""
    assert proposed("accidental_back", **change) == Refusal(guard)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("tap_dead", {"here": {"actions": (Button(name="back"),)}}),
        ("tap_dead", {"here": {"actions": (Click(),)}}),
        ("accidental_back", {"at": 0}),
        ("accidental_back", {"before": {"actions": (Button(name="back"),)}}),
        ("accidental_back", {"before": {"actions": (Click(),)}}),
        ("accidental_back", {"before": {"actions": (Click(point=(0.5, 0.45), count=2),)}}),
        ("labelled", {}),
    ],
)
def test_where_a_kind_does_not_apply_it_is_silent(kind: str, change: dict[str, Any]) -> None:
    """Such steps are not even counted as considered."""
    assert proposed(kind, **change) is None


def test_a_dead_tap_changes_nothing() -> None:
    """Both screens are the same one; the tap lands on the text and far from all that reacts; then the recorded tap."""
    (found,) = proposals(proposed("tap_dead"))
    turns = shown(episode(*map(step, range(5))), found)
    *past, wrong, right = turns
    assert [item.turn.step_index for item in turns] == [0, 1, 2, 2]
    assert wrong.image == right.image == step(2).image
    (slip,) = wrong.turn.actions
    assert isinstance(slip, Click)
    assert slip.synth
    assert slip.point == centre(DEAD.bbox)
    assert contains(DEAD.bbox, slip.point)
    assert all(distance(e.bbox, slip.point, 360, 800) >= 16 for e in OBSERVATION.elements if interactive(e))
    assert right.turn.actions == (CLICK,)
    assert (wrong.turn.role, right.turn.role) == ("error", "recovery")
    assert "My heading" in (wrong.turn.thought or "")
    assert "Photos" in (right.turn.thought or "")
    assert "My heading" in (right.turn.thought or "")
    assert all(item.turn.role == "normal" for item in past)


def test_an_accidental_back_shows_the_screen_before() -> None:
    """Exactly the recorded one, and the same tap again."""
    (found,) = proposals(proposed("accidental_back"))
    turns = shown(episode(*map(step, range(5))), found)
    *past, wrong, right = turns
    assert [item.turn.step_index for item in turns] == [0, 1, 2, 1]
    assert wrong.image == step(2).image
    assert right.image == step(1).image == past[1].image
    assert wrong.turn.actions == (Button(name="back", synth=True),)
    assert right.turn.actions == past[1].turn.actions
    assert "Photos" in (right.turn.thought or "")


def labelled(n: int = 5, thought: str = "I tap it.", **labels: Label) -> Any:
    """Return what the kind `labelled` says at step 3, with labels on steps s0, s1 and so on."""
    steps = [step(index, label=labels.get(f"s{index}", Label())) for index in range(n)]
    steps[3] = step(3, label=labels["s3"], text=StepText(thought=thought, instruction="Tap it"))
    return KINDS["labelled"].propose(episode(*steps), 3)


def test_a_recorded_mistake_and_its_repair() -> None:
    """Nothing is invented but the diagnosis, and that only where the recorded thought has none."""
    (found,) = proposals(labelled(s2=Label(role="error"), s3=Label(role="recovery", corrects_step=2)))
    turns = shown(episode(*map(step, range(5))), found)
    assert [item.turn.step_index for item in turns] == [0, 1, 2, 3]
    assert [item.image for item in turns] == [step(n).image for n in range(4)]
    assert found.evidence == 2
    thought = found.tail[-1].turn.thought or ""
    assert thought.endswith("I tap it.")
    assert "Tap Photos" in thought
    assert labelled(s2=Label(role="error"), s3=Label(role="recovery")) == (found,), "the last error by default"
    (judged,) = proposals(labelled(s2=Label(correct=False), s3=Label(role="recovery")))
    assert judged.tail[-1] == found.tail[-1]
    said = "That was a mistake: I tap the other one."
    labels = {"s1": Label(role="error"), "s3": Label(role="recovery", corrects_step=1)}
    (kept,) = proposals(labelled(thought=said, **labels))
    assert kept.tail[-1].turn.thought == said
    assert kept.evidence == 3


def test_a_repair_without_a_mistake_is_none() -> None:
    """Or one whose thought does not say what went wrong two steps ago."""
    assert labelled(s3=Label(role="recovery")) == Refusal("no_labelled_error")
    assert labelled(s2=Label(role="error"), s3=Label(role="recovery", corrects_step=1)) == Refusal("no_labelled_error")
    assert labelled(s1=Label(role="error"), s3=Label(role="recovery", corrects_step=1)) == Refusal("diagnosis_missing")


@pytest.mark.parametrize(
    "text",
    [
        "Pay now",
        "DELETE",
        "Log out",
        "sign out",
        "发送",
        "清空回收站",
        "Place order",
        "Deleting",
        "Payments",
        "My orders",
        "Empty trash",
        "Logout",
        "Log off",
        "Call Anna",
        "Subscribe",
        "Shut down",
        "删掉",
        "刪除",
        "取消订单",
        "拨打",
        "确认收货",
        "立即抢购",
        "结算",
        "退出账号",
        "恢复出厂设置",
        "拉黑",
        "付费",
    ],
)
def test_irreversible_words(text: str) -> None:
    """Whole words and their forms, in both languages."""
    assert IRREVERSIBLE.search(text)
    assert not IRREVERSIBLE.search("Payload, repost, sender, border, logo, clearly, Add to basket, 加入购物车, 收藏")


def test_steps_match_the_schema_of_a_recording() -> None:
    """The facts that these tests change are fields of a recorded step."""
    assert set(StepFacts.__struct_fields__) < set(Step.__struct_fields__)


def test_a_labelled_mistake_that_was_never_done_teaches_nothing() -> None:
    """A reply that was replaced before it was carried out changed no screen."""
    steps = [step(index) for index in range(5)]
    steps[3] = step(3, label=Label(role="recovery", corrects_step=2))
    for status, found in (("ok", None), ("skipped", Refusal("not_carried_out"))):
        steps[2] = step(2, label=Label(role="error"), execution=Execution(status))
        outcome = KINDS["labelled"].propose(episode(*steps), 3)
        assert outcome == found if found else isinstance(outcome, tuple)
