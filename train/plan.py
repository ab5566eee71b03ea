"""What a run has decided before it loads weights: which samples, which model, which layers, which number format."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pipeline.exceptions import ConfigError, InputError

from . import describe
from .config import TrainConfig
from .encoding import contract as agreement
from .encoding.data import Encoder, Item, select
from .encoding.lesson import Lesson
from .encoding.source import Source
from .encoding.template import Template
from .encoding.tokens import ChatML
from .folder import processes
from .models import features, model, tiny
from .models.lora import Targets
from .run import RunOptions
from .steps import Steps
from .watching.progress import Progress


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run has decided before it loads weights; making one finds every fault that it can."""

    base: model.Base
    encoder: Encoder
    train: list[Item]
    val: list[Item]
    refused: dict[str, Counter[str]]
    targets: Targets
    precision: str


def make_plan(
    dataset: Source, out: Path, config: TrainConfig, options: RunOptions, precision: str, progress: Progress
) -> Plan:
    """Return what will be trained on what; the only thing written is the built-in model, where it is used."""
    base = model.find(options.model, dataset, out)
    contract = dataset.manifest.contract
    if base.demo:
        whose = tiny.name(contract)
        progress.say(f"train: DEMONSTRATION with the {whose}: it shows that all works, and is of no other use")
    encoder = Encoder(base.processor, contract, base.name)
    lesson = Lesson(dataset.manifest, options.supervise, config.loss, config.sft.images)
    limits = {"max_images": config.sft.max_images_per_sample, "max_tokens": config.sft.max_tokens}
    chosen: dict[str, list[Item]] = {}
    refused: dict[str, Counter[str]] = {}
    for split in ("train", "val"):
        chosen[split], refused[split] = select(lesson.items(dataset.samples(split)), encoder, **limits)
        if not chosen[split]:
            raise _nothing(dataset, split, refused[split])
    lesson.check_weights()
    count = processes.count()
    Steps.of(len(chosen["train"]), config, options.max_steps, processes=count).check(config)
    _check_pictures(dataset, chosen)
    first = chosen["train"][: config.sft.per_device_train_batch_size * config.sft.gradient_accumulation_steps]
    for item in first:
        encoder.check(item)
    if isinstance(encoder.frame, Template):
        shown = (ref for items in chosen.values() for item in items for ref in item.images)
        for note in agreement.notes(base.name, base.config, encoder.frame, shown):
            progress.say(f"train: {note}")
    targets = model.targets(base, config)
    if config.sft.images == "placeholder":
        _check_blind(targets)
        progress.say(f"train: {BLIND}")
    if config.sft.cache_vision != "none":
        _check_kept(config.sft.cache_vision, targets, encoder)
    for line in describe.chosen(targets):
        progress.say(f"train: {line}")
    return Plan(base, encoder, chosen["train"], chosen["val"], refused, targets, precision)


BLIND = "PLACEHOLDERS INSTEAD OF SCREENSHOTS: this checks a set-up and trains no agent; images: real shows them"


def _check_blind(targets: Targets) -> None:
    """Raise ConfigError where something would learn to see that is shown nothing."""
    if not targets.frozen_vision:
        message = "found placeholder, but vision tower or projector learn and would be shown nothing, expected real"
        raise ConfigError("training.sft.images", message, "or target_modules: llm, without modules_to_save")


def _check_kept(kind: str, targets: Targets, encoder: Encoder) -> None:
    """Raise ConfigError where features of screenshots cannot be kept: known before a weight is read."""
    if not targets.frozen_vision:
        raise features.unkeepable(kind, features.LEARNS)
    if not isinstance(encoder.frame, ChatML):
        raise features.unkeepable(kind, features.QWEN_ONLY)


def _check_pictures(dataset: Source, chosen: dict[str, list[Item]]) -> None:
    """Raise ConfigError for a sample without a picture where the vision tower lies in parts on several processes.

    Each part is fetched from all processes when the tower runs; a process that shows it nothing would not take part,
    and the others would wait for it.
    """
    if processes.sharding() != "none":
        for item in (item for items in chosen.values() for item in items if not item.images):
            message = f"{item.sample_id} shows no screenshot, expected one in each sample of a model cut into parts"
            raise ConfigError(str(dataset.path), message, "train with plain torchrun, which cuts nothing")


def _nothing(dataset: Source, split: str, refused: Counter[str]) -> InputError:
    reasons = ", ".join(f"{count}: {reason}" for reason, count in refused.items())
    limits = {" images": "max_images_per_sample", " tokens": "max_tokens"}
    met = [key for word, key in limits.items() if any(reason.endswith(word) for reason in refused)]
    hint = f"raise {' or '.join(met)} in the configuration" if met else None
    return InputError(str(dataset.path), f"every {split} sample was refused ({reasons})", hint)
