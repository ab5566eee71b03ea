"""The model sees the screenshots, learns only where it should, and contradicting models are refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from PIL import Image, ImageDraw

from pipeline.exceptions import ConfigError, ContractError, GdpError, InputError
from train.config import LoraConfig, SftConfig, TrainConfig
from train.encoding import contract
from train.encoding.data import Collator, select
from train.encoding.processor import image_tokens
from train.encoding.tokens import IGNORED
from train.models import lora, model
from train.models.loss import token_losses


@pytest.fixture(scope="module")
def collator(base: Any, encoder: Any) -> Collator:
    """Return what puts examples into batches."""
    return Collator(base.processor, encoder.chatml)


def adapted(base: Any, sft: SftConfig | None = None, seed: int = 0) -> Any:
    """Return the tiny model with LoRA layers whose B is not zero, so that every weight matters."""
    sft = sft or SftConfig(gradient_checkpointing=False)
    torch.manual_seed(seed)
    made = model.add_lora(model.load(base, sft), model.targets(base, TrainConfig(sft)), LoraConfig(), sft)
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return made


def loss_of(made: Any, batch: dict[str, Any]) -> float:
    """Return the mean loss of the batch."""
    with torch.no_grad():
        return float(token_losses(made, batch)[0].mean())


def test_every_screenshot_is_seen(base: Any, examples: Any, collator: Collator) -> None:
    """A changed region of any screenshot of the sample, history included, changes the loss."""
    made = adapted(base)
    example = next(each for each in (examples[n] for n in range(len(examples))) if len(each.pictures) == 3)
    before = loss_of(made, collator([example]))
    for index in range(3):
        changed: list[Image.Image] = [picture.copy() for picture in example.pictures]
        ImageDraw.Draw(changed[index]).rectangle((32, 64, 95, 127), fill=(255, 0, 255))
        after = loss_of(made, collator([replace(example, pictures=changed)]))
        assert abs(after - before) > 1e-5


def test_only_lora_in_the_language_model_learns(base: Any, examples: Any, collator: Collator) -> None:
    """After a backward pass LoRA weights have gradients; the vision tower and everything else have none."""
    made = adapted(base)
    token_losses(made, collator([examples[3]]))[0].mean().backward()
    for name, parameter in made.named_parameters():
        if "lora_" in name:
            assert "language_model.layers" in name
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0
        else:
            assert not parameter.requires_grad
            assert parameter.grad is None


def test_partial_logits_give_the_full_loss(base: Any, examples: Any, collator: Collator) -> None:
    """Leaving out logits before the first label changes nothing; the model's own loss is the reference."""
    made = adapted(base)
    batch = collator([examples[0], examples[3]])
    inputs = {key: value for key, value in batch.items() if key not in {"weights", "sample_ids"}}
    with torch.no_grad():
        reference = float(made(**inputs).loss)
    assert reference == pytest.approx(loss_of(made, batch), rel=1e-5)


def test_padding_changes_nothing(base: Any, examples: Any, collator: Collator) -> None:
    """The token losses of two samples of different length are the same alone and in one batch."""
    made = adapted(base)
    pair = [examples[0], examples[3]]
    with torch.no_grad():
        alone = torch.cat([token_losses(made, collator([each]))[0] for each in pair])
        together = token_losses(made, collator(pair))[0]
    assert torch.allclose(alone, together, atol=1e-4)


def test_weights_scale_the_loss(base: Any, examples: Any, collator: Collator) -> None:
    """A turn of weight 0.5 counts half."""
    made = adapted(base)
    batch = collator([examples[3]])
    halved = {**batch, "weights": batch["weights"] * 0.5}
    assert loss_of(made, halved) == pytest.approx(loss_of(made, batch) / 2, rel=1e-6)


def test_gradient_checkpointing_gives_the_same_gradients(base: Any, examples: Any, collator: Collator) -> None:
    """Recomputed activations are those of the first pass, in training mode, for every layer."""
    gradients = []
    for recompute in (False, True):
        made = adapted(base, SftConfig(gradient_checkpointing=recompute)).train()
        token_losses(made, collator([examples[3]]))[0].mean().backward()
        gradients.append({name: p.grad for name, p in made.named_parameters() if p.requires_grad})
    for name, expected in gradients[0].items():
        assert torch.allclose(expected, gradients[1][name], atol=1e-6), name


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("visual.mlp.fc1", "'visual.mlp.fc1' matches none of the model's"),
        ("all-linear", "matches none"),
        ("lm_head", "matches none"),
        ("(", "which is no regular expression"),
        (".*q_proj.{99999999999}", "no regular expression (the repetition number is too large)"),
        ("(" * 3000 + "q_proj" + ")" * 3000, "no regular expression (its groups are nested too deep)"),
    ],
)
def test_bad_targets_are_refused(base: Any, entry: str, message: str) -> None:
    """Each entry must match, a bare name in the language model only; a good entry beside it does not save it."""
    config = TrainConfig(lora=LoraConfig(target_modules=("q_proj", entry)))
    with pytest.raises(ConfigError) as caught:
        model.targets(base, config)
    assert message in str(caught.value)


@pytest.mark.parametrize(("entry", "per_layer"), [("llm", 7), ("llm-attention", 4), ("llm-mlp", 3), ("v_proj", 1)])
def test_targets_are_counted(base: Any, entry: str, per_layer: int) -> None:
    """Named scopes and bare names match what they say, and peft adapts exactly that (checked by add_lora)."""
    config = TrainConfig(lora=LoraConfig(target_modules=(entry,)))
    chosen = model.targets(base, config)
    assert 3 * per_layer == len(chosen.matches[entry])
    sft = SftConfig(gradient_checkpointing=False)
    model.add_lora(model.load(base, sft), chosen, config.lora, sft)


