"""What memory a run will take, term by term, before a weight is read."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from train.config import TrainConfig
from train.folder import processes
from train.models import adapt
from train.models.lora import Targets
from train.models.parts import part_of
from train.models.tower import Tower

from . import simulate
from .simulate import Phases

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}

NF4 = 0.5 + 0.5 / 32 + 4 / (64 * 256)
"""Bytes of a weight in NF4 with double quantisation: half a byte, a byte of scale for 64 and 4 bytes for 64 × 256."""

STATE = {"adamw_torch": 8.0, "paged_adamw_32bit": 8.0, "adamw_8bit": 2.1, "paged_adamw_8bit": 2.1, "adafactor": 0.1}
"""Bytes that an optimizer keeps for each weight that learns."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes, by what takes them."""

    weights: int
    """The frozen model."""
    learning: int
    """Weights that learn, in fp32, gradients (twice where processes exchange them), the optimizer's state."""
    unpacked: int
    """The largest matrix, unpacked from its few bits for a moment; 0 where nothing is quantised."""
    ahead: int
    """Inputs of the step's other batches, which are taken before the first is computed."""
    phases: Phases

    @property
    def total(self) -> int:
        """The peak of a training step."""
        return self.weights + self.learning + self.unpacked + self.ahead + self.phases.peak


def skeleton(config: Any, targets: Targets, settings: TrainConfig, precision: str) -> Any:
    """Return the adapted model on the meta device, as training has it."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(
            config, dtype=DTYPES[precision], trust_remote_code=False, **_attention(settings)
        )
    model.requires_grad_(False)
    model.config.use_cache = False
    return adapt.add_lora(model, targets, settings.lora, settings.sft).train()


def _attention(settings: TrainConfig) -> dict[str, str]:
    """Return the choice that changes memory: eager attention keeps a matrix of all pairs of tokens for each head."""
    eager = settings.sft.attn_implementation == "eager"
    return {"attn_implementation": "eager"} if eager else {}


def of(model: Any, batch: dict[str, Any], settings: TrainConfig, precision: str, *, others: float = 0.0) -> Estimate:
    """Return the estimate for a skeleton and the largest batch that it will see.

    `others` is what the inputs of the step's other batches are, as a multiple of this one's.
    """
    quantised = _quantised(model) if settings.sft.use_4bit or settings.sft.use_8bit else {}
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    largest = max((p.numel() * p.element_size() for p in quantised.values()), default=0)
    phases = simulate.step(model, batch, Tower.of(model), low=None if precision == "fp32" else DTYPES[precision])
    state = STATE.get(settings.sft.optim, 8.0)
    ahead = int(others * phases.inputs)
    return Estimate(frozen_bytes(model, settings), int(learning * (8 + state + _exchanged())), largest, ahead, phases)


def _exchanged() -> float:
    """Return the bytes for each weight that learns in which DDP exchanges gradients: a copy of them in buckets."""
    return 4.0 if processes.count() > 1 and processes.sharding() == "none" else 0.0


def frozen_bytes(model: Any, settings: TrainConfig) -> int:
    """Return what the frozen weights take, packed where they are quantised; 8 bits have an fp32 scale for each row."""
    whole: int = sum(p.numel() * p.element_size() for p in model.parameters() if not p.requires_grad)
    if not (settings.sft.use_4bit or settings.sft.use_8bit):
        return whole
    matrices = _quantised(model).values()
    packed = sum(p.numel() * NF4 if settings.sft.use_4bit else p.numel() + 4 * p.shape[0] for p in matrices)
    return int(whole - sum(p.numel() * p.element_size() for p in matrices) + packed)


def _quantised(model: Any) -> dict[str, torch.Tensor]:
    """Return the matrices that bitsandbytes would pack, by name."""
    linear = {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and ".lora_" not in name}
    return {name: module.weight for name, module in linear.items() if part_of(name) == "language"}


def quantised_to_4bit(estimate: Estimate, model: Any) -> Estimate:
    """Return the estimate of the same run with the language model in 4 bits."""
    matrices = _quantised(model).values()
    saved = sum(p.numel() * (p.element_size() - NF4) for p in matrices)
    largest = max(p.numel() * p.element_size() for p in matrices)
    return replace(estimate, weights=int(estimate.weights - saved), unpacked=largest)
