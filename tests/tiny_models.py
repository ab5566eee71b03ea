"""Tiny models of several families, random weights, saved as ordinary model folders: what `--model` of a test names.

Each has the real family's own classes for model, processor and tokenizer, its control tokens, and a chat template of
its shape (who is who, where the turn ends, what is stripped, what is refused) in our own words. None needs torchvision.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from pipeline.layouts import LAYOUTS
from train.encoding import processor as processors

SIZE = 640
"""Entries of a vocabulary: short texts, so that tests are fast, and merges, so that borders between tokens matter."""

BYTES = [f"<0x{value:02X}>" for value in range(256)]

TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 32768,
    "initializer_range": 0.06,
}
VISION = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.06,
}

LLAVA_TEMPLATE = """\
{%- for message in messages %}
    {{- '' if message['role'] == 'system' else message['role'] | upper + ': ' }}
    {%- for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}
    {%- for part in message['content'] if part['type'] == 'text' %}{{ part['text'] + ' ' }}{% endfor %}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}
"""
"""LLaVA 1.5's: no control token around turns, pictures before texts."""

IDEFICS3_TEMPLATE = """\
{{- '<|im_start|>' }}
{%- for message in messages %}
    {{- message['role'] | capitalize + (':' if message['content'][0]['type'] == 'image' else ': ') }}
    {%- for part in message['content'] %}{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}
    {{- '<end_of_utterance>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}
"""
"""Idefics3's and SmolVLM's: one start of the whole, one end for each turn."""

GEMMA3_TEMPLATE = """\
{{- bos_token }}
{%- set system = messages[0]['content'][0]['text'] + '\n\n' if messages[0]['role'] == 'system' else '' %}
{%- for message in (messages[1:] if system else messages) %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must alternate between user and assistant') }}
    {%- endif %}
    {{- '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}
    {{- system if loop.first else '' }}
    {%- for part in message['content'] %}
        {{- '<start_of_image>' if part['type'] == 'image' else part['text'] | trim }}
    {%- endfor %}
    {{- '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
"""
"""Gemma 3's: the system prompt opens the first user turn, texts are stripped, turns in a row are refused."""