def test_an_entry_twice_covered_is_adapted_once() -> None:
    """Overlapping entries are fine; each still has matches of its own."""
    names = [f"model.language_model.layers.0.self_attn.{kind}_proj" for kind in "qkvo"]
    chosen = lora.resolve(["llm-attention", "q_proj"], names, "here")
    assert tuple(names) == chosen.modules


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "qwen2.5-vl"}, "it is a qwen3-vl model, but the dataset was made for qwen2.5-vl"),
        ({"coordinates": "resized_px"}, "it reads coordinates on a grid, but the dataset holds coordinates in pixels"),
        ({"factor": 28}, "its pictures are multiples of 32 pixels, the dataset's of 28"),
        ({"scale": 1000}, "its grid ends at 999, that of the dataset at 1000"),
    ],
)
def test_a_contradicting_dataset_is_refused(base: Any, dataset: Any, change: dict[str, Any], message: str) -> None:
    """Family, coordinates and resize factor must agree."""
    with pytest.raises(ContractError) as caught:
        contract.check("m", base.config, msgspec.structs.replace(dataset.manifest.contract, **change))
    assert message in str(caught.value)
    assert "gdp slice TRAJECTORIES -o DATASET --layout mai-ui (or qwen3-vl" in (caught.value.hint or "")


def test_a_budget_beyond_the_processors_own_is_refused(base: Any, dataset: Any, demo_run: Any, tmp_path: Path) -> None:
    """Screenshots larger than the model's processor takes would be served smaller; the hint is the way out."""
    shutil.copytree(demo_run[0] / "base", tmp_path / "m")
    path = tmp_path / "m" / "processor_config.json"
    document = json.loads(path.read_text())
    assert document["image_processor"]["size"]["longest_edge"] == 16384 * 32**2
    document["image_processor"]["size"]["longest_edge"] = 100_000
    path.write_text(json.dumps(document))
    with pytest.raises(
        ContractError, match="its processor takes 100000 pixels a screenshot, but the dataset"
    ) as caught:
        model.find(str(tmp_path / "m"), dataset, tmp_path)
    assert caught.value.hint == "gdp slice TRAJECTORIES -o DATASET --layout mai-ui --max-pixels 100000"


def test_a_picture_that_would_be_resized_is_refused(base: Any, dataset: Any, examples: Any) -> None:
    """Stored sizes must pass the processor unchanged, or coordinates belong to another picture."""
    ref = msgspec.structs.replace(examples.items[0].images[0], width=1080, height=2400)
    with pytest.raises(ContractError, match="stored as 1080x2400 pixels, but the model would resize it to"):
        image_tokens(base.processor, [ref], dataset.manifest.contract)


def test_limits_refuse_and_count(dataset: Any, encoder: Any) -> None:
    """Samples over a limit are refused whole and counted, never cut."""
    _, too_many = select(dataset.samples("train"), encoder, max_images=2, max_tokens=10_000)
    assert too_many == {"more than 2 images": 12}
    kept, too_long = select(dataset.samples("train"), encoder, max_images=8, max_tokens=700)
    assert len(kept) + too_long["more than 700 tokens"] == 24
    assert kept


def test_labels_are_the_tokens_themselves(examples: Any, collator: Collator) -> None:
    """In a batch, every label is the id at its own place; padding and pictures are never trained."""
    batch = collator([examples[0], examples[3]])
    trained = batch["labels"] != IGNORED
    assert torch.equal(batch["labels"][trained], batch["input_ids"][trained])
    assert not (trained & (batch["attention_mask"] == 0)).any()
    assert not (trained & (batch["mm_token_type_ids"] == 1)).any()
    assert torch.equal(trained, batch["weights"] > 0)


def broken(folder: Path, source: Path, what: str) -> str:
    """Return a copy of the model folder with one thing broken."""
    shutil.copytree(source, folder)
    match what:
        case "other family":
            (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
        case "no config":
            (folder / "config.json").unlink()
        case "no tokenizer":
            (folder / "tokenizer.json").unlink()
            (folder / "tokenizer_config.json").unlink()
        case "pickle only":
            (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        case "cut weights":
            data = (folder / "model.safetensors").read_bytes()
            (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
        case "missing weights":
            from safetensors.torch import load_file, save_file

            weights = load_file(folder / "model.safetensors")
            weights.pop("model.language_model.layers.1.mlp.up_proj.weight")
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("other family", "found a llama model, expected one that reads images and text"),
        ("no config", "found no usable config.json"),
        ("no tokenizer", "found no tokenizer (tokenizer.json"),
        ("pickle only", "cannot load its weights"),
        ("cut weights", "cannot load its weights"),
        ("missing weights", "its files lack 1 weights (model.language_model.layers.1.mlp.up_proj.weight)"),
    ],
)
def test_a_broken_model_folder_is_one_line(
    what: str, message: str, demo_run: Any, dataset: Any, tmp_path: Path
) -> None:
    """No traceback, no silently random weights, nothing but safetensors."""
    name = broken(tmp_path / "model", demo_run[0] / "base", what)
    with pytest.raises(GdpError) as caught:
        model.load(model.find(name, dataset, tmp_path), SftConfig())
    assert message in str(caught.value)


def test_an_unknown_hub_id_is_one_line(dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is neither a folder nor fetched says so and names the way out."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="no local folder and could not be fetched from the hub") as caught:
        model.find("nobody/nothing", dataset, tmp_path)
    assert caught.value.hint is not None
    assert "leave --model out" in caught.value.hint
