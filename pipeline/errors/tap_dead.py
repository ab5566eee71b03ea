"""`tap_dead`: a tap on a text that does not react, then the right tap; the screen is provably the same.

Precondition: the elements are recorded, the text's own element and all around it are not interactive, nothing
interactive lies within 16 dp (a finger's slop), nothing covers it, and the screen has no focused field, keyboard or
overlay that a tap anywhere would dismiss.
"""

from collections.abc import Iterator
from typing import ClassVar

from msgspec.structs import replace

from pipeline import seeds
from pipeline.actions import Click, Point
from pipeline.compose import Shown
from pipeline.describe import sentence
from pipeline.geometry import centre, distance
from pipeline.records import Element, Turn
from pipeline.screen import ancestors, interactive
from pipeline.tables import StepRow

from .kind import IRREVERSIBLE, Episode, Proposal, Refusal, eventful, named_target, restless
from .thoughts import say

CLEARANCE_DP = 16
PHONE_WIDTH_DP = 360
"""Assumed for the shorter side where the recording does not say how many pixels a dp has."""
LONGEST_NAME = 40
NEAREST = 3
"""The slip goes to one of this many most plausible texts."""


class TapDead:
    """The kind `tap_dead`."""

    name = "tap_dead"
    meaning = "a tap on a text that does not react"
    replaces = False
    _text_roles: ClassVar[frozenset[str]] = frozenset(
        {"", "caption", "heading", "label", "paragraph", "statictext", "text", "textview"}
    )

    def propose(self, episode: Episode, index: int) -> Proposal | Refusal | None:
        """Return a dead tap before the click at step `index`."""
        step = episode.steps[index]
        action = step.facts.actions[0] if step.facts is not None else None
        if not isinstance(action, Click) or action.point is None:
            return None
        if index == 0 or index == len(episode.steps) - 1:
            return Refusal("edge_of_trajectory")
        if eventful(episode, (index - 1, index)):
            return Refusal("labelled_neighbour")
        if not step.observation.elements:
            return Refusal("no_elements")
        guard = restless(step.observation)
        if guard is not None:
            return Refusal(guard)
        aim = named_target(step.observation, action)
        if aim is None:
            return Refusal("target_unnamed")
        if IRREVERSIBLE.search(aim[1]):
            return Refusal("irreversible")
        dead = self._choose(episode, index, action.point, aim[1])
        return Refusal("no_dead_text") if dead is None else self._compose(episode, index, dead, aim[1])

    def _choose(self, episode: Episode, index: int, point: Point, target: str) -> Element | None:
        step = episode.steps[index]
        words = _words(f"{step.goal} {target}")
        size = step.observation.image

        def plausibility(element: Element) -> tuple[int, float]:
            return -len(words & _words(element.text or "")), distance(element.bbox, point, size.width, size.height)

        options = sorted((e for e in self._dead(step) if _name(e) != target), key=plausibility)[:NEAREST]
        return seeds.pick(options, episode.seed, self.name, episode.name, index, "where") if options else None

    def _is_text(self, element: Element) -> bool:
        """Tell whether it is called a text: `text`, `android.widget.TextView`, or nothing at all."""
        return (element.role or "").rpartition(".")[2].casefold() in self._text_roles

    def _dead(self, step: StepRow) -> Iterator[Element]:
        elements, size = step.observation.elements, step.observation.image
        scale = step.scale or min(size.width, size.height) / PHONE_WIDTH_DP
        live = [element.bbox for element in elements if not _inert(element)]
        for number, element in enumerate(elements):
            name = _name(element)
            if not 1 < len(name) <= LONGEST_NAME or IRREVERSIBLE.search(name):
                continue
            if not _inert(element) or element.topmost is not True:
                continue
            if not self._is_text(element) or not all(map(_inert, ancestors(elements, number))):
                continue
            if all(
                distance(box, centre(element.bbox), size.width, size.height) >= CLEARANCE_DP * scale for box in live
            ):
                yield element

    def _compose(self, episode: Episode, index: int, dead: Element, target: str) -> Proposal:
        recorded, lang = episode.turn(index), episode.lang
        name = _name(dead)
        point = centre(dead.bbox)
        slip = Click(point=point, bbox=dead.bbox, synth=True)
        draw = (episode.seed, self.name, episode.name, index)
        wrong = Turn(
            step_index=index,
            actions=(slip,),
            thought=say("tap_dead_wrong", lang, *draw, wrong=name),
            instruction=sentence(slip, lang, name),
            role="error",
        )
        right = replace(
            recorded.turn,
            thought=say("tap_dead_right", lang, *draw, wrong=name, target=target),
            role="recovery",
            inbound=(),
        )
        bbox = getattr(right.actions[0], "bbox", None)
        before = replace(wrong, inbound=recorded.turn.inbound)
        return Proposal((*episode.shown(index), Shown(before, recorded.image), Shown(right, recorded.image)), bbox)


def _inert(element: Element) -> bool:
    """Tell whether the recording says that the element takes no tap; not to say so is not enough."""
    return element.clickable is False and not interactive(element)


def _name(element: Element) -> str:
    return " ".join((element.text or "").split())


def _words(text: str) -> set[str]:
    """Return the words of a text, in Chinese its characters."""
    lower = text.casefold()
    latin = "".join(c if c.isascii() and c.isalnum() else " " for c in lower).split()
    return {word for word in latin if len(word) > 2} | {c for c in lower if not c.isascii() and c.isalpha()}
