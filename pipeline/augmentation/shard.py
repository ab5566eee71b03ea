"""Make one augmented shard: what a worker of `gdp augment-errors` does once the samples are chosen.

A pure function of its task. Clean samples pass as they are, without being decoded.
"""

from collections import Counter, defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from pipeline import layouts
from pipeline.errors import KINDS, Episode, Proposal, Refusal
from pipeline.layouts import Layout
from pipeline.records import Sample
from pipeline.screens.screen import target_box
from pipeline.slicing.compose import Setting, Subject, compose
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Flow
from pipeline.storage.place import Place
from pipeline.storage.shards import ShardResult, ShardWriter, take_over
from pipeline.storage.tables import (
    Row,
    provenance_from_json,
    rejected_row,
    sample_from_row,
    sample_row,
    target_from_json,
    to_json,
    to_table,
)
from pipeline.writer import Draft, Writer, WriterSettings

from .crop_shard import planned_cuts, write_cuts
from .cut import is_cut
from .jitter import Jitter, as_recorded, moved, off_target
from .survey import SET_ASIDE, Counts, Surroundings, decision_of, episodes, sized


class AugmentTask(Struct, frozen=True):
    """One shard, and what was chosen for it."""

    number: int
    source: str
    out: str
    setting: Setting
    seed: int
    fingerprint: str
    """Of the source dataset."""
    surroundings: Surroundings
    chosen: dict[str, tuple[str, int]]
    """For each decision, by the id of its clean sample: the kind, and how many of its samples."""
    counts: Counts
    fine: int
    jitter: Jitter
    writer: WriterSettings | None
    crop: float
    """Probability that a sample of one screenshot is added once more with a part of it."""
    coverage: dict[str, int]
    """What planning counted of all screens; in the first shard's task, so that it is counted once."""

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"augment-errors {self.number:05d}"


def augment_shard(task: AugmentTask) -> ShardResult:
    """Write the samples of a shard: the clean ones as they are, the promoted and the added ones among them."""
    dataset, out = Dataset.open(task.source), Place(task.out)
    table, moves = _moved(task, dataset, dataset.table("samples", task.number))
    drafts, slips = _make(task, dataset, table)
    made, worded = _worded(task, dataset, drafts)
    promoted = {decision_of(sample.sample_id) for sample in made if KINDS[sample.error_kind or ""].replaces}
    clean = pc.equal(table["origin"], pa.scalar("clean"))
    replaced = pc.and_(clean, pc.is_in(table["sample_id"], pa.array(sorted(promoted), pa.string())))
    aside = pc.and_(clean, pc.is_in(table["sample_id"], pa.array(sorted(slips - promoted), pa.string())))
    kept = table.filter(pc.invert(pc.or_(replaced, aside)))
    cuts, counted = planned_cuts(task.crop, task.seed, task.number, dataset, kept, task.setting)
    refused = [_refused(task, sample_from_row(row)) for row in table.filter(aside).to_pylist()]
    metadata = {"stage": "augment-errors", "contract": to_json(dataset.manifest.contract)}
    written = ("samples", *(["rejected"] if refused else []), *(["images"] if cuts else []))
    with ShardWriter(out, task.number, written, metadata) as writer:
        for row in (*dataset.rows("rejected", task.number), *refused) if refused else ():
            writer.write("rejected", row)
        added = [*made, *write_cuts(task.number, task.setting, dataset, cuts, writer)]
        final = pa.concat_tables([kept, to_table("samples", map(sample_row, added)).cast(table.schema)])
        final = final.sort_by([(name, "ascending") for name in ("trajectory_id", "step_index", "sample_id")])
        writer.write_table("samples", final)
        shards = writer.commit()
    shards += take_over(dataset, out, task.number, (t for t in ("steps", "images", "rejected") if t not in written))
    counts = {kind: Counter(counter) for kind, counter in task.counts.items()}
    by_kind = _tally(final, "error_kind")
    for kind, n in by_kind.items():
        if kind in counts:
            counts[kind].update({"made": n, "in place": n * KINDS[kind].replaces})
    failed = sum(n for kind, n in by_kind.items() if kind in KINDS and KINDS[kind].truth == "same screen")
    return ShardResult(
        number=task.number,
        shards=shards,
        counts={"samples": Flow(table.num_rows, len(added) - len(promoted), final.num_rows, len(refused))},
        rejected={SET_ASIDE: len(refused)} if refused else {},
        splits=dict(_tally(final, "split")),
        details={
            "origin": dict(_tally(final, "origin")),
            **({"screens": task.coverage} if task.coverage else {}),
            "unchanged": {"fine": task.fine, "failed": failed + by_kind["mined_noop"]},
            **{kind: dict(sorted(counter.items())) for kind, counter in counts.items()},
            **moves,
            **worded,
            **counted,
        },
    )


