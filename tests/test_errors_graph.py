"""Errors whose outcome is itself recorded: an eligible surrounding of each kind, and each fact that forbids it."""

from typing import Any

import pytest
from episodes import BUTTON, CLICK, DEAD, edge, element, episode, proposals, screen, step

from pipeline.actions import Answer, Button, Click, LongPress, Scroll, Type
from pipeline.augmentation.graph import Edge, Route, Surrounding
from pipeline.errors import KINDS, Refusal
from pipeline.errors.guards import without
from pipeline.records import Label, ScrollState, StepText

WRONG = element(BUTTON, text="Recipes", bbox=(0.3, 0.6, 0.7, 0.7))
TAP_WRONG = Click(point=(0.5, 0.65))
BACK = edge(Button(name="back"), 2)
THERE = edge(TAP_WRONG, 50, name="Recipes")
TAB = element(BUTTON, role="tab", text="Home", bbox=(0.0, 0.9, 0.5, 1.0))
WRONG_TAB = element(TAB, text="Starred", bbox=(0.5, 0.9, 1.0, 1.0))
TAP_TAB = Click(point=(0.2, 0.95))
ON_TAB = edge(TAP_TAB, 3, name="Home")
HELD = edge(LongPress(point=(0.5, 0.45)), 60, name="Photos")
POPUP = edge(CLICK, 70, name="Photos", overlay=True)
CLOSE = edge(Click(point=(0.9, 0.1), bbox=(0.85, 0.05, 0.95, 0.15)), 2, name="Close")
FORTH = Scroll(point=(0.5, 0.5), dy=300, unit="px", direction="down")
PAGE = element(DEAD, bbox=(0.0, 0.1, 1.0, 1.0), text=None, role="main")


def scrolled(y: float, **facts: Any) -> Any:
    """Return the page, scrolled so far."""
    return element(PAGE, scroll=ScrollState(y=y, max_y=900, **{"exact": True, **facts}))


def known(at: int, *routes: Route, **changes: Any) -> dict[int, Surrounding]:
    """Return what is known where all screens differ, with these routes from one of them."""
    around = {n: Surrounding(n) for n in range(5)}
    around[at] = Surrounding(at, acted=len(routes), routes=routes, **changes)
    return around


Eligible = tuple[dict[int, dict[str, Any]], dict[int, Surrounding]]
ELIGIBLE: dict[str, Eligible] = {
    "accidental_back": ({}, known(2, Route(edge(Button(name="back"), 1), (), ()))),
    "undo_scroll": ({1: {**screen(scrolled(100)), "actions": (FORTH,)}, 2: screen(scrolled(400), BUTTON)}, known(2)),
    "wrong_element": ({2: screen(BUTTON, WRONG)}, known(2, Route(THERE, (BACK,), ()))),
    "wrong_tab": (
        {2: {**screen(TAB, WRONG_TAB), "actions": (TAP_TAB,)}},
        known(2, Route(edge(Click(point=(0.7, 0.95)), 51, name="Starred"), (), (ON_TAB,))),
    ),
    "long_press_instead": ({}, known(2, Route(HELD, (BACK,), ()))),
    "popup_real": ({}, known(1, Route(POPUP, (), (CLOSE,)))),
}
"""For each kind what the steps have beside the plain record, and what is known of their screens; it fires at step 2."""


def found(kind: str, facts: dict[int, dict[str, Any]] | None = None, around: Any = None, at: int = 2) -> Any:
    """Return what the kind says of its eligible record with other facts of steps, or other surroundings."""
    own, surroundings = ELIGIBLE[kind]
    steps = [step(n, **{"activity": f"page {n}", **own.get(n, {}), **(facts or {}).get(n, {})}) for n in range(5)]
    return KINDS[kind].propose(episode(*steps, around=surroundings if around is None else around), at)


def other(route: Edge, **changes: Any) -> Edge:
    """Return the edge with other facts."""
    import msgspec

    return msgspec.structs.replace(route, **changes)


