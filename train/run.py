"""`gdp train`: a dataset in, a LoRA adapter out. Imports no torch before it is known to be there."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.exceptions import ConfigError, InputError, MissingExtraError
from pipeline.storage.apart import keep_apart, require_folder
from pipeline.storage.dataset import Dataset
from pipeline.storage.place import Place, Where

from .config import INSTALL_HINT, TrainConfig
from .quiet import quietly
from .report import TrainReport

if TYPE_CHECKING:
    from .forecast.report import DryRun

NEEDED = ("torch", "transformers", "peft", "accelerate", "safetensors", "matplotlib", "yaml")


Supervise = Literal["last", "all-correct"]
SUPERVISE: tuple[Supervise, ...] = ("last", "all-correct")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says beside the configuration."""

    model: str | None = None
    """Local folder or hub id; None is the built-in demonstration model."""
    max_steps: int | None = None
    """Stop after this many optimizer steps, whatever num_train_epochs says."""
    supervise: Supervise = "last"
    """The turns that the dataset trains, or beside them every one that is shown with its screenshot and not wrong."""
    seed: int = 0
    fresh: bool = False
    """Start over in a folder that holds another run."""
    resume: bool = False
    """Go on with a run that was stopped, and refuse to start a new one."""
    quiet: bool = False
    verbose: bool = False
    """Let the libraries' own warnings through."""
    progress: bool = False
    """Draw a progress bar (a terminal is there); else progress is a few lines."""


def run(dataset_path: Where, out: Path, config: TrainConfig, options: RunOptions) -> TrainReport:
    """Train on the dataset and write the run's folder; raises GdpError subclasses, MissingExtraError without torch."""
    require_folder(out, "-o")
    keep_apart(Place.of(dataset_path), Place.of(out))
    if options.model and Path(options.model).is_dir():
        keep_apart(Place.of(options.model), Place.of(out))
    dataset = _ready(dataset_path, config, options)
    with quietly(verbose=options.verbose):
        from . import loop

        return loop.train(dataset, out, config, options)


def dry(dataset_path: Where, config: TrainConfig, options: RunOptions) -> "DryRun":
    """Return what a run would decide and need; reads no weights, writes nothing."""
    dataset = _ready(dataset_path, config, options)
    with quietly(verbose=options.verbose):
        from .forecast import dryrun

        return dryrun.dry_run(dataset, config, options)


def _ready(dataset_path: Where, config: TrainConfig, options: RunOptions) -> Dataset:
    """Return the dataset, once everything is there that a run needs of this machine and of the dataset."""
    require(options.model)
    require_services(config.sft.report_to)
    dataset = Dataset.open(dataset_path)
    _check_splits(dataset)
    return dataset


def require(model: str | None) -> None:
    """Raise MissingExtraError if the light install is all there is, InputError for a model folder that is not there.

    A name of no letter is a ConfigError.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError("gdp train", f"{', '.join(missing)} not installed", INSTALL_HINT)
    if model is not None:
        require_name(model)
    if model and not Path(model).exists() and (model.startswith((".", "/", "~")) or model.count("/") > 1):
        raise InputError(model, "found nothing there, expected a model folder or a hub id such as owner/name")


def require_name(model: str) -> None:
    """Raise ConfigError for a name of no letter: as a path it would be the working folder."""
    if not model.strip():
        raise ConfigError("model", f"found {model!r}, expected a model folder or a hub id such as owner/name")


def require_services(names: Sequence[str]) -> None:
    """Raise MissingExtraError unless all that the log is to be sent to is installed."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            where = "training.sft.report_to"
            raise MissingExtraError(where, f"found {name}, which is not installed, expected it", f"pip install {name}")


def _check_splits(dataset: Dataset) -> None:
    """Raise InputError unless there is something to learn from and something to measure on."""
    splits = dataset.manifest.splits
    if not any(splits.values()):
        hint = "see what gdp slice and gdp validate refused"
        raise InputError(dataset.path, "found no sample at all, expected some in train and some in val", hint)
    for split in ("train", "val"):
        if not splits.get(split):
            hint = "train needs two different goals at least: one to learn from, one to measure on"
            if dataset.frame("samples", ["goal"])["goal"].n_unique() > 1:
                hint = "slice with another --val-fraction, or see what gdp validate refused"
            raise InputError(dataset.path, f"found no sample in the {split} split, expected at least one", hint)
