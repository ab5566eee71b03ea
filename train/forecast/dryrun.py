"""`gdp train --dry-run`: everything that a run would decide, check and need; no weight is read, nothing written."""

import math
import tempfile
from collections import Counter
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from train import describe, presets
from train.config import TrainConfig
from train.encoding.data import Collator, Examples, Item
from train.encoding.frame import image_tokens
from train.encoding.source import Source
from train.evaluation.examination import Examination
from train.folder import processes
from train.models import hardware
from train.models.tower import Tower
from train.plan import Plan, make_plan
from train.run import RunOptions
from train.steps import Steps
from train.watching.progress import Progress

from . import ahead, estimate
from .estimate import Estimate
from .report import GB, Batch, Bin, DryRun, Size

SIZES = (8, 16, 24, 48, 80)
"""Memory of common GPUs in GB."""

SPARE = 1.0
"""GB that CUDA itself and gaps between tensors take on a GPU."""

BINS = 8

PARTS = "the model is cut into parts; memory is told as if a process held all of it, so it takes less"


def dry_run(dataset: Source, config: TrainConfig, options: RunOptions) -> DryRun:
    """Return what a run would be; raises GdpError subclasses for all that would stop it before it trains.

    Of several processes the first returns; the others leave with SystemExit once they have their device.
    """
    if not processes.first():
        hardware.device(config.sft.device)
        raise SystemExit(0)
    config, choice = presets.apply(config.for_model(options.model), dataset.manifest.splits["train"])
    machine = hardware.of(config.sft)
    with tempfile.TemporaryDirectory() as folder:  # the built-in model is a folder like any other
        silent = Progress(quiet=True, bar=False)
        plan = make_plan(dataset, Path(folder), config, options, machine.precision, silent)
        Examination.of(dataset, plan, config.eval, Path(folder))  # raises for a metric that none can be asked
    examples = Examples(dataset, plan.encoder, plan.train)
    made = estimate.skeleton(plan.base.config, plan.targets, config, machine.precision)
    why = ""
    try:
        memory = _memory(plan, config, machine, examples, options.seed)
    except RuntimeError as error:  # a family whose code asks for numbers that are not there
        memory, why = {}, str(error).strip().splitlines()[0][:120]
    available = torch.cuda.get_device_properties(0).total_memory / GB if machine.device == "cuda" else None
    notes = [
        *describe.dataset(dataset.manifest),
        *machine.reasons,
        *(choice.lines() if choice else ()),
        *describe.chosen(plan.targets),
        *([PARTS] if processes.sharding() != "none" else ()),
    ]
    return DryRun(
        model="built-in demonstration model" if plan.base.demo else plan.base.name,
        samples={"train": len(plan.train), "val": len(plan.val)},
        refused={split: dict(reasons) for split, reasons in plan.refused.items() if reasons},
        notes=tuple(notes),
        matched={entry: len(names) for entry, names in plan.targets.matches.items()},
        trainable=sum(p.numel() for p in made.parameters() if p.requires_grad),
        total=sum(p.numel() for p in made.parameters()),
        steps=Steps.of(len(plan.train), config, options.max_steps, processes=processes.count()),
        batch=Batch(config.sft.per_device_train_batch_size, config.sft.gradient_accumulation_steps, processes.count()),
        lengths=_lengths(plan.train),
        sizes=_sizes(plan),
        memory=memory,
        available=available,
        advice=tuple(advice(memory, available))
        if memory
        else (f"no estimate: the model's code needs numbers ({why})",),
        preset=asdict(choice) if choice else None,
    )


def _lengths(items: list[Item]) -> tuple[Bin, ...]:
    packed = [item.tokens for item in items if item.tokens]
    low, high = min(each.length for each in packed), max(each.length for each in packed)
    width = max(1, math.ceil((high - low + 1) / BINS))
    bins = []
    for start in range(low, high + 1, width):
        mine = [each for each in packed if start <= each.length < start + width]
        image = [sum(each.image_tokens) for each in mine]
        text = [each.length - n for each, n in zip(mine, image, strict=True)]
        bins.append(Bin(start + width - 1, len(mine), fmean(text or [0]), fmean(image or [0])))
    return tuple(bins)


