"""The estimate of memory against what training really takes; the dry run against the run."""

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from click.testing import CliRunner
from transformers import AutoModelForImageTextToText, Qwen3VLConfig

from pipeline.cli import main
from pipeline.exceptions import ConfigError, StageError
from train import presets
from train.config import DEMO, LoraConfig, SftConfig, TrainConfig, load
from train.forecast import estimate, exhausted
from train.models import adapt, head, model
from train.models.lora import Targets
from train.models.loss import token_losses
from train.models.tower import Tower
from train.report import TrainReport
from train.run import RunOptions, dry, run

GRID = (1, 20, 30)
"""Patches of a picture of 480x320 pixels."""


@dataclass(frozen=True)
class Shape:
    """A model and a batch: tens of millions of weights, of which the vocabulary has most, as in real small ones."""

    layers: int = 3
    heads: int = 4
    vocabulary: int = 24_000
    samples: int = 1
    tokens: int = 400
    trained: int = 40
    scope: str = "llm"
    dropout: float = 0.0
    checkpointing: bool = False
    half: bool = False
    attention: str = "sdpa"

    @property
    def settings(self) -> TrainConfig:
        """The configuration."""
        sft = SftConfig(gradient_checkpointing=self.checkpointing, attn_implementation=self.attention)
        return TrainConfig(sft, LoraConfig(target_modules=(self.scope,), dropout=self.dropout))

    @property
    def low(self) -> Any:
        """What autocast computes in."""
        return torch.bfloat16 if self.half else None

    @property
    def config(self) -> Any:
        """The architecture."""
        rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [12, 10, 10], "mrope_interleaved": True}
        text = {"vocab_size": self.vocabulary, "hidden_size": 384, "intermediate_size": 1152,
                "num_hidden_layers": self.layers, "num_attention_heads": 4, "num_key_value_heads": self.heads,
                "head_dim": 64, "pad_token_id": 0, "rope_parameters": rope}  # fmt: skip
        vision = {"depth": 3, "hidden_size": 192, "intermediate_size": 768, "num_heads": 4, "out_hidden_size": 384,
                  "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}  # fmt: skip
        ids = {"image_token_id": 5, "video_token_id": 6, "vision_start_token_id": 3, "vision_end_token_id": 4}
        return Qwen3VLConfig(text_config=text, vision_config=vision, **ids, tie_word_embeddings=True)

    def batch(self) -> dict[str, Any]:
        """Return a batch with a picture in each sample."""
        grid = torch.tensor([GRID] * self.samples)
        shown = int(grid[0].prod()) // 4
        ids = torch.randint(10, 1000, (self.samples, self.tokens), generator=torch.Generator().manual_seed(1))
        ids[:, 8 : 8 + shown] = 5
        ids[:, 7], ids[:, 8 + shown] = 3, 4
        labels = torch.full_like(ids, -100)
        labels[:, -self.trained :] = ids[:, -self.trained :]
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": (ids == 5).long(),
                "labels": labels, "weights": (labels >= 0).float(), "image_grid_thw": grid,
                "pixel_values": torch.randn(int(grid.prod(1).sum()), 1536)}  # fmt: skip


def targets(shape: Shape) -> Targets:
    """Return what learns."""
    with torch.device("meta"):
        return adapt.targets(AutoModelForImageTextToText.from_config(shape.config), shape.settings)


def estimated(shape: Shape) -> estimate.Estimate:
    """Return the estimate."""
    precision = "bf16" if shape.half else "fp32"
    made = estimate.skeleton(shape.config, targets(shape), shape.settings, precision)
    return estimate.of(made, shape.batch(), shape.settings, precision)


def trained(shape: Shape, device: str) -> tuple[Any, Callable[[], None]]:
    """Return a real model after its first step, and what does the next one."""
    made = AutoModelForImageTextToText.from_config(shape.config, attn_implementation=shape.attention)
    made = made.to(shape.low or torch.float32).to(device)
    made.requires_grad_(False)
    made.config.use_cache = False
    made = adapt.add_lora(made, targets(shape), shape.settings.lora, shape.settings.sft).train()
    tower = Tower.of(made)
    head.way(made)
    optimizer = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], foreach=False)
    batch = {name: value.to(device) for name, value in shape.batch().items()}

    def step() -> None:
        with torch.autocast(device, shape.low) if shape.low else contextlib.nullcontext():
            losses, outputs = token_losses(made, batch)
        del outputs
        losses.sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    assert (tower is None) == (shape.scope == "llm+vision")
    state = sum(t.nbytes for each in optimizer.state.values() for t in each.values() if torch.is_tensor(t))
    made.resident = sum(p.nbytes for p in made.parameters()) + state + batch["pixel_values"].nbytes
    return made, step


