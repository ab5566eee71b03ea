"""What a check is: a name, how much it matters, and a function from a sample, or the dataset, to its findings."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from msgspec import Struct

from pipeline.crop import elements_in_view
from pipeline.dataset import Dataset
from pipeline.layouts import Layout, Renderer
from pipeline.manifest import Manifest
from pipeline.records import Element, ImageRef, Sample
from pipeline.tables import StepRow
from pipeline.token_count import TokenCount

from .case import Case, Decision, Known
from .facts import Facts, Tally
from .pictures import Pictures
from .recordings import Recordings
from .speech import Speech, text_of
from .thresholds import Thresholds

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""A row with an error is rejected, one with a warning is kept and flagged, an info is only counted."""


class Finding(Struct, frozen=True):
    """Something wrong with a sample: a JSON path into it, and what was found and expected."""

    path: str
    message: str


@dataclass(frozen=True)
class Limit:
    """Tokens of a sample at most, and what counts them."""

    most: int
    count: TokenCount


@dataclass
class Context:
    """What checks may look at beside the sample, and what they remember from one sample of a shard to the next."""

    dataset: Dataset
    layout: Layout
    number: int
    """Of the shard that is checked."""
    facts: Facts
    """What only the whole dataset shows."""
    pictures: Pictures
    """What is known of screenshots; it decodes those that were not looked at."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    pixels: bool = True
    """Whether screenshots are decoded."""
    limit: Limit | None = None
    seen: dict[int, ImageRef] = field(default_factory=dict)
    """References to screenshots that are what the schema says, by identity."""
    sizes: dict[tuple[int, int], str | None] = field(default_factory=dict)
    """By size of a screenshot, what the resolution contract has against it."""
    _case: Case | None = None
    _first: dict[str, str] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        """The dataset's manifest."""
        return self.dataset.manifest

    @cached_property
    def known(self) -> Known:
        """What is remembered of turns, messages and texts."""
        return Known(self.manifest.contract.history, Speech(self.layout))

    @property
    def speech(self) -> Speech:
        """The shard's turns as the layout says them."""
        return self.known.speech

    @cached_property
    def renderer(self) -> Renderer:
        """What makes messages of the shard's turns."""
        return Renderer(self.layout, self.manifest.contract.history, self.manifest.prompts, self.speech.say)

    @cached_property
    def recordings(self) -> Recordings:
        """The recorded steps behind the shard's samples."""
        return Recordings(self.dataset, self.number)

    def case(self, sample: Sample) -> Case:
        """Return what is worked out once for a sample; the checks of one sample follow each other."""
        if self._case is None or self._case.sample is not sample:
            self._case = Case(sample, self.known)
        return self._case

    def steps(self, trajectory_id: str) -> Sequence[StepRow]:
        """Return a trajectory's recorded steps in order, its final observation last if it has one."""
        return self.recordings.steps(trajectory_id)

    def step(self, trajectory_id: str, index: int) -> StepRow | None:
        """Return one recorded step, None if the dataset has no such step."""
        steps = self.steps(trajectory_id)
        return steps[index] if index < len(steps) else None

    def keys(self, trajectory_id: str) -> Sequence[int | None]:
        """Return numbers that are equal for steps with the same screen and action; None where that is not known."""
        return self.recordings.keys(trajectory_id)

    def elements(self, sample: Sample, decision: Decision) -> Sequence[Element]:
        """Return the recorded elements of a decision's screen where the sample shows them; none if none are known."""
        step = self.step(sample.trajectory_id, decision.target.step_index)
        return () if step is None else elements_in_view(sample, step.observation.elements, step.image)

    def outcome(self, trajectory_id: str) -> str | None:
        """Return how the recording says that it ended."""
        return self.facts.outcomes.get(trajectory_id)

    def is_first(self, sample: Sample) -> bool:
        """Tell whether no sample of the same recording was looked at before; the first decision may not be trained."""
        return self._first.setdefault(sample.trajectory_id, sample.sample_id) == sample.sample_id

    def answers(self, sample: Sample) -> Iterator[tuple[int, Decision, str]]:
        """Yield the trained messages, the last one first: its number, the decision that it tells, its text."""
        numbers = [n for n, message in enumerate(sample.messages) if message.loss_weight > 0]
        for number, decision in zip(reversed(numbers), reversed(self.case(sample).decisions), strict=False):
            yield number, decision, text_of(sample.messages[number].content)


def nothing(sample: Sample, context: Context) -> Iterable[Finding]:
    """Find nothing in a sample: for what only the whole dataset shows."""
    return ()


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong."""

    severity: Severity
    """Unless the user decides otherwise."""
    meaning: str
    find: Callable[[Sample, Context], Iterable[Finding]] = nothing
    """What is wrong with a sample."""
    whole: Callable[[Tally, Thresholds], Iterable[str]] | None = None
    """What is wrong with the dataset, and with no sample of it more than with another."""


def of_texts(name: str) -> Callable[[Sample, Context], Iterable[Finding]]:
    """Return the check that tells of one fault of texts (`faults.LOOKS`), wherever in a sample they stand."""

    def find(sample: Sample, context: Context) -> Iterable[Finding]:
        faults = context.case(sample).faults
        return [Finding(path, message) for path, message in faults[name]] if name in faults else ()

    return find
