"""What the layouts promise the models: sizes as processors choose them, control tokens as such, clear refusals."""

import random
from pathlib import Path
from typing import Any

import build
import pytest
from msgspec.structs import replace
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as theirs

from pipeline.exceptions import ContractError
from pipeline.layouts import LAYOUTS, Layout
from pipeline.screens.geometry import smart_resize
from pipeline.storage.dataset import Dataset
from train.config import SftConfig, load
from train.encoding import crosscheck
from train.encoding.data import Encoder, Item
from train.models import model, tiny
from train.run import RunOptions, run
from train.show import samples

FAMILIES = {"qwen2.5-vl": (14, LAYOUTS["qwen2.5-vl"]), "ui-tars": (14, LAYOUTS["ui-tars-1.5"]),
            "qwen3-vl": (16, LAYOUTS["qwen3-vl"])}  # fmt: skip
each_family = pytest.mark.parametrize(("patch", "layout"), FAMILIES.values(), ids=FAMILIES)


@each_family
def test_sizes_are_those_of_the_familys_processor(patch: int, layout: Layout) -> None:
    """1,000 random sizes at full budgets, by the function that transformers' processors of both families call."""
    rng = random.Random(1)  # noqa: S311  sizes, no secrets
    for _ in range(1000):
        width, height = (rng.randint(layout.factor, 5000) for _ in range(2))
        if max(width, height) > 200 * min(width, height):
            continue
        most = rng.choice([layout.max_pixels, rng.randint(2 * layout.min_pixels, layout.max_pixels)])
        limits = {"factor": layout.factor, "min_pixels": layout.min_pixels, "max_pixels": most}
        found = smart_resize(width, height, **limits)
        assert found[::-1] == theirs(height, width, **limits), (width, height, most)
        assert smart_resize(*found, **limits) == found


@each_family
def test_the_processor_itself_agrees(patch: int, layout: Layout) -> None:
    """1,000 random pictures through the processor, small ones, with a budget to match: both rules are met by many."""
    rng = random.Random(2)  # noqa: S311  sizes, no secrets
    least, most = 4 * layout.factor**2, 24 * layout.factor**2
    processor = Qwen2VLImageProcessorPil(
        patch_size=patch, merge_size=2, size={"shortest_edge": least, "longest_edge": most},
        do_rescale=False, do_normalize=False, do_convert_rgb=False,
    )  # fmt: skip
    for _ in range(1000):
        width, height = rng.randint(layout.factor, 300), rng.randint(layout.factor, 300)
        picture = Image.new("RGB", (width, height))
        _, rows, columns = processor(images=[picture], return_tensors="np")["image_grid_thw"][0].tolist()
        expected = smart_resize(width, height, factor=layout.factor, min_pixels=least, max_pixels=most)
        assert (columns * patch, rows * patch) == expected


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two short trajectories."""
    return build.corpus(tmp_path_factory.mktemp("layouts"), 2, 3)


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_becomes_the_tokens_that_the_chat_template_gives(name: str, source: Path, tmp_path: Path) -> None:
    """Construction and template agree, with real control tokens around UI-TARS's points, trained in the last turn."""
    dataset = build.sliced(source, tmp_path / "out", layout=name, val_fraction=0)
    processor = tiny.build_processor(dataset)
    encoder = Encoder(processor, dataset.manifest.contract, "tiny")
    box = processor.tokenizer.convert_tokens_to_ids("<|box_start|>")
    for sample in dataset.samples():
        encoded, counts = encoder.tokens(Item(sample.sample_id, sample.messages, sample.images))
        crosscheck.check(sample.sample_id, sample.messages, counts, encoder.chatml, processor.chat_template)
        points = sum(turn.actions[0].__class__.__name__ == "Click" for turn in sample.turns)
        prompt = sum(part.text == "<|box_start|>" for part in sample.messages[1].content)
        boxes = points + prompt if name == "ui-tars-1.5" else 0
        assert encoded.input_ids.count(box) == boxes
        trained = sum(label == box for label in encoded.labels)
        assert trained == (name == "ui-tars-1.5" and sample.step_index < 2)
    assert all("'<|box_start|>(" in text for text in samples(dataset, 1, None, colour=False)) == (name == "ui-tars-1.5")


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_has_a_built_in_model_of_its_family(name: str, source: Path, tmp_path: Path) -> None:
    """Without --model a dataset of any layout can be tried: the model reads it as the contract says."""
    dataset = build.sliced(source, tmp_path / "out", layout=name)
    base = model.find(None, dataset, tmp_path / "run")
    assert base.config.model_type == LAYOUTS[name].family.replace("-", "_").replace(".", "_")
    assert model.load(base, SftConfig()).config.image_token_id == base.processor.image_token_id


def test_the_built_in_model_of_another_family_trains(source: Path, tmp_path: Path) -> None:
    """A whole run on pixel coordinates, answers with control tokens in them."""
    dataset = build.sliced(source, tmp_path / "out", layout="ui-tars-1.5", val_fraction=0.5, max_pixels=160_000)
    report = run(dataset.place, tmp_path / "run", load(None), RunOptions(max_steps=1, quiet=True))
    assert report.model == "built-in tiny Qwen2.5-VL (random weights)"
    assert report.verified["reloaded_from_trained"] == 0
    assert report.verified["inverted_pixels_from_true"]


def test_no_built_in_model_of_a_family_is_said_with_what_to_do(source: Path, tmp_path: Path) -> None:
    """A family that none was made for."""
    dataset = build.sliced(source, tmp_path / "out")
    strange = replace(dataset.manifest, contract=replace(dataset.manifest.contract, family="other"))
    with pytest.raises(ContractError, match=r"for other .*, expected one for qwen3-vl or qwen2\.5-vl") as refused:
        model.find(None, Dataset(dataset.place, strange), tmp_path / "run")
    assert "--model" in (refused.value.hint or "")
    assert not (tmp_path / "run").exists()


def test_a_tokenizer_without_the_layouts_tokens_is_refused(encoder: Any) -> None:
    """It would read them as characters."""
    with pytest.raises(ContractError, match=r"has no <\|box_middle\|>, which the dataset's layout writes"):
        encoder.chatml.token_id("<|box_middle|>")
