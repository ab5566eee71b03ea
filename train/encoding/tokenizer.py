"""The tokenizer of the built-in model: byte-level BPE learned from the dataset's own text, and a ChatML template."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from pipeline.records import Message

VOCABULARY = 1024
"""A multiple of 64, so that every matrix can be held in 4 bits."""

LEARNED_FROM = 2000
"""Samples whose text is read; more would change nothing but the time."""

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>", "<|box_start|>", "<|box_end|>",
)  # fmt: skip
MARKS = ("<tool_call>", "</tool_call>", "<think>", "</think>", "<tool_response>", "</tool_response>")
"""Single tokens in Qwen's vocabulary, too, but ordinary text."""

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen's rule for what is one word; digits stand alone, so coordinates are read digit by digit."""

TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\n' }}
    {%- if message['content'] is string %}
        {{- message['content'] }}
    {%- else %}
        {%- for part in message['content'] %}
            {%- if part['type'] == 'image' %}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
            {%- elif part['type'] == 'text' %}
                {{- part['text'] }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""
"""ChatML in our own words; the built-in model's template, and the one of a model folder that has none."""


def learn(conversations: Iterable[tuple[Message, ...]]) -> Any:
    """Return a `Qwen2Tokenizer` learned from the texts of the conversations; the same texts give the same tokenizer."""
    from transformers import Qwen2Tokenizer

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    reserved = len(SPECIAL) + len(MARKS)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - reserved,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(conversations), trainer)
    state = _bpe(tokenizer)
    added = [AddedToken(token, special=True, normalized=False) for token in SPECIAL]
    added += [AddedToken(token, special=False, normalized=False) for token in MARKS]
    learned = Qwen2Tokenizer(
        vocab=state["vocab"],
        merges=[tuple(pair) for pair in state["merges"]],
        eos_token="<|im_end|>",  # noqa: S106  a token of text, no secret
        pad_token="<|endoftext|>",  # noqa: S106
        unk_token=None,
        padding_side="right",
        chat_template=TEMPLATE,
    )
    learned.add_tokens(added)
    return learned


def _bpe(tokenizer: Tokenizer) -> dict[str, Any]:
    import json

    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model


def _texts(conversations: Iterable[tuple[Message, ...]]) -> Iterable[str]:
    for messages in islice(conversations, LEARNED_FROM):
        for message in messages:
            for part in message.content:
                if part.text:
                    yield part.text
