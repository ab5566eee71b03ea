"""Check a dataset before a GPU hour is spent on it; keep bad samples out, with the reason.

Planning reads ids, goals and splits of all samples to find what no single shard can show: leaks between train and val,
repeated ids. A shard is then a pure function of its rows: every check of `pipeline.checks` on every sample.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from . import layouts
from .apart import keep_apart
from .checks import CHECKS, Context, Finding
from .dataset import Dataset
from .leaks import across
from .manifest import Flow
from .place import Place, Where
from .records import Sample
from .report import StageReport
from .shards import ShardResult, ShardWriter, take_over
from .stage import Plan, Running, execute, rehearse
from .tables import rejected_row, sample_row, to_json


class ValidateTask(Struct, frozen=True):
    """One shard, and what the whole dataset says about its samples."""

    number: int
    source: str
    out: str | None
    pixels: bool
    leaking: dict[str, str]
    repeated: frozenset[str]
    fingerprint: str
    """Of the source dataset."""

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"validate {self.number:05d}"


def run(source: Where, out: Where | None, running: Running, *, pixels: bool = True) -> StageReport:
    """Check the dataset `source`; with `out`, write what passes."""
    source = Place.of(source)
    out = None if out is None else Place.of(out)
    if out is not None:
        keep_apart(source, out)
    dataset = Dataset.open(source)
    manifest = dataset.manifest
    leaking, repeated = across(dataset)
    tasks = [
        ValidateTask(
            number=number,
            source=str(source.absolute()),
            out=None if out is None else str(out.absolute()),
            pixels=pixels,
            leaking=leaking,
            repeated=repeated,
            fingerprint=manifest.fingerprint,
        )
        for number in manifest.shard_numbers()
    ]
    plan = Plan(
        stage="validate",
        seed=manifest.seed,
        config={"checks": list(CHECKS), "pixels": pixels},
        input={"kind": "dataset", "stage": manifest.stage, "fingerprint": manifest.fingerprint},
        contract=manifest.contract,
        image=manifest.image,
        slicing=manifest.slicing,
        prompts=manifest.prompts,
    )
    if out is not None:
        return execute(plan, out, tasks, validate_shard, running)
    would_be, results = rehearse(plan, tasks, validate_shard, running)
    return StageReport(str(source), would_be, tuple(row for result in results for row in result.refused))


def validate_shard(task: ValidateTask) -> ShardResult:
    """Check the samples of a shard; write those that pass, if there is an output."""
    dataset = Dataset.open(task.source)
    context = Context(
        dataset=dataset,
        layout=layouts.get(dataset.manifest.contract.layout),
        leaking=task.leaking,
        repeated=task.repeated,
        pixels=task.pixels,
    )
    kept: list[Sample] = []
    refused: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    n_samples = 0
    for index, sample in enumerate(dataset.shard_samples(task.number)):
        n_samples += 1
        found = list(_findings(sample, context))
        counts.update(name for name, _ in found)
        if not found:
            kept.append(sample)
            continue
        code, finding = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        where = f"samples/{task.number:05d}.parquet[{index}] {sample.sample_id} {finding.path}"
        refused.append(
            rejected_row("validate", task.fingerprint, "sample", code, where, finding.message + more, sample=sample)
        )
    return ShardResult(
        number=task.number,
        shards=() if task.out is None else _write(task, dataset, kept, refused),
        counts={"samples": Flow(into=n_samples, out=len(kept), rejected=len(refused))},
        rejected=dict(Counter(row["code"] for row in refused)),
        splits=dict(Counter(sample.split for sample in kept)),
        details={"findings": {name: counts[name] for name in CHECKS}},
        refused=() if task.out is not None else tuple({**row, "row": None} for row in refused),
    )


def _findings(sample: Sample, context: Context) -> Iterator[tuple[str, Finding]]:
    """Yield what the checks find; what is no sample is asked nothing more."""
    for name, check in CHECKS.items():
        found = [(name, finding) for finding in check(sample, context)]
        yield from found
        if name == "schema" and found:
            return


def _write(task: ValidateTask, dataset: Dataset, kept: list[Sample], refused: list[dict[str, Any]]) -> tuple[Any, ...]:
    out = Place(task.out or "")
    metadata = {"stage": "validate", "contract": to_json(dataset.manifest.contract)}
    with ShardWriter(out, task.number, ("samples", "rejected"), metadata) as writer:
        for sample in kept:
            writer.write("samples", sample_row(sample))
        for row in (*dataset.rows("rejected", task.number), *refused):
            writer.write("rejected", row)
        shards = writer.commit()
    return shards + take_over(dataset, out, task.number, ("steps", "images"))
