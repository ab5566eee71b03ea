"""The model: the built-in Qwen2.5-VL with random weights, once trained on the clean recordings for all arms alike.

Of the built-in ones it is the one whose family takes small pictures: 28 tokens where Qwen3-VL takes 64 at least.
"""

from pathlib import Path
from typing import Any

from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Contract
from train.encoding import processor as processors
from train.models import tiny

LOUD = 2.5
"""Weight of the last norm. At the usual 1 no token could reach a probability near 1, so small are the rows of the head,
and the words that are the same in every answer would never stop being learned."""


def build(dataset: Path, folder: Path) -> None:
    """Write the model with a tokenizer learned from the dataset's texts."""
    import torch

    source = Dataset.open(dataset)
    tiny.save_model(tiny.build_processor(source), source.manifest.contract, folder)
    model = load(folder)
    torch.nn.init.constant_(model.model.language_model.norm.weight, LOUD)
    model.save_pretrained(folder)


def merge(base: Path, run: Path, dataset: Path, out: Path) -> None:
    """Write the base model with the run's adapter merged into its weights."""
    import peft

    processors.save(processor(base, Dataset.open(dataset).manifest.contract), out)
    peft.PeftModel.from_pretrained(load(base), str(run / "adapter")).merge_and_unload().save_pretrained(out)


def processor(folder: Path, contract: Contract) -> Any:
    """Return the processor in a folder."""
    from transformers import AutoConfig

    return processors.of_model(str(folder), AutoConfig.from_pretrained(folder), contract)


def load(folder: Path) -> Any:
    """Return the model in a folder."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    return Qwen2_5_VLForConditionalGeneration.from_pretrained(folder)
