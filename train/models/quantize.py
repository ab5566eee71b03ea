"""Which matrices are quantised: those of the language model's layers, none of the vision tower, projector and head.

A skip list of bitsandbytes is matched as prefixes of full names. A bare `visual` matches nothing, and naming any module
drops the head from its default; so full prefixes are computed from the model's own names.
"""

from collections.abc import Iterable
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from train.config import SftConfig

from .parts import part_of


def settings(linear: Iterable[str], sft: SftConfig, compute: torch.dtype) -> Any:
    """Return the quantisation of a run for a model with these linear layers; None where there is none."""
    if not (sft.use_4bit or sft.use_8bit):
        return None
    skipped = kept_whole(linear)
    if sft.use_8bit:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skipped)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
        llm_int8_skip_modules=skipped,
    )


def kept_whole(linear: Iterable[str]) -> list[str]:
    """Return the shortest prefixes that hold every linear layer outside of the language model's layers and no other.

    >>> kept_whole(["model.visual.merger.fc1", "model.language_model.layers.0.mlp.up_proj", "lm_head"])
    ['model.visual', 'lm_head']
    """
    names = list(linear)
    quantised = [name for name in names if part_of(name) == "language"]
    prefixes: dict[str, None] = {}
    for name in names:
        if part_of(name) == "language":
            continue
        parts = name.split(".")
        starts = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
        prefixes.setdefault(next(start for start in starts if not any(q.startswith(start) for q in quantised)))
    return list(prefixes)
