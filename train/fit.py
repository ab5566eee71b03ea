"""The part of a run that costs: train, save, prove what was saved."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import set_seed

from . import adapt, adapter, curve, head, lastgood, model, outcome, patience, rates, rundir, trainer, verify
from .config import TrainConfig
from .data import Collator, Examples
from .examination import Examination
from .gradients import GradientCheck
from .log import Log
from .plan import Plan
from .progress import Progress
from .run import RunOptions
from .source import Source
from .tower import Tower
from .watch import GuardStopError, Watch


def fit(
    dataset: Source, out: Path, config: TrainConfig, options: RunOptions, plan: Plan, progress: Progress
) -> dict[str, Any]:
    """Train, save, verify; return what `run.json` says about it."""
    examination = Examination.of(dataset, plan, config.eval, out)
    set_seed(_seed(options))
    adapted = model.add_lora(model.load(plan.base, config.sft), plan.targets, config.lora, config.sft)
    examples = (Examples(dataset, plan.encoder, plan.train), Examples(dataset, plan.encoder, plan.val))
    if (way := head.way(adapted)) is not head.Way.CHUNKS:
        progress.say(f"train: the loss of this model takes {way.value}")
    log = Log(out / rundir.LOG, progress)
    watch = Watch(config.guards, log)
    try:
        steps = _train(adapted, examples, out, config, options, plan, log, watch, examination)
    finally:
        progress.clear()
        log.close()
    adapt.settle(adapted)
    facts = {**outcome.facts(dataset, config, plan, outcome.losses(log)), "warnings": watch.warnings()}
    facts["metrics"] = outcome.metrics(log, config.eval, plan)
    curve.draw(out / "loss.png", log.series("loss"), log.series("eval_loss"), f"{facts['model']}, seed {options.seed}")
    trainable, total = adapted.get_nb_trainable_parameters()
    adapter.save(adapted, plan, out / "adapter", facts)
    progress.say("train: checking the saved adapter")
    batch = Collator(plan.base.processor, plan.encoder.frame)([examples[1][0]])
    found = verify.verify(adapted, batch, out / "adapter", lambda: model.load(plan.base, config.sft), plan.precision)
    return {**facts, "trainable": trainable, "total": total, "steps": steps, "verified": asdict(found)}


def _train(
    adapted: Any,
    examples: tuple[Examples, Examples],
    out: Path,
    config: TrainConfig,
    options: RunOptions,
    plan: Plan,
    log: Log,
    watch: Watch,
    examination: Examination | None,
) -> int:
    """Evaluate once, then train; the model holds the best weights afterwards. Return the number of steps.

    Raises GuardStopError where a guard stops the run; the best adapter until then lies in `last_good/`.
    """
    arguments = trainer.arguments(
        config,
        folder=str(out / "checkpoints"),
        seed=_seed(options),
        max_steps=options.max_steps,
        precision=plan.precision,
        run_name=out.name,
    )
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(out / rundir.TENSORBOARD))  # else in `checkpoints`, which goes
    tower = Tower.of(adapted)
    collator = Collator(plan.base.processor, plan.encoder.frame, once=tower is not None and tower.by_grid)
    parts, check = rates.of_parts(config.sft), GradientCheck(log.say)
    runner = trainer.make(adapted, arguments, examples, collator, log, tower, watch, rates=parts, gradients=check)
    runner.examination = examination
    patience.add(runner, config.eval, log)
    try:
        runner.evaluate()
        runner.train()
        watch.end(int(runner.state.global_step))
    except GuardStopError as error:
        raise lastgood.kept(error, out, runner.state.best_model_checkpoint, plan, log) from error
    return int(runner.state.global_step)


def _seed(options: RunOptions) -> int:
    return options.seed % 2**32  # what numpy takes
