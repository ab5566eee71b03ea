"""What forbids an error on a screen, asked of the scene."""

from pipeline.errors.scene import Scene, may_be_field, text_of
from pipeline.screens.states import CLOCKS, is_tree, short_role

MESSAGES = frozenset({"alert", "log", "snackbar", "status", "toast"})
"""Roles of messages that come and go."""
SPINNERS = frozenset({"activityindicator", "loading", "progressbar", "spinner"})

MOVING = CLOCKS | {"video"}


def no_elements(scene: Scene) -> bool:
    """Tell whether no elements are recorded."""
    return not scene.elements


def partial_tree(scene: Scene) -> bool:
    """Tell whether the elements were found in the picture, so that others may be missing."""
    return not is_tree(scene.observation)


def keyboard(scene: Scene) -> bool:
    """Tell whether a keyboard may be open, which a tap or Back would close."""
    return scene.observation.keyboard is not False


def overlay(scene: Scene) -> bool:
    """Tell whether a dialog, menu or sheet may lie over the page, which a tap or Back would close."""
    return scene.observation.overlay is not False


def focused_field(scene: Scene) -> bool:
    """Tell whether a field or a control has the focus, which a tap anywhere would take away."""
    return scene.holds_focus


def focus_unknown(scene: Scene) -> bool:
    """Tell whether nobody says of a field if it has the focus: it may have taken it by itself."""
    return any(field.focused is None for field in scene.fields)


def dynamic_region(scene: Scene) -> bool:
    """Tell whether something on the screen changes on its own."""
    return bool(scene.observation.dynamic) or bool(scene.roles & MOVING)


def unsettled(scene: Scene) -> bool:
    """Tell whether something was still loading."""
    return scene.observation.settled is False or (
        scene.observation.settled is None
        and bool(scene.roles & SPINNERS)
        and any(short_role(e.role) in SPINNERS and not text_of(e) for e in scene.elements)
    )


def transient(scene: Scene) -> bool:
    """Tell whether a message is shown that goes away by itself."""
    return bool(scene.roles & MESSAGES)


def settling_unknown(scene: Scene) -> bool:
    """Tell whether the recording does not say that the screen had come to rest: then waiting may change it."""
    return scene.observation.settled is not True


def shortcuts(scene: Scene) -> bool:
    """Tell whether keys may do something although no field has the focus: space presses a button that has it."""
    return scene.observation.shortcuts is not False or any(
        element.focused and not may_be_field(element) for element in scene.elements
    )


def reach_unknown(scene: Scene) -> bool:
    """Tell whether the recording does not say how far around a control a tap still counts."""
    return scene.observation.touch_radius is None
