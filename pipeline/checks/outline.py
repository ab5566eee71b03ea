"""What a sample is without its words: who speaks when, what is trained, which screenshots stand where.

A dataset has few outlines, about as many as its longest recording has steps: what depends on nothing else is asked of
each once.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from pipeline.layouts import spoken
from pipeline.records import Message, Sample, Turn
from pipeline.slicing.compose import SCREENSHOTS, STEPS
from pipeline.slicing.policy import History

from .wordings import Wordings

if TYPE_CHECKING:
    from pipeline.errors import ErrorKind

NOTES = ("turns", "window", "subtask", STEPS, SCREENSHOTS)
"""Entries of the provenance that say which turns and screenshots there are."""


class MessageForm(Struct, frozen=True, eq=False, gc=False):
    """A message without its words; equal ones are one object."""

    role: str
    loss_weight: float
    images: tuple[int | None, ...]
    """The screenshots that it shows."""
    empty: bool
    """Whether it has no content, or a text without a word."""
    spelled: tuple[int, str] | None
    """Which part spells a control token, and the token."""


class TurnForm(Struct, frozen=True, eq=False, gc=False):
    """A turn without its words and actions; equal ones are one object."""

    step_index: int
    image: int | None
    loss_weight: float
    role: str
    inbound: bool
    """Whether something came back before it."""


@dataclass(frozen=True, eq=False)
class Outline:
    """What samples have in common that differ in nothing but words, actions and the pixels of their screenshots."""

    messages: tuple[MessageForm, ...]
    turns: tuple[TurnForm, ...]
    sizes: tuple[tuple[int, int], ...]
    """(width, height) in pixels of each screenshot, as it is stored."""
    image_tokens: int
    layout: str
    origin: str
    error_kind: str | None
    earlier: int
    """How many decisions are trained before the last."""
    notes: Mapping[str, str]
    """What entries of the provenance there are of those that `NOTES` lists."""
    first_call: int
    """The number of the first turn that the conversation says as a call."""

    @cached_property
    def trained(self) -> list[int]:
        """The trained messages."""
        return [number for number, message in enumerate(self.messages) if message.loss_weight > 0]

    @cached_property
    def taught(self) -> list[int]:
        """The trained turns."""
        return [number for number, turn in enumerate(self.turns) if turn.loss_weight > 0]

    @cached_property
    def shown(self) -> dict[int, int]:
        """The turns that show a screenshot, and which one, by its number."""
        return {number: turn.image for number, turn in enumerate(self.turns) if turn.image is not None}

    @cached_property
    def kind(self) -> "ErrorKind | None":
        """The kind of the injected error, None where there is none, or none that is known."""
        if self.error_kind is None:
            return None
        from pipeline.errors import KINDS  # their modules are many, and most samples have none

        return KINDS.get(self.error_kind)

    @cached_property
    def own(self) -> int:
        """How many of the last turns belong to an injected error and its correction; 0 where none is injected."""
        if self.kind is None or self.kind.replaces:
            return 0
        told = self.notes.get("turns", "2")
        return min(max(int(told), 1), len(self.turns)) if told.isdecimal() else 2

    def span(self, note: str) -> tuple[int, int] | None:
        """Return the steps that an entry of the provenance names as `first-last`, None where it names none."""
        numbers = self.notes.get(note, "").split("-")
        return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 and all(map(str.isdecimal, numbers)) else None


class Outlines:
    """The outlines of a shard's samples."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._wordings = Wordings()
        self._messages: dict[int, MessageForm] = {}  # by identity of what is in `_kept`, so that no other takes it
        self._turns: dict[int, TurnForm] = {}
        self._kept: list[Message | Turn] = []
        self._message_forms: dict[Hashable, MessageForm] = {}
        self._turn_forms: dict[Hashable, TurnForm] = {}
        self._outlines: dict[Hashable, Outline] = {}

    def of(self, sample: Sample) -> Outline:
        """Return the sample's outline, the same object for equal ones."""
        messages, turns = self._messages, self._turns
        form = (
            tuple([messages.get(id(message)) or self._message(message) for message in sample.messages]),
            tuple([turns.get(id(turn)) or self._turn(turn) for turn in sample.turns]),
            tuple([(image.width, image.height) for image in sample.images]),
            sample.image_tokens,
            sample.layout,
            sample.origin,
            sample.error_kind,
            len(sample.earlier_targets),
        )
        notes = tuple(map(sample.provenance.get, NOTES))
        outline = self._outlines.get((form, notes))
        if outline is None:
            first = len(sample.turns) - len(spoken(self._history, sample.turns))
            told = {name: value for name, value in zip(NOTES, notes, strict=True) if value is not None}
            outline = self._outlines[form, notes] = Outline(*form, told, first)
        return outline

    def _message(self, message: Message) -> MessageForm:
        wording = self._wordings.of(message.content)
        key = (message.role, message.loss_weight, wording.images, wording.empty, wording.spelled)
        form = self._message_forms.get(key) or self._message_forms.setdefault(key, MessageForm(*key))
        self._kept.append(message)
        return self._messages.setdefault(id(message), form)

    def _turn(self, turn: Turn) -> TurnForm:
        key = (turn.step_index, turn.image, turn.loss_weight, turn.role, bool(turn.inbound))
        form = self._turn_forms.get(key) or self._turn_forms.setdefault(key, TurnForm(*key))
        self._kept.append(turn)
        return self._turns.setdefault(id(turn), form)
