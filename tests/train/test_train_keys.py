"""Every key of the training configuration does something that can be seen, or is refused where it would not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import observed
import pytest
import torch
from observed import World

import schemas
from pipeline import slice as slice_stage
from pipeline.exceptions import ConfigError
from pipeline.stage import Running
from pipeline.storage.dataset import Dataset
from train.config import TrainConfig, load
from train.evaluation.generate import Generator
from train.folder import checkpoints, rundir
from train.run import RunOptions, run

VISION = {"lora.target_modules": "llm+vision"}
OTHER_DEVICE = "cpu" if torch.cuda.is_available() else "cuda"
Entry = (
    tuple[Callable[[World, TrainConfig], Any], Any] | tuple[Callable[[World, TrainConfig], Any], Any, dict[str, Any]]
)

EFFECTS: dict[str, Entry] = {
    "preset": (observed.preset, "auto"),
    "sft.num_train_epochs": (observed.steps, 3),
    "sft.learning_rate": (observed.optimizer, 1e-3),
    "sft.vision_learning_rate": (observed.optimizer, 1e-5, VISION),
    "sft.projector_learning_rate": (observed.optimizer, 1e-5, VISION),
    "sft.per_device_train_batch_size": (observed.first_step, 3),
    "sft.gradient_accumulation_steps": (observed.first_step, 2),
    "sft.warmup_ratio": (observed.optimizer, 0.3),
    "sft.lr_scheduler_type": (observed.optimizer, "linear"),
    "sft.weight_decay": (observed.optimizer, 0.1),
    "sft.max_grad_norm": (observed.first_step, 0.01),
    "sft.optim": (observed.optimizer, "adafactor"),
    "sft.gradient_checkpointing": (observed.checkpointing, True),
    "sft.device": (observed.device, OTHER_DEVICE),
    "sft.precision": (observed.frozen, "bf16"),
    "sft.attn_implementation": (observed.frozen, "eager"),
    "sft.use_4bit": (observed.frozen, True),
    "sft.use_8bit": (observed.frozen, True),
    "sft.images": (observed.chosen, "placeholder"),
    "sft.max_images_per_sample": (observed.chosen, 2),
    "sft.max_tokens": (observed.chosen, 800),
    "sft.dataloader_num_workers": (observed.workers, 1),
    "guards.initial_loss": (observed.verdicts, "off"),
    "guards.initial_loss_factor": (observed.verdicts, 1.7),
    "guards.loss_spike": (observed.verdicts, "stop"),
    "guards.loss_spike_multiple": (observed.verdicts, 3.0),
    "guards.loss_spike_window": (observed.verdicts, 2),
    "guards.grad_norm": (observed.verdicts, "stop"),
    "guards.grad_norm_limit": (observed.verdicts, 13.0),
    "guards.no_progress": (observed.verdicts, "stop"),
    "guards.no_progress_steps": (observed.verdicts, 4),
    "guards.no_progress_drop": (observed.verdicts, 0.0),
    "guards.overfitting": (observed.verdicts, "stop"),
    "guards.overfitting_evals": (observed.verdicts, 1),
    "guards.divergence": (observed.verdicts, "warn"),
    "guards.divergence_factor": (observed.verdicts, 2.0),
    "loss.thought": (observed.weights, 0.5),
    "loss.action": (observed.weights, 2.0),
    "loss.coordinates": (observed.weights, 3.0),
    "loss.other": (observed.weights, 0.25),
    "lora.r": (observed.lora, 4),
    "lora.alpha": (observed.lora, 16),
    "lora.dropout": (observed.lora, 0.1),
    "lora.target_modules": (observed.lora, "llm-mlp"),
    "lora.modules_to_save": (observed.lora, "merger"),
    "lora.use_rslora": (observed.lora, True),
    "lora.use_dora": (observed.lora, True),
    "eval.preset": (observed.examined, "aitw", {"eval.samples": 64}),
}
"""What is seen of each key, a value that is not the demonstration's, and the other keys that it needs."""

