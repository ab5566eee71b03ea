"""Taps on what does not react: which texts of a screen are surely dead, and which of them a person would mistake."""

from collections.abc import Iterable

from pipeline import seeds
from pipeline.actions import Click
from pipeline.records import Element

from .guards import DECISION, QUIET, against, forbids, refusal
from .kind import Episode, Refusal
from .scene import Scene, middle, text_of, words
from .turns import Saying, Slip

NEAREST = 3
"""The slip goes to one of this many most plausible texts."""
DEAD = ("reacts", "inside_control", "covered", "label_wired", "live_surface", "near_control")
"""What is asked of a place before a tap on it is believed to do nothing."""


def aimed(episode: Episode, index: int) -> tuple[Click, str] | Refusal | None:
    """Return the recorded tap at step `index` and its target's name, if a slip on an element may come before it."""
    scene = episode.scenes[index]
    action = scene.action
    if not isinstance(action, Click) or action.point is None:
        return None
    quiet = [name for name in QUIET if name != "overlay" or not scene.is_dialog]
    refused = (
        refusal(DECISION, episode, index)
        or refusal(("no_elements", "partial_tree"), scene)
        or refusal(quiet, scene)
    )  # fmt: skip
    if refused is not None:
        return refused
    if scene.target is None or scene.target_name is None:
        return Refusal("target_unnamed")
    if forbids("irreversible", scene.target_name):
        return Refusal("irreversible")
    return action, scene.target_name


def texts(scene: Scene) -> list[int]:
    """Return the elements that show a text of their own, short enough to quote and harmless."""
    return [number for number in scene.texts if not forbids("irreversible", text_of(scene.elements[number]))]


def choose(
    episode: Episode, index: int, kind: str, numbers: Iterable[int], target: str, guards: tuple[str, ...]
) -> Element | Refusal:
    """Return one of the most plausible elements that all guards let pass.

    Plausible is what shares words with the goal and the target, then what is near the target. If none passes, the
    refusal is that of the most plausible one.
    """
    scene = episode.scenes[index]
    click = scene.action
    assert isinstance(click, Click)
    assert click.point is not None
    wanted, point = words(f"{scene.step.goal} {target}"), click.point

    def plausibility(number: int) -> tuple[int, float]:
        element = scene.elements[number]
        return -len(wanted & words(element.text or "")), scene.offset(element, point)

    passed: list[Element] = []
    first: str | None = None
    for number in sorted(numbers, key=plausibility):
        element = scene.elements[number]
        guard = against(guards, scene, number, middle(element))
        if guard is None:
            passed.append(element)
            if len(passed) == NEAREST:
                break
        first = first or guard
    if not passed:
        return Refusal(first or "no_dead_text")
    return seeds.pick(passed, episode.seed, kind, episode.name, index, "where")


def tap(element: Element, cells: str, target: str) -> Slip:
    """Return the tap on the middle of the element, with the thoughts of the kind `cells`."""
    name = text_of(element)
    return Slip(
        action=Click(point=middle(element), bbox=element.bbox),
        name=name,
        wrong=Saying(f"{cells}_wrong", {"wrong": name}),
        right=Saying(f"{cells}_right", {"wrong": name, "target": target}),
    )