SEND = element(WRONG, text="Send all")
CASES: list[tuple[str, str, dict[int, dict[str, Any]] | None, Any]] = [
    *((kind, "labelled_neighbour", {2: {"label": Label(role="error")}}, None) for kind in ELIGIBLE),
    *((kind, "labelled_neighbour", {1: {"label": Label(correct=False)}}, None) for kind in ELIGIBLE),
    ("accidental_back", "back_not_proved", None, known(2)),
    ("accidental_back", "back_not_proved", None, known(2, Route(edge(Button(name="back"), 3), (), ()))),
    ("accidental_back", "back_not_proved", None, known(2, Route(edge(CLICK, 1), (), ()))),
    ("undo_scroll", "scroll_not_exact", {1: screen(scrolled(100, exact=None))}, None),
    ("undo_scroll", "scroll_not_exact", {2: screen(scrolled(400, exact=False))}, None),
    ("undo_scroll", "scroll_not_exact", {2: screen(scrolled(380))}, None),
    ("undo_scroll", "scroll_not_exact", {2: screen(element(PAGE, scroll=None))}, None),
    ("undo_scroll", "scroll_not_exact", {1: {"actions": (Scroll(direction="down"),)}}, None),
    ("undo_scroll", "scroll_not_exact", {1: {"actions": (Scroll(point=(0.5, 0.5), dy=300, unit="wheel"),)}}, None),
    ("undo_scroll", "dynamic_region", {2: {"dynamic": ((0, 0, 1, 0.1),)}}, None),
    ("undo_scroll", "unsettled", {2: {"settled": False}}, None),
    ("wrong_element", "changed_before", {1: {"activity": "page 0"}}, None),
    ("wrong_tab", "changed_before", {1: {"activity": "page 0"}}, None),
    ("long_press_instead", "changed_before", {1: {"activity": "page 0"}}, None),
    ("wrong_element", "return_not_proved", None, known(2, Route(THERE, (), ()))),
    ("wrong_element", "other_side", None, known(2, Route(other(THERE, split="val"), (BACK,), ()))),
    ("wrong_element", "irreversible", {2: screen(BUTTON, SEND)}, None),
    ("wrong_element", "irreversible", {2: screen(BUTTON, element(WRONG, text="立即支付"))}, None),
    ("wrong_element", "goal_names_it", {2: {"goal": "Find photos and  RECIPES"}}, None),
    ("wrong_tab", "goal_names_it", {2: {"goal": "Open what is starred"}}, None),
    ("wrong_element", "on_the_path", None, {**known(2, Route(THERE, (BACK,), ())), 4: Surrounding(50)}),
    ("wrong_tab", "on_the_path", None,
     {**known(2, Route(edge(Click(point=(0.7, 0.95)), 51), (), (ON_TAB,))), 4: Surrounding(51)}),
    ("wrong_element", "toggles", {2: screen(BUTTON, element(WRONG, checked=False))}, None),
    ("wrong_element", "toggles", {2: screen(BUTTON, element(WRONG, editable=True))}, None),
    ("wrong_tab", "other_side", None,
     known(2, Route(edge(Click(point=(0.7, 0.95)), 51, split="val"), (), (ON_TAB,)))),
    ("long_press_instead", "return_not_proved", None, known(2, Route(HELD, (), ()))),
    ("long_press_instead", "other_side", None, known(2, Route(other(HELD, split="val"), (BACK,), ()))),
    ("long_press_instead", "irreversible", {2: screen(element(BUTTON, text="Uninstall"))}, None),
    ("popup_real", "overlay", {2: {"overlay": True}}, None),
    ("popup_real", "other_side", None, known(1, Route(other(POPUP, split="val"), (), (CLOSE,)))),
    ("popup_real", "irreversible", None, known(1, Route(POPUP, (), (other(CLOSE, name="Close and send"),)))),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "guard", "facts", "around"), CASES)
def test_one_fact_stops_it_and_only_its_guard(kind: str, guard: str, facts: Any, around: Any) -> None:
    """The guard of that fact speaks; without it, it is not what forbids the error any more."""
    assert found(kind, facts, around) == Refusal(guard)
    with without(guard):
        assert found(kind, facts, around) != Refusal(guard)


