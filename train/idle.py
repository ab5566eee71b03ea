"""Keys of the configuration that would do nothing beside the others: refused, so that nobody believes in them.

A value that is the default is let pass: a file may hold every key. Imports no torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from pipeline.exceptions import ConfigError

if TYPE_CHECKING:
    from .config import TrainConfig


@dataclass(frozen=True, slots=True)
class Idle:
    """Keys of a section that do nothing while another key of it has that value."""

    section: str
    keys: tuple[str, ...]
    other: str
    value: Any
    why: str


IDLE = (
    Idle("sft", ("cache_quota_gb",), "cache_vision", "none", "nothing is kept"),
    Idle("sft", ("max_images_per_sample",), "images", "placeholder", "no screenshot is shown"),
    Idle("sft", ("warmup_ratio",), "lr_scheduler_type", "constant", "constant_with_warmup has one"),
    Idle("guards", ("initial_loss_factor",), "initial_loss", "off", "nothing is compared"),
    Idle("guards", ("loss_spike_multiple", "loss_spike_window"), "loss_spike", "off", "nothing is compared"),
    Idle("guards", ("grad_norm_limit",), "grad_norm", "off", "nothing is compared"),
    Idle("guards", ("no_progress_steps", "no_progress_drop"), "no_progress", "off", "nothing is compared"),
    Idle("guards", ("overfitting_evals",), "overfitting", "off", "nothing is compared"),
    Idle("eval", ("preset", "batch_size", "max_new_tokens", "keep"), "samples", 0, "the model answers nothing"),
)
"""What depends on the dataset or the model (span weights, learning rates of parts) is refused where those are known."""


def check(path: str, config: "TrainConfig") -> None:
    """Raise ConfigError for the first key that was set and would do nothing."""
    for each, key in _set(config):
        section = getattr(config, each.section)
        found = getattr(section, key)
        message = f"found {found} with {each.other}: {each.value}, which makes it do nothing, expected it left out"
        hint = f"leave {key} out, or change {each.other}: {each.why}"
        raise ConfigError(f"{path}: $.training.{each.section}.{key}", message, hint)


def _set(config: "TrainConfig") -> Iterator[tuple[Idle, str]]:
    for each in IDLE:
        section = getattr(config, each.section)
        if getattr(section, each.other) != each.value:
            continue
        defaults = {field.name: field.default for field in fields(section)}
        yield from ((each, key) for key in each.keys if getattr(section, key) != defaults[key])
