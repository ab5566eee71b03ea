"""Check a dataset before a GPU hour is spent on it; keep bad samples out, with the reason.

Planning reads narrow columns of all samples and steps to find what no single shard can show (`checks.facts`). A shard
is then a pure function of its rows: every check on every sample. A finding of a check of severity `error` refuses the
sample, one of severity `warning` flags it, one of severity `info` is counted.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from . import layouts, redact
from .apart import keep_apart
from .checks import CHECKS, Context, Facts, Finding, Severity, Thresholds, gather
from .checks.rules import levels
from .dataset import Dataset
from .manifest import Flow
from .place import Place, Where
from .records import Sample
from .redact import Names
from .report import StageReport
from .shards import ShardResult, ShardWriter, take_over
from .stage import EXAMPLES, Plan, Running, execute, rehearse
from .tables import rejected_row, sample_row, to_json


@dataclass(frozen=True)
class ValidateConfig:
    """What `gdp validate` looks for; every field changes the result."""

    pixels: bool = True
    """Whether screenshots are decoded."""
    levels: dict[str, Severity] = field(default_factory=lambda: levels((), (), ()))
    """The checks that run, and how much each matters."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """Where they draw the line."""
    redact: bool = False
    """Whether personal data and keys are replaced in what is written."""


class ValidateTask(Struct, frozen=True):
    """One shard, and what the whole dataset says about its samples."""

    number: int
    source: str
    out: str | None
    pixels: bool
    levels: dict[str, Severity]
    thresholds: Thresholds
    facts: Facts
    """What the whole dataset says about this shard's samples."""
    fingerprint: str
    """Of the source dataset."""
    names: Names | None = None
    """What stands for secrets; None where they stay."""

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"validate {self.number:05d}"


def run(source: Where, out: Where | None, config: ValidateConfig, running: Running) -> StageReport:
    """Check the dataset `source`; with `out`, write what passes."""
    source = Place.of(source)
    out = None if out is None else Place.of(out)
    if out is not None:
        keep_apart(source, out)
    dataset = Dataset.open(source)
    manifest = dataset.manifest
    facts, members = gather(dataset), _members(dataset)
    names = redact.find(dataset) if config.redact else None
    tasks = [
        ValidateTask(
            number=number,
            source=str(source.absolute()),
            out=None if out is None else str(out.absolute()),
            pixels=config.pixels,
            levels=config.levels,
            thresholds=config.thresholds,
            facts=facts.of(members.get(number, frozenset())),
            fingerprint=manifest.fingerprint,
            names=names,
        )
        for number in manifest.shard_numbers()
    ]
    plan = Plan(
        stage="validate",
        seed=manifest.seed,
        config={
            "checks": config.levels,
            "thresholds": asdict(config.thresholds),
            "pixels": config.pixels,
            "redact": config.redact,
        },
        input={"kind": "dataset", "stage": manifest.stage, "fingerprint": manifest.fingerprint},
        contract=manifest.contract,
        image=manifest.image,
        slicing=manifest.slicing,
        prompts=manifest.prompts,
        base=None if names is None else _counted(names),
    )
    if out is not None:
        return execute(plan, out, tasks, validate_shard, running)
    would_be, results = rehearse(plan, tasks, validate_shard, running)
    refused = tuple(row for result in results for row in result.refused)
    return StageReport(str(source), would_be, refused, written=False)


