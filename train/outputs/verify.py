"""Is the file on disk what was trained? Logits of one val sample, four ways, before training is called a success."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.exceptions import StageError
from train.folder import processes
from train.models.loss import model_inputs

TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2, "fp16": 1e-2}
"""Largest difference of two logits of the same weights, as a share of the largest logit; on a CPU it is 0."""

FLAT = 1e-3
"""Spread of one position's logits below which they say nothing; even of random weights it is above 1."""


@dataclass(frozen=True, slots=True)
class Verified:
    """Largest absolute differences between logits; the first is about 0, the others are not."""

    reloaded_from_trained: float
    adapter_from_base: float
    inverted_pixels_from_true: float | None
    """None for a sample that shows no screenshot."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Logits of one batch by the model in memory [B, 64 at most, vocabulary]."""

    trained: torch.Tensor
    base: torch.Tensor
    inverted: torch.Tensor | None
    """Of the trained model with every pixel inverted; None where the batch shows none."""


def verify(
    trained: Any, batch: dict[str, Any], adapter: Path, load_base: Callable[[], Any], precision: str
) -> Verified:
    """Compare the model in memory with the base and the saved adapter loaded anew; see `compare` for what it raises.

    The trained model's weights are gone afterwards, so that a large one need not fit twice.
    """
    seen = look(trained, batch)
    release(trained)
    return compare(seen, batch, adapter, load_base, precision)


def look(trained: Any, batch: dict[str, Any]) -> Seen:
    """Return what the model in memory says; where it lies in parts on several processes, all of them must ask."""
    trained.eval()
    mine = logits(trained, batch)
    with trained.disable_adapter():
        plain = logits(trained, batch)
    inverted = logits(trained, {**batch, "pixel_values": -batch["pixel_values"]}) if "pixel_values" in batch else None
    return Seen(mine, plain, inverted)


def release(trained: Any) -> None:
    """Give the memory of a model back that is needed no more."""
    quantised = any(getattr(trained, f"is_loaded_in_{bits}bit", False) for bits in (4, 8))
    if not quantised and processes.sharding() == "none":
        trained.to("meta")
    if processes.sharding() == "deepspeed":
        from transformers.integrations import unset_hf_deepspeed_config

        unset_hf_deepspeed_config()  # what is loaded from here on is loaded whole
    gc.collect()
    torch.cuda.empty_cache()


def compare(seen: Seen, batch: dict[str, Any], adapter: Path, load_base: Callable[[], Any], precision: str) -> Verified:
    """Compare what was seen with what the saved adapter says on a base loaded anew.

    Raises StageError if the trained model has collapsed, if the reloaded one differs from it, if the adapter changes
    nothing, or if the screenshots change nothing.
    """
    import peft

    _check_alive(seen.trained, str(adapter))
    reloaded = peft.PeftModel.from_pretrained(load_base(), str(adapter)).eval()
    again = logits(reloaded, batch)
    sees = None if seen.inverted is None else _far(seen.trained, seen.inverted)
    found = Verified(_far(again, seen.trained), _far(seen.trained, seen.base), sees)
    _judge(found, TOLERANCE[precision] * float(seen.trained.abs().max()), str(adapter))
    return found


def _check_alive(found: torch.Tensor, where: str) -> None:
    if float((found.amax(-1) - found.amin(-1)).min()) < FLAT:
        message = "the model has collapsed: it gives every token the same probability"
        raise StageError(where, message, "lower learning_rate")


def _judge(found: Verified, tolerance: float, where: str) -> None:
    if not found.reloaded_from_trained <= tolerance:
        message = f"logits of the reloaded adapter differ by {found.reloaded_from_trained:.3g}"
        raise StageError(where, f"{message} from the trained model's, expected at most {tolerance:.3g}")
    if not found.adapter_from_base > 0:
        hint = "raise num_train_epochs or learning_rate"
        raise StageError(where, "the adapter changes no logit of the base model, expected a difference", hint)
    if found.inverted_pixels_from_true is not None and not found.inverted_pixels_from_true > 0:
        raise StageError(where, "other pixels change no logit, expected the model to see the screenshots")


def logits(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    """Return the logits [B, 64 at most, vocabulary] at the end of each sample of the batch, on the CPU."""
    device = next(model.parameters()).device
    inputs = {key: value.to(device) for key, value in model_inputs(batch).items()}
    with torch.no_grad():
        kept = min(64, inputs["input_ids"].shape[1])
        result: torch.Tensor = model(**inputs, logits_to_keep=kept).logits.float().cpu()
    return result


def _far(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())
