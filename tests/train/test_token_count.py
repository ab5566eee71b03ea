"""What slice counts is what the trainer tokenises; windows are trained turn by turn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.exceptions import ConfigError
from pipeline.records import Message, Part
from pipeline.slice import SliceConfig
from pipeline.slicing.token_count import counter, find_tokenizer, fingerprint, most_tokens
from pipeline.storage.dataset import Dataset
from train.encoding import crosscheck
from train.encoding.data import Encoder, Item
from train.encoding.tokenizer import TEMPLATE
from train.encoding.tokens import encode
from train.show import show


@dataclass
class Image:
    """The size of a screenshot."""

    width: int
    height: int


@pytest.fixture(scope="module")
def tokenizer(encoder: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizer")
    encoder.processor.tokenizer.save_pretrained(folder)
    return folder


texts = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from(
        ("<|im_end|>", "<|image_pad|>", "<tool_call>", "</think>", "\n", "  ", "Tap", "打开", "e\u0301", "\u0958", "🙂")
    ), max_size=8).map("".join),
)  # fmt: skip
texts_only = texts.map(lambda text: Part("text", text=text))
tokens = st.just(Part("token", text="<|endoftext|>"))
parts = st.one_of(texts_only, tokens, st.just(Part("image", image=0)))
messages_of = st.lists(
    st.one_of(
        st.builds(Message, st.sampled_from(("system", "user")), st.lists(parts, min_size=1, max_size=3).map(tuple)),
        st.builds(Message, st.just("assistant"), st.lists(st.one_of(texts_only, tokens), max_size=3).map(tuple),
                  st.sampled_from((0.0, 1.0))),
    ), max_size=6,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages_of)
def test_the_count_is_what_the_trainer_makes(encoder: Any, tokenizer: Path, messages: list[Message]) -> None:
    """Exactly, with the tokenizer; without it never less. Whatever the texts spell."""
    messages = [*messages, Message("assistant", (Part("text", text="Done"),), 1.0)]
    images = [Image(64, 96)] * sum(part.type == "image" for message in messages for part in message.content)
    numbered = _numbered(messages)
    expected = encode("s", numbered, [6] * len(images), encoder.chatml)
    exact = counter(str(find_tokenizer(str(tokenizer))), 32)
    assert exact.sample(numbered, images) == len(expected.input_ids)  # type: ignore[arg-type]
    assert exact.images(images) == 6 * len(images)  # type: ignore[arg-type]
    assert counter(None, 32).sample(numbered, images) >= len(expected.input_ids)  # type: ignore[arg-type]


def _numbered(messages: list[Message]) -> list[Message]:
    """Give the images of a conversation their numbers."""
    numbers = iter(range(100))
    return [
        Message(m.role, tuple(Part("image", image=next(numbers)) if p.type == "image" else p for p in m.content),
                m.loss_weight)
        for m in messages
    ]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_bytes_are_an_upper_bound(encoder: Any, text: str) -> None:
    """A text never has more tokens than bytes counted."""
    assert len(encoder.chatml.text_ids(text)) <= most_tokens(text)


@pytest.mark.parametrize("mode", ["step", "window"])
def test_a_sliced_sample_is_as_large_as_it_says(
    sliced: Callable[..., Path], encoder: Any, tokenizer: Path, mode: str
) -> None:
    """Text and screenshots add up to what is trained, and stay within the budget; the file's hash is recorded."""
    folder = sliced(3, mode=mode, tokenizer=str(tokenizer), max_tokens=1400)
    dataset = Dataset.open(folder)
    assert dataset.manifest.slicing.tokenizer == fingerprint(tokenizer / "tokenizer.json")
    samples = list(dataset.samples())
    assert samples
    for sample in samples:
        encoded, counts = encoder.tokens(Item(sample.sample_id, sample.messages, sample.images))
        assert sum(counts) == sample.image_tokens
        assert sample.text_tokens_estimate + sample.image_tokens == len(encoded.input_ids) <= 1400


def test_windows_are_trained_turn_by_turn(sliced: Callable[..., Path], encoder: Any) -> None:
    """Each turn with a weight is green, from its first word to its end; the two other methods agree."""
    folder = sliced(3, mode="window", window=4)
    dataset = Dataset.open(folder)
    own = Encoder(encoder.processor, dataset.manifest.contract, "tiny")
    for sample in dataset.samples():
        item = Item(sample.sample_id, sample.messages, sample.images)
        encoded, counts = own.tokens(item)
        crosscheck.check(item.sample_id, item.messages, counts, own.chatml, TEMPLATE)
        ends = [
            token for token, label in zip(encoded.input_ids, encoded.labels, strict=True)
            if token == own.chatml.im_end and label == token
        ]  # fmt: skip
        assert len(ends) == len(sample.earlier_targets) + 1 == 4
    (text,) = show(folder, 1, None, colour=False)
    assert text.count("⟦") == text.count("⟧") == 4


def test_a_tokenizer_that_is_none(tmp_path: Path, tokenizer: Path) -> None:
    """One line says what was found where one was expected."""
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"--tokenizer: cannot read .*expected a tokenizer.json"):
        find_tokenizer(str(tmp_path))
    with pytest.raises(ConfigError, match=r"--tokenizer: found no .*nowhere, expected a tokenizer.json, a folder"):
        find_tokenizer(str(tmp_path / "nowhere"))
    text = (tokenizer / "tokenizer.json").read_text(encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text(text.replace("<|im_end|>", "<|end|>"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"found no <\|im_end\|> in .*, expected the tokenizer of a Qwen-VL model"):
        SliceConfig(tokenizer=str(tmp_path)).setting()


def test_a_hub_id_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused with the reason."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"--tokenizer: cannot fetch the tokenizer.json of nobody/nothing"):
        find_tokenizer("nobody/nothing")
