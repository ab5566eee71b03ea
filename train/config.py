"""The trainer's settings: read from YAML, checked against `schemas/training.schema.json`, frozen. Imports no torch.

The keys are those that users of other trainers know; what each means is said in the schema, and the defaults here are
held equal to the schema's by a test.
"""

import difflib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import schemas
from pipeline.exceptions import ConfigError
from pipeline.schema_errors import findings, json_path

from . import idle
from .evaluation.evalconfig import EvalConfig
from .evaluation.evalconfig import check as check_eval
from .watching.guards import GuardConfig

RECIPES = Path(__file__).parent / "recipes"
DEMO = RECIPES / "demo.yaml"
"""Settings of the built-in demonstration model, which learns nothing at the learning rate of a real one."""

LARGEST = 2.0**63
"""No number is as large; a whole one, written 1e300, would still be an integer to the schema."""

INSTALL_HINT = "pip install '.[train]' in the checkout of gui-data-pipeline"


@dataclass(frozen=True, slots=True)
class SftConfig:
    """Supervised fine-tuning; see `$defs/sft` of the schema."""

    num_train_epochs: float = 1.0
    learning_rate: float = 1e-4
    vision_learning_rate: float | None = None
    projector_learning_rate: float | None = None
    per_device_train_batch_size: int = 1
    gradient_accumulation_steps: int = 8
    warmup_ratio: float = 0.03
    lr_scheduler_type: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    optim: Literal["adamw_torch", "adafactor", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit"] = "adamw_torch"
    gradient_checkpointing: bool = True
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    attn_implementation: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    use_4bit: bool = False
    use_8bit: bool = False
    images: Literal["real", "placeholder"] = "real"
    max_images_per_sample: int = 8
    max_tokens: int = 16384
    eval_steps: float = 0.1
    save_steps: float | None = None
    logging_steps: int = 5
    save_total_limit: int = 2
    report_to: tuple[str, ...] = ()
    dataloader_num_workers: int | None = None
    cache_vision: Literal["none", "memory", "disk"] = "none"
    cache_quota_gb: float = 16.0

    @property
    def warmup(self) -> float:
        """The share of the steps in which the learning rate rises; `constant` knows none."""
        return 0.0 if self.lr_scheduler_type == "constant" else self.warmup_ratio


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """The low-rank update; see `$defs/lora` of the schema."""

    r: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    target_modules: tuple[str, ...] = ("llm",)
    modules_to_save: tuple[str, ...] = ()
    use_rslora: bool = False
    use_dora: bool = False


@dataclass(frozen=True, slots=True)
class LossConfig:
    """How much each piece of a trained turn counts; see `$defs/loss` of the schema."""

    thought: float = 1.0
    action: float = 1.0
    coordinates: float = 1.0
    other: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything that decides what is learned, except the dataset, the model and the seed."""

    sft: SftConfig = SftConfig()
    lora: LoraConfig = LoraConfig()
    loss: LossConfig = LossConfig()
    guards: GuardConfig = field(default_factory=GuardConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)
    preset: Literal["auto", "none"] = "none"
    license: str | None = None
    """Of the adapter, for its model card."""
    given: frozenset[str] = field(default=frozenset(), compare=False)
    """What the file says, as `section.key`; a preset leaves it alone."""
    source: str | None = None
    """The file that it was read from; None where none was named."""

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved settings in the form of the YAML file."""
        said = {} if self.license is None else {"license": self.license}
        return {"training": {**{name: asdict(getattr(self, name)) for name in SECTIONS}, **said}}

    def for_model(self, model: str | None) -> "TrainConfig":
        """Return these settings, or the demo recipe's where neither a file nor a model was named."""
        plain = model is None and replace(self, preset="none", license=None) == TrainConfig()
        return replace(load(DEMO), preset=self.preset, license=self.license) if plain else self


SECTIONS: dict[str, Any] = {
    "sft": SftConfig,
    "lora": LoraConfig,
    "loss": LossConfig,
    "guards": GuardConfig,
    "eval": EvalConfig,
}
"""Of the YAML file: a section is a frozen dataclass with defaults for all, and `$defs/<name>` of the schema."""


def load(path: Path | None) -> TrainConfig:
    """Return the settings in the file, the defaults for a real model without one.

    Raises ConfigError for a file that is missing, malformed or out of range.
    """
    if path is None:
        return TrainConfig()
    from pipeline.yamlfile import read

    document = read(path)
    _check(path, document)
    given = document["training"]
    sections = {name: _build(section(), given.get(name, {})) for name, section in SECTIONS.items()}
    keys = frozenset(f"{name}.{key}" for name in SECTIONS for key in given.get(name, {}))
    rest = {key: given[key] for key in ("preset", "license") if key in given}
    config = TrainConfig(**sections, **rest, given=keys, source=str(path))
    _check_together(path, config)
    return config


def _build(defaults: Any, given: dict[str, Any]) -> Any:
    """Return the dataclass with the given values, numbers turned into the field's own type."""
    values = {}
    for each in fields(defaults):
        if each.name in given:
            default, value = getattr(defaults, each.name), given[each.name]
            if isinstance(default, tuple) and isinstance(value, str):
                value = [value]
            if type(value) is int and "float" in str(each.type):
                value = float(value)
            values[each.name] = type(default)(value) if isinstance(default, float | int | tuple) else value
    return replace(defaults, **values)


def _check(path: Path, document: Any) -> None:
    for place, message in findings("training", document):
        raise ConfigError(f"{path}: {json_path(place)}", message, _close_key(document, place))
    for place, value in _numbers(document, ()):
        if not abs(value) < LARGEST:
            raise ConfigError(f"{path}: {json_path(place)}", f"found {value}, expected a finite number below 2^63")


def _check_together(path: Path, config: TrainConfig) -> None:
    check_eval(f"{path}: $.training.eval", config.eval)
    idle.check(str(path), config)
    where = f"{path}: $.training.sft"
    sft = config.sft
    for key in ("eval_steps", "save_steps"):
        value = getattr(sft, key)
        if value is not None and value > 1 and not float(value).is_integer():
            raise ConfigError(f"{where}.{key}", f"found {value}, expected a whole number of steps, or a share below 1")
    if not any(asdict(config.loss).values()):
        message = "found every weight 0, expected one above: nothing but the end of a turn would be learned"
        raise ConfigError(f"{path}: $.training.loss", message, "leave at least one of them out")
    if sft.images == "placeholder" and sft.cache_vision != "none":
        message = f"found {sft.cache_vision} with images: placeholder, expected none: there is nothing to keep"
        raise ConfigError(f"{where}.cache_vision", message, "leave cache_vision out")
    if sft.use_4bit and sft.precision == "fp16":
        found = "found fp16 together with use_4bit, expected auto, bf16 or fp32"
        raise ConfigError(f"{where}.precision", found, "leave precision out; auto picks what the GPU has")
    if sft.use_4bit and sft.use_8bit:
        raise ConfigError(f"{where}.use_8bit", "found use_4bit and use_8bit, expected one of them")
    if sft.use_8bit and config.lora.use_dora:
        found = "found use_dora with use_8bit, expected one of them: DoRA needs the weights' lengths, which 8 bits hide"
        raise ConfigError(f"{path}: $.training.lora.use_dora", found, "use_4bit goes with use_dora")
    if sft.attn_implementation == "flash_attention_2" and (sft.precision == "fp32" or sft.device == "cpu"):
        found = "fp32" if sft.precision == "fp32" else "device: cpu"
        message = f"found flash_attention_2 with {found}, expected bf16 or fp16 on a GPU"
        raise ConfigError(f"{where}.attn_implementation", message, "leave it at auto")


def _numbers(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], float]]:
    match value:
        case float():
            yield place, value
        case dict():
            for key in value:
                yield from _numbers(value[key], (*place, key))
        case list():
            for index, item in enumerate(value):
                yield from _numbers(item, (*place, index))


def _close_key(document: Any, place: tuple[str | int, ...]) -> str | None:
    """Return a hint that names the known key closest to the first unknown one at the place, if one is close."""
    known: Any = schemas.load("training")
    for part in place:
        document, known = document[part], known.get("properties", {}).get(part, {})
        if "$ref" in known:
            known = schemas.load("training")["$defs"][known["$ref"].rsplit("/", 1)[1]]
    names = list(known.get("properties", ()))
    unknown = sorted(map(str, set(document) - set(names))) if isinstance(document, dict) and names else []
    close = difflib.get_close_matches(unknown[0], names, 1) if unknown else []
    return f"did you mean {close[0]}?" if close else None
