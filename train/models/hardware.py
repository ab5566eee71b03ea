"""What this machine lets a run use: device, number format, attention, 8-bit optimizers; chosen here, and said."""

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from pipeline.exceptions import ConfigError, MissingExtraError
from train.config import INSTALL_HINT, SftConfig
from train.folder import processes

BITSANDBYTES = ("adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit")
"""Optimizers that bitsandbytes brings."""

FLASH = "flash_attention_2"

MOST_WORKERS = 4
"""Processes that decode screenshots, for each core. More only wait for one; a thousand take a machine down."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and how a run computes."""

    device: str
    """`cuda` or `cpu`."""
    precision: str
    """bf16, fp16 or fp32."""
    attention: str | None
    """None leaves it to transformers: sdpa where the model has it, else eager."""
    reasons: tuple[str, ...]
    """Why, in lines for people."""


def of(sft: SftConfig) -> Hardware:
    """Return what the run uses; raises ConfigError or MissingExtraError for what this machine does not have."""
    where = device(sft.device)
    form = precision(sft, where)
    attention = _attention(sft, where, form)
    _check_bitsandbytes(sft)
    _check_workers(sft)
    reasons = (f"{form} on {_named(where)}: {_why(sft, where)}", *_remarks(sft, where, attention))
    return Hardware(where, form, attention, reasons)


def device(asked: str = "auto") -> str:
    """Return `cuda` where there is a GPU for this process, else `cpu`; raises ConfigError where there are too many."""
    if asked == "cuda" and not torch.cuda.is_available():
        built = "this torch is built for CPUs only" if torch.version.cuda is None else "torch finds none"
        message = f"found no GPU ({built}), expected one"
        raise ConfigError("training.sft.device", message, "leave device out to train on the CPU, or mend the driver")
    if asked == "cpu" or not torch.cuda.is_available():
        return "cpu"
    processes.check_gpus(torch.cuda.device_count())
    return "cuda"


def precision(sft: SftConfig, where: str) -> str:
    """Return the number format of the run: bf16, fp16 or fp32."""
    if where == "cpu":
        if sft.precision == "fp16":
            message = "found fp16 without a GPU, expected auto, fp32 or bf16"
            raise ConfigError("training.sft.precision", message, "leave it out: auto takes what this machine has")
        return "fp32" if sft.precision == "auto" else sft.precision
    if sft.precision != "auto":
        return sft.precision
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def _attention(sft: SftConfig, where: str, form: str) -> str | None:
    """Return the attention to ask transformers for; raises where the one that was asked for cannot run."""
    installed = importlib.util.find_spec("flash_attn") is not None
    possible = installed and where == "cuda" and form in {"bf16", "fp16"}
    if sft.attn_implementation == "auto":
        return FLASH if possible else None
    if sft.attn_implementation == FLASH and not possible:
        place = "training.sft.attn_implementation"
        if not installed:
            hint = "pip install flash-attn on a machine with a GPU, or leave it at auto, which takes sdpa"
            raise MissingExtraError(place, "flash_attn is not installed, which flash_attention_2 needs", hint)
        found = "no GPU" if where == "cpu" else "fp32"
        raise ConfigError(place, f"found {found}, expected a GPU and bf16 or fp16 for flash_attention_2", "use auto")
    return sft.attn_implementation


def _check_bitsandbytes(sft: SftConfig) -> None:
    used = {"use_4bit": sft.use_4bit, "use_8bit": sft.use_8bit, f"optim ({sft.optim})": sft.optim in BITSANDBYTES}
    if any(used.values()) and importlib.util.find_spec("bitsandbytes") is None:
        key = next(key for key, on in used.items() if on)
        message = f"bitsandbytes is not installed, which {key} needs"
        raise MissingExtraError("training.sft", message, INSTALL_HINT)


def _check_workers(sft: SftConfig) -> None:
    """Raise ConfigError for far more worker processes than there are cores for."""
    cores = len(os.sched_getaffinity(0))
    if (sft.dataloader_num_workers or 0) > MOST_WORKERS * cores:
        most = f"{MOST_WORKERS * cores} at most for {cores} core{'s' if cores > 1 else ''} of this machine"
        message = f"found {sft.dataloader_num_workers}, expected {most}"
        raise ConfigError("training.sft.dataloader_num_workers", message, "leave it out: the number is chosen then")


def _named(where: str) -> str:
    return torch.cuda.get_device_name() if where == "cuda" else "the CPU"


def _why(sft: SftConfig, where: str) -> str:
    if sft.precision != "auto":
        return "as configured"
    if where == "cpu":
        return "there is no GPU" if sft.device == "auto" else "device says so"
    return "it has bf16" if torch.cuda.is_bf16_supported() else "it has no bf16"


def _remarks(sft: SftConfig, where: str, attention: str | None) -> Iterator[str]:
    if attention is not None:
        yield f"attention: {attention}{' (installed)' if sft.attn_implementation == 'auto' else ''}"
    if where == "cpu" and sft.optim.startswith("paged_"):
        yield f"warning: {sft.optim} cannot page on a CPU and runs as its kind that does not"
    if where == "cpu" and (sft.use_4bit or sft.use_8bit):
        yield "warning: quantised weights on a CPU save memory and cost time; fine for a test"
