"""What a check is: a function from a sample to its findings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from msgspec import Struct

from pipeline.dataset import Dataset
from pipeline.layouts import Layout
from pipeline.manifest import Manifest
from pipeline.records import ImageRef, Sample


class Finding(Struct, frozen=True):
    """Something wrong with a sample: a JSON path into it, and what was found and expected."""

    path: str
    message: str


@dataclass
class Context:
    """What checks may look at beside the sample."""

    dataset: Dataset
    layout: Layout
    leaking: dict[str, str]
    """By trajectory, what of it stands on both sides of the split: itself, its goal or its app."""
    repeated: frozenset[str]
    """Sample ids that occur more than once."""
    pixels: bool
    """Whether screenshots are decoded."""
    pictures: dict[ImageRef, str | None] = field(default_factory=dict)
    """What was found wrong with a screenshot as a sample refers to it; filled as they are looked at."""

    @property
    def manifest(self) -> Manifest:
        """The dataset's manifest."""
        return self.dataset.manifest


Check = Callable[[Sample, Context], Iterator[Finding]]
