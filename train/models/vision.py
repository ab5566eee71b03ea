"""What a run does about its screenshots: each once a batch, decoded ahead, and what the tower says of them kept."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from train.config import SftConfig
from train.encoding.data import Collator, Examples
from train.encoding.tokens import ChatML
from train.folder import rundir
from train.folder.versions import versions
from train.plan import Plan
from train.watching.progress import Progress

from . import features
from .model import files
from .tower import Tower

GB = 1_000_000_000


def workers(sft: SftConfig) -> int:
    """Return how many processes decode screenshots."""
    if sft.dataloader_num_workers is not None:
        return sft.dataloader_num_workers
    return min(8, len(os.sched_getaffinity(0)) // 2) if torch.cuda.is_available() else 0


def prepare(
    model: Any, plan: Plan, examples: tuple[Examples, Examples], sft: SftConfig, out: Path, progress: Progress
) -> tuple[Tower | None, Collator]:
    """Return the model's frozen tower, if it is frozen, and the collator that goes with it.

    Raises ConfigError where features are to be kept that will change, or that a batch cannot do without.
    """
    tower = Tower.of(model)
    once = tower is not None and tower.by_grid and isinstance(plan.encoder.frame, ChatML)
    collator = Collator(plan.base.processor, plan.encoder.frame, once=once)
    if sft.cache_vision != "none":
        if tower is None or not once:
            raise features.unkeepable(sft.cache_vision, features.QWEN_ONLY if tower else features.LEARNS)
        _cache(tower, collator, plan, examples, sft, out, progress)
    return tower, collator


def _cache(
    tower: Tower,
    collator: Collator,
    plan: Plan,
    examples: tuple[Examples, Examples],
    sft: SftConfig,
    out: Path,
    progress: Progress,
) -> None:
    """Let the tower keep its features; say first what that will take."""
    shown = {
        ref.sha256: (ref, tokens)
        for split in examples
        for item in split.items
        if item.tokens
        for ref, tokens in zip(item.images, item.tokens.image_tokens, strict=True)
    }
    needed = sum(tokens for _, tokens in shown.values()) * features.bytes_per_token(plan.base.config, plan.precision)
    free = shutil.disk_usage(out).free if sft.cache_vision == "disk" else _free_memory() // 2
    quota = min(int(sft.cache_quota_gb * GB), free)
    where = {"memory": "in memory", "disk": "on disk"}[sft.cache_vision]
    kept = f"train: features of {len(shown)} screenshots {where}: {needed / GB:.3g} GB"
    if needed > quota:
        whose = "are free" if quota == free else "are allowed by cache_quota_gb"
        kept += f", but {quota / GB:.3g} GB {whose}: about {len(shown) * quota // needed} are kept, the others are not"
    progress.say(kept)
    at_hand = features.AtHand(shown)
    store: features.Memory | features.Disk
    if sft.cache_vision == "memory":
        store = features.Memory(at_hand, quota)
    else:
        base, found = plan.base, versions()
        name = features.identity(
            model=base.config.to_dict(),
            files=files(base.source),
            name=base.name,
            contract=plan.encoder.contract,
            precision=plan.precision,
            bits=4 if sft.use_4bit else None,
            versions=[found.get(each) for each in ("torch", "transformers")],
        )
        store = features.Disk(at_hand, quota, out / rundir.FEATURES / name, progress.say)
    for split in examples:
        split.at_hand = at_hand

    def patches(key: str) -> torch.Tensor:
        ref, tokens = shown[key]
        made: torch.Tensor = collator.patches([examples[0].picture(ref)], [tokens])["pixel_values"]
        return made

    tower.keep_in(store, patches)


def _free_memory() -> int:
    """Return the bytes of memory that can be had without swapping, as Linux says; elsewhere half of all."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
