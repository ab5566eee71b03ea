"""What an error kind is: it looks at one decision of a recording and proposes samples, or names what forbids it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, Protocol

from msgspec import Struct

from pipeline.actions import Box
from pipeline.augmentation.graph import NOTHING, Surrounding
from pipeline.records import Lang, Role
from pipeline.slicing.compose import Shown, turn_of
from pipeline.storage.tables import StepRow

from .changes import first_change
from .scene import Scene

Truth = Literal["recorded", "same screen", "graph"]
"""What makes the screen after an error true."""


class Refusal(Struct, frozen=True):
    """The guard that forbids an error here."""

    guard: str


class Proposal(Struct, frozen=True):
    """A sample to be: recorded turns, then those of the error and its correction; the last is the one to train."""

    past: int
    """Recorded turns before the error."""
    tail: tuple[Shown, ...]
    """The turns from the error on."""
    evidence: int = 2
    """How many of the last turns must show their screenshots, or the model could not see what went wrong."""
    bbox: Box | None = None
    part: str = ""
    """Which of several samples of one error it is."""


class Episode(Struct, frozen=True, dict=True):
    """One recorded trajectory with what its dataset knows about its screens."""

    steps: tuple[StepRow, ...]
    """In order, each with its facts."""
    seed: int
    surroundings: tuple[Surrounding, ...] = ()
    """For each step and the observation after the last one."""
    final: StepRow | None = None
    """The observation after the last step."""

    def shown(self, end: int) -> tuple[Shown, ...]:
        """Return the recorded turns before step `end`."""
        return self._turns[:end]

    def turn(self, index: int) -> Shown:
        """Return one recorded turn."""
        return self._turns[index]

    def around(self, index: int) -> Surrounding:
        """Return what is known of the screen of a step."""
        return self.surroundings[index] if index < len(self.surroundings) else NOTHING

    @cached_property
    def _turns(self) -> tuple[Shown, ...]:
        return tuple(
            Shown(turn_of(index, step.facts, step.observation, step.lang), step.image)
            for index, step in enumerate(self.steps)
            if step.facts is not None
        )

    @cached_property
    def scenes(self) -> tuple[Scene, ...]:
        """The screens of the steps."""
        return tuple(Scene(step) for step in self.steps)

    @cached_property
    def first_change(self) -> int:
        """The first step that shows that something was changed on the way to it."""
        return first_change(self.scenes, [self.around(index).state for index in range(len(self.steps))])

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


Outcome = Sequence[Proposal] | Refusal | None
"""Samples of one error, in the order in which they would be taken; the guard that forbids it; None if none applies."""


class ErrorKind(Protocol):
    """One way to err and recover."""

    name: str
    meaning: str
    truth: Truth
    replaces: bool
    """Whether the sample takes the place of the clean one instead of being added."""
    depth: int
    """Wrong turns in a sample; 0 for what is nobody's mistake."""
    weight: float
    """How often its turn comes when samples are chosen, compared with a kind of weight 1."""
    share: float
    """Share of all error-correction samples at most."""

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return what may be injected before the decision at step `index`."""
        ...

    def slips(self, episode: Episode, index: int) -> tuple[int, ...]:
        """Return the recorded steps that the error made at `index` shows to be mistakes, so that none is trained."""
        ...


class Injected:
    """What kinds have in common that make an error up: it is added, and no recorded step is called wrong."""

    replaces: bool = False
    depth: int = 1
    weight: float = 1.0
    share: float = 1.0

    def slips(self, episode: Episode, index: int) -> tuple[int, ...]:
        """Return no step: the error is not a recorded one."""
        return ()
