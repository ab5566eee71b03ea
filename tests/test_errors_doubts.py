"""Records between the guards: each would make an injected error false although no fact of it is out of the ordinary."""

from typing import Any

import pytest
from episodes import BUTTON, DEAD, EDITABLE, element, episode, screen, step

from pipeline.actions import Click, LongPress, Scroll, Type, Wait
from pipeline.augmentation.negatives import NEGATIVES, Case, Negative
from pipeline.errors import KINDS, Refusal
from pipeline.errors.guards.wording import asked_for
from pipeline.records import Element, ScrollState

TOLD: dict[str, Any] = {"settled": True, "shortcuts": False, "touch_radius": 0.0, "dynamic": ()}
AROUND = Element(bbox=(0.05, 0.01, 0.65, 0.07), role="label", clickable=False, wired=True, topmost=True)
TICK = Element(bbox=(0.4, 0.4, 0.5, 0.45), text="Accept", role="checkbox", clickable=True, checked=False, topmost=True)
RULES = Element(bbox=(0.0, 0.2, 1.0, 0.8), text="Accept the rules", clickable=False, wired=True, topmost=True)
LIST = Element(
    bbox=(0.0, 0.1, 1.0, 0.9), role="list", clickable=False, topmost=True,
    scroll=ScrollState(refresh=False, endless=False),
)  # fmt: skip
SAVE = element(BUTTON, text="Save", bbox=(0.1, 0.8, 0.4, 0.85), enabled=False, notifies=False)
MENU = Element(bbox=(0.2, 0.3, 0.8, 0.6), role="menu", clickable=False, topmost=True)
ACTIONS = (Wait(), Scroll(), LongPress(point=(0.5, 0.5)))
TAP = {"actions": (Click(point=(0.45, 0.42)),)}
RING = Element(bbox=(0.1, 0.8, 0.3, 0.85), clickable=True, editable=False, focused=True)
FIELD = element(EDITABLE, focused=False)


def proposed(kind: str, *changes: dict[str, Any]) -> Any:
    """Return what the kind says of step 1 of four, with the changes of steps 1, 2, ..."""
    edited = dict(enumerate(changes, start=1))
    return KINDS[kind].propose(episode(*(step(n, **{**TOLD, **edited.get(n, {})}) for n in range(4))), 1)


def holding(**facts: Any) -> dict[str, Any]:
    """Return a screen with one more element."""
    base = Element(bbox=(0.1, 0.7, 0.9, 0.75), clickable=True, topmost=True)
    return screen(BUTTON, DEAD, element(base, **facts))


