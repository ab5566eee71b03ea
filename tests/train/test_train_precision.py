"""Number formats, quantisation, attention and device: what this machine has is said; what it has not, refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.exceptions import ConfigError, MissingExtraError
from train.config import LoraConfig, SftConfig, TrainConfig, load
from train.models import hardware, model, quantize
from train.models.parts import part_of
from train.run import RunOptions, run

from .test_train_scopes import FAMILIES, skeleton


class Gpu:
    """What hardware asks of a GPU that is not there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, bf16: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")


@pytest.mark.parametrize(
    ("sft", "line"),
    [
        ({}, "fp32 on the CPU: there is no GPU"),
        ({"device": "cpu"}, "fp32 on the CPU: device says so"),
        ({"precision": "bf16"}, "bf16 on the CPU: as configured"),
        (
            {"optim": "paged_adamw_8bit"},
            "warning: paged_adamw_8bit cannot page on a CPU and runs as",
        ),
        ({"use_4bit": True}, "warning: quantised weights on a CPU save memory and cost time"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_the_choice_is_said_with_its_reason(sft: dict[str, Any], line: str) -> None:
    """One line says the number format and why."""
    assert any(reason.startswith(line) for reason in hardware.of(SftConfig(**sft)).reasons)


@pytest.mark.parametrize(("bf16", "expected"), [(True, "bf16 on Some GPU: it has bf16"), (False, "fp16 on Some GPU")])
def test_a_gpu_chooses_the_format(monkeypatch: pytest.MonkeyPatch, bf16: bool, expected: str) -> None:
    """bf16 where it runs, else fp16; FlashAttention-2 only where it is installed."""
    Gpu(monkeypatch, bf16=bf16)
    made = hardware.of(SftConfig())
    assert made.reasons[0].startswith(expected)
    assert made.attention is None
    installed(monkeypatch, "flash_attn", there=True)
    assert hardware.of(SftConfig()).attention == "flash_attention_2"
    assert hardware.of(SftConfig(attn_implementation="sdpa")).attention == "sdpa"
    assert hardware.of(SftConfig(device="cpu")).device == "cpu"


def installed(monkeypatch: pytest.MonkeyPatch, name: str, *, there: bool) -> None:
    """Let a library be there, or not."""
    real = hardware.importlib.util.find_spec

    def find(wanted: str) -> Any:
        return (object() if there else None) if wanted == name else real(wanted)

    monkeypatch.setattr(hardware.importlib.util, "find_spec", find)


@pytest.mark.parametrize(
    ("sft", "error", "message"),
    [
        ({"device": "cuda"}, ConfigError, "training.sft.device: found no GPU"),
        ({"attn_implementation": "flash_attention_2"}, MissingExtraError, "flash_attn is not installed"),
        ({"use_8bit": True}, MissingExtraError, "bitsandbytes is not installed, which use_8bit needs"),
        (
            {"optim": "adamw_8bit"},
            MissingExtraError,
            r"bitsandbytes is not installed, which optim",
        ),
        ({"precision": "fp16"}, ConfigError, "found fp16 without a GPU"),
    ],
)
def test_what_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, sft: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Asked for and absent: refused before anything is loaded, never replaced in silence."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    installed(monkeypatch, "bitsandbytes", there=False)
    with pytest.raises(error, match=message) as caught:
        hardware.of(SftConfig(**sft))
    assert str(caught.value).count("\n") == 1


def test_workers_are_counted_against_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number mistyped would start so many processes."""
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda _: {0, 1})
    hardware.of(SftConfig(dataloader_num_workers=8))
    with pytest.raises(ConfigError, match="num_workers: found 1000, expected 8 at most for 2 cores of this machine"):
        hardware.of(SftConfig(dataloader_num_workers=1000))


def test_flash_attention_needs_half_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed, but no GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    installed(monkeypatch, "flash_attn", there=True)
    with pytest.raises(ConfigError, match="found no GPU, expected a GPU and bf16 or fp16"):
        hardware.of(SftConfig(attn_implementation="flash_attention_2"))
    assert hardware.of(SftConfig()).attention is None


@pytest.mark.parametrize("family", FAMILIES)
def test_the_skip_list_has_the_familys_own_prefixes(family: str) -> None:
    """The library's own matching quantises every layer of the language model and nothing else."""
    from transformers.quantizers.quantizers_utils import should_convert_module

    names = [name for name, module in skeleton(family).named_modules() if isinstance(module, torch.nn.Linear)]
    skipped = quantize.kept_whole(names)
    assert {name for name in names if should_convert_module(name, skipped)} == {
        name for name in names if part_of(name) == "language"
    }


@pytest.mark.parametrize(("sft", "kind"), [({"use_4bit": True}, "Linear4bit"), ({"use_8bit": True}, "Linear8bitLt")])
def test_exactly_the_language_model_is_quantised(base: Any, sft: dict[str, Any], kind: str) -> None:
    """Of the loaded model: each layer of the language model, none of tower, projector and head."""
    pytest.importorskip("bitsandbytes")
    loaded = model.load(base, SftConfig(**sft))
    kinds = {name: type(module).__name__ for name, module in loaded.named_modules()}
    quantised = {name for name, each in kinds.items() if each == kind}
    linear = {name for name, module in model.skeleton(base).named_modules() if isinstance(module, torch.nn.Linear)}
    assert quantised == {name for name in linear if part_of(name) == "language"}
    assert {kinds[name] for name in linear - quantised} == {"Linear"}


@pytest.mark.parametrize("options", [{"use_8bit": True}, {"use_4bit": True}])
def test_quantised_weights_train_and_come_back(dataset_folder: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    """A short run on 8-bit weights, or on 4-bit ones with DoRA, ends with an adapter reloaded and found equal."""
    pytest.importorskip("bitsandbytes")
    sft = SftConfig(learning_rate=5e-3, gradient_accumulation_steps=1, precision="fp32", **options)
    config = TrainConfig(sft, LoraConfig(use_dora="use_4bit" in options))
    report = run(dataset_folder, tmp_path / "run", config, RunOptions(max_steps=2, quiet=True))
    assert report.verified["adapter_from_base"]


def test_impossible_pairs_are_refused(tmp_path: Path) -> None:
    """Two settings of which one would have no effect."""
    for sft, message in {
        "use_8bit: true}, lora: {use_dora: true": "found use_dora with use_8bit, expected one of them",
        "use_4bit: true, use_8bit: true": "found use_4bit and use_8bit, expected one of them",
        "attn_implementation: flash_attention_2, device: cpu": "found flash_attention_2 with device: cpu",
        "attn_implementation: flash_attention_2, precision: fp32": "found flash_attention_2 with fp32",
    }.items():
        file = tmp_path / "config.yaml"
        file.write_text(f"training: {{sft: {{{sft}}}}}")
        with pytest.raises(ConfigError, match=message):
            load(file)
