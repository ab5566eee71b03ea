"""The estimate of `--dry-run` against whole runs: what each held at most, measured in a process of its own."""

from pathlib import Path
from typing import Any

import pytest
import tiny_models
from training import peak

from train.config import LoraConfig, SftConfig, TrainConfig
from train.evaluation.evalconfig import EvalConfig
from train.run import RunOptions, dry

PLAIN = {"learning_rate": 1e-3, "gradient_accumulation_steps": 1, "gradient_checkpointing": False, "eval_steps": 1.0}

RUNS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "one sample": (None, {}),
    "four at a time, padded": (None, {"per_device_train_batch_size": 4}),
    "accumulated, checkpointing": (None, {"gradient_accumulation_steps": 6, "gradient_checkpointing": True}),
    "another family": ("idefics3", {}),
}
"""Samples show up to three screenshots. A batch of one has no padding, so that torch makes no mask of pairs."""


@pytest.mark.parametrize("name", RUNS)
def test_the_estimate_is_what_a_run_takes(name: str, alternating: Path, tmp_path: Path) -> None:
    """Within a tenth of the peak of two steps and three evaluations."""
    family, keys = RUNS[name]
    model = family and str(tiny_models.save(family, tmp_path / family))
    config = TrainConfig(SftConfig(**{**PLAIN, **keys}), LoraConfig(r=8), eval=EvalConfig(samples=0))
    options = RunOptions(model=model, max_steps=2, quiet=True)
    expected = dry(alternating, config, options).memory["as configured"]
    assert expected.total == pytest.approx(peak(alternating, tmp_path / "run", config, options), rel=0.1)
