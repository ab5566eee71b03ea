"""The base model, frozen, and the LoRA layers on its language model."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageTextToText

from pipeline.exceptions import InputError
from pipeline.storage.manifest import Contract
from train.config import SftConfig, TrainConfig
from train.encoding import contract, frame, processor
from train.encoding.source import Source
from train.folder import processes

from . import adapt, hardware, quantize, tiny
from .adapt import add_lora as add_lora
from .lora import Targets

WHOLE = 256 << 20
"""Bytes from which a weights file is not read whole to be told from another."""
SAMPLED = 66
"""Blocks read of such a file, the first and the last among them."""
BLOCK = 64 << 10

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True, slots=True)
class Base:
    """A base model before its weights are loaded: where it is, what it is called, and its processor."""

    source: str
    """Folder or hub id."""
    name: str
    """How reports and the adapter call it; no path of this machine for the built-in model."""
    demo: bool
    config: Any
    processor: Any


def find(model: str | None, dataset: Source, run_folder: Path) -> Base:
    """Return the base model of a run; without a name, the built-in one, written to the run folder.

    Raises InputError or ContractError for a model that cannot be loaded or contradicts the dataset.
    """
    agreed = dataset.manifest.contract
    if model is None:
        made = tiny.build_processor(dataset)
        folder = run_folder / "base"
        if processes.first():
            tiny.save_model(made, agreed, folder)
        base = Base(str(folder), "base", True, config_of(str(folder)), made)
        contract.check(tiny.name(agreed), base.config, agreed)
        return base
    config = config_of(model)
    return Base(model, model, False, config, _processor(model, config, agreed))


def files(model: str | None) -> dict[str, str]:
    """Return digests of a local model folder's files, so that a changed one is another model; empty for any other.

    Weights files of WHOLE bytes or more are known by samples, which retrained or converted weights do not share.
    """
    folder = Path(model) if model else None
    if folder is None or not folder.is_dir():
        return {}
    texts = (*folder.glob("*.json"), *folder.glob("*.jinja"))  # the chat template decides what is trained
    settings = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in texts}
    weights = {path.name: _digest(path) for path in folder.glob("*.safetensors") if path.is_file()}
    return dict(sorted({**settings, **weights}.items()))


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; of a large one, that of its size, safetensors header and evenly spaced blocks."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size < WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        header = int.from_bytes(file.read(8), "little")
        digest.update(file.read(min(header, WHOLE)))
        for index in range(SAMPLED):
            file.seek((size - BLOCK) * index // (SAMPLED - 1))
            digest.update(file.read(BLOCK))
    return digest.hexdigest()


def processor_of(model: str | None, dataset: Source) -> Any:
    """Return the processor alone, as `--show` needs it; nothing is written."""
    if model is None:
        return tiny.build_processor(dataset)
    return _processor(model, config_of(model), dataset.manifest.contract)


def _processor(model: str, config: Any, agreed: Contract) -> Any:
    contract.check(model, config, agreed)
    made = processor.of_model(model, config, agreed)
    contract.check_tokens(model, config, frame.of(made, model))
    return made


def config_of(source: str) -> Any:
    """Return a model's configuration; raises InputError where there is none."""
    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # the libraries' readers stumble on damaged files in all ways
        local = Path(source).exists()
        reason = _first_line(error)
        if local:
            message = f"found no usable config.json ({reason}), expected a model folder"
            raise InputError(source, message, _other_folder(Path(source))) from error
        message = f"it is no local folder and could not be fetched from the hub ({reason})"
        hint = "download the model and name its folder, or leave --model out for the built-in demonstration model"
        raise InputError(source, message, hint) from error


def _other_folder(folder: Path) -> str | None:
    """Return what to do with a folder that is a run or an adapter, which people take for a model."""
    if (folder / "adapter_config.json").is_file():
        return "it is an adapter; gdp merge RUN -o FOLDER makes a model of a run"
    if (folder / "adapter" / "adapter_config.json").is_file():
        return f"it is a run of gdp train; gdp merge {folder} -o FOLDER makes a model of it"
    return None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__


def skeleton(base: Base) -> Any:
    """Return the model's modules without weights, to check settings before gigabytes are read."""
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(base.config, trust_remote_code=False)


def targets(base: Base, config: TrainConfig) -> Targets:
    """Return what learns of the model; raises ConfigError for an entry without a match."""
    return adapt.targets(skeleton(base), config)


def _check_whole(source: str, info: dict[str, Any]) -> None:
    """Raise InputError where the files do not hold each weight, in the shape that config.json says."""
    if info["mismatched_keys"]:
        name, found, expected = min(info["mismatched_keys"])
        shapes = f"found {_shape(found)} in its files, expected {_shape(expected)} by its config.json"
        raise InputError(source, f"{name}: {shapes}", "download the model again")
    if info["missing_keys"]:
        missing = min(info["missing_keys"])
        message = f"its files lack {len(info['missing_keys'])} weights ({missing}), expected a complete model"
        raise InputError(source, message, "download the model again")


def _shape(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def load(base: Base, sft: SftConfig) -> Any:
    """Return the base model with its weights, every parameter frozen, in evaluation mode."""
    machine = hardware.of(sft)
    dtype = DTYPES[machine.precision]
    options: dict[str, Any] = {"dtype": dtype}
    if machine.attention is not None:
        options["attn_implementation"] = machine.attention
    quantised = sft.use_4bit or sft.use_8bit
    if quantised:
        linear = [name for name, module in skeleton(base).named_modules() if isinstance(module, torch.nn.Linear)]
        options["quantization_config"] = quantize.settings(linear, sft, dtype)
        options["device_map"] = {"": torch.cuda.current_device() if machine.device == "cuda" else "cpu"}
    try:
        model, info = AutoModelForImageTextToText.from_pretrained(
            base.source,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below; the library's own error names none
            **options,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        message = f"cannot load its weights ({_first_line(error)}), expected safetensors files"
        raise InputError(base.source, message, "download the model again") from error
    _check_whole(base.source, info)
    for module in model.modules():
        # bitsandbytes repacks 4-bit weights for a CPU's no-grad passes and back again when saving, losing digits each
        # time: the base would no longer be the one that the adapter was trained on. It also fails there on matrices
        # whose sides are no multiples of 64.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    model.requires_grad_(False)
    model.config.use_cache = False
    placed = quantised or processes.sharding() != "none"  # whoever cuts it into parts moves the parts
    return (model if placed else model.to(machine.device)).eval()
