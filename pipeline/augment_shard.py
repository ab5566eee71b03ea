"""Make one augmented shard: what a worker of `gdp augment-errors` does."""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import groupby, zip_longest
from typing import Any

from msgspec import Struct

from . import layouts, seeds
from .compose import Setting, Subject, compose, missing_screenshots
from .dataset import Dataset
from .errors import KINDS, Episode, Proposal, Refusal
from .jitter import Jitter, as_recorded, moved, off_target
from .layouts import Layout, visible_turns
from .manifest import Flow
from .place import Place
from .records import Sample
from .screen import target_box
from .shards import ShardResult, ShardWriter, take_over
from .tables import sample_row, to_json


class AugmentTask(Struct, frozen=True):
    """One shard of the source dataset."""

    number: int
    source: str
    out: str
    setting: Setting
    rate: float
    kinds: tuple[str, ...]
    seed: int
    back_proved: dict[str, tuple[int, ...]]
    jitter: Jitter = Jitter()

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"augment-errors {self.number:05d}"


class _Candidate(Struct, frozen=True):
    kind: str
    sample: Sample


def augment_shard(task: AugmentTask) -> ShardResult:
    """Write the samples of a shard, the promoted and the added ones among them."""
    dataset, out = Dataset.open(task.source), Place(task.out)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in task.kinds}
    samples, moves = _moved(task, dataset)
    by_place = {(sample.trajectory_id, sample.step_index): sample for sample in samples if sample.origin == "clean"}
    there = {_decision(sample) for sample in samples if sample.origin == "error_correction"}
    candidates = [c for c in _candidates(task, dataset, by_place, counts) if _decision(c.sample) not in there]
    promoted = {(c.sample.trajectory_id, c.sample.step_index): c.sample for c in candidates if KINDS[c.kind].replaces}
    addable = [c for c in candidates if not KINDS[c.kind].replaces]
    added = _choose(task, addable, len(samples), len(promoted) + len(there))
    final = [promoted.get((s.trajectory_id, s.step_index), s) if s.origin == "clean" else s for s in samples]
    final += [candidate.sample for candidate in added]
    final.sort(key=lambda sample: (sample.trajectory_id, sample.step_index, sample.sample_id))
    for sample in final:
        if sample.error_kind in counts:
            counts[sample.error_kind]["made"] += 1
            counts[sample.error_kind]["in place"] += KINDS[sample.error_kind].replaces
    metadata = {"stage": "augment-errors", "contract": to_json(dataset.manifest.contract)}
    with ShardWriter(out, task.number, ("samples",), metadata) as writer:
        for sample in final:
            writer.write("samples", sample_row(sample))
        shards = writer.commit()
    shards += take_over(dataset, out, task.number, ("steps", "images", "rejected"))
    return ShardResult(
        number=task.number,
        shards=shards,
        counts={"samples": Flow(into=len(samples), added=len(added), out=len(final))},
        rejected={},
        splits=dict(Counter(sample.split for sample in final)),
        details={
            "origin": dict(Counter(sample.origin for sample in final)),
            **{kind: dict(sorted(counter.items())) for kind, counter in counts.items()},
            **moves,
        },
    )


def _moved(task: AugmentTask, dataset: Dataset) -> tuple[list[Sample], dict[str, Any]]:
    """Return the samples with the clicks moved that are to move, and what the report says of it."""
    samples = list(dataset.shard_samples(task.number))
    beside = sum(map(off_target, samples))
    details: dict[str, Any] = {"points": {"off_target": beside}} if beside else {}
    if task.jitter.idle:
        return samples, details
    layout, counts = layouts.get(task.setting.layout), Counter({"considered": 0})
    steps = {(step.trajectory_id, step.step_index): step for step in dataset.steps(task.number)}
    samples = [
        moved(sample, step, layout, task.setting, task.jitter, counts)
        if (step := steps.get((sample.trajectory_id, sample.step_index))) is not None
        else sample
        for sample in samples
    ]
    return samples, {**details, "jitter": dict(sorted(counts.items()))}