@pytest.mark.parametrize(
    ("kind", "code", "facts", "around"),
    [
        ("wrong_element", "elsewhere_unknown", None, known(2)),
        ("wrong_element", "elsewhere_unknown", None, known(2, Route(other(THERE, state=3), (BACK,), ()))),
        ("wrong_element", "elsewhere_unknown", None, known(2, Route(edge(CLICK, 50), (BACK,), ()))),
        ("wrong_element", "target_unnamed", {2: screen(element(BUTTON, text=None), WRONG)}, None),
        ("wrong_element", "way_out_unknown", None, known(2, Route(THERE, (edge(CLICK, 2, name="Anything"),), ()))),
        ("wrong_tab", "elsewhere_unknown", {2: screen(TAB, element(WRONG_TAB, role="button"))}, None),
        ("wrong_tab", "onward_not_proved", None, known(2, Route(edge(Click(point=(0.7, 0.95)), 51), (BACK,), ()))),
        ("popup_real", "way_out_unknown", None, known(1, Route(POPUP, (), (other(CLOSE, name="Buy"),)))),
        ("undo_scroll", "undo_is_right", {2: {"actions": (Scroll(dy=-300, unit="px"),)}}, None),
        ("accidental_back", "back_is_right", {2: {"actions": (Button(name="back"),)}}, None),
    ],
)
def test_what_is_missing_is_named(kind: str, code: str, facts: Any, around: Any) -> None:
    """Not a guard that could be switched off: there is nothing to make the error from."""
    assert found(kind, facts, around) == Refusal(code)


@pytest.mark.parametrize(
    ("kind", "facts", "around"),
    [
        ("undo_scroll", {1: {"actions": (CLICK,)}}, None),
        ("undo_scroll", None, known(2, unchanged=True)),
        ("wrong_tab", {2: screen(element(TAB, role="button"), WRONG_TAB)}, None),
        ("long_press_instead", None, known(2, Route(edge(LongPress(point=(0.9, 0.9)), 60), (BACK,), ()))),
        ("popup_real", None, known(1, Route(other(POPUP, overlay=False), (), (CLOSE,)))),
        ("popup_real", None, known(1, Route(POPUP, (), ()))),
        ("popup_real", {1: {"actions": (Button(name="home"),)}}, None),
    ],
)
def test_where_a_kind_does_not_apply_it_is_silent(kind: str, facts: Any, around: Any) -> None:
    """Such steps are not even counted as considered."""
    assert found(kind, facts, around) is None


@pytest.mark.parametrize(("kind", "name"), [("wrong_element", "Recipes"), ("long_press_instead", "Photos")])
def test_there_and_back_are_two_samples(kind: str, name: str) -> None:
    """The way out of the borrowed screen, then the second try; the slip stands in both and is never the last turn."""
    escape, retry = proposals(found(kind))
    assert [item.turn.role for item in escape.tail] == ["error", "recovery"]
    assert [item.turn.role for item in retry.tail] == ["error", "recovery", "recovery"]
    assert escape.tail == retry.tail[:2]
    assert [item.image for item in retry.tail] == [step(2).image, THERE.image, step(2).image]
    assert escape.tail[-1].turn.actions == (Button(name="back", synth=True),)
    assert retry.tail[-1].turn.actions == (CLICK,)
    assert (escape.evidence, retry.evidence) == (2, 3)
    assert (escape.part, retry.part) == ("escape", "retry")
    assert all(name in (item.turn.thought or "") for item in retry.tail)


def test_a_named_way_out_does() -> None:
    """A recorded tap on something called Back or Close is as good as the button, which comes first."""
    close = edge(Click(point=(0.1, 0.05), bbox=(0.0, 0.0, 0.2, 0.1)), 2, name="返回")
    escape, _ = proposals(found("wrong_element", None, known(2, Route(THERE, (close,), ()))))
    assert escape.tail[-1].turn.actions == (Click(point=(0.1, 0.05), bbox=(0.0, 0.0, 0.2, 0.1), synth=True),)
    assert escape.bbox == (0.0, 0.0, 0.2, 0.1)
    escape, _ = proposals(found("wrong_element", None, known(2, Route(THERE, (close, BACK), ()))))
    assert escape.tail[-1].turn.actions == (Button(name="back", synth=True),)


