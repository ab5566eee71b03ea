"""What is worked out once for a sample, however many checks ask for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from pipeline.actions import TAPS, Point, Wait
from pipeline.augmentation.cut import elements_in_view, is_cut
from pipeline.records import Element, ImageRef, Sample, Target, Turn
from pipeline.screens.screen import takers

from .outline import Outline, Outlines
from .recordings import RecordedStep, Recordings
from .speech import Read, Speech, Spoken


class Tap(Struct, frozen=True, gc=False):
    """A tap that is trained."""

    path: str
    """JSON path of its point."""
    point: Point
    takers: Sequence[Element]
    """The recorded controls there that nothing is known to cover."""


class Decision:
    """One trained turn of a sample and its target; a window has several."""

    __slots__ = ("_doubtful", "_elements", "_taps", "number", "path", "sample", "step", "target", "turn")

    def __init__(self, sample: Sample, number: int, target: Target, path: str, steps: Sequence[RecordedStep]) -> None:
        self.sample = sample
        self.number = number
        """Of the turn, in `turns`."""
        self.turn = sample.turns[number]
        self.target = target
        self.path = path
        """JSON path of the target."""
        self.step = steps[target.step_index] if target.step_index < len(steps) else None
        """As it was recorded; None where that is not known."""
        self._elements: Sequence[Element] | None = None
        self._taps: list[Tap] | None = None
        self._doubtful: list[Tap] | None = None

    @property
    def elements(self) -> Sequence[Element]:
        """The recorded elements of its screen where the sample shows them; none if none are known."""
        if self._elements is None:
            step = self.step
            shown = () if step is None else elements_in_view(self.sample, step.elements, step.image)
            self._elements = shown
        return self._elements

    def controls(self, point: Point) -> Sequence[Element]:
        """Return the recorded controls there that nothing is known to cover, where the sample shows them."""
        if self.step is None or is_cut(self.sample.sample_id):
            return takers(self.elements, point)
        return self.step.controls(point)

    @property
    def taps(self) -> list[Tap]:
        """The taps of the target."""
        if self._taps is None:
            self._taps = [
                Tap(f"{self.path}.actions[{number}].point", action.point, self.controls(action.point))
                for number, action in enumerate(self.target.actions)
                if isinstance(action, TAPS) and action.point is not None
            ]
        return self._taps

    @property
    def doubtful(self) -> list[Tap]:
        """Those of the taps, few, whose point no control takes, several do, or one that is not the target."""
        if self._doubtful is None:
            box = self.target.bbox
            self._doubtful = [tap for tap in self.taps if [taker.bbox for taker in tap.takers] != [box]]
        return self._doubtful

    @property
    def thought(self) -> str:
        """The turn's thought; empty where it has none."""
        return self.turn.thought or ""

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


class Shot(Struct, frozen=True, gc=False):
    """A turn's screenshot, the same in every sample that shows it."""

    trajectory_id: str
    steps: Sequence[RecordedStep]
    """The recorded steps behind it."""
    step: RecordedStep | None
    """Its own; None if the dataset has no such step."""
    step_index: int
    size: tuple[int, int] | None
    """What the turn says of it."""
    ref: ImageRef | None
    """None where the sample has no such screenshot."""
    recorded: bool
    """Whether the turn is the recording's, and none of an injected error."""
    whole: bool
    """Whether it is shown whole."""


class Answer(Struct, frozen=True):
    """A trained message, as it is stored."""

    number: int
    """Of the message."""
    decision: Decision
    """What it should tell."""
    read: Read


@dataclass(frozen=True)
class Known:
    """What is remembered from one sample of a shard to the next."""

    outlines: Outlines
    speech: Speech
    recordings: Recordings


class Case:
    """A sample that is looked at."""

    __slots__ = ("_answers", "_known", "decisions", "outline", "sample", "spoken", "steps", "told")

    def __init__(self, sample: Sample, known: Known) -> None:
        self._known = known
        self._answers: list[Answer] | None = None
        self.sample = sample
        self.outline: Outline = known.outlines.of(sample)
        """What it is without its words."""
        self.steps = known.recordings.steps(sample.trajectory_id)
        """The recorded steps behind it."""
        self.told: list[Spoken] = known.speech.told(sample.turns)
        """What is known of each turn, whatever of its screenshot is shown."""
        self.spoken = self.told[self.outline.first_call :]
        """The last turns, those that the conversation says as calls."""
        self.decisions = _decisions(sample, self.outline.taught, self.steps)
        """The trained turns with their targets, in order; the last turn is always one."""

    @property
    def answers(self) -> list[Answer]:
        """The trained messages, the last one first, with the decisions that they tell."""
        if self._answers is None:
            self._answers = [
                Answer(number, decision, self._read(number, decision.turn))
                for number, decision in zip(reversed(self.outline.trained), reversed(self.decisions), strict=False)
            ]
        return self._answers

    def _read(self, number: int, turn: Turn) -> Read:
        return self._known.speech.read(self.sample.messages[number].content, turn)

    def step(self, index: int) -> RecordedStep | None:
        """Return a recorded step, None if the dataset has no such step."""
        return self.steps[index] if index < len(self.steps) else None


def _decisions(sample: Sample, taught: Sequence[int], steps: Sequence[RecordedStep]) -> tuple[Decision, ...]:
    last = len(sample.turns) - 1
    final = Decision(sample, last, sample.target, "$.target", steps)
    if not sample.earlier_targets:
        return (final,)
    earlier = [number for number in taught if number < last]
    return (*(
        Decision(sample, number, target, f"$.earlier_targets[{place}]", steps)
        for place, (number, target) in enumerate(zip(earlier, sample.earlier_targets, strict=False))
    ), final)  # fmt: skip
