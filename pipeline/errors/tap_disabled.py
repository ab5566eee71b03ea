"""`tap_disabled`: a tap on a control that is not active yet, then the action that activates it.

Precondition: the recorded action makes the control active (it is on the next screen) and a later step uses it, so the
slip is one of order. A tap on it shows no message, as the recording says; nothing around it takes the tap instead.
"""

from pipeline import seeds
from pipeline.actions import Click, Terminate
from pipeline.records import Element
from pipeline.screens.screen import ancestors
from pipeline.screens.states import short_role

from .guards import DECISION, QUIET, against, forbids, refusal
from .kind import Episode, Refusal
from .same_screen import SameScreen
from .scene import LONGEST_NAME, Scene, inert, middle, text_of
from .turns import Saying, Slip

AHEAD = 4
"""Steps in which the control must be used."""


class TapDisabled(SameScreen):
    """The kind `tap_disabled`."""

    name = "tap_disabled"
    meaning = "a tap on a control that is not active yet"

    def slip(self, episode: Episode, index: int) -> Slip | Refusal | None:
        """Return a tap on a control that the decision at step `index` activates."""
        scene = episode.scenes[index]
        if index + 1 >= len(episode.steps) or isinstance(scene.action, Terminate):
            return None
        controls = [n for n, e in enumerate(scene.elements) if e.enabled is False and e.clickable and _short(e)]
        if not controls:
            return None
        refused = refusal(DECISION, episode, index) or refusal(("partial_tree",), scene)
        refused = refused or refusal([name for name in QUIET if name != "overlay"], scene)
        if refused is not None:
            return refused
        if scene.observation.overlay is not False:
            controls = [n for n in controls if not forbids("overlay", scene) or _in_dialog(scene, n)]
            if not controls:
                return Refusal("overlay")
        used = [n for n in controls if _activated(episode, index, scene.elements[n])]
        if not used:
            return Refusal("not_enabled_later")
        passed, first = [], None
        for number in used:
            element = scene.elements[number]
            guard = against(("covered", "inside_control"), scene, number, middle(element))
            guard = guard or against(("disabled_answers",), element) or against(("irreversible",), text_of(element))
            first = first or guard
            if guard is None:
                passed.append(element)
        if not passed:
            return Refusal(first or "not_enabled_later")
        control = seeds.pick(passed, episode.seed, self.name, episode.name, index, "where")
        return self._tap(control, scene)

    def _tap(self, control: Element, scene: Scene) -> Slip:
        name = text_of(control)
        return Slip(
            action=Click(point=middle(control), bbox=control.bbox),
            name=name,
            wrong=Saying("tap_disabled_wrong", {"wrong": name}),
            right=Saying("tap_disabled_right", {"wrong": name, "target": scene.target_name}),
        )


def _short(element: Element) -> bool:
    return 0 < len(text_of(element)) <= LONGEST_NAME


def _in_dialog(scene: Scene, number: int) -> bool:
    """Tell whether the control lies in the same dialog as the action's target, so that a tap on it closes none.

    The dialog is the nearest that is around both, and nothing else can be reached.
    """
    if scene.observation.overlay is None or scene.target is None:
        return False
    target = next(n for n, e in enumerate(scene.elements) if e is scene.target)
    above = [id(e) for e in ancestors(scene.elements, target)]
    dialog = next((e for e in ancestors(scene.elements, number) if id(e) in above), None)
    return dialog is not None and not any(
        e.topmost is not False and e is not dialog and not any(a is dialog for a in ancestors(scene.elements, n))
        for n, e in enumerate(scene.elements)
        if not inert(e)
    )


def _activated(episode: Episode, index: int, control: Element) -> bool:
    """Tell whether the control is active on the next screen and tapped soon after."""
    after = episode.scenes[index + 1].elements
    if not any(_same(e, control) and e.enabled is True for e in after):
        return False
    ahead = episode.scenes[index + 1 : index + 1 + AHEAD]
    return any(
        isinstance(scene.action, Click) and scene.target is not None and _same(scene.target, control) for scene in ahead
    )


def _same(one: Element, other: Element) -> bool:
    return (text_of(one), short_role(one.role)) == (text_of(other), short_role(other.role))