DOUBTS: dict[str, tuple[str, str, tuple[dict[str, Any], ...]]] = {
    "a focused field whose source says nothing of editing":
        ("tap_dead", "focused_field", (holding(role="android.widget.EditText", focused=True),)),
    "a focused button, whose ring a tap takes away":
        ("tap_dead", "focused_field", (holding(role="button", editable=False, focused=True),)),
    "a field by its role": ("tap_dead", "focus_unknown", (holding(role="textbox"),)),
    "a text in a wired label": ("tap_dead", "label_wired", (screen(BUTTON, element(DEAD, parent=2), AROUND),)),
    "a text over a wired label": ("tap_dead", "label_wired", (screen(BUTTON, DEAD, AROUND),)),
    "parents in a loop":
        ("tap_dead", "inside_control",
         (screen(BUTTON, element(DEAD, parent=2), element(AROUND, wired=None, parent=1)),)),
    "a gap that is the control's own label":
        ("tap_near_miss", "label_wired", ({**screen(TICK, RULES), **TAP},)),
    "a gap with a text that may be the control's label":
        ("tap_near_miss", "wiring_unknown", ({**screen(TICK, element(RULES, wired=None)), **TAP},)),
    "a goal that asks for waiting":
        ("wait_needless", "goal_asks_for_it", ({"goal": "Wait a minute, then open the photos"},)),
    "a goal that asks for scrolling":
        ("scroll_edge", "goal_asks_for_it", ({**screen(BUTTON, LIST), "goal": "Scroll to the end"},)),
    "an edge that nobody measured": ("scroll_edge", "not_at_edge",
        (screen(BUTTON, element(LIST, scroll=ScrollState(y=120, refresh=False, endless=False))),)),
    "a list under something": ("scroll_edge", "covered", (screen(BUTTON, element(LIST, topmost=False)),)),
    "keys with a focused button": ("type_unfocused", "shortcuts",
        ({**screen(FIELD, RING, element(DEAD, parent=1)), "actions": (Click(point=(0.5, 0.72)),)},
         {"actions": (Type(text="two words"),)})),
    "a disabled control beside an open menu": ("tap_disabled", "overlay",
        ({**screen(element(BUTTON, parent=2), SAVE, MENU), "overlay": True},
         {**screen(BUTTON, element(SAVE, enabled=True)), "actions": (Click(point=(0.2, 0.82)),)})),
    "a disabled control, and nobody says if a menu is open": ("tap_disabled", "overlay",
        ({**screen(BUTTON, SAVE), "overlay": None},
         {**screen(BUTTON, element(SAVE, enabled=True)), "actions": (Click(point=(0.2, 0.82)),)})),
}  # fmt: skip


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_doubt_is_enough(doubt: str) -> None:
    """Nothing is injected, and the report says why."""
    kind, guard, changes = DOUBTS[doubt]
    assert proposed(kind, *changes) == Refusal(guard)


def test_a_disabled_control_in_a_dialog_may_be_tapped() -> None:
    """In the dialog of the target, with nothing else in reach."""
    inside = screen(
        element(BUTTON, parent=2), element(SAVE, parent=2), MENU, element(EDITABLE, focused=False, topmost=False)
    )
    after = {**screen(BUTTON, element(SAVE, enabled=True)), "actions": (Click(point=(0.2, 0.82)),)}
    assert isinstance(proposed("tap_disabled", {**inside, "overlay": True}, after), tuple)


def test_a_step_that_scrolls_and_taps_is_not_undone_by_scrolling() -> None:
    """The list moved exactly, and a switch was turned as well."""
    scroll = Scroll(point=(0.5, 0.5), dx=0, dy=100, unit="px")
    lists = [element(LIST, scroll=ScrollState(y=y, max_y=900, exact=True)) for y in (0, 100)]
    for actions, fires in (((scroll,), True), ((scroll, Click(point=(0.15, 0.52))), False)):
        first, second = ({**TOLD, **screen(BUTTON, each)} for each in lists)
        found = KINDS["undo_scroll"].propose(
            episode(step(0), step(1, **first, actions=actions), step(2, **second), step(3)), 2
        )
        assert (found != Refusal("scroll_not_exact")) is fires


@pytest.mark.parametrize(
    "goal", ["等十秒再打开照片", "向下滚动到底部", "长按照片", "Hold the photo until a menu opens, then scroll down"]
)
def test_a_goal_may_ask_for_what_would_be_an_error(goal: str) -> None:
    """In both languages."""
    assert any(asked_for(action, goal) for action in ACTIONS)
    assert not any(asked_for(action, "打开照片 Open the photos") for action in ACTIONS)


def test_beside_a_control_is_not_on_its_label() -> None:
    """A tap on the label would do what the chosen answer does."""
    changes = {**TOLD, **screen(TICK, RULES), **TAP}
    around = NEGATIVES["off_target"](Case(episode(*(step(n, **changes) for n in range(3))), 1, 0))
    assert around == Refusal("no_gap")
    alone = {**changes, **screen(TICK)}
    assert isinstance(NEGATIVES["off_target"](Case(episode(*(step(n, **alone) for n in range(3))), 1, 0)), Negative)
