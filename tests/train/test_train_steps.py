"""How long a run is, and the keys that count evaluations in a row: refused where the run ends before they act."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments

from pipeline.cli import main
from pipeline.exceptions import ConfigError
from train.config import SftConfig, TrainConfig
from train.evaluation.evalconfig import EvalConfig
from train.report import TrainReport
from train.steps import Steps
from train.watching.guards import GuardConfig, Guards
from train.watching.log import Log
from train.watching.patience import Patience
from train.watching.progress import Progress


@pytest.mark.parametrize(
    ("samples", "size", "accumulation", "epochs"), [(24, 2, 1, 2.0), (25, 2, 8, 1.5), (3, 1, 8, 1.0), (17, 4, 2, 0.3)]
)
def test_steps_are_counted_as_trainer_does(samples: int, size: int, accumulation: int, epochs: float) -> None:
    """The number of steps is Trainer's own, for batches and accumulations that do not divide."""
    sft = SftConfig(per_device_train_batch_size=size, gradient_accumulation_steps=accumulation, num_train_epochs=epochs)
    arguments = TrainingArguments(num_train_epochs=epochs, gradient_accumulation_steps=accumulation, use_cpu=True,
                                  per_device_train_batch_size=size, report_to="none")  # fmt: skip
    trainer = Trainer(torch.nn.Linear(1, 1), arguments, train_dataset=[{"x": 1}] * samples)
    own = trainer.set_initial_training_values(arguments, trainer.get_train_dataloader())
    counted = Steps.of(samples, TrainConfig(sft), None)
    assert (counted.epoch, counted.total) == (own[1], own[-1])


def test_evaluations_are_those_of_a_run(demo_run: tuple[Path, TrainReport]) -> None:
    """A share of steps that does not divide them: as many as the log has beside the one before the first step."""
    stored = json.loads((demo_run[0] / "run.json").read_text())["config"]["training"]["sft"]
    config = TrainConfig(SftConfig(**{**stored, "report_to": ()}))
    lines = (demo_run[0] / "training_log.jsonl").read_text().splitlines()
    evaluated = [line["step"] for line in map(json.loads, lines) if "eval_loss" in line]
    assert evaluated == [0, 4, 8, 12, 14]
    assert Steps.of(24, config, 14).evaluations == 4
    assert [Steps.of(24, replace(config, sft=replace(config.sft, eval_steps=every)), 14).evaluations
            for every in (1.0, 3.0, 7.0, 20.0, 0.5, 0.01)] == [14, 5, 2, 1, 2, 14]  # fmt: skip


def ended_early(patience: int, evaluations: int, folder: Path) -> bool:
    """Tell whether a run that never gets better ends before its last evaluation, by the callback that ends runs."""
    args = TrainingArguments(str(folder), metric_for_best_model="eval_loss", greater_is_better=False,
                             eval_strategy="steps", load_best_model_at_end=True, save_strategy="steps",
                             report_to="none", use_cpu=True)  # fmt: skip
    log, state, control = Log(None, Progress(quiet=True, bar=False)), TrainerState(), TrainerControl()
    watching = Patience(patience, log)
    state.max_steps = evaluations
    for step in range(1, evaluations + 1):
        state.global_step = step
        watching.on_evaluate(args, state, control, {"eval_loss": 1.0})
        if control.should_training_stop:
            return step < evaluations
        state.best_metric = 1.0  # Trainer's part, once callbacks were asked
    return False


def found_overfitting(limit: int, evaluations: int) -> bool:
    """Tell whether the guard sees a run whose eval loss rises from its second evaluation on."""
    guards = Guards(GuardConfig(overfitting_evals=limit))
    found = guards.evaluation(0, 3.0)
    for step in range(1, evaluations + 1):
        guards.step(step, 3.0 - step / 10, 1.0)
        found += guards.evaluation(step, 2.0 + step / 10)
    return any(each.guard == "overfitting" for each in found)


def refused(section: str, value: int, evaluations: int) -> bool:
    """Tell whether the key is refused in a run of so many steps, each with its evaluation."""
    config = TrainConfig(SftConfig(eval_steps=1.0))
    if section == "eval":
        config = replace(config, eval=EvalConfig(early_stopping_patience=value))
    else:
        config = replace(config, guards=GuardConfig(overfitting_evals=value))
    try:
        Steps.of(100, config, evaluations).check(config)
    except ConfigError:
        return True
    return False


@pytest.mark.parametrize("value", [1, 2, 3, 4])
@pytest.mark.parametrize("evaluations", [1, 2, 3, 4, 5, 6])
def test_refused_exactly_where_it_does_nothing(value: int, evaluations: int, tmp_path: Path) -> None:
    """What a run that goes wrong from the start shows of the key; the default of the guard is let pass."""
    assert refused("eval", value, evaluations) != ended_early(value, evaluations, tmp_path)
    assert refused("guards", value, evaluations) != (found_overfitting(value, evaluations) or value == 2)


def said(dataset: Path, folder: Path, keys: dict[str, Any], *options: str) -> str:
    """Return what `gdp train` says in its refusal; nothing was written, and no weights were there to be read."""
    config = folder / "config.yaml"
    config.write_text(json.dumps({"training": keys}))
    done = CliRunner().invoke(main, ["train", str(dataset), "--config", str(config), *options])
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    return done.stderr.removesuffix("\n")


def test_a_run_and_a_dry_run_refuse_alike(
    dataset_folder: Path, demo_run: tuple[Path, TrainReport], tmp_path: Path
) -> None:
    """In one line and a hint that holds; after the preset has decided how many steps there are."""
    model = tmp_path / "model"
    model.mkdir()
    for path in (demo_run[0] / "base").iterdir():
        if path.suffix != ".safetensors":
            (model / path.name).write_bytes(path.read_bytes())
    keys = {"preset": "auto", "eval": {"early_stopping_patience": 9}}
    text = said(dataset_folder, tmp_path, keys, "--model", str(model), "--dry-run")
    assert text == (
        "training.eval.early_stopping_patience: found 9, which takes 11 evaluations to do anything; the run has 10 in"
        " 48 steps, expected 8 at most\n"
        "hint: leave early_stopping_patience out, train longer, or evaluate oftener: eval_steps: 4"
    )
    out = tmp_path / "run"
    run = said(dataset_folder, tmp_path, keys, "--model", str(model), "-o", str(out)).splitlines()[-2:]
    assert run == text.splitlines()
    assert not out.exists()
    mended = {**keys, "sft": {"eval_steps": 4}}
    config = tmp_path / "mended.yaml"
    config.write_text(json.dumps({"training": mended}))
    line = ["train", str(dataset_folder), "--config", str(config), "--model", str(model), "--dry-run"]
    done = CliRunner().invoke(main, line)
    assert "evals     before the first step and after 12 of them" in done.stderr, done.output
    short = said(dataset_folder, tmp_path, {"guards": {"overfitting_evals": 1}}, "--max-steps", "1", "--dry-run")
    assert short.startswith("training.guards.overfitting_evals: found 1, which takes 2 evaluations to do anything; the")
    assert short.endswith("expected it left out\nhint: leave overfitting_evals out, or train for 2 steps at least")
