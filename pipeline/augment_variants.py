"""Add samples of other ways to the same goal, composed of two recordings where the graph proves every step.

Planning walks the recorded steps once (`pipeline.augmentation.graph`) and pairs the recordings of one goal on one side
of the split. A shard is then a pure function of its hosts and their donors. Screenshots stay where they are: a sample
may show those of another shard.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from . import layouts
from .augment_errors import setting_of
from .augmentation.graph import Graph
from .augmentation.survey import episodes
from .augmentation.variants import Splice, Walked, Ways, spliced, splices
from .describe import same_goal
from .errors import Episode
from .layouts import Layout
from .records import Sample
from .report import StageReport
from .screens.screen import target_box
from .screens.states import rules
from .slicing.compose import DONOR, Setting, Shown, Subject, TooLong, compose, missing_screenshots, said, with_size
from .stage import Plan, Running, execute
from .storage.apart import keep_apart
from .storage.dataset import Dataset
from .storage.manifest import Flow
from .storage.place import Place, Where
from .storage.shards import ShardResult, ShardWriter, take_over
from .storage.tables import sample_row, to_json, to_table


class VariantTask(Struct, frozen=True):
    """One shard: its recordings, and for each the other recordings of its goal."""

    number: int
    source: str
    out: str
    setting: Setting
    pairs: tuple[tuple[Walked, Walked], ...]
    """Host and donor."""
    ways: Ways

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"augment-variants {self.number:05d}"


def run(source: Where, out: Where, running: Running, tokenizer: str | None = None) -> StageReport:
    """Add to the dataset `source` the samples of other ways, as the dataset `out`."""
    source, out = Place.of(source), Place.of(out)
    keep_apart(source, out)
    dataset = Dataset.open(source)
    manifest = dataset.manifest
    plan = Plan(
        stage="augment-variants",
        seed=manifest.seed,
        config={"screens": rules()},
        input={"kind": "dataset", "stage": manifest.stage, "fingerprint": manifest.fingerprint},
        contract=manifest.contract,
        image=manifest.image,
        slicing=manifest.slicing,
        prompts=manifest.prompts,
    )
    return execute(plan, out, partial(_tasks, dataset, out, setting_of(dataset, tokenizer)), variant_shard, running)


def _tasks(dataset: Dataset, out: Place, setting: Setting) -> list[VariantTask]:
    """Walk the recordings, and pair those of one goal on one side of the split."""
    graph = Graph.of(dataset)
    numbers = dataset.manifest.shard_numbers()
    groups: dict[tuple[str, str], list[Walked]] = defaultdict(list)
    for number in numbers:
        names: dict[str, str] = {}
        for row in dataset.rows("steps", number, ["trajectory_id", "goal"]):
            names.setdefault(row["trajectory_id"], same_goal(row["goal"]))
        for name, goal in names.items():
            walk = graph.walks[number][name]
            groups[goal, walk.split].append(Walked(number, name, tuple(walk.states)))
    pairs: dict[int, list[tuple[Walked, Walked]]] = defaultdict(list)
    for group in groups.values():
        for host in group:
            pairs[host.shard] += [(host, donor) for donor in group if donor is not host]
    source = str(dataset.place.absolute())
    return [
        VariantTask(number, source, str(out.absolute()), setting, tuple(pairs[number]), _ways(graph, pairs[number]))
        for number in numbers
    ]


def _ways(graph: Graph, pairs: list[tuple[Walked, Walked]]) -> Ways:
    """Return which of the steps that the recordings take are recorded the other way round."""
    found: set[tuple[int, int]] = set()
    for walked in (each for pair in pairs for each in pair):
        found.update(zip(walked.states[1:], walked.states, strict=False))
    return frozenset((before, after) for before, after in found if graph.leads(before, after))


def variant_shard(task: VariantTask) -> ShardResult:
    """Write the samples of a shard with those of other ways."""
    dataset, out = Dataset.open(task.source), Place(task.out)
    table = dataset.table("samples", task.number)
    counts = Counter({"considered": 0})
    there = set(table["sample_id"].to_pylist())
    made = [sample for sample in _samples(task, dataset, counts) if sample.sample_id not in there]
    final = pa.concat_tables([table, to_table("samples", map(sample_row, made)).cast(table.schema)])
    final = final.sort_by([(name, "ascending") for name in ("trajectory_id", "step_index", "sample_id")])
    metadata = {"stage": "augment-variants", "contract": to_json(dataset.manifest.contract)}
    with ShardWriter(out, task.number, ("samples",), metadata) as writer:
        writer.write_table("samples", final)
        shards = writer.commit()
    counts["made"] = len({sample.trajectory_id for sample in made})
    return ShardResult(
        number=task.number,
        shards=shards + take_over(dataset, out, task.number, ("steps", "images", "rejected")),
        counts={"samples": Flow(into=table.num_rows, added=len(made), out=final.num_rows)},
        rejected={},
        splits=dict(Counter(map(str, final["split"].to_pylist()))),
        details={"pairs of recordings": len(task.pairs), "other ways": dict(sorted(counts.items()))},
    )


def _samples(task: VariantTask, dataset: Dataset, counts: Counter[str]) -> Iterator[Sample]:
    layout = layouts.get(task.setting.contract.layout)
    wanted: dict[int, set[str]] = defaultdict(set)
    for walked in (each for pair in task.pairs for each in pair):
        wanted[walked.shard].add(walked.name)
    found = {e.name: e for shard, names in wanted.items() for e in episodes(dataset, shard, 0, {}, frozenset(names))}
    seen: set[tuple[object, ...]] = set()
    for host, donor in task.pairs:
        if host.name not in found or donor.name not in found:
            continue
        one, other = found[host.name], found[donor.name]
        for splice in splices(one, other, host.states, donor.states, task.ways, counts):
            way = (host.name, *host.states[: splice.leave], *donor.states[splice.enter : splice.exit], splice.rejoin)
            if way in seen:
                counts["truthful"] -= 1
                counts["refused: known_way"] += 1
                continue
            seen.add(way)
            samples = _compose(layout, task.setting, one, other, splice)
            if not samples:
                counts["truthful"] -= 1
                counts["refused: inexpressible"] += 1
            yield from samples


def _compose(layout: Layout, setting: Setting, host: Episode, donor: Episode, splice: Splice) -> list[Sample]:
    """Return the samples of the donor's decisions and of the one where the host's way goes on."""
    steps = spliced(host.steps, donor.steps, splice)
    shown: list[Shown] = []
    boxes = []
    for position, (whose, number) in enumerate(steps):
        episode = host if whose == "host" else donor
        item, row = episode.turn(number), episode.steps[number]
        turn = with_size(item.turn, item.image, row.observation.image, setting.contract)
        shown.append(Shown(replace(turn, step_index=position), item.image))
        boxes.append(target_box(row.observation.elements, turn.actions[0]))
    silent = {position for position, item in enumerate(shown) if layout.refuse(item.turn) is not None}

    def told(position: int) -> bool:
        """Tell whether the decision's sample can be told: each call said, each screenshot there."""
        way = shown[: position + 1]
        sayable = silent.isdisjoint(said(layout, setting, [item.turn for item in way]))
        return sayable and not missing_screenshots(layout, setting, way)

    if not told(len(shown) - 1):
        return []
    first = host.steps[0]
    name = f"{host.name}~{donor.name}/{splice.leave:04d}-{splice.enter:04d}"
    subject = Subject(name, first.goal, first.lang, first.split)  # type: ignore[arg-type]  # a split
    made = [
        compose(
            layout,
            setting,
            subject,
            shown[: position + 1],
            sample_id=f"{name}/{position:04d}",
            bbox=boxes[position],
            provenance={
                "host": host.name,
                DONOR: donor.name,
                "leave": str(splice.leave),
                "rejoin": str(splice.rejoin),
            },
        )
        for position in range(splice.leave, len(steps))
        if told(position)
    ]
    return [] if any(isinstance(sample, TooLong) for sample in made) else [s for s in made if isinstance(s, Sample)]
