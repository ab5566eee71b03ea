"""What an error kind is, and the guards that the kinds share."""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from msgspec import Struct

from pipeline.actions import Action, Box, Browser, Button, Click
from pipeline.compose import Shown, turn_of
from pipeline.records import Element, Lang, Observation, Role
from pipeline.screen import label, target_element
from pipeline.tables import StepRow

IRREVERSIBLE = re.compile(
    r"\b(pay|buy|order|purchase|checkout|send|submit|post|publish|delete|remove|erase|uninstall|reset)\b"
    r"|\b(sign|log) out\b"
    r"|支付|付款|购买|下单|发送|提交|发布|删除|移除|清空|卸载|重置|退出登录",
    re.IGNORECASE,
)
"""Near these words nothing is injected: a slip there would not be harmless."""


class Refusal(Struct, frozen=True):
    """The guard that forbids an error here."""

    guard: str


class Proposal(Struct, frozen=True):
    """A history that ends in error and correction; the last turn is the one to train."""

    shown: tuple[Shown, ...]
    bbox: Box | None
    evidence: int = 2
    """How many of the last turns must show their screenshots, or the model could not see what went wrong."""


class Episode(Struct, frozen=True, dict=True):
    """One recorded trajectory with what its dataset proves about it."""

    steps: tuple[StepRow, ...]
    """In order, each with its facts; the row of the final observation is left out."""
    seed: int
    back_proved: frozenset[int] = frozenset()
    """Steps whose screen, as recorded elsewhere, returns by Back to exactly the screen of the step before."""

    def shown(self, end: int) -> tuple[Shown, ...]:
        """Return the recorded turns before step `end`."""
        return self._turns[:end]

    def turn(self, index: int) -> Shown:
        """Return one recorded turn."""
        return self._turns[index]

    @cached_property
    def _turns(self) -> tuple[Shown, ...]:
        return tuple(
            Shown(turn_of(index, step.facts, step.observation, step.lang), step.image)
            for index, step in enumerate(self.steps)
            if step.facts is not None
        )

    def role(self, index: int) -> Role:
        """Return what the recording says of the step."""
        return self._turns[index].turn.role

    @property
    def name(self) -> str:
        """The trajectory's id."""
        return self.steps[0].trajectory_id

    @property
    def lang(self) -> Lang:
        """The goal's language."""
        return self.steps[0].lang


class ErrorKind(Protocol):
    """One way to err and recover."""

    name: str
    meaning: str
    replaces: bool
    """Whether the sample takes the place of the clean one instead of being added."""

    def propose(self, episode: Episode, index: int) -> Proposal | Refusal | None:
        """Return an error before the decision at step `index`, the guard that forbids it, or None if none applies."""
        ...


def named_target(observation: Observation, click: Click) -> tuple[Element, str] | None:
    """Return the element that the click aims at and its name on the screen, None if either is missing."""
    element = target_element(observation.elements, click)
    if element is None:
        return None
    name = label(observation.elements, element)
    return None if name is None else (element, name)


def restless(observation: Observation) -> str | None:
    """Return the guard that fires on a screen where even a tap on nothing, or Back, could do something."""
    if observation.keyboard is not False:
        return "keyboard"
    if observation.overlay is not False:
        return "overlay"
    if any(element.focused and element.editable for element in observation.elements):
        return "focused_field"
    return None


def goes_back(action: Action) -> bool:
    """Tell whether the action leaves the page for the one before it."""
    return (isinstance(action, Button) and action.name == "back") or (
        isinstance(action, Browser) and action.op == "back"
    )


def eventful(episode: Episode, indices: Sequence[int]) -> bool:
    """Tell whether one of the steps is labelled as an error or its repair: errors are not piled up."""
    return any(episode.role(index) != "normal" for index in indices)
