"""What of a sample is learned: turns by --supervise, pieces by training.loss, pictures or words in their place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.exceptions import ConfigError, InputError, StageError
from pipeline.records import Part, Sample
from pipeline.storage.dataset import Dataset
from train.config import LossConfig, TrainConfig, load
from train.encoding import crosscheck
from train.encoding.data import select
from train.encoding.lesson import PLACEHOLDER, Lesson
from train.encoding.tokenizer import TEMPLATE
from train.encoding.tokens import IGNORED, Encoded, check_trained
from train.run import RunOptions, run
from train.show import samples, token_table


def trained(encoded: Any, encoder: Any) -> str:
    """Return what the trained tokens decode to."""
    text: str = encoder.frame.tokenizer.decode([label for label in encoded.labels if label != IGNORED])
    return text


def deep(dataset: Dataset) -> Sample:
    """Return the sample of a fourth step: three screenshots are shown, the first turn's is not."""
    return next(sample for sample in dataset.samples("train") if sample.step_index == 3)


def test_last_is_the_dataset_as_it_was_sliced(dataset: Dataset) -> None:
    """Messages and weights are those of the sample."""
    for sample in dataset.samples("train"):
        item = Lesson(dataset.manifest).item(sample)
        assert (item.messages, item.images, item.runs) == (sample.messages, sample.images, None)


def test_all_correct_trains_what_is_seen_and_not_wrong(dataset: Dataset, encoder: Any) -> None:
    """Of four turns the one without its screenshot stays untrained, and so does one that is made wrong."""
    sample = deep(dataset)
    lesson = Lesson(dataset.manifest, "all-correct")
    answers = [message for message in lesson.item(sample).messages if message.role == "assistant"]
    assert [message.loss_weight for message in answers] == [0, 1, 1, 1]
    assert [replace(message, loss_weight=0) for message in answers] == [
        replace(message, loss_weight=0) for message in sample.messages if message.role == "assistant"
    ]
    turns = (*sample.turns[:2], replace(sample.turns[2], role="error"), sample.turns[3])
    item = lesson.item(replace(sample, turns=turns))
    wrong, last = (message for message in item.messages[-4:] if message.role == "assistant")
    assert (wrong.loss_weight, last.loss_weight) == (0, 1)
    encoded, counts = encoder.tokens(item)
    said = trained(encoded, encoder)
    assert said.count("<|im_end|>") == 2
    assert "".join(part.text or "" for part in wrong.content) not in said
    crosscheck.check("s", item.messages, counts, encoder.chatml, TEMPLATE)


def test_all_correct_says_the_thought_that_history_drops(alternating: Path) -> None:
    """A policy that tells older turns without their thoughts must not teach answers without them."""
    dataset = Dataset.open(alternating)
    contract = replace(dataset.manifest.contract, history=replace(dataset.manifest.contract.history, image_window=3))
    sample = next(sample for sample in dataset.samples() if sample.step_index == 2)
    shown = tuple(replace(turn, image=n) for n, turn in enumerate(sample.turns))
    sample = replace(sample, turns=shown, images=sample.images * 3)
    item = Lesson(replace(dataset.manifest, contract=contract), "all-correct").item(sample)
    answers = [message for message in item.messages if message.role == "assistant"]
    assert len(answers) == 3
    assert all((message.content[0].text or "").startswith("Thought: ") for message in answers if message.loss_weight)


def test_windows_train_what_they_train(sliced: Callable[..., Path]) -> None:
    """In a window every right decision has its weight already; all-correct adds none that is not there."""
    dataset = Dataset.open(sliced(2, mode="window", window=3))
    for sample in dataset.samples():
        last, all_correct = (Lesson(dataset.manifest, mode).item(sample) for mode in ("last", "all-correct"))
        assert last.messages == all_correct.messages


def test_weights_stand_at_the_pieces(dataset: Dataset, encoder: Any) -> None:
    """Numbers, name and thought of the trained turn have their own weights; the end keeps the turn's."""
    sample = next(sample for sample in dataset.samples("train") if sample.step_index == 0)
    lesson = Lesson(dataset.manifest, weights=LossConfig(thought=0.25, action=3, coordinates=2, other=0.5))
    encoded, _ = encoder.tokens(lesson.item(sample))
    found: dict[float, list[int]] = {}
    for token, weight in zip(encoded.input_ids, encoded.weights, strict=True):
        found.setdefault(weight, []).append(token)
    assert set(found) == {0.0, 0.25, 0.5, 1.0, 2.0, 3.0}
    decode = encoder.frame.tokenizer.decode
    assert decode(found[3.0]) == "click"
    assert decode(found[1.0]) == "<|im_end|>"
    numbers = sample.messages[-1].content[0].text.split('"coordinate": [')[1].split("]")[0]
    assert decode(found[2.0]) == numbers.replace(", ", "")
    assert decode(found[0.25]) in (sample.turns[-1].thought or "")


