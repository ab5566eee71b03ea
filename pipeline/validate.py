"""Check a dataset before a GPU hour is spent on it; keep bad samples out, with the reason.

Planning reads narrow columns of all samples and steps to find what no single shard can show (`checks.facts`). A shard
is then a pure function of its rows (`validation.shard`).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from .checks import CHECKS, PIXELS, Facts, Severity, Thresholds
from .checks.gather import gather
from .checks.rules import levels
from .exceptions import ConfigError
from .report import StageReport
from .slicing.token_count import find_tokenizer, fingerprint, same_tokenizer
from .stage import Plan, Running, execute, rehearse
from .storage.apart import keep_apart
from .storage.dataset import Dataset
from .storage.manifest import Manifest
from .storage.place import Place, Where
from .storage.shards import ShardResult
from .validation import redact
from .validation.redact import Names
from .validation.shard import ValidateTask, validate_shard, without_collector
from .validation.shared_pictures import look_at_shared


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


def run(source: Where, out: Where | None, config: ValidateConfig, running: Running) -> StageReport:
    """Check the dataset `source`; with `out`, write what passes."""
    source = Place.of(source)
    out = None if out is None else Place.of(out)
    if out is not None:
        keep_apart(source, out)
    tokenizer = _tokenizer(config)
    dataset = Dataset.open(source)
    manifest = dataset.manifest
    with without_collector():
        facts = gather(dataset)
    names, recount = (redact.find(dataset), _recount(config, manifest)) if config.redact else (None, None)
    decodes = config.pixels and any(CHECKS[name].needs is PIXELS for name in config.levels)
    pictures = look_at_shared(dataset, running) if decodes else {}
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
