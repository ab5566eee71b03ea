"""The built-in demonstration model: a Qwen3-VL of about a million random weights, made in code, the same every time.

It has every part of the real architecture (vision tower, deepstack, interleaved rotary positions, ChatML), so what is
tested with it is what runs on the real one. What it learns is this dataset's demonstration, nothing of use.
"""

from pathlib import Path
from typing import Any

from pipeline.exceptions import ContractError
from pipeline.manifest import Contract

from . import processor as processors
from .source import Source
from .tokenizer import VOCABULARY, learn

NAME = "built-in tiny Qwen3-VL (random weights)"
MODEL_TYPE = "qwen3_vl"
FAMILY = "qwen3-vl"
MERGE = 2
SEED = 20250101
"""Of the random weights: they are one fixed model, whatever the run's seed."""


def check(contract: Contract) -> None:
    """Raise ContractError where the dataset was made for another family: there is no tiny model of that one."""
    if contract.family != FAMILY:
        message = f"found a dataset for {contract.family} ({contract.layout}), expected one for {FAMILY}"
        hint = "name a model of that family with --model, or slice with --layout mai-ui to try the whole chain"
        raise ContractError(NAME, message, hint)


def build_processor(dataset: Source) -> Any:
    """Return the processor: a tokenizer learned from the train split, patches that fit the dataset's factor."""
    contract = dataset.manifest.contract
    if contract.factor % MERGE:
        message = f"pictures are multiples of {contract.factor} pixels, expected an even number"
        raise ContractError(str(dataset.path), message, "slice with the layout of a Qwen-VL family")
    tokenizer = learn(sample.messages for sample in dataset.samples("train"))
    pictures = processors.image_processor(contract.factor // MERGE, MERGE, contract)
    template = tokenizer.chat_template
    return processors.ImageOnlyQwen3VLProcessor(image_processor=pictures, tokenizer=tokenizer, chat_template=template)


def save_model(processor: Any, contract: Contract, folder: Path) -> None:
    """Write the model and its processor to the folder as a model folder like any other (3.9 MB)."""
    import torch
    from transformers import Qwen3VLForConditionalGeneration

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = Qwen3VLForConditionalGeneration(_config(processor.tokenizer, contract.factor // MERGE))
        # Positions and patches have to stand out against each other, or every place of a screen looks alike.
        torch.nn.init.normal_(model.model.visual.pos_embed.weight, std=0.3)
        torch.nn.init.normal_(model.model.visual.patch_embed.proj.weight, std=0.03)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processors.save(processor, folder)


def _config(tokenizer: Any, patch_size: int) -> Any:
    """Return the dimensions; every matrix side is a multiple of 64, which 4-bit arithmetic on a CPU needs."""
    from transformers import Qwen3VLConfig

    ids = tokenizer.get_vocab()
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 32768,
        "initializer_range": 0.06,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [6, 5, 5],  # sums to half the head dimension
            "mrope_interleaved": True,
        },
        "pad_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
    }
    vision = {
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_heads": 4,
        "patch_size": patch_size,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "out_hidden_size": text["hidden_size"],
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.06,
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
