"""What is worked out once for a sample, however many checks ask for it."""

from dataclasses import dataclass, field
from functools import cached_property

from msgspec import Struct

from pipeline.actions import Wait
from pipeline.layouts import spoken
from pipeline.policy import History
from pipeline.records import Sample, Target, Turn

from .faults import Faults
from .speech import Speech, Spoken
from .wordings import Wording, Wordings


class Decision(Struct, frozen=True, gc=False):
    """One trained turn of a sample and its target; a window has several."""

    number: int
    """Of the turn, in `turns`."""
    turn: Turn
    target: Target
    path: str
    """JSON path of the target."""

    @property
    def waits(self) -> bool:
        """Whether the decision is to wait."""
        return isinstance(self.turn.actions[0], Wait)

    @property
    def turn_path(self) -> str:
        """JSON path of the turn."""
        return f"$.turns[{self.number}]"

    @property
    def thought_path(self) -> str:
        """JSON path of the turn's thought."""
        return f"$.turns[{self.number}].thought"


@dataclass(frozen=True)
class Known:
    """What is remembered from one sample of a shard to the next."""

    history: History
    speech: Speech
    faults: Faults = field(default_factory=Faults)
    wordings: Wordings = field(default_factory=Wordings)


class Case:
    """A sample that is looked at."""

    def __init__(self, sample: Sample, known: Known) -> None:
        self.sample = sample
        self.shown = [(number, turn) for number, turn in enumerate(sample.turns) if turn.image is not None]
        """The turns that show a screenshot, and their numbers."""
        self._known = known

    @cached_property
    def wordings(self) -> list[Wording]:
        """What is known of each message's words."""
        of = self._known.wordings.of
        return [of(message) for message in self.sample.messages]

    @cached_property
    def told(self) -> list[Spoken]:
        """What is known of each turn, whatever of its screenshot is shown."""
        of = self._known.speech.of
        return [of(turn) for turn in self.sample.turns]

    @cached_property
    def spoken(self) -> list[Spoken]:
        """The last turns, those that the conversation says as calls."""
        said = len(spoken(self._known.history, self.sample.turns))
        return self.told[len(self.told) - said :]

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """The trained turns with their targets, in order; the last turn is always one."""
        turns, last = self.sample.turns, len(self.sample.turns) - 1
        final = Decision(last, turns[last], self.sample.target, "$.target")
        if not self.sample.earlier_targets:
            return (final,)
        earlier = [(n, turn) for n, turn in enumerate(turns[:last]) if turn.loss_weight > 0]
        return (*(
            Decision(n, turn, target, f"$.earlier_targets[{number}]")
            for number, ((n, turn), target) in enumerate(zip(earlier, self.sample.earlier_targets, strict=False))
        ), final)  # fmt: skip

    @cached_property
    def faults(self) -> dict[str, list[tuple[str, str]]]:
        """By check, the places of texts and what is wrong with each."""
        of_turn = self._known.faults.of_turn
        faults = [("$.goal", *fault) for fault in self._known.faults.of_text(self.sample.goal)]
        for number, of in enumerate([of_turn(each.turn) for each in self.told]):
            faults += [(f"$.turns[{number}]{place}", name, said) for place, name, said in of] if of else ()
        found: dict[str, list[tuple[str, str]]] = {}
        for path, name, message in faults:
            found.setdefault(name, []).append((path, message))
        return found
