"""`gdp train`: a dataset in, a LoRA adapter out. Imports no torch before it is known to be there."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from pipeline.dataset import Dataset
from pipeline.exceptions import MissingExtraError
from pipeline.place import Where

from .config import INSTALL_HINT, TrainConfig
from .quiet import quietly
from .report import TrainReport

NEEDED = ("torch", "transformers", "peft", "accelerate", "safetensors", "matplotlib", "yaml")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says beside the configuration."""

    model: str | None = None
    """Local folder or hub id; None is the built-in demonstration model."""
    max_steps: int | None = None
    """Stop after this many optimizer steps, whatever num_train_epochs says."""
    show: int = 0
    """Print this many samples with their trained tokens marked, and train nothing."""
    seed: int = 0
    fresh: bool = False
    """Start over in a folder that holds another run."""
    quiet: bool = False
    verbose: bool = False
    """Let the libraries' own warnings through."""
    progress: bool = False
    """Draw a progress bar (a terminal is there); else progress is a few lines."""


def run(dataset_path: Where, out: Path, config: TrainConfig, options: RunOptions) -> TrainReport:
    """Train on the dataset and write the run's folder; raises GdpError subclasses, MissingExtraError without torch."""
    require()
    with quietly(verbose=options.verbose):
        from . import loop

        return loop.train(Dataset.open(dataset_path), out, config, options)


def require() -> None:
    """Raise MissingExtraError if the light install is all there is."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError("gdp train", f"{', '.join(missing)} not installed", INSTALL_HINT)