def _sizes(plan: Plan) -> tuple[Size, ...]:
    refs = {ref.sha256: ref for item in (*plan.train, *plan.val) for ref in item.images}
    counted = Counter((ref.width, ref.height) for ref in refs.values())
    found = []
    for (width, height), count in sorted(counted.items()):
        one = next(ref for ref in refs.values() if (ref.width, ref.height) == (width, height))
        encoder = plan.encoder
        tokens = image_tokens(encoder.frame, encoder.processor, [one], encoder.contract)[0]
        found.append(Size(width, height, tokens, count))
    return tuple(found)


def _memory(
    plan: Plan, config: TrainConfig, machine: hardware.Hardware, examples: Examples, seed: int
) -> dict[str, Estimate]:
    """Return the estimates, by way of running it."""
    here, on_gpu = (ahead.share(examples, _longest(examples, config), config, seed=seed, cpu=cpu)
                    for cpu in (machine.device == "cpu", False))  # fmt: skip
    precision = machine.precision
    other = replace(config, sft=replace(config.sft, gradient_checkpointing=not config.sft.gradient_checkpointing))
    word = "no" if config.sft.gradient_checkpointing else "with"
    half = replace(config, sft=replace(config.sft, use_4bit=False, use_8bit=False))
    whole, made = _estimate(plan, half, "bf16", examples, on_gpu)
    return {
        "as configured": _estimate(plan, config, precision, examples, here)[0],
        f"{word} checkpointing": _estimate(plan, other, precision, examples, here)[0],
        "on a GPU, bf16": whole,
        "on a GPU, 4 bits": estimate.quantised_to_4bit(whole, made),
    }


def _estimate(
    plan: Plan, config: TrainConfig, precision: str, examples: Examples, others: float
) -> tuple[Estimate, Any]:
    made = estimate.skeleton(plan.base.config, plan.targets, config, precision)
    return estimate.of(made, largest(plan, config, examples, made), config, precision, others=others), made


def largest(plan: Plan, config: TrainConfig, examples: Examples, made: Any) -> dict[str, Any]:
    """Return the batch of the longest samples, as training would put it together."""
    tower = Tower.of(made)
    once = tower is not None and tower.by_grid
    collate = Collator(plan.base.processor, plan.encoder.frame, once=once)
    return collate(examples.__getitems__(_longest(examples, config)))


def _longest(examples: Examples, config: TrainConfig) -> list[int]:
    lengths = examples.lengths
    return sorted(range(len(lengths)), key=lambda index: -lengths[index])[: config.sft.per_device_train_batch_size]


def advice(memory: dict[str, Estimate], available: float | None) -> list[str]:
    """Return which GPUs would do, and whether 4 bits are advisable."""
    whole, packed = (memory[f"on a GPU, {way}"].total / GB + SPARE for way in ("bf16", "4 bits"))
    if available is not None:
        return [f"this GPU has {available:.0f} GB: {_verdict(available, whole, packed)}"]
    spare = f"with {SPARE:.0f} GB for CUDA itself"
    groups = groupby(SIZES, lambda size: _verdict(size, whole, packed))
    fits = [f"{', '.join(map(str, sizes))} GB: {verdict}" for verdict, sizes in groups]
    return [*fits, f"bf16 needs {whole:.1f} GB, 4 bits {packed:.1f} GB, {spare}"]


def _verdict(size: float, whole: float, packed: float) -> str:
    if whole <= size:
        return "bf16 fits; 4 bits would only cost time"
    if packed <= size:
        return "use_4bit is advisable; bf16 does not fit"
    return "too little, even in 4 bits"
