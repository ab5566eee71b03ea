"""What a run came to: the facts of `run.json`, and the report made of them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from .config import TrainConfig
from .encoding.source import Source
from .evaluation.evalconfig import EvalConfig, best
from .metrics import METRICS
from .models import tiny
from .plan import BLIND, Plan
from .report import Losses, TrainReport
from .watching.log import Log


def facts(dataset: Source, config: TrainConfig, plan: Plan, measured: Losses) -> dict[str, Any]:
    """Return what `run.json` and the model card say of a run, but for what is known only after saving."""
    return {
        "dataset": dataset.manifest.fingerprint,
        "contract": msgspec.to_builtins(dataset.manifest.contract),
        "prompts": msgspec.to_builtins(dataset.manifest.prompts),
        "model": tiny.name(dataset.manifest.contract) if plan.base.demo else plan.base.name,
        "base": plan.base.name,
        "demo": plan.base.demo,
        "precision": plan.precision,
        "config": config.to_dict(),
        "saw_images": config.sft.images == "real",
        "samples": {"train": len(plan.train), "val": len(plan.val)},
        "refused": {split: dict(reasons) for split, reasons in plan.refused.items() if reasons},
        "targets": {
            "pattern": plan.targets.pattern,
            "matches": {entry: list(names) for entry, names in plan.targets.matches.items()},
            "saved": list(plan.targets.saved),
        },
        "losses": asdict(measured),
    }


def losses(log: Log) -> Losses:
    """Return the losses that matter of a whole run's log."""
    evals, trains = log.series("eval_loss"), log.series("loss")
    best_step, best = min(evals[1:], key=lambda point: point[1])
    return Losses(evals[0][1], best, evals[-1][1], best_step, *_ends(trains))


def metrics(log: Log, config: EvalConfig, plan: Plan) -> dict[str, Any]:
    """Return what the model answered at the start, where its weights are kept, and at the end, if it was asked."""
    evals = [line for line in log.lines if "eval_loss" in line]
    kept = best(log.lines, config)
    found: dict[str, Any] = {"metric": config.metric, "kept_step": kept["step"], "kept_value": kept[config.key]}
    if not config.samples:
        return found
    lines = {"start": evals[0], "kept": kept, "final": evals[-1]}
    named = {
        name: {key: line[f"eval_{key}"] for key in METRICS if f"eval_{key}" in line} for name, line in lines.items()
    }
    return {**found, "samples": min(config.samples, len(plan.val)), "preset": config.preset, **named}


def _ends(lines: list[tuple[int, float]]) -> tuple[float | None, float | None]:
    """Return the train loss of the first line of the log, and of as many steps at the end."""
    if not lines:
        return None, None
    window = lines[0][0]
    steps, total = 0, 0.0
    for (before, _), (step, loss) in zip(reversed([(0, 0.0), *lines[:-1]]), reversed(lines), strict=True):
        taken = min(step - before, window - steps)
        steps, total = steps + taken, total + taken * loss
        if steps == window:
            break
    return lines[0][1], total / steps


def report(result: dict[str, Any], out: Path, *, reused: bool, seconds: float) -> TrainReport:
    """Return the report of a run from its `run.json`."""
    measured = Losses(**result["losses"])
    warnings = list(result["warnings"])
    if not result.get("saw_images", True):
        warnings.append(BLIND)
    if measured.eval_best >= measured.eval_start:
        warnings.append("eval loss never fell below its start: this adapter is no better than the base model")
    if result["demo"]:
        warnings.append("a demonstration model with random weights; name a real one with --model")
    return TrainReport(
        out=str(out),
        matched={entry: len(names) for entry, names in result["targets"]["matches"].items()},
        losses=measured,
        seconds=round(seconds, 1),
        reused=reused,
        warnings=tuple(warnings),
        **{key: result[key] for key in PASSED_ON},
    )


PASSED_ON = ("model", "demo", "seed", "samples", "refused", "trainable", "total", "steps", "verified", "metrics")
"""What the report takes from `run.json` as it is."""
