"""The seam between a foreign format and ours: what an importer is, and what it yields.

An importer reads a source folder and yields episodes in canonical form and refusals; it writes nothing, and it never
guesses: where a source can mean two things it declares an `Option` that the user must set.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec

from pipeline import __version__
from pipeline.records import Source, Step, Trajectory

from .album import Album
from .folder import SourceFolder
from .refusal import Refusal, Refused

T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """A question that only the user can answer; the command line spells `scroll_means` as `--scroll-means`."""

    name: str
    meaning: str
    choices: tuple[str, ...]
    """Empty: any text will do."""
    default: str | None = None
    """None: the importer refuses to start without it."""


@dataclass(frozen=True)
class Episode:
    """One recorded episode in canonical form, with its pictures."""

    file: str
    """The source's file, relative to the source folder."""
    trajectory: Trajectory
    album: Album
    """The files that the observations name, and which of them are missing."""
    record: str | None = None
    """The place in the file, if it holds several episodes."""
    refusals: tuple[Refusal, ...] = ()
    """Steps that were not taken."""
    notes: Counter[str] = field(default_factory=Counter)
    """What got lost or was mended, by kind, beside what records and album say (see `pipeline.import_report`)."""


class Importer(Protocol):
    """One foreign format; `docs/formats.md` is made of these sentences."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    @property
    def meaning(self) -> str:
        """One line on what it reads."""
        ...

    @property
    def expects(self) -> str:
        """What has to lie in the source folder, as an error names it."""
        ...

    @property
    def kept(self) -> str:
        """What is taken over."""
        ...

    @property
    def lost(self) -> str:
        """What is not, and why."""
        ...

    @property
    def tried_on(self) -> str:
        """The data that it was tried on."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """Glob patterns of the names of the files that it opens as records."""
        ...

    @property
    def options(self) -> tuple[Option, ...]:
        """What the user has to, or may, decide."""
        ...

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield every episode, or why it is refused, in an order that depends on the recorded names alone."""
        ...


def origin(dataset: str, original_id: str | None = None, split: str | None = None) -> Source:
    """Return where a trajectory comes from, and through which version of us."""
    return Source(dataset, original_id, split, converter="gdp import", converter_version=__version__)


def verbatim(value: object) -> str:
    """Return a source's own action as the JSON text that `src` keeps."""
    return msgspec.json.encode(value).decode()


def steps_of(
    file: str, records: Iterable[tuple[str, T]], make: Callable[[int, T], Step]
) -> tuple[tuple[Step, ...], tuple[Refusal, ...]]:
    """Make a step of each (place, record); from the first that is refused on, none is taken, for its history is gone.

    `make` is given the step's index and its record, and raises Refused.
    """
    steps: list[Step] = []
    refusals: list[Refusal] = []
    for place, record in records:
        try:
            if refusals:
                broken = refusals[0].record
                raise Refused("history_broken", f"the refused step {broken} in its history", "a whole one")
            steps.append(make(len(steps), record))
        except Refused as refused:
            refusals.append(refused.at("step", file, place))
    return tuple(steps), tuple(refusals)


def numbered(records: Iterable[T], number: Callable[[T], int], *, first: int) -> Iterator[tuple[T, Refused | None]]:
    """Yield the records in the order of their recorded numbers, each with what is wrong with its number.

    `first` is the number that the format starts with.
    """
    for expected, record in enumerate(sorted(records, key=number), start=first):
        found = number(record)
        yield record, None if found == expected else Refused("step_gap", f"step {found}", f"step {expected}")