def validate_shard(task: ValidateTask) -> ShardResult:
    """Check the samples of a shard; write those that pass, if there is an output."""
    dataset = Dataset.open(task.source)
    context = Context(
        dataset=dataset,
        layout=layouts.get(dataset.manifest.contract.layout),
        number=task.number,
        facts=task.facts,
        thresholds=task.thresholds,
        pixels=task.pixels,
    )
    kept: list[Sample] = []
    refused: list[dict[str, Any]] = []
    counts: dict[Severity, Counter[str]] = {"error": Counter(), "warning": Counter(), "info": Counter()}
    examples: dict[str, list[str]] = {}
    flagged = n_samples = 0
    for index, sample in enumerate(dataset.shard_samples(task.number)):
        n_samples += 1
        found = list(_findings(sample, context, task.levels))
        if task.names is not None:
            found = [(name, finding) for name, finding in found if name not in redact.CHECKS]
        for name, finding in found:
            counts[task.levels[name]][name] += 1
            if len(shown := examples.setdefault(name, [])) < EXAMPLES:
                example = f"{sample.sample_id} {finding.path}: {finding.message}"
                shown.append(example if task.names is None else task.names.text(example))
        wrong = [(name, finding) for name, finding in found if task.levels[name] == "error"]
        if wrong:
            where = f"samples/{task.number:05d}.parquet[{index}] {sample.sample_id}"
            refused.append(_refused(task, sample, where, wrong))
            continue
        flags = tuple(dict.fromkeys(name for name, _ in found if task.levels[name] == "warning"))
        flagged += bool(flags)
        kept.append(replace(sample, flags=flags))
    return ShardResult(
        number=task.number,
        shards=_written(task, dataset, kept, refused),
        counts={"samples": Flow(into=n_samples, out=len(kept), rejected=len(refused))},
        rejected=dict(Counter(row["code"] for row in refused)),
        splits=dict(Counter(sample.split for sample in kept)),
        details={
            "errors": dict(counts["error"]),
            "warnings": dict(counts["warning"]),
            "infos": dict(counts["info"]),
            "flagged": flagged,
            "examples": examples,
        },
        refused=() if task.out is not None else tuple({**row, "row": None} for row in refused),
    )


def _counted(names: Names) -> ShardResult:
    """Return what planning counted, in the form of a shard without rows."""
    return ShardResult(number=-1, shards=(), counts={}, rejected={}, splits={}, details={"redacted": names.counts})


def _members(dataset: Dataset) -> dict[int, frozenset[str]]:
    """Return the trajectories that each shard has samples of."""
    return {number: frozenset(map(str, table.column(0).unique().to_pylist()))
            for number, table in dataset.tables("samples", ["trajectory_id"])}  # fmt: skip


def _findings(sample: Sample, context: Context, chosen: dict[str, Severity]) -> Iterator[tuple[str, Finding]]:
    """Yield what the checks find; what is no sample is asked nothing more."""
    for name in chosen:
        found = [(name, finding) for finding in CHECKS[name].find(sample, context)]
        yield from found
        if name == "schema" and found:
            return


def _refused(task: ValidateTask, sample: Sample, where: str, wrong: list[tuple[str, Finding]]) -> dict[str, Any]:
    code, finding = wrong[0]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    place = f"{where} {finding.path}"
    return rejected_row("validate", task.fingerprint, "sample", code, place, finding.message + more, sample=sample)


def _written(
    task: ValidateTask, dataset: Dataset, kept: list[Sample], refused: list[dict[str, Any]]
) -> tuple[Any, ...]:
    if task.out is None:
        return ()
    if task.names is not None:
        return _write_redacted(task, dataset, kept, refused, task.names)
    return _write(task, dataset, kept, refused)


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


def _write_redacted(
    task: ValidateTask, dataset: Dataset, kept: list[Sample], refused: list[dict[str, Any]], names: Names
) -> tuple[Any, ...]:
    """Write the shard without secrets: its samples, its recorded steps, its refused rows; screenshots as they are."""
    out = Place(task.out or "")
    metadata = {"stage": "validate", "contract": to_json(dataset.manifest.contract)}
    with ShardWriter(out, task.number, ("steps", "samples", "rejected"), metadata) as writer:
        for row in dataset.rows("steps", task.number):
            writer.write("steps", redact.step_row(row, names))
        for sample in kept:
            writer.write("samples", sample_row(redact.sample(sample, dataset.manifest, names)))
        for row in (*dataset.rows("rejected", task.number), *refused):
            writer.write("rejected", redact.rejected_row(row, names))
        shards = writer.commit()
    return shards + take_over(dataset, out, task.number, ("images",))
