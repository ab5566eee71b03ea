"""Check the samples of one shard: every check on every sample, and what passes is written.

A finding of a check of severity `error` refuses the sample, one of severity `warning` flags it, one of severity `info`
is counted.
"""

import contextlib
import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from pipeline import layouts
from pipeline.checks import Context, Facts, Limit, Severity, Thresholds
from pipeline.checks.ask import Found, Questions
from pipeline.checks.pictures import Pictures, Seen
from pipeline.records import Sample
from pipeline.slicing.token_count import counter
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Flow, Shard
from pipeline.storage.place import Place
from pipeline.storage.sample_reader import Unreadable
from pipeline.storage.shards import EXAMPLES, ShardResult

from . import redact
from .redact import Names
from .write import refused_row, unreadable_row, write, write_redacted


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
    pictures: Seen
    """What is known of screenshots that other shards show too."""
    max_tokens: int | None
    tokenizer: str | None
    """The file."""
    fingerprint: str
    """Of the source dataset."""
    names: Names | None = None
    """What stands for secrets; None where they stay."""
    recount: str | None = None
    """File of the tokenizer that counts the tokens of texts without secrets; None where they are estimated."""

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"validate {self.number:05d}"


def validate_shard(task: ValidateTask) -> ShardResult:
    """Check the samples of a shard; write those that pass, if there is an output."""
    with without_collector():
        return _checked(task)


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Keep the garbage collector from looking through records, which form no cycles, again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _checked(task: ValidateTask) -> ShardResult:
    dataset = Dataset.open(task.source)
    context = _context(task, dataset)
    flags: dict[int, tuple[str, ...]] = {}
    refused: list[dict[str, Any]] = []
    counts: dict[Severity, Counter[str]] = {"error": Counter(), "warning": Counter(), "info": Counter()}
    examples: dict[str, list[str]] = {}
    splits: Counter[str] = Counter()
    tokens: dict[str, Counter[str]] = {"kept": Counter(), "refused": Counter()}
    n_samples, questions = 0, Questions(task.levels, context)
    for index, (sample, found) in enumerate(_asked(dataset, task.number, questions)):
        n_samples += 1
        if isinstance(sample, Unreadable):
            row, broken = unreadable_row(task.fingerprint, dataset, task.number, index)
            refused.append(row)
            counts["error"]["schema"] += len(broken)
            _show(examples, task, row["sample_id"], [("schema", finding) for finding in broken])
            continue
        if task.names is not None:
            found = [(name, finding) for name, finding in found if name not in redact.CHECKS]
        for name, _ in found:
            counts[task.levels[name]][name] += 1
        _show(examples, task, sample.sample_id, found)
        wrong = [(name, finding) for name, finding in found if task.levels[name] == "error"]
        if context.limit is not None and (n_tokens := context.limit.counted.pop(id(sample), None)) is not None:
            tokens["refused" if wrong else "kept"][str(n_tokens)] += 1
        if wrong:
            where = f"samples/{task.number:05d}.parquet[{index}] {sample.sample_id}"
            refused.append(refused_row(task.fingerprint, sample, where, wrong))
            continue
        flags[index] = tuple(dict.fromkeys(name for name, _ in found if task.levels[name] == "warning"))
        splits[sample.split] += 1
    return ShardResult(
        number=task.number,
        shards=_written(task, dataset, flags, refused),
        counts={"samples": Flow(into=n_samples, out=len(flags), rejected=len(refused))},
        rejected=dict(Counter(row["code"] for row in refused)),
        splits=dict(splits),
        details={
            "errors": dict(counts["error"]),
            "warnings": dict(counts["warning"]),
            "infos": dict(counts["info"]),
            "flagged": sum(map(bool, flags.values())),
            "flags": dict(Counter(name for names in flags.values() for name in names)),
            "examples": examples,
            **(
                {"tokens": {name: dict(each) for name, each in tokens.items()}} if _counts_what_is_written(task) else {}
            ),
        },
        refused=() if task.out is not None else tuple({**row, "row": None} for row in refused),
    )


def _counts_what_is_written(task: ValidateTask) -> bool:
    """Tell whether `--tokenizer` counts samples as they are written; the texts without secrets have other tokens."""
    return task.max_tokens is not None and "too_long" in task.levels and task.names is None


def _show(examples: dict[str, list[str]], task: ValidateTask, sample_id: str, found: list[Found]) -> None:
    """Add what was found to the examples of its checks, as long as there are few."""
    for name, finding in found:
        if len(shown := examples.setdefault(name, [])) < EXAMPLES:
            example = f"{sample_id} {finding.path}: {finding.message}"
            shown.append(example if task.names is None else task.names.text(example))


def _asked(dataset: Dataset, number: int, questions: Questions) -> Iterator[tuple[Sample | Unreadable, list[Found]]]:
    """Yield each row of a shard of samples with what the checks find in it."""
    for rows in dataset.sample_batches(number):
        found = iter(questions.of([row for row in rows if isinstance(row, Sample)]))
        for row in rows:
            yield row, next(found) if isinstance(row, Sample) else []


def _written(
    task: ValidateTask, dataset: Dataset, flags: dict[int, tuple[str, ...]], refused: list[dict[str, Any]]
) -> tuple[Shard, ...]:
    if task.out is None:
        return ()
    out = Place(task.out)
    if task.names is not None:
        count = None if task.recount is None else counter(task.recount, dataset.manifest.contract.factor)
        return write_redacted(dataset, out, task.number, flags, refused, task.names, count)
    return write(dataset, out, task.number, flags, refused)


def _context(task: ValidateTask, dataset: Dataset) -> Context:
    contract = dataset.manifest.contract
    limit = None
    if task.max_tokens is not None:
        limit = Limit(task.max_tokens, counter(task.tokenizer, contract.factor))
    return Context(
        dataset=dataset,
        layout=layouts.get(contract.layout),
        number=task.number,
        facts=task.facts,
        thresholds=task.thresholds,
        pixels=task.pixels,
        limit=limit,
        pictures=Pictures(dataset, task.pictures),
    )
