"""What is compared: the share of error correction, and whether the wrong turns in it are trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from pipeline.records import Message, Sample
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import MANIFEST
from pipeline.storage.place import Place
from pipeline.storage.shards import ShardWriter
from pipeline.storage.tables import sample_row


@dataclass(frozen=True)
class Arm:
    """One line of the table."""

    percent: int
    """Error-correction samples of a hundred."""
    masked: bool = True
    """Whether the wrong turns carry no loss, as `gdp augment-errors` makes them."""

    @property
    def name(self) -> str:
        """Name of its folder."""
        return "clean" if not self.percent else f"ec{self.percent}{'' if self.masked else '-unmasked'}"

    @property
    def title(self) -> str:
        """What the table calls it."""
        if not self.percent:
            return "clean"
        return f"{self.percent} % error correction, wrong turns {'masked' if self.masked else 'trained'}"


ARMS = (Arm(0), Arm(10), Arm(20), Arm(30), Arm(20, masked=False))


def runs(seeds: int) -> list[tuple[Arm, int]]:
    """Return every training, seed by seed."""
    return [(arm, seed) for seed in range(seeds) for arm in ARMS]


def unmask(source: Path, out: Path) -> None:
    """Write a copy of a dataset in which the wrong turns carry the same loss as the corrections.

    For this experiment only: no stage makes such a dataset, and `gdp validate` refuses it.
    """
    if (out / MANIFEST).exists():
        return
    dataset = Dataset.open(source)
    place = Place(str(out))
    entries = []
    for number in dataset.manifest.shard_numbers():
        tables = [name for name in ("steps", "images", "samples", "rejected") if dataset.shard(name, number)]
        with ShardWriter(place, number, tuple(tables), {}) as writer:
            for table in tables:
                if table == "samples":
                    rows: Iterator[object] = (sample_row(unmasked(each)) for each in dataset.shard_samples(number))
                else:
                    rows = dataset.rows(table, number)
                for row in rows:
                    writer.write(table, row)
            entries += writer.commit()
    manifest = replace(dataset.manifest, shards=tuple(sorted(entries, key=lambda shard: shard.name)))
    place.write(MANIFEST, manifest.to_json(), "unmask")


def unmasked(sample: Sample) -> Sample:
    """Return the sample with loss on its wrong turns, as far as they are said as calls."""
    answers = [n for n, message in enumerate(sample.messages) if message.role == "assistant"]
    wrong = {n for n, turn in zip(reversed(answers), reversed(sample.turns), strict=False) if turn.role == "error"}
    messages = [_trained(message) if n in wrong else message for n, message in enumerate(sample.messages)]
    return replace(sample, messages=tuple(messages))


def _trained(message: Message) -> Message:
    return replace(message, loss_weight=1.0)
