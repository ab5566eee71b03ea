"""The built-in demonstration models: of about a million random weights, made in code, the same every time.

Each has every part of the real architecture (vision tower, deepstack or windows, multimodal rotary positions, ChatML),
so what is tested with it is what runs on the real one. What it learns is
this dataset's demonstration, nothing of use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.exceptions import ContractError
from pipeline.storage.manifest import Contract
from train.encoding import processor as processors
from train.encoding.source import Source
from train.encoding.tokenizer import VOCABULARY, learn

MERGE = 2
SEED = 20250101
"""Of the random weights: they are one fixed model, whatever the run's seed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A built-in model: what it is called, and what makes it."""

    title: str
    model_type: str
    make: Callable[[Any, int], Any]
    """From the tokenizer and the patch size, the model with random weights."""


LEAST, MOST = 3136, 16384
"""Pixels of a picture at least, and its tokens at most, as the families' published processors have them."""


def kind(contract: Contract) -> Kind:
    """Return the built-in model of the dataset's family; raises ContractError where there is none."""
    found = KINDS.get(contract.family)
    if found is None:
        message = f"found a dataset for {contract.family} ({contract.layout}), expected one for {' or '.join(KINDS)}"
        hint = "name a model of that family with --model, or slice with --layout mai-ui to try the whole chain"
        raise ContractError("built-in model", message, hint)
    return found


def name(contract: Contract) -> str:
    """Return how reports call the built-in model of the dataset's family."""
    return f"built-in tiny {kind(contract).title} (random weights)"


def build_processor(dataset: Source) -> Any:
    """Return the processor: a tokenizer learned from the train split, patches that fit the dataset's factor."""
    contract = dataset.manifest.contract
    made = processors.PROCESSORS[kind(contract).model_type]
    if contract.factor % MERGE:
        message = f"pictures are multiples of {contract.factor} pixels, expected an even number"
        raise ContractError(str(dataset.path), message, "slice with the layout of a Qwen-VL family")
    tokenizer = learn(sample.messages for sample in dataset.samples("train"))
    pictures = processors.image_processor(contract.factor // MERGE, MERGE, contract)
    return made(image_processor=pictures, tokenizer=tokenizer, chat_template=tokenizer.chat_template)


def save_model(processor: Any, contract: Contract, folder: Path) -> None:
    """Write the model and its processor to the folder as a model folder like any other (3.9 MB)."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = kind(contract).make(processor.tokenizer, contract.factor // MERGE)
        # Patches have to stand out against each other, or every place of a screen looks alike.
        torch.nn.init.normal_(model.model.visual.patch_embed.proj.weight, std=0.03)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    own = processor.image_processor.size
    processor.image_processor.size = {"shortest_edge": LEAST, "longest_edge": MOST * contract.factor**2}
    processors.save(processor, folder)  # with limits as wide as the real family's, so that it reads other datasets, too
    processor.image_processor.size = own


def _qwen3_vl(tokenizer: Any, patch_size: int) -> Any:
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    text = {**_text(tokenizer), "rope_parameters": {**ROPE, "mrope_section": [6, 5, 5], "mrope_interleaved": True}}
    more = {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    config = Qwen3VLConfig(text_config=text, vision_config={**_vision(patch_size), **more}, **_ids(tokenizer))
    model = Qwen3VLForConditionalGeneration(config)
    torch.nn.init.normal_(model.model.visual.pos_embed.weight, std=0.3)  # as the patches, see `save_model`
    return model


def _qwen2_5_vl(tokenizer: Any, patch_size: int) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = {**_text(tokenizer), "rope_parameters": {**ROPE, "mrope_section": [4, 6, 6]}}
    more = {"window_size": 4 * MERGE * patch_size, "fullatt_block_indexes": [1]}
    config = Qwen2_5_VLConfig(text_config=text, vision_config={**_vision(patch_size), **more}, **_ids(tokenizer))
    return Qwen2_5_VLForConditionalGeneration(config)


HIDDEN = 128
"""Width of the language model; every matrix side is a multiple of 64, which 4-bit arithmetic on a CPU needs."""

ROPE = {"rope_type": "default", "rope_theta": 10000.0}
"""Sections of the multimodal kind sum to half the head dimension."""


def _text(tokenizer: Any) -> dict[str, Any]:
    ids = tokenizer.get_vocab()
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 32768,
        "initializer_range": 0.06,
        "pad_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
    }


def _vision(patch_size: int) -> dict[str, Any]:
    return {
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_heads": 4,
        "patch_size": patch_size,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "out_hidden_size": HIDDEN,
        "initializer_range": 0.06,
    }


def _ids(tokenizer: Any) -> dict[str, Any]:
    ids = tokenizer.get_vocab()
    return {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": True,
    }


KINDS = {
    "qwen3-vl": Kind("Qwen3-VL", "qwen3_vl", _qwen3_vl),
    "qwen2.5-vl": Kind("Qwen2.5-VL", "qwen2_5_vl", _qwen2_5_vl),
}
"""By the family of the dataset's contract."""
