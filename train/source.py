"""What the trainer needs of a dataset; `pipeline.dataset.Dataset` is one, and a test may hand over another."""

from collections.abc import Iterator
from typing import Protocol

from pipeline.manifest import Manifest
from pipeline.records import ImageRef, Sample, Split


class Source(Protocol):
    """Samples in a fixed order, and the encoded bytes of their screenshots; must survive pickling and forking."""

    manifest: Manifest

    @property
    def path(self) -> str:
        """How errors call the dataset."""

    def samples(self, split: Split | None = None) -> Iterator[Sample]:
        """Yield the samples of a split in order."""

    def image(self, ref: ImageRef) -> bytes:
        """Return the encoded bytes of a screenshot."""
