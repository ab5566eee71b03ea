"""What the trainer needs of a dataset; `pipeline.storage.dataset.Dataset` is one, and a test may hand over another."""

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, Protocol

from pipeline.records import ImageRef, Sample, Split
from pipeline.storage.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.storage.tables import StepRow


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

    def steps(self, number: int, wanted: Container[str] | None = None) -> Iterator["StepRow"]:
        """Yield the recorded steps of one shard, or only those of the wanted trajectories."""

    def tables(self, table: str, columns: list[str]) -> Iterator[tuple[int, "pa.Table"]]:
        """Yield, shard by shard, its number and columns of it."""