def peak_on_cpu(step: Callable[[], None]) -> int:
    """Return the most that torch's allocator held at once during the step, beside what it held before."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profiler:
        step()
    events = [(e.start_ns(), e.nbytes()) for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for _, size in sorted(events, key=lambda event: event[0]):
        live += size
        peak = max(peak, live)
    return peak


SHAPES = {
    "everything kept": Shape(dropout=0.1),
    "checkpointing": Shape(checkpointing=True, heads=2, tokens=500),
    "many trained tokens": Shape(trained=250, heads=2),
    "vision learns": Shape(scope="llm+vision", samples=2),
    "vision learns, checkpointing": Shape(scope="llm+vision", checkpointing=True),
    "eager attention": Shape(attention="eager", tokens=700, heads=2),
    "eager attention, bf16, checkpointing": Shape(attention="eager", tokens=700, half=True, checkpointing=True),
    "bf16": Shape(half=True, trained=200, checkpointing=True),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_estimate_is_what_training_takes(name: str) -> None:
    """Within 20 % of the measured peak: of activations and gradients alone, and of all together."""
    shape = SHAPES[name]
    expected = estimated(shape)
    made, step = trained(shape, "cpu")
    measured = peak_on_cpu(step)
    learning = sum(p.numel() for p in made.parameters() if p.requires_grad)
    activations = expected.phases.peak - expected.phases.inputs + 4 * learning
    assert activations == pytest.approx(measured, rel=0.2)
    assert expected.total == pytest.approx(made.resident + measured, rel=0.2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", SHAPES)
def test_the_estimate_is_what_a_gpu_takes(name: str) -> None:
    """The same on a GPU, by its own allocator."""
    shape = SHAPES[name]
    expected = estimated(shape)
    _, step = trained(shape, "cuda")
    torch.cuda.reset_peak_memory_stats()
    step()
    assert expected.total == pytest.approx(torch.cuda.max_memory_allocated(), rel=0.2)


def test_quantised_weights_weigh_what_is_said(base: Any) -> None:
    """Bytes of 4-bit and 8-bit weights as bitsandbytes really holds them."""
    pytest.importorskip("bitsandbytes")
    for options in ({"use_4bit": True}, {"use_8bit": True}):
        settings = TrainConfig(SftConfig(**options, precision="fp32"))
        loaded = model.load(base, settings.sft)
        held = sum(p.nbytes for p in loaded.parameters()) + sum(map(_scales, loaded.modules()))
        made = estimate.skeleton(base.config, model.targets(base, settings), settings, "fp32")
        assert estimate.frozen_bytes(made, settings) == pytest.approx(held, rel=0.03)


def _scales(module: Any) -> int:
    """Return the bytes that go with a quantised matrix."""
    weight = getattr(module, "weight", None)
    state = getattr(weight, "quant_state", None)
    if state is not None:
        nested = state.state2.absmax.nbytes + state.state2.code.nbytes if state.nested else 0
        return int(state.absmax.nbytes + nested)
    scale = getattr(weight, "SCB", None)
    return 0 if scale is None else int(scale.nbytes)


def test_the_dry_run_is_the_run(
    demo_run: tuple[Path, TrainReport], dataset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same counts as the run itself, from a model folder without weights, and no file is written."""
    folder = tmp_path / "model"
    shutil.copytree(demo_run[0] / "base", folder)
    (folder / "model.safetensors").unlink()
    monkeypatch.chdir(tmp_path)
    report = dry(dataset_folder, load(DEMO), RunOptions(model=str(folder)))
    done = demo_run[1]
    assert (report.trainable, report.total) == (done.trainable, done.total)
    assert (report.samples, report.matched) == (done.samples, done.matched)
    assert dry(dataset_folder, load(DEMO), RunOptions(model=str(folder), max_steps=14)).steps.total == done.steps
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    text = report.render_text()
    assert "12 an epoch, 24 in all" in text
    assert "224x512: 112 tokens, 28 screenshots" in text
    assert "advice    8, 16, 24, 48, 80 GB: bf16 fits; 4 bits would only cost time" in text
    bins = [(each.samples, round(each.image)) for each in report.lengths if each.samples]
    assert bins == [(6, 112), (6, 224), (12, 336)]


@pytest.mark.parametrize("family", ["idefics3", "gemma3"])
def test_the_code_of_any_family_is_counted(family: str, alternating: Path, tmp_path: Path) -> None:
    """A family that asks which pictures are padding, and one with a bare projector: every column has its figure."""
    folder = tiny_models.save(family, tmp_path / family)
    config = TrainConfig(SftConfig(), LoraConfig(target_modules=("llm+vision",)))
    report = dry(alternating, config, RunOptions(model=str(folder)))
    assert len(report.memory) == 4
    assert all(each.phases.peak > each.phases.kept > 0 for each in report.memory.values())