INTERNVL_TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\n' }}
    {%- for part in message['content'] %}
        {{- '<IMG_CONTEXT>\n' if part['type'] == 'image' else part['text'] }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
"""
"""InternVL's: ChatML, with its own marks around pictures."""


def texts() -> Iterable[str]:
    """Yield what the vocabularies are learned from: prompts of our layouts, and some words of the samples."""
    for layout in LAYOUTS.values():
        yield layout.system
        yield layout.user
    yield 'Thought: The next button is the red one.\nAction: "Press it"\nTask progress (done on this device so far)'


def special(*tokens: str) -> list[AddedToken]:
    """Return control tokens."""
    return [AddedToken(token, special=True, normalized=False) for token in tokens]


def byte_level(cls: Any, tokens: tuple[str, ...], **names: Any) -> Any:
    """Return a byte-level BPE tokenizer, as GPT-2 and Qwen have it, with these control tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner = trainers.BpeTrainer(vocab_size=SIZE - len(tokens), initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts(), learner)
    made = cls(tokenizer_object=tokenizer, padding_side="left", **names)
    made.add_tokens(special(*tokens))
    return made


def sentencepiece(cls: Any, control: tuple[str, ...], pre: Any, **names: Any) -> Any:
    """Return a BPE tokenizer with byte fallback, as Llama and Gemma have it; `control` tokens take the first ids."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))  # noqa: S106
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre
    learner = trainers.BpeTrainer(vocab_size=SIZE, special_tokens=[*control, *BYTES], show_progress=False)
    tokenizer.train_from_iterator(texts(), learner)
    state = json.loads(tokenizer.to_str())["model"]
    made = cls(vocab=state["vocab"], merges=[tuple(pair) for pair in state["merges"]], padding_side="left", **names)
    made.add_tokens(special(*control))
    return made


def llava() -> tuple[Any, Any]:
    """Return a LLaVA 1.5: CLIP tower on pictures padded to a square, Llama."""
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlamaTokenizer,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

    control = ("<unk>", "<s>", "</s>", "<pad>", "<image>")
    tokenizer = sentencepiece(LlamaTokenizer, control, pre_tokenizers.Split("▁", "merged_with_next"), pad_token="<pad>")  # noqa: S106
    pictures = LlavaImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}, do_pad=True)
    processor = LlavaProcessor(
        pictures, tokenizer, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION, image_size=56, patch_size=14),
        text_config=LlamaConfig(**TEXT, **ids(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
    )
    return LlavaForConditionalGeneration(config), processor


def idefics3() -> tuple[Any, Any]:
    """Return an Idefics3: SigLIP tower on tiles of the picture, Llama."""
    from transformers import GPT2Tokenizer, Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    marks = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
    tiles = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
    tokens = ("<|endoftext|>", "<|im_start|>", *marks, *tiles)
    names = {"eos_token": "<end_of_utterance>", "bos_token": "<|im_start|>", "pad_token": "<|endoftext|>"}
    tokenizer = byte_level(GPT2Tokenizer, tokens, unk_token="<|endoftext|>", **names)  # noqa: S106
    pictures = Idefics3ImageProcessorPil(size={"longest_edge": 128}, max_image_size={"longest_edge": 64})
    processor = Idefics3Processor(pictures, tokenizer, image_seq_len=4, chat_template=IDEFICS3_TEMPLATE)
    from transformers import LlamaConfig

    config = Idefics3Config(
        vision_config={**VISION, "image_size": 64, "patch_size": 16, "model_type": "idefics3_vision"},
        text_config=LlamaConfig(**TEXT, **ids(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Idefics3ForConditionalGeneration(config), processor


def gemma3() -> tuple[Any, Any]:
    """Return a Gemma 3: SigLIP tower on square pictures, pooled to 4 tokens, attention both ways within a picture."""
    import torch
    from transformers import (
        Gemma3Config,
        Gemma3ForConditionalGeneration,
        Gemma3Processor,
        Gemma3TextConfig,
        GemmaTokenizer,
        SiglipVisionConfig,
    )
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    marks = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    control = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>", *marks.values())
    tokenizer = sentencepiece(
        GemmaTokenizer, control, pre_tokenizers.Split("▁", "merged_with_previous"), extra_special_tokens=marks
    )
    pictures = Gemma3ImageProcessorPil(size={"height": 64, "width": 64})
    processor = Gemma3Processor(pictures, tokenizer, image_seq_length=4, chat_template=GEMMA3_TEMPLATE)
    known = tokenizer.convert_tokens_to_ids
    config = Gemma3Config(
        vision_config=SiglipVisionConfig(**VISION, image_size=64, patch_size=16, vision_use_head=False),
        text_config=Gemma3TextConfig(**TEXT, **ids(tokenizer), sliding_window=64, query_pre_attn_scalar=16),
        mm_tokens_per_image=4,
        boi_token_index=known("<start_of_image>"),
        eoi_token_index=known("<end_of_image>"),
        image_token_id=known("<image_soft_token>"),
        eos_token_id=[known("<eos>"), known("<end_of_turn>")],
    )
    model = Gemma3ForConditionalGeneration(config)
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.1)  # zeros see nothing
    return model, processor


def internvl() -> tuple[Any, Any]:
    """Return an InternVL: its own tower on square tiles, Qwen2; its processor has a video half."""
    from transformers import (
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        PreTrainedTokenizerFast,
        Qwen2Config,
    )
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    marks = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
             "video_token": "<video>"}  # fmt: skip
    tokens = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *marks.values())
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "extra_special_tokens": marks}
    tokenizer = byte_level(PreTrainedTokenizerFast, tokens, **names)
    pictures = GotOcr2ImageProcessorPil(
        size={"height": 32, "width": 32}, crop_to_patches=True, min_patches=1, max_patches=3
    )

    made = processors._pictures_only(InternVLProcessor)  # its video half needs torchvision
    processor = made(pictures, tokenizer, image_seq_length=4, chat_template=INTERNVL_TEMPLATE)
    vision = {**VISION, "image_size": [32, 32], "patch_size": [8, 8], "model_type": "internvl_vision"}
    config = InternVLConfig(
        vision_config=vision,
        text_config=Qwen2Config(**{key: TEXT[key] for key in TEXT if key != "head_dim"}, **ids(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    return InternVLForConditionalGeneration(config), processor


def ids(tokenizer: Any) -> dict[str, Any]:
    """Return what a text config says of its vocabulary."""
    known = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, **known}


FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava": llava,
    "idefics3": idefics3,
    "gemma3": gemma3,
    "internvl": internvl,
}
"""By `model_type`; the Qwen-VL families are built by `train.models.tiny`."""


def save(family: str, folder: Path) -> Path:
    """Write the family's tiny model to the folder, the same bytes every time, and return the folder."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model, processor = FAMILIES[family]()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
