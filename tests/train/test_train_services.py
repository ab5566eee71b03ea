"""`report_to`: the numbers of the log go where they are wanted, and what is missing is said before anything runs."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.exceptions import MissingExtraError
from train import config as settings
from train.config import SftConfig, load
from train.run import RunOptions, run

DEMO = load(settings.DEMO)


def reporting(*services: str) -> settings.TrainConfig:
    """Return the demo's settings with services."""
    return replace(DEMO, sft=replace(DEMO.sft, report_to=services, logging_steps=1))


def test_tensorboard_gets_the_losses(dataset_folder: Path, tmp_path: Path) -> None:
    """They lie in the run's folder, equal to those of the log, and outlive the checkpoints."""
    report = run(str(dataset_folder), tmp_path / "run", reporting("tensorboard"), RunOptions(max_steps=2, quiet=True))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [each.step for each in events.Scalars("train/loss")] == [1, 2]
    evals = [each.value for each in events.Scalars("eval/loss")]
    assert math.isclose(evals[-1], report.losses.eval_final, rel_tol=1e-5)


def test_a_service_that_is_not_installed_is_said_at_once(dataset_folder: Path, tmp_path: Path) -> None:
    """One line, and no folder."""
    with pytest.raises(MissingExtraError, match="found wandb, which is not installed"):
        run(str(dataset_folder), tmp_path / "run", reporting("wandb"), RunOptions(quiet=True))
    assert not (tmp_path / "run").exists()


def test_an_unknown_service_is_a_wrong_setting(tmp_path: Path) -> None:
    """The line names those that there are."""
    (tmp_path / "c.yaml").write_text("training: {sft: {report_to: [mlflow]}}")
    with pytest.raises(settings.ConfigError, match=r"\$\.training\.sft\.report_to"):
        load(tmp_path / "c.yaml")


def test_one_service_may_stand_alone(tmp_path: Path) -> None:
    """A name is a list of one."""
    (tmp_path / "c.yaml").write_text("training: {sft: {report_to: [tensorboard]}}")
    assert load(tmp_path / "c.yaml").sft == replace(SftConfig(), report_to=("tensorboard",))