def test_a_wrong_tab_is_left_by_the_right_one() -> None:
    """On the screen that the wrong tab opened, where another recording tapped it."""
    (proposal,) = proposals(found("wrong_tab"))
    wrong, right = proposal.tail
    assert right.image == ON_TAB.image
    assert right.turn.actions == (Click(point=TAP_TAB.point, synth=True),)
    assert "Starred" in (wrong.turn.thought or "")
    assert "Home" in (right.turn.thought or "")


def test_a_scroll_is_undone_and_done_again() -> None:
    """Back to the screen before, which is this trajectory's own, and forth again as recorded."""
    (proposal,) = proposals(found("undo_scroll"))
    wrong, right = proposal.tail
    (back,), (forth,) = wrong.turn.actions, right.turn.actions
    assert isinstance(back, Scroll)
    assert isinstance(forth, Scroll)
    assert (back.dy, back.direction) == (-(forth.dy or 0), "up")
    assert (wrong.image, right.image) == (step(2).image, step(1).image)
    assert (
        forth == episode(*(step(n, **{1: {"actions": (FORTH,)}}.get(n, {})) for n in range(5))).turn(1).turn.actions[0]
    )


def test_a_recorded_scroll_back_proves_it_too() -> None:
    """Where the platform says nothing."""
    silent = {1: screen(scrolled(100, exact=None)), 2: screen(scrolled(400, exact=None), BUTTON)}
    back = Route(edge(Scroll(point=(0.5, 0.3), dy=-300, unit="px", direction="up"), 1), (), ())
    assert proposals(found("undo_scroll", silent, known(2, back)))
    short = Route(edge(Scroll(point=(0.5, 0.3), dy=-200, unit="px", direction="up"), 1), (), ())
    assert found("undo_scroll", silent, known(2, short)) == Refusal("scroll_not_exact")


def test_a_popup_is_nobodys_mistake() -> None:
    """One normal turn on the borrowed screen; nothing is masked but the past."""
    (proposal,) = proposals(found("popup_real"))
    (turn,) = proposal.tail
    assert turn.turn.role == "normal"
    assert turn.image == POPUP.image
    assert proposal.bbox == CLOSE.action.bbox  # type: ignore[union-attr]  # a click
    assert KINDS["popup_real"].depth == 0
    assert "Close" in (turn.turn.thought or "")


NEAR = Click(point=(0.52, 0.46))
MINED = {2: Surrounding(1, unchanged=True), 3: Surrounding(3), 1: Surrounding(1)}


def mined(facts: dict[int, dict[str, Any]] | None = None, around: Any = None) -> Any:
    """Return what `mined_noop` says of a tap at step 1 that changed nothing and was repeated nearby."""
    known_ = {2: {"actions": (NEAR,)}, **(facts or {})}
    steps = [step(n, **known_.get(n, {})) for n in range(5)]
    return KINDS["mined_noop"].propose(episode(*steps, around=MINED if around is None else around), 2)


def test_a_tap_without_effect_is_found() -> None:
    """The recorded turns, the first one called a mistake, the second one knowing of it."""
    (proposal,) = proposals(mined())
    wrong, right = proposal.tail
    assert (proposal.past, wrong.turn.role, right.turn.role) == (1, "error", "recovery")
    assert wrong.turn.thought == "I tap it."
    assert "Tap Photos" in (right.turn.thought or "")
    assert KINDS["mined_noop"].slips(episode(*map(step, range(5))), 2) == (1,)
    said = {2: {"actions": (NEAR,), "text": StepText(thought="Nothing happened, so I tap again.")}}
    (proposal,) = proposals(mined(said))
    assert proposal.tail[-1].turn.thought == "Nothing happened, so I tap again."