def test_a_weight_of_0_masks(dataset: Dataset, encoder: Any) -> None:
    """Nothing is learned of such a piece: its tokens have no label."""
    sample = next(sample for sample in dataset.samples("train") if sample.step_index == 0)
    only = Lesson(dataset.manifest, weights=LossConfig(thought=0, action=0, other=0))
    encoded, _ = encoder.tokens(only.item(sample))
    assert trained(encoded, encoder).replace("<|im_end|>", "").isdigit()
    without = Lesson(dataset.manifest, weights=LossConfig(thought=0))
    assert (sample.turns[-1].thought or "")[4:-1] not in trained(encoder.tokens(without.item(sample))[0], encoder)


def test_a_sample_that_weights_leave_nothing_of_is_named(dataset: Dataset, encoder: Any) -> None:
    """An error, and no loss of NaN."""
    sample = next(sample for sample in dataset.samples("train") if sample.step_index == 0)
    item = Lesson(dataset.manifest, weights=LossConfig(0, 0, 0, 0)).item(replace(sample, sample_id="s-9"))
    unended = replace(item.messages[-1], loss_weight=1.0)
    with pytest.raises(InputError, match=r"^s-9: the weights of training\.loss leave nothing"):
        check_trained(item.sample_id, (unended,), Encoded())
    assert trained(encoder.tokens(item)[0], encoder) == "<|im_end|>"


def test_messages_that_are_not_their_turns_are_refused(dataset: Dataset) -> None:
    """Weights are laid over what the layout writes; over anything else they would be misplaced."""
    sample = next(iter(dataset.samples("train")))
    changed = replace(sample.messages[-1], content=(Part("text", "something else"),))
    lesson = Lesson(dataset.manifest, weights=LossConfig(thought=0))
    with pytest.raises(StageError, match="not what the layout makes of its turns"):
        lesson.item(replace(sample, messages=(*sample.messages[:-1], changed)))


def test_placeholders_are_words(dataset: Dataset, encoder: Any) -> None:
    """No picture, no picture's tokens, and as many samples as with them."""
    lesson = Lesson(dataset.manifest, images="placeholder")
    items, refused = select(lesson.items(dataset.samples("train")), encoder, max_images=8, max_tokens=10_000)
    assert len(items) == 24
    assert not refused
    for item in items:
        assert not item.images
        assert encoder.frame.image_pad not in encoder.tokens(item)[0].input_ids
        assert any(PLACEHOLDER in (part.text or "") for message in item.messages for part in message.content)


def configured(folder: Path, text: str) -> TrainConfig:
    """Return the settings of a file with this text."""
    (folder / "config.yaml").write_text(text)
    return load(folder / "config.yaml")


def test_a_run_without_pictures_says_so(dataset_folder: Path, tmp_path: Path, capsys: Any) -> None:
    """At the start, at the end, in run.json and on the card; weights and turns are there, too."""
    text = "training:\n  sft: {images: placeholder, logging_steps: 1}\n  loss: {coordinates: 2}\n"
    options = RunOptions(max_steps=1, supervise="all-correct")
    report = run(dataset_folder, tmp_path / "run", configured(tmp_path, text), options)
    assert "PLACEHOLDERS INSTEAD OF SCREENSHOTS" in capsys.readouterr().err
    assert "PLACEHOLDERS INSTEAD OF SCREENSHOTS" in report.render_text()
    assert "sees the pictures" not in report.render_text()
    written = json.loads((tmp_path / "run" / "run.json").read_text())
    assert written["saw_images"] is False
    assert written["supervise"] == "all-correct"
    assert written["config"]["training"]["loss"]["coordinates"] == 2
    assert written["verified"]["inverted_pixels_from_true"] is None
    assert "has not seen a screenshot" in (tmp_path / "run" / "adapter" / "README.md").read_text()


@pytest.mark.parametrize("scope", ["llm+vision", "llm+projector"])
def test_placeholders_and_a_tower_that_learns_make_no_sense(scope: str, dataset_folder: Path, tmp_path: Path) -> None:
    """Refused before anything is trained."""
    text = f"training:\n  sft: {{images: placeholder}}\n  lora: {{target_modules: {scope}}}\n"
    with pytest.raises(ConfigError, match=r"^training\.sft\.images: found placeholder, but vision tower or projector"):
        run(dataset_folder, tmp_path / "run", configured(tmp_path, text), RunOptions(max_steps=1, quiet=True))
    assert not (tmp_path / "run").exists()


def test_what_is_shown_is_what_is_learned(dataset: Dataset) -> None:
    """--show and inspect --tokens take the same turns and weights."""
    sample = deep(dataset)
    config = TrainConfig(loss=LossConfig(action=3))
    table = list(token_table(dataset, sample, None, "all-correct", config))
    assert any(line.split()[3] == "3" for line in table[1:])
    shown = list(samples(dataset, 4, None, colour=False, supervise="all-correct", config=config))
    assert any("⟧×3⟦" in text for text in shown)
    turns = [text.count("<|im_end|>⟧") for text in shown]
    assert max(turns) == 3
