"""Out of memory: one line that says what to change first, for this run's own settings."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pipeline.exceptions import StageError
from train.config import TrainConfig
from train.models.lora import Targets

TOLD_BY = ("not enough memory", "out of memory", "can't allocate memory", "cannot allocate memory")
"""How torch says it where it has no class for it."""


@contextmanager
def explained(config: TrainConfig, targets: Targets, images: int) -> Iterator[None]:
    """Raise StageError where memory runs out inside; `images` is the most that a sample shows."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not is_exhaustion(error):
            raise
        first, *others = remedies(config, targets, images)
        hint = first + (f"; then {'; '.join(others[:2])}" if others else "") + "; --dry-run estimates each"
        raise StageError("training", f"out of memory ({_said(error)})", hint) from error


def is_exhaustion(error: BaseException) -> bool:
    """Return whether an error says that memory ran out."""
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or any(text in str(error).lower() for text in TOLD_BY)


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else "the system has no more"


def remedies(config: TrainConfig, targets: Targets, images: int) -> list[str]:
    """Return what would help, the cheapest first: what costs only time, then what costs quality."""
    sft, lora = config.sft, config.lora
    size = sft.per_device_train_batch_size
    found = []
    if size > 1:
        passes = sft.gradient_accumulation_steps * size
        found.append(f"per_device_train_batch_size: 1 with gradient_accumulation_steps: {passes} (it learns the same)")
    if not sft.gradient_checkpointing:
        found.append("gradient_checkpointing: true")
    if not (sft.use_4bit or sft.use_8bit or sft.precision == "fp16"):
        found.append("use_4bit: true")
    if sft.optim == "adamw_torch" and (targets.saved or lora.r >= 64):
        found.append("optim: paged_adamw_8bit")
    if images > 1:
        found.append(f"slice with fewer screenshots (--history-images; a sample shows up to {images})")
    found.append("slice with a smaller --max-dim")
    if not targets.frozen_vision:
        found.append("target_modules: llm, so that the vision tower keeps nothing")
    if targets.saved:
        found.append("leave modules_to_save out")
    return [*found, "a smaller model"]