def _candidates(
    task: AugmentTask,
    dataset: Dataset,
    by_place: dict[tuple[str, int], Sample],
    counts: dict[str, Counter[str]],
) -> Iterator[_Candidate]:
    """Yield every error sample that is truthful and expressible, counting why the others are not."""
    layout = layouts.get(task.setting.layout)
    rows = (row for row in dataset.steps(task.number) if row.facts is not None)
    for trajectory_id, group in groupby(rows, key=lambda row: row.trajectory_id):
        proved = frozenset(task.back_proved.get(trajectory_id, ()))
        episode = Episode(tuple(group), task.seed, proved)
        for index in range(len(episode.steps)):
            clean = by_place.get((trajectory_id, index))
            if clean is None:
                continue
            for kind in task.kinds:
                proposal = KINDS[kind].propose(episode, index)
                if proposal is None:
                    continue
                guard = proposal.guard if isinstance(proposal, Refusal) else _unsayable(layout, task, proposal)
                counts[kind]["considered"] += 1
                if guard is not None or isinstance(proposal, Refusal):
                    counts[kind][f"refused: {guard}"] += 1
                    continue
                counts[kind]["truthful"] += 1
                yield _Candidate(kind, _compose(layout, task, episode, index, kind, proposal, clean))


def _unsayable(layout: Layout, task: AugmentTask, proposal: Proposal) -> str | None:
    """Return why the proposal cannot become a sample of this layout, or None."""
    turns = [item.turn for item in proposal.shown]
    if any(layout.refuse(turn) is not None for turn in turns):
        return "inexpressible"
    visible = set(visible_turns(layout, turns, task.setting.history_images))
    if not set(range(len(turns) - proposal.evidence, len(turns))) <= visible:
        return "evidence_outside_window"
    if missing_screenshots(layout, task.setting, proposal.shown):
        return "screenshot_missing"
    return None


def _compose(
    layout: Layout, task: AugmentTask, episode: Episode, index: int, kind: str, proposal: Proposal, clean: Sample
) -> Sample:
    last = proposal.shown[-1].turn
    elements = episode.steps[last.step_index].observation.elements
    return compose(
        layout,
        task.setting,
        Subject(clean.trajectory_id, clean.goal, clean.lang, clean.split),
        proposal.shown,
        sample_id=f"{clean.trajectory_id}/{index:04d}+{kind}",
        bbox=proposal.bbox or target_box(elements, last.actions[0]),
        provenance={**as_recorded(clean.provenance), "error": KINDS[kind].meaning},
        origin="error_correction",
        error_kind=kind,
    )


def _choose(task: AugmentTask, candidates: list[_Candidate], n_samples: int, n_errors: int) -> list[_Candidate]:
    """Return so many candidates that error samples make up the wanted share, kinds in turn, one for each decision."""
    exact = task.rate * (n_samples - n_errors) / (1 - task.rate) - n_errors
    # Rounded by chance, so that many small shards come to the same share as one large.
    wanted = math.floor(exact) + (seeds.uniform(task.seed, "augment-errors", "round", task.number) < exact % 1)
    by_kind = [
        sorted(
            (c for c in candidates if c.kind == kind),
            key=lambda c: seeds.digest(task.seed, "augment-errors", c.sample.sample_id),
        )
        for kind in task.kinds
    ]
    chosen: dict[str, _Candidate] = {}
    for round_ in zip_longest(*by_kind):
        for candidate in round_:
            if candidate is not None and len(chosen) < wanted:
                chosen.setdefault(_decision(candidate.sample), candidate)
    return list(chosen.values())


def _decision(sample: Sample) -> str:
    """Return the id of the clean sample that an error sample was made from: one error a decision."""
    return sample.sample_id.rsplit("+", 1)[0]
