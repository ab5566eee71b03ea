"""The traps: where the app is not what it seems, which kind that would make false, and the guards that stop it.

A case is a negative control. With its guards off, something false is injected and the live app shows it; with any one
of them on, nothing of that is left. Most cases need a trap of the market; some only a page as it is; and some a record
that does not say what it should (`untold`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from pipeline.records import Element, Observation, Trajectory

Edit = Callable[[Trajectory], Trajectory]


@dataclass(frozen=True)
class Case:
    """One kind, one trap, and the guards between them."""

    kind: str
    traps: tuple[str, ...]
    """Switches of the market; none for a page as it is."""
    guards: tuple[str, ...]
    """None where no guard is needed: what would be false has no recorded evidence."""
    walks: tuple[str, ...]
    edit: Edit | None = None
    """What the recording does not say."""

    @property
    def name(self) -> str:
        """How reports call it."""
        untold = " (untold)" if self.edit else ""
        where = " + ".join(self.traps) or "page as it is"
        return f"{self.kind} / {where}{untold} / {', '.join(self.guards) or 'no guard'}"


MEANING = {
    "lost_scroll": "a list is at its top again after Back",
    "visits": "a page counts how often it is shown",
    "autofocus": "a field has the focus from the start",
    "keyboard": "a keyboard comes up with the focus; Back only puts it away",
    "label_for": "a text is wired to a control",
    "dialog": "a sheet lies over the page",
    "slow": "a page shows a spinner first",
    "fade": "a message goes away by itself",
    "clock": "a clock in the status bar",
    "canvas": "a video shows its controls when it is tapped",
    "slop": "controls take taps a little outside what is drawn",
    "toast": "a control that looks disabled says why when it is tapped",
    "shortcuts": "a letter typed beside a field starts a search",
    "pull": "pulling beyond the top loads anew",
    "endless": "scrolling beyond the end loads more",
    "seen": "what was scrolled past is marked as seen",
    "danger": "a row that deletes at once",
    "nested": "something that scrolls lies in something that scrolls",
    "release": "a row without a menu: letting go after a long press is a tap",
    "badge": "a tab loses its badge once it was opened",
    "notice": "a popup leaves a notice behind",
    "rounded": "the corners of controls do not belong to them",
    "overlap": "a floating button lies over the list",
}
"""The switches of the market that make an injection false, and what they do."""


def _observations(edit: Callable[[Observation], Observation]) -> Edit:
    def edited(trajectory: Trajectory) -> Trajectory:
        final = trajectory.final_observation
        return replace(
            trajectory,
            steps=tuple(replace(step, observation=edit(step.observation)) for step in trajectory.steps),
            final_observation=None if final is None else edit(final),
        )

    return edited


def without_facts(*names: str) -> Edit:
    """Return an edit after which the recording does not say these things about a screen."""
    nothing: dict[str, Any] = dict.fromkeys(names)
    return _observations(lambda seen: replace(seen, **nothing))


def without_element_facts(*names: str) -> Edit:
    """Return an edit after which the recording does not say these things about any element."""
    nothing: dict[str, Any] = dict.fromkeys(names)
    return _observations(lambda seen: replace(seen, elements=tuple(replace(e, **nothing) for e in seen.elements)))


def read_from_pixels(seen: Observation) -> Observation:
    """Return what somebody would have found who reads the picture: its texts and buttons, not the rows around them."""
    rows = {n for n, e in enumerate(seen.elements) if e.role in {"link", "listitem"}}
    texts = tuple(
        Element(bbox=e.bbox, text=e.text, role=e.role, source="ocr", clickable=e.clickable is True, topmost=True)
        for n, e in enumerate(seen.elements)
        if n not in rows
    )
    return replace(seen, elements=texts)


def wiring_unsaid(seen: Observation) -> Observation:
    """Return what a recorder writes that does not know of labels: a text like any other."""
    texts = (
        replace(e, wired=None, clickable=False, role="text") if e.wired else replace(e, wired=None)
        for e in seen.elements
    )
    return replace(seen, elements=tuple(texts))


AT_REST = ("unsettled", "settling_unknown", "transient")
KEYBOARD = ("keyboard", "focused_field", "back_not_proved")
CASES = (
    Case("tap_dead", (), ("inside_control", "near_control"), ("browse",)),
    Case("tap_dead", (), ("partial_tree",), ("glancing",), _observations(read_from_pixels)),
    Case("tap_dead", ("autofocus",), ("focused_field",), ("selling",)),
    Case("tap_dead", ("autofocus",), ("focus_unknown",), ("selling",), without_element_facts("focused")),
    Case("tap_dead", ("keyboard",), ("keyboard", "focused_field"), ("typed",)),
    Case("tap_label", ("label_for",), ("label_wired", "reacts", "near_control"), ("accepting", "notices")),
    Case("tap_label", ("label_for",), ("wiring_unknown",), ("accepting", "notices"), _observations(wiring_unsaid)),
    Case("tap_dead", ("dialog",), ("overlay", "covered", "near_control"), ("sheets",)),
    Case("tap_dead", ("slow",), ("unsettled",), ("loading",)),
    Case("noop_twice", ("fade",), ("unsettled", "transient"), ("fading",)),
    Case("wait_needless", ("fade",), AT_REST, ("fading",)),
    Case("wait_needless", ("slow",), ("unsettled", "settling_unknown"), ("loading",)),
    Case("wait_needless", ("slow",), ("settling_unknown",), ("loading",), without_facts("settled")),
    Case("missed_finish", ("fade",), AT_REST, ("bought",)),
    Case("missed_finish", ("clock",), ("dynamic_region",), ("plain",)),
    Case("tap_dead", ("clock",), ("dynamic_region",), ("plain",)),
    Case("tap_dead", ("canvas",), ("live_surface", "dynamic_region"), ("watching",)),
    Case("tap_near_miss", ("slop",), ("near_control",), ("buying",)),
    Case("tap_near_miss", ("slop",), ("reach_unknown", "near_control"), ("buying",), without_facts("touch_radius")),
    Case("tap_disabled", ("toast",), ("disabled_answers",), ("accepting", "accepting_later")),
    Case("type_unfocused", ("shortcuts",), ("shortcuts",), ("looking", "selling")),
    Case("scroll_edge", ("pull",), ("pull_to_refresh",), ("browse",)),
    Case("scroll_edge", ("endless",), ("endless_list",), ("bottom",)),
    Case("scroll_edge", (), ("not_at_edge",), ("browse", "compare", "glancing")),
    Case("scroll_edge", ("nested",), ("scroll_chained",), ("nesting",)),
    Case("accidental_back", ("lost_scroll",), ("back_not_proved",), ("deep", "far")),
    Case("accidental_back", ("visits",), ("back_not_proved",), ("browse",)),
    Case("accidental_back", ("autofocus", "keyboard"), KEYBOARD, ("searching",)),
    Case("undo_scroll", ("seen",), ("scroll_not_exact",), ("leafing", "far")),
    Case("wrong_element", ("visits",), (), ("browse", "compare")),
    Case("wrong_element", (), ("changed_before",), ("choosing", "chosen")),
    Case("wrong_element", ("danger",), ("irreversible",), ("wiping", "about")),
    Case("long_press_instead", ("visits",), (), ("holding", "reading")),
    Case("long_press_instead", ("release",), (), ("holding", "reading")),
    Case("wrong_tab", ("badge",), (), ("tabs", "bargain")),
    Case("popup_real", ("notice",), (), ("asked", "plain")),
    Case("tap_near_miss", ("rounded", "overlap"), (), ("browse", "far")),
    Case("tap_dead", ("overlap",), (), ("scrolling", "far")),
)

NO_LIVE_TRAP = {
    "edge_of_trajectory": "says where an error is placed, not whether it is true",
    "labelled_neighbour": "keeps errors from piling up; the screens would be true",
    "aimless": "says whether a recorded step can be called a mistake; its screens are recorded",
    "back_is_right": "Back is the recorded decision there, so no error",
    "no_elements": "without elements there is nothing to tap or name: nothing fires with the guard off either",
    "off_screen": "no browser takes a tap outside of its window",
    "toggles": "what a switch does shows on the screen, so that there is no recorded way back",
    "onward_not_proved": "without a recorded way on there is nothing to repair the error with",
    "return_not_proved": "a wrong screen without a recorded way back is not offered: nothing fires with the guard off",
    "on_the_path": "says whether going there was wrong; its screen would be true",
    "goal_names_it": "says whether going there was wrong; its screen would be true",
    "other_side": "keeps validation screens out of training; the screens would be true",
}
"""Guards without a negative control, and why."""