@pytest.mark.parametrize(
    ("code", "facts", "around"),
    [
        ("labelled_neighbour", {1: {"label": Label(role="error")}}, None),
        ("aimless", {1: {"text": StepText()}}, None),
        ("not_retried", {2: {"actions": (Click(point=(0.5, 0.9)),)}}, None),
        ("not_retried", {2: {"actions": (Button(name="back"),)}}, None),
        ("retry_changed_nothing", None, {**MINED, 3: Surrounding(1, unchanged=True)}),
        ("silent_effect", {1: {"text": StepText(instruction="Copy the link")}}, None),
        ("silent_effect", {1: {"text": StepText(instruction="点击保存")}}, None),
        ("toggles", {1: screen(element(BUTTON, checked=False))}, None),
        ("unsettled", {1: {"settled": False}}, None),
        ("dynamic_region", {1: {"dynamic": ((0, 0, 1, 1),)}}, None),
    ],
)
def test_what_may_have_had_an_effect_is_left_alone(code: str, facts: Any, around: Any) -> None:
    """Or what nobody says to have been meant."""
    assert mined(facts, around) == Refusal(code)


DETOUR = {1: Surrounding(1), 2: Surrounding(2), 3: Surrounding(1), 4: Surrounding(4)}
ELSEWHERE = element(BUTTON, text="Recipes", bbox=(0.3, 0.6, 0.7, 0.7))


def detour(at: int, facts: dict[int, dict[str, Any]] | None = None, around: Any = None) -> Any:
    """Return what `mined_detour` says: at step 1 a tap opens a page, at step 2 Back leaves it, at 3 another tap."""
    base: dict[int, dict[str, Any]] = {n: screen(BUTTON, ELSEWHERE) for n in range(6)}
    base[2] |= {"actions": (Button(name="back"),), **screen(element(DEAD, text="Lisbon 2019"))}
    base[3] |= {"actions": (TAP_WRONG,)}
    steps = [step(n, goal="Open what I cooked", **{**base[n], **(facts or {}).get(n, {})}) for n in range(6)]
    return KINDS["mined_detour"].propose(episode(*steps, around=DETOUR if around is None else around), at)


def test_a_detour_is_found() -> None:
    """Two decisions: the way out, and what was done instead; the way in is called a mistake in both."""
    (out,) = proposals(detour(2))
    (again,) = proposals(detour(3))
    assert [item.turn.role for item in out.tail] == ["error", "recovery"]
    assert [item.turn.role for item in again.tail] == ["error", "recovery", "recovery"]
    assert out.tail == again.tail[:2]
    assert "Recipes" in (again.tail[-1].turn.thought or "")
    assert again.evidence == 3


@pytest.mark.parametrize(
    ("code", "facts", "around"),
    [
        ("labelled_neighbour", {3: {"label": Label(role="recovery")}}, None),
        ("aimless", {1: {"text": StepText()}}, None),
        ("no_elements", {2: screen()}, None),
        ("target_unnamed", {1: screen(element(BUTTON, text=None))}, None),
        ("same_target", {3: {"actions": (CLICK,)}}, None),
        ("goal_names_it", {1: screen(element(BUTTON, text="What I cooked"))}, None),
        ("visited_again", None, {**DETOUR, 4: Surrounding(2)}),
        ("visit_informs", {4: {"actions": (Answer(text="2019"),)}}, None),
        ("visit_informs", {4: {"actions": (Type(text="Lisbon"),)}}, None),
    ],
)
def test_a_visit_that_may_be_part_of_the_task_is_left_alone(code: str, facts: Any, around: Any) -> None:
    """In both of its decisions."""
    assert detour(2, facts, around) == Refusal(code)
    assert detour(3, facts, around) == Refusal(code)


def test_no_detour_without_a_way_back_to_the_same_screen() -> None:
    """Back must lead to an equal screen, and come at once."""
    assert detour(2, None, {**DETOUR, 3: Surrounding(9)}) is None
    assert detour(2, {2: {"actions": (CLICK,)}}) is None
