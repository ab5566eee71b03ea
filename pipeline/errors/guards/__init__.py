"""What forbids an error: small named questions about a record, shared by the kinds.

A guard returns True where the record shows, or does not rule out, that the screen after the error would be another one
than the sample claims. Its name is the code that reports count, explained in docs/reasons.md. What a guard asks about
and the recording does not say counts against the error.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.errors.guards.decision import (
    aimless,
    back_is_right,
    changed_before,
    edge_of_trajectory,
    labelled_neighbour,
)
from pipeline.errors.guards.place import (
    covered,
    disabled_answers,
    inside_control,
    label_wired,
    live_surface,
    near_control,
    off_screen,
    reacts,
    toggles,
    wiring_unknown,
)
from pipeline.errors.guards.recorded import (
    back_not_proved,
    on_the_path,
    onward_not_proved,
    other_side,
    return_not_proved,
)
from pipeline.errors.guards.screen import (
    dynamic_region,
    focus_unknown,
    focused_field,
    keyboard,
    no_elements,
    overlay,
    partial_tree,
    reach_unknown,
    settling_unknown,
    shortcuts,
    transient,
    unsettled,
)
from pipeline.errors.guards.scrolling import (
    endless_list,
    not_at_edge,
    pull_to_refresh,
    scroll_chained,
    scroll_not_exact,
)
from pipeline.errors.guards.switches import is_on, switched_off
from pipeline.errors.guards.wording import goal_names_it, irreversible
from pipeline.errors.kind import Refusal

Guard = Callable[..., bool]

GUARDS: dict[str, Guard] = {
    guard.__name__: guard
    for guard in (
        edge_of_trajectory,
        labelled_neighbour,
        aimless,
        back_is_right,
        changed_before,
        no_elements,
        partial_tree,
        keyboard,
        overlay,
        focused_field,
        focus_unknown,
        dynamic_region,
        unsettled,
        shortcuts,
        reach_unknown,
        irreversible,
        reacts,
        inside_control,
        covered,
        near_control,
        live_surface,
        label_wired,
        off_screen,
        toggles,
        disabled_answers,
        pull_to_refresh,
        endless_list,
        scroll_chained,
        transient,
        settling_unknown,
        wiring_unknown,
        scroll_not_exact,
        onward_not_proved,
        other_side,
        on_the_path,
        goal_names_it,
        not_at_edge,
        back_not_proved,
        return_not_proved,
    )
}

DECISION = ("edge_of_trajectory", "labelled_neighbour")
QUIET = ("dynamic_region", "unsettled", "transient", "keyboard", "overlay", "focused_field", "focus_unknown")
"""Screens where nothing happens by itself, and a tap on nothing, or Back, does nothing more than it seems."""


def against(names: Iterable[str], *facts: Any) -> str | None:
    """Return the first of the guards that forbids the error, None if all let it pass."""
    return next((name for name in names if is_on(name) and GUARDS[name](*facts)), None)


def forbids(name: str, *facts: Any) -> bool:
    """Tell whether the guard forbids the error."""
    return is_on(name) and GUARDS[name](*facts)


def refusal(names: Iterable[str], *facts: Any) -> Refusal | None:
    """Return the refusal by the first of the guards that forbids the error, None if all let it pass."""
    name = against(names, *facts)
    return None if name is None else Refusal(name)


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Switch guards off in this process: a test that nothing goes wrong then does not test the guard."""
    unknown = set(names) - set(GUARDS)
    assert not unknown, unknown
    with switched_off(names):
        yield
