"""What a check is: how much it matters, and a function from what it is about to its findings."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from msgspec import Struct

from pipeline.layouts import Layout, Renderer
from pipeline.records import ImageRef, Sample
from pipeline.slicing.token_count import TokenCount
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Manifest

from .case import Case, Decision, Known, Shot
from .facts import Facts, Tally
from .outline import Outline, Outlines
from .pictures import Pictures
from .recordings import Recordings
from .speech import Speech, Spoken
from .thresholds import Thresholds

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""A row with an error is rejected, one with a warning is kept and flagged, an info is only counted."""


TURN, IMAGE = "$.turns[{turn}]", "$.images[{image}]"
"""Where a screenshot stands in a sample that shows it."""


class Finding(Struct, frozen=True):
    """Something wrong with a sample: a JSON path into it, and what was found and expected."""

    path: str
    message: str


@dataclass(frozen=True)
class Limit:
    """Tokens of a sample at most, and what counts them."""

    most: int
    count: TokenCount
    counted: dict[int, int] = field(default_factory=dict)
    """By the identity of a sample that was asked, its tokens; who needs them takes them out."""


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
    true: defaultdict[str, set[Spoken]] = field(default_factory=lambda: defaultdict(set))
    """By trajectory, the turns that are known to do what was recorded."""
    _first: dict[str, str] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        """The dataset's manifest."""
        return self.dataset.manifest

    @cached_property
    def known(self) -> Known:
        """What is remembered of turns, messages and texts."""
        return Known(Outlines(self.manifest.contract.history), Speech(self.layout), self.recordings)

    @cached_property
    def renderer(self) -> Renderer:
        """What makes messages of the shard's turns."""
        return Renderer(self.layout, self.manifest.contract.history, self.manifest.prompts, self.known.speech.say)

    @cached_property
    def recordings(self) -> Recordings:
        """The recorded steps behind the shard's samples."""
        return Recordings(self.dataset, self.number)

    def is_first(self, sample: Sample) -> bool:
        """Tell whether no sample of the same recording was looked at before; the first decision may not be trained."""
        return self._first.setdefault(sample.trajectory_id, sample.sample_id) == sample.sample_id


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong: how much it matters, and one question, which tells by its name what it is about.

    What is asked of outlines, texts and screenshots is asked once of each, in however many samples of a shard it is.
    """

    severity: Severity
    """Unless the user decides otherwise."""
    meaning: str
    of_record: Callable[[Sample, Context], Iterable[Finding]] | None = None
    """What is wrong with a sample as a record; where anything is, nothing else is asked."""
    of_sample: Callable[[Case, Context], Iterable[Finding]] | None = None
    """What is wrong with a sample."""
    of_outline: Callable[[Outline, Context], Iterable[Finding]] | None = None
    """What is wrong with a sample whatever its words, actions and pixels are."""
    of_decision: Callable[[Decision, Context], Iterable[Finding]] | None = None
    """What is wrong with a decision that a sample trains."""
    of_thought: Callable[[Decision, Context], Iterable[Finding]] | None = None
    """What is wrong with the thought of a decision that has one, where the layout's answers hold thoughts."""
    of_screenshot: Callable[[Shot, Context], Iterable[Finding]] | None = None
    """What is wrong with a screenshot where a turn shows it; paths begin with `TURN` or `IMAGE`."""
    of_text: Callable[[str], Iterable[str]] | None = None
    """What is wrong with a text that a person wrote or a model is to write: goal, thought, instruction, …"""
    of_dataset: Callable[[Tally, Thresholds], Iterable[str]] | None = None
    """What is wrong with the dataset, and with no sample of it more than with another."""
    needs: Callable[[Context], object] | None = None
    """The part of a context that the check speaks of: where it is empty, nothing is asked."""