def test_a_family_that_cannot_be_counted_is_said(dataset_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that needs numbers costs the estimate, not the dry run."""
    from train.forecast import simulate

    monkeypatch.setattr(simulate, "token_losses", lambda *_: torch.empty(1, device="meta").item())
    report = dry(dataset_folder, load(None), RunOptions())
    assert report.memory == {}
    assert "advice    no estimate: the model's code needs numbers" in report.render_text()


def test_features_that_change_are_refused_before_the_run(dataset_folder: Path) -> None:
    """`cache_vision` beside a tower that learns: the dry run says what the run would."""
    config = TrainConfig(replace(load(DEMO).sft, cache_vision="memory"), LoraConfig(target_modules=("llm+projector",)))
    with pytest.raises(ConfigError, match="cache_vision: found memory, but layers of the vision tower or of the proj"):
        dry(dataset_folder, config, RunOptions())


def test_the_command_says_it_as_json_too(dataset_folder: Path) -> None:
    """`--format json` has every term; -o beside --dry-run is refused."""
    done = CliRunner().invoke(main, ["train", str(dataset_folder), "--dry-run", "--preset", "auto", "--format", "json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stderr)
    configured = document["memory"]["as configured"]
    static = configured["weights"] + configured["learning"] + configured["unpacked"] + configured["ahead"]
    assert configured["total"] == static + configured["peak"]
    assert document["preset"]["samples"] == 24
    assert document["preset"]["kept"]["sft"]["learning_rate"] == 5e-3
    refused = CliRunner().invoke(main, ["train", str(dataset_folder), "--dry-run", "-o", "x"])
    assert refused.exit_code == 2
    assert "--dry-run: found it beside -o, --fresh or --resume" in refused.stderr


@pytest.mark.parametrize(
    ("samples", "four_bits", "expected"),
    [
        (99, False, (8.0, 5e-5, 4, 8, 16.0, 0.1)),
        (100, False, (5.0, 8e-5, 8, 16, 32.0, 0.1)),
        (1000, True, (5.0, 8e-5, 8, 32, 64.0, 0.1)),
        (1001, False, (3.0, 1e-4, 16, 32, 64.0, 0.05)),
        (20_000, True, (3.0, 2e-4, 16, 64, 128.0, 0.05)),
    ],
)
def test_presets_follow_the_size(samples: int, four_bits: bool, expected: tuple[float, ...]) -> None:
    """Epochs, rate, accumulation, rank, alpha, dropout at the edges of the bands."""
    config, choice = presets.apply(TrainConfig(SftConfig(use_4bit=four_bits), preset="auto"), samples)
    sft, lora = config.sft, config.lora
    assert (sft.num_train_epochs, sft.learning_rate, sft.gradient_accumulation_steps, lora.r, lora.alpha,
            lora.dropout) == expected  # fmt: skip
    assert choice is not None
    assert f"{samples} train samples" in next(choice.lines())


def test_what_the_file_says_wins_over_the_preset(dataset_folder: Path, tmp_path: Path) -> None:
    """A key that is given stays, even where it is the default; alpha follows a given rank; run.json has both."""
    file = tmp_path / "config.yaml"
    file.write_text("training: {preset: auto, sft: {learning_rate: 1e-4}, lora: {r: 4}}")
    config = load(file)
    chosen, choice = presets.apply(config, 50)
    assert choice is not None
    assert (chosen.sft.learning_rate, chosen.lora.r, chosen.lora.alpha) == (1e-4, 4, 8.0)
    assert choice.kept == {"sft": {"learning_rate": 1e-4}, "lora": {"r": 4}}
    assert presets.apply(replace(config, preset="none"), 50) == (replace(config, preset="none"), None)
    run(dataset_folder, tmp_path / "run", config, RunOptions(max_steps=1, quiet=True))
    stored = json.loads((tmp_path / "run" / "run.json").read_text())
    assert stored["preset"]["chosen"]["sft"]["num_train_epochs"] == 8.0
    assert stored["config"]["training"]["lora"]["alpha"] == 8.0


EXHAUSTED = {
    "a CPU": lambda: torch.empty(1 << 58),
    "a GPU": lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")),
}


@pytest.mark.parametrize("where", EXHAUSTED)
def test_out_of_memory_says_what_to_change_first(where: str) -> None:
    """One line with the cheapest change first; another error stays what it is."""
    config = TrainConfig(SftConfig(per_device_train_batch_size=2, gradient_checkpointing=False))
    with pytest.raises(StageError, match="out of memory") as caught, exhausted.explained(config, Targets("", {}), 3):
        next(iter(EXHAUSTED[where]()))
    assert str(caught.value).count("\n") == 1
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("per_device_train_batch_size: 1 with gradient_accumulation_steps: 16")
    with pytest.raises(RuntimeError, match="shapes"), exhausted.explained(config, Targets("", {}), 3):
        raise RuntimeError("shapes do not fit")


@pytest.mark.parametrize(
    ("config", "matches", "expected"),
    [
        (TrainConfig(), {}, ["use_4bit: true", "slice with a smaller --max-dim", "a smaller model"]),
        (TrainConfig(SftConfig(gradient_checkpointing=False, use_4bit=True)), {},
         ["gradient_checkpointing: true", "slice with a smaller --max-dim", "a smaller model"]),
        (TrainConfig(SftConfig(use_8bit=True)), {"llm+vision": ("model.visual.blocks.0.mlp.fc1",)},
         ["slice with a smaller --max-dim", "target_modules: llm, so that the vision tower keeps nothing",
          "a smaller model"]),
    ],
)  # fmt: skip
def test_remedies_are_those_that_are_left(config: TrainConfig, matches: Any, expected: list[str]) -> None:
    """Nothing is advised that is done already."""
    assert exhausted.remedies(config, Targets("", matches), 1) == expected
