"""Look once at screenshots that samples of several shards show, so that no shard decodes what another one has."""

from collections.abc import Sequence

import pyarrow as pa
from msgspec import Struct

from pipeline.checks.pictures import Picture, Pictures, Seen, Spot
from pipeline.stage import Running, ask
from pipeline.storage.dataset import Dataset


class LookTask(Struct, frozen=True):
    """Screenshots of one shard."""

    number: int
    source: str
    rows: tuple[int, ...]

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"look {self.number:05d}"


class Looked(Struct, frozen=True):
    """What was seen."""

    number: int
    pictures: Seen


def look_at_shared(dataset: Dataset, running: Running) -> dict[int, Seen]:
    """Return, by shard, what there is to know of the screenshots that samples of other shards show too."""
    showing: dict[Spot, list[int]] = {}
    for number, table in dataset.tables("samples", ["images"]):
        for spot in _spots(table):
            showing.setdefault(spot, []).append(number)
    shared = {spot: numbers for spot, numbers in showing.items() if len(numbers) > 1}
    owners = sorted({shard for shard, _ in shared})
    tasks = [
        LookTask(owner, str(dataset.place.absolute()), tuple(sorted(row for shard, row in shared if shard == owner)))
        for owner in owners
    ]
    seen: dict[int, list[tuple[Spot, Picture]]] = {}
    for looked in ask("look", tasks, look, running) if tasks else ():
        for spot, picture in looked.pictures:
            for number in shared[spot]:
                seen.setdefault(number, []).append((spot, picture))
    return {number: tuple(each) for number, each in seen.items()}


def look(task: LookTask) -> Looked:
    """Decode the screenshots of a task."""
    pictures = Pictures(Dataset.open(task.source))
    return Looked(task.number, tuple(((task.number, row), pictures.at((task.number, row))) for row in task.rows))


def _spots(table: "pa.Table") -> Sequence[Spot]:
    """Return the places of the screenshots that samples show, each once."""
    import pyarrow.compute as pc

    refs = pc.list_flatten(table.column(0).combine_chunks())
    pairs = pa.table({"shard": pc.struct_field(refs, "shard"), "row": pc.struct_field(refs, "row")})
    found = pairs.group_by(["shard", "row"]).aggregate([]).to_pydict()
    return list(zip(found["shard"], found["row"], strict=True))