IN_A_RUN: dict[str, Any] = {
    "license": "apache-2.0",
    "sft.eval_steps": 2,
    "sft.save_steps": 3,
    "sft.logging_steps": 2,
    "sft.save_total_limit": 1,
    "sft.report_to": ["tensorboard"],
    "sft.cache_vision": "memory",
    "sft.cache_quota_gb": 1e-5,
    "eval.samples": 3,
    "eval.metric": "format_valid",
    "eval.early_stopping_patience": 1,
    "eval.batch_size": 2,
    "eval.max_new_tokens": 3,
    "eval.keep": 1,
}
"""Keys of which a whole run shows the effect; all in one."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, small: Path, base: Any) -> World:
    """Return the small dataset with the built-in model."""
    return World(tmp_path_factory.mktemp("keys"), Dataset.open(small), base)


def test_every_key_is_held_to_an_effect() -> None:
    """A key that is new in the schema has to be tried here."""
    schema = schemas.load("training")
    named = schema["properties"]["training"]["properties"]
    keys = [name for name, rule in named.items() if "$ref" not in rule]
    for section in named.keys() - set(keys):
        keys += [f"{section}.{key}" for key in schema["$defs"][section]["properties"]]
    assert sorted(keys) == sorted([*EFFECTS, *IN_A_RUN])


@pytest.mark.parametrize("key", EFFECTS)
def test_a_key_has_an_effect(world: World, key: str) -> None:
    """What is seen with the key is not what is seen without it."""
    observe, value, *beside = EFFECTS[key]
    if key in {"sft.use_4bit", "sft.use_8bit"}:
        pytest.importorskip("bitsandbytes")
    others = beside[0] if beside else {}
    assert observe(world, world.config({**others, key: value})) != observe(world, world.config(others))


def test_keys_of_a_whole_run(
    world: World, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Evaluations, checkpoints, answers, the cache, the card: each as its key says."""
    kept: list[list[str]] = []
    rotate, said = checkpoints.rotate, Generator.answers
    batches: list[int] = []

    def rotated(folder: Path, *rest: Any) -> None:
        rotate(folder, *rest)
        kept.append(sorted(each.name for each in folder.iterdir()))

    def answered(self: Generator, *rest: Any) -> Any:
        batches.append(self._batch_size)
        return said(self, *rest)

    monkeypatch.setattr(checkpoints, "rotate", rotated)
    monkeypatch.setattr(Generator, "answers", answered)
    out = tmp_path / "run"
    run(small, out, world.config(IN_A_RUN), RunOptions(max_steps=8))
    lines = [json.loads(line) for line in (out / "training_log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "eval_loss" in line] == [0, 2, 4]
    assert [line["step"] for line in lines if "loss" in line] == [2, 4]
    assert [line["metric"] for line in lines if line.get("event") == "early_stop"] == ["eval_format_valid"]
    result = json.loads((out / "run.json").read_text())["metrics"]
    assert (result["metric"], result["kept_step"], result["samples"]) == ("format_valid", 2, 3)
    assert [len(names) for names in kept] == [1, 2]
    answers = [json.loads(line) for line in (out / rundir.ANSWERS).read_text().splitlines()]
    assert [(each["step"], each["tokens"]) for each in answers] == [(0, 3), (2, 3), (4, 3)]
    assert set(batches) == {2}
    assert "license: apache-2.0  # as configured" in (out / "adapter" / "README.md").read_text()
    assert list((out / "tensorboard").iterdir())
    told = capsys.readouterr().err
    assert "screenshots in memory" in told
    assert "are allowed by cache_quota_gb" in told


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sft.cache_quota_gb": 2}, "cache_quota_gb: found 2.0 with cache_vision: none"),
        ({"sft.images": "placeholder", "sft.max_images_per_sample": 2}, "found 2 with images: placeholder"),
        ({"sft.lr_scheduler_type": "constant", "sft.warmup_ratio": 0.1}, "found 0.1 with lr_scheduler_type: constant"),
        ({"guards.initial_loss": False, "guards.initial_loss_factor": 2}, "with initial_loss: off"),
        (
            {"guards.loss_spike": "off", "guards.loss_spike_window": 9},
            "loss_spike_window: found 9 with loss_spike: off",
        ),
        ({"guards.loss_spike": "off", "guards.loss_spike_multiple": 9}, "loss_spike_multiple: found 9.0 with"),
        ({"guards.grad_norm": "off", "guards.grad_norm_limit": 9}, "grad_norm_limit: found 9.0 with"),
        ({"guards.no_progress": "off", "guards.no_progress_drop": 0.5}, "no_progress_drop: found 0.5 with"),
        ({"guards.no_progress": "off", "guards.no_progress_steps": 5}, "no_progress_steps: found 5 with"),
        ({"guards.overfitting": "off", "guards.overfitting_evals": 5}, "overfitting_evals: found 5 with"),
        ({"eval.preset": "aitw"}, "preset: found aitw with samples: 0, which makes it do nothing"),
        ({"eval.keep": 1}, "keep: found 1 with samples: 0"),
        ({"eval.batch_size": 1}, "batch_size: found 1 with samples: 0"),
        ({"eval.max_new_tokens": 9}, "max_new_tokens: found 9 with samples: 0"),
        ({"eval.metric": "grounding"}, "metric: found grounding with samples: 0"),
    ],
)
def test_a_key_without_effect_is_refused(world: World, keys: dict[str, Any], message: str) -> None:
    """In one line that names it and what makes it do nothing (the demonstration has samples: 0)."""
    with pytest.raises(ConfigError, match=message):
        world.config(keys)


