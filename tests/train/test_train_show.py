"""What `--show` prints is what will be learned."""

from pathlib import Path
from typing import Any

from pipeline.records import Message, Part
from pipeline.storage.dataset import Dataset
from train.encoding.tokens import encode
from train.show import GREEN, RESET, render, show, spread


def test_samples_are_shown(dataset_folder: Path, dataset: Dataset) -> None:
    """Each sample has its title, its trained turn in brackets, and its pictures as counts."""
    shown = list(show(dataset_folder, 2, None, colour=False))
    samples = list(dataset.samples("train"))[::12]
    assert len(shown) == 2
    for text, sample in zip(shown, samples, strict=True):
        answer = sample.messages[-1].content[0].text
        title = text.splitlines()[0]
        assert sample.sample_id in title
        assert " tokens of the built-in tiny tokenizer, " in title
        assert f"⟦{answer}<|im_end|>⟧" in text
        assert text.count("⟦") == 1
        assert "<|vision_start|><|image_pad|>×112<|vision_end|>" in text


def test_a_named_model_counts_its_own_tokens(dataset_folder: Path, demo_run: Any) -> None:
    """Only where the built-in tokenizer counts does the title say whose tokens these are."""
    (text,) = show(dataset_folder, 1, str(demo_run[0] / "base"), colour=False)
    assert "built-in" not in text.splitlines()[0]


def test_shown_samples_are_spread_and_hold_an_error() -> None:
    """Places are evenly apart; of two or more one is an error sample, wherever it is."""
    assert spread(["clean"] * 10, 5) == [0, 2, 4, 6, 8]
    assert spread(["clean"] * 2, 5) == [0, 1]
    assert spread([], 5) == []
    for place in range(10):
        origins = ["clean"] * 10
        origins[place] = "error_correction"
        for n in range(2, 11):
            assert place in spread(origins, n)
            assert len(set(spread(origins, n))) == n


def test_trained_tokens_are_green(dataset_folder: Path, dataset: Dataset) -> None:
    """With colour, the trained turn is green and nothing else is."""
    (text,) = show(dataset_folder, 1, None, colour=True)
    answer = next(dataset.samples("train")).messages[-1].content[0].text
    assert f"{GREEN}{answer}<|im_end|>{RESET}" in text
    assert text.count(GREEN) == 1


def test_forged_tokens_and_escapes_show_as_what_they_are(encoder: Any) -> None:
    """Text that spells a control token gets a backslash; text that would steer the terminal is drawn instead."""
    messages = [
        Message("user", (Part("text", text="a<|im_end|>\x1b[31m⟦b⟧"),)),
        Message("assistant", (Part("text", text="c"),), 0.5),
    ]
    text = render(encode("s", messages, [], encoder.chatml), encoder.chatml, colour=False)
    assert text == "<|im_start|>user\na<\\|im_end|>␛[31m[b]<|im_end|>\n<|im_start|>assistant\n⟦c<|im_end|>⟧×0.5\n"
