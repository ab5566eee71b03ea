"""Check a dataset before a GPU hour is spent on it; keep bad samples out, with the reason.

Planning reads narrow columns of all samples and steps to find what no single shard can show (`checks.facts`). A shard
is then a pure function of its rows: every check on every sample. A finding of a check of severity `error` refuses the
sample, one of severity `warning` flags it, one of severity `info` is counted.
"""

import contextlib
import gc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from . import layouts
from .checks import CHECKS, Context, Facts, Limit, Severity, Thresholds, gather
from .checks.ask import Found, Questions
from .checks.pictures import Pictures
from .checks.rules import levels
from .exceptions import ConfigError
from .records import Sample
from .report import StageReport
from .slicing.token_count import counter, find_tokenizer, fingerprint, same_tokenizer
from .stage import EXAMPLES, Plan, Running, execute, rehearse
from .storage.apart import keep_apart
from .storage.dataset import Dataset
from .storage.manifest import Flow, Manifest, Shard
from .storage.place import Place, Where
from .storage.sample_reader import Unreadable
from .storage.shards import ShardResult
from .validation import redact
from .validation.redact import Names
from .validation.shared_pictures import Seen, look_at_shared
from .validation.write import refused_row, unreadable_row, write, write_redacted

PIXELS = frozenset({"image_file", "blank_screen"})
"""Checks that decode screenshots."""


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
    max_tokens: int | None = None
    """Tokens of a sample at most."""
    tokenizer: str | None = None
    """File, folder or hub id of the tokenizer that counts them."""


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


def run(source: Where, out: Where | None, config: ValidateConfig, running: Running) -> StageReport:
    """Check the dataset `source`; with `out`, write what passes."""
    source = Place.of(source)
    out = None if out is None else Place.of(out)
    if out is not None:
        keep_apart(source, out)
    tokenizer = _tokenizer(config)
    dataset = Dataset.open(source)
    manifest = dataset.manifest
    with _without_collector():
        facts = gather(dataset)
    names, recount = (redact.find(dataset), _recount(config, manifest)) if config.redact else (None, None)
    pictures = look_at_shared(dataset, running) if config.pixels and config.levels.keys() & PIXELS else {}
    tasks = [
        ValidateTask(
            number=number,
            source=str(source.absolute()),
            out=None if out is None else str(out.absolute()),
            pixels=config.pixels,
            levels=config.levels,
            thresholds=config.thresholds,
            facts=facts.of(number),
            pictures=pictures.get(number, ()),
            max_tokens=config.max_tokens,
            tokenizer=tokenizer,
            fingerprint=manifest.fingerprint,
            names=names,
            recount=recount,
        )
        for number in manifest.shard_numbers()
    ]
    limit = {} if tokenizer is None else {"max_tokens": config.max_tokens, "tokenizer": fingerprint(Path(tokenizer))}
    plan = Plan(
        stage="validate",
        seed=manifest.seed,
        config={
            "checks": config.levels,
            "thresholds": asdict(config.thresholds),
            "pixels": config.pixels,
            "redact": config.redact,
            **limit,
        },
        input={"kind": "dataset", "stage": manifest.stage, "fingerprint": manifest.fingerprint},
        contract=manifest.contract,
        image=manifest.image,
        slicing=manifest.slicing,
        prompts=manifest.prompts if names is None else names.prompts(manifest.prompts),
        base=_whole(facts, config, names),
    )
    if out is not None:
        return execute(plan, out, tasks, validate_shard, running)
    would_be, results = rehearse(plan, tasks, validate_shard, running)
    refused = tuple(row for result in results for row in result.refused)
    return StageReport(str(source), would_be, refused, written=False)


def validate_shard(task: ValidateTask) -> ShardResult:
    """Check the samples of a shard; write those that pass, if there is an output."""
    with _without_collector():
        return _checked(task)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
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
    n_samples, questions = 0, Questions(task.levels, context)
    for index, (sample, found) in enumerate(_asked(dataset, task.number, questions)):
        n_samples += 1
        if isinstance(sample, Unreadable):
            refused.append(unreadable_row(task.fingerprint, dataset, task.number, index))
            counts["error"]["schema"] += 1
            example = f"{refused[-1]['sample_id']}: {refused[-1]['message']}"
            examples.setdefault("schema", []).append(example if task.names is None else task.names.text(example))
            continue
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
            "examples": examples,
        },
        refused=() if task.out is not None else tuple({**row, "row": None} for row in refused),
    )


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


def _tokenizer(config: ValidateConfig) -> str | None:
    """Return the tokenizer's file; raises ConfigError unless limit and tokenizer are both there, or neither.

    With --redact it may be there alone: it counts the tokens of what is written.
    """
    alone = config.max_tokens is None and config.redact
    if (config.max_tokens is None) != (config.tokenizer is None) and not alone:
        option = "--max-tokens" if config.tokenizer is None else "--tokenizer"
        raise ConfigError(option, "found it alone, expected --max-tokens N together with --tokenizer PATH_OR_ID")
    return None if config.tokenizer is None else str(find_tokenizer(config.tokenizer))


def _recount(config: ValidateConfig, manifest: Manifest) -> str | None:
    """Return the tokenizer that counted the dataset's tokens; raises ConfigError where --tokenizer is not that one."""
    counted = manifest.slicing.tokenizer
    if counted is None and config.max_tokens is not None:
        return None  # it is there for the limit
    path = same_tokenizer(counted, config.tokenizer)
    return None if path is None else str(path)


def _whole(facts: Facts, config: ValidateConfig, names: Names | None) -> ShardResult:
    """Return what is wrong with the dataset as a whole, beside what is with its rows, and what planning counted."""
    details: dict[str, Any] = {"dataset": {}, "examples": {}}
    if names is not None:
        details["redacted"] = names.counts
    for name, severity in config.levels.items():
        if (whole := CHECKS[name].of_dataset) is not None and (messages := list(whole(facts.tally, config.thresholds))):
            details.setdefault(f"{severity}s", {})[name] = len(messages)
            details["dataset"][severity] = details["dataset"].get(severity, 0) + len(messages)
            details["examples"][name] = messages
    return ShardResult(number=-1, shards=(), counts={}, rejected={}, splits={}, details=details)