def test_a_file_may_hold_every_key(world: World) -> None:
    """The defaults written out, as `run.json` has them, are no fault."""
    path = world.folder / "whole.json"
    path.write_text(json.dumps(TrainConfig().to_dict()))
    assert load(path).to_dict() == TrainConfig().to_dict()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"sft.vision_learning_rate": 1e-5},
            "vision_learning_rate: found 1e-05, but nothing in the vision tower learns",
        ),
        (
            {"lora.target_modules": r".*visual\.blocks\.\d+\.mlp\.\w+", "sft.vision_learning_rate": 1e-5},
            "training.sft.learning_rate: found 0.005, but all that learns has a rate of its own",
        ),
    ],
)
def test_a_rate_that_nothing_learns_at_is_refused(world: World, keys: dict[str, Any], message: str) -> None:
    """Where the model is known."""
    with pytest.raises(ConfigError, match=message):
        observed.plan(world, world.config(keys))


def test_a_weight_of_pieces_that_there_are_not_is_refused(
    world: World, sliced: Callable[..., Path], tmp_path: Path
) -> None:
    """A dataset whose answers have no thought learns none more or less."""
    sliced(2, val_fraction=0.5)
    for path in (tmp_path / "trajectories").rglob("trajectory.json"):
        document = json.loads(path.read_text())
        for step in document["steps"]:
            del step["text"]
        path.write_text(json.dumps(document))
    config = slice_stage.SliceConfig(max_pixels=128 * 1024, val_fraction=0.5)
    slice_stage.run(tmp_path / "trajectories", tmp_path / "bare", config, Running())
    bare = World(world.folder, Dataset.open(tmp_path / "bare"), world.base)
    with pytest.raises(ConfigError, match=r"training\.loss\.thought: found 0\.5, but no trained turn"):
        observed.plan(bare, bare.config({"loss.thought": 0.5}))
    assert observed.weights(bare, bare.config({"loss.coordinates": 0.5})) == {0.0, 0.5, 1.0}