def _tally(table: "pa.Table", column: str) -> Counter[str]:
    """Count the values of a text column, those that are not null."""
    return Counter(str(value) for value in table[column].to_pylist() if value is not None)


def _moved(task: AugmentTask, dataset: Dataset, table: "pa.Table") -> tuple["pa.Table", dict[str, Any]]:
    """Return the samples with the clicks moved that are to move, and what the report says of it."""
    beside = sum(off_target(target_from_json(text).actions[0]) for text in map(str, table["target"].to_pylist()))
    details: dict[str, Any] = {"points": {"off_target": beside}} if beside else {}
    if task.jitter.idle:
        return table, details
    layout, counts = layouts.get(task.setting.contract.layout), Counter({"considered": 0})
    steps = {(step.trajectory_id, step.step_index): step for step in dataset.steps(task.number)}
    samples = [
        moved(sample, step, layout, task.setting, task.jitter, counts)
        if (step := steps.get((sample.trajectory_id, sample.step_index))) is not None
        else sample
        for sample in dataset.shard_samples(task.number)
    ]
    details["jitter"] = dict(sorted(counts.items()))
    return to_table("samples", map(sample_row, samples)).cast(table.schema), details


def _worded(task: AugmentTask, dataset: Dataset, drafts: list[Draft]) -> tuple[list[Sample], dict[str, Any]]:
    """Return the samples with the thoughts that a server writes, if one does, and what the report says of it."""
    if task.writer is None:
        return [draft.sample for draft in drafts], {}
    writer = Writer(task.writer, dataset, layouts.get(task.setting.contract.layout), task.setting, task.seed)
    samples = writer.rewrite(drafts)
    return samples, {"thoughts": dict(sorted(writer.counts.items()))}


def _make(task: AugmentTask, dataset: Dataset, table: pa.Table) -> tuple[list[Draft], set[str]]:
    """Return the samples that were chosen, and the ids of the clean ones whose decisions they show to be mistakes."""
    layout = layouts.get(task.setting.contract.layout)
    columns = ["sample_id", "trajectory_id", "step_index", "goal", "lang", "split", "origin", "provenance"]
    every = table.select(columns).to_pylist()
    rows = [row for row in every if row["origin"] == "clean" and not is_cut(row["sample_id"])]
    names = {(row["trajectory_id"], row["step_index"]): row["sample_id"] for row in rows}
    by_trajectory: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["sample_id"] in task.chosen:
            by_trajectory[row["trajectory_id"]].append(row)
    made: list[Draft] = []
    slips: set[str] = set()
    for episode in episodes(dataset, task.number, task.seed, task.surroundings, frozenset(by_trajectory)):
        for row in by_trajectory[episode.name]:
            name, n = task.chosen[row["sample_id"]]
            kind, index = KINDS[name], row["step_index"]
            proposals = kind.propose(episode, index)
            assert proposals is not None, "chosen, and now nothing"
            assert not isinstance(proposals, Refusal), proposals
            made += [_compose(layout, task.setting, episode, row, name, each) for each in proposals[:n]]
            slips.update(names[episode.name, n] for n in kind.slips(episode, index) if (episode.name, n) in names)
    return made, slips


def _compose(
    layout: Layout, setting: Setting, episode: Episode, row: Row, kind: str, proposal: Proposal
) -> Draft:  # fmt: skip
    last = proposal.tail[-1].turn
    elements = episode.steps[min(last.step_index, len(episode.steps) - 1)].observation.elements
    recorded = last.actions == episode.turn(last.step_index).turn.actions
    bbox = proposal.bbox or (target_box(elements, last.actions[0]) if recorded else None)
    part = f"-{proposal.part}" if proposal.part else ""
    sample = compose(
        layout,
        setting,
        Subject(row["trajectory_id"], row["goal"], row["lang"], row["split"]),
        sized((*episode.shown(proposal.past), *proposal.tail), episode, setting.contract),
        sample_id=f"{row['sample_id']}+{kind}{part}",
        bbox=bbox,
        provenance={
            **as_recorded(provenance_from_json(row["provenance"])),
            "error": KINDS[kind].meaning,
            "turns": str(len(proposal.tail)),
        },
        origin="error_correction",
        error_kind=kind,
        evidence=proposal.evidence,
    )
    assert isinstance(sample, Sample), "chosen, and now too long"
    own = [item.turn.thought == episode.turn(item.turn.step_index).turn.thought for item in proposal.tail]
    return Draft.of(sample, KINDS[kind].meaning, [n for n, kept in enumerate(own, start=-len(own)) if not kept])


def _refused(task: AugmentTask, sample: Sample) -> Row:
    where = f"samples/{task.number:05d}.parquet {sample.sample_id}"
    message = "found a decision that the recording takes back, expected one to learn from"
    return rejected_row("augment-errors", task.fingerprint, "sample", SET_ASIDE, where, message, sample=sample)
