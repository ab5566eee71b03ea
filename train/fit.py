"""The part of a run that costs: train, save, prove what was saved."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import set_seed

from pipeline.faults import reach

from . import outcome, trainer
from .config import TrainConfig
from .encoding.data import Collator, Examples
from .encoding.source import Source
from .evaluation.examination import Examination
from .folder import checkpoints, processes, rundir
from .folder.resume import Interrupted
from .folder.stopping import Stop
from .models import adapt, head, model, rates, vision
from .models.gradients import GradientCheck
from .outputs import adapter, curve, verify
from .plan import Plan
from .run import RunOptions
from .watching import lastgood, patience
from .watching.log import Log
from .watching.progress import Progress
from .watching.watch import GuardStopError, Watch


def fit(
    dataset: Source,
    out: Path,
    config: TrainConfig,
    options: RunOptions,
    plan: Plan,
    progress: Progress,
    checkpoint: Path | None,
) -> dict[str, Any]:
    """Train, from the checkpoint if there is one, save, verify; return what `run.json` says about it."""
    if checkpoint is not None:
        progress.say(f"train: going on from {checkpoint.name}")
    examination = Examination.of(dataset, plan, config.eval, out)
    set_seed(_seed(options))
    # Before the model: with DeepSpeed, these decide that its weights are loaded in parts.
    arguments = trainer.arguments(
        config,
        folder=str(out / checkpoints.FOLDER),
        seed=_seed(options),
        max_steps=options.max_steps,
        precision=plan.precision,
        run_name=out.name,
    )
    arguments.ddp_find_unused_parameters = not all(item.images for item in plan.train)  # of a vision tower that learns
    adapted = model.add_lora(model.load(plan.base, config.sft), plan.targets, config.lora, config.sft)
    examples = (Examples(dataset, plan.encoder, plan.train), Examples(dataset, plan.encoder, plan.val))
    if (way := head.way(adapted)) is not head.Way.CHUNKS:
        progress.say(f"train: the loss of this model takes {way.value}")
    log = Log(out / rundir.LOG if processes.first() else None, progress)
    watch = Watch(config.guards, log)
    stop = Stop(progress.say)
    try:
        with stop.listening():
            steps = _train(
                adapted, arguments, examples, out, config, plan, log, watch, stop, checkpoint, examination, progress
            )
    except Interrupted:
        raise KeyboardInterrupt from None  # before the first step
    finally:
        progress.clear()
        log.close()
    adapt.settle(adapted)
    batch = Collator(plan.base.processor, plan.encoder.frame)([Examples(dataset, plan.encoder, plan.val[:1])[0]])
    weights, seen = adapter.weights(adapted), verify.look(adapted, batch)  # of parts, where there are several processes
    if not processes.first():
        return {}
    facts = {**outcome.facts(dataset, config, plan, outcome.losses(log)), "warnings": watch.warnings()}
    facts["metrics"] = outcome.metrics(log, config.eval, plan)
    title = f"{facts['model']}, seed {options.seed}"
    curve.draw(out / "loss.png", log.losses(), log.series("loss"), log.series("eval_loss"), title)
    trainable, total = adapted.get_nb_trainable_parameters()
    adapter.save(adapted, weights, plan, out / "adapter", facts)
    reach("adapter.saved")
    progress.say("train: checking the saved adapter")
    verify.release(adapted)
    del adapted
    found = verify.compare(seen, batch, out / "adapter", lambda: model.load(plan.base, config.sft), plan.precision)
    return {**facts, "trainable": trainable, "total": total, "steps": steps, "verified": asdict(found)}


def _train(
    adapted: Any,
    arguments: Any,
    examples: tuple[Examples, Examples],
    out: Path,
    config: TrainConfig,
    plan: Plan,
    log: Log,
    watch: Watch,
    stop: Stop,
    checkpoint: Path | None,
    examination: Examination | None,
    progress: Progress,
) -> int:
    """Evaluate once, then train, from the checkpoint if there is one; the model holds the best weights afterwards.

    Return the number of steps. Raises KeyboardInterrupt when it was asked to stop and has saved everything, and
    GuardStopError where a guard stops the run; the best adapter until then lies in `last_good/`.
    """
    tower, collator = vision.prepare(adapted, plan, examples, config.sft, out, progress)
    save_steps = config.sft.eval_steps if config.sft.save_steps is None else config.sft.save_steps
    with _tensorboard_in(out / rundir.TENSORBOARD):
        runner = trainer.make(
            adapted,
            arguments,
            examples,
            collator,
            log,
            tower,
            watch,
            rates=rates.of_parts(config.sft),
            gradients=GradientCheck(log.say),
            stop=stop,
            save_steps=save_steps,
            measure_first=True,
        )
    runner.examination = examination
    patience.add(runner, config.eval, log)
    try:
        runner.train(resume_from_checkpoint=checkpoint and str(checkpoint))
        if runner.stopped:
            stop.tell(f"train: saved at step {runner.state.global_step}")
            raise KeyboardInterrupt
        watch.end(int(runner.state.global_step))
    except GuardStopError as error:
        raise lastgood.kept(error, out, runner.state.best_model_checkpoint, plan, log) from error
    return int(runner.state.global_step)


@contextlib.contextmanager
def _tensorboard_in(folder: Path) -> Iterator[None]:
    """Say where TensorBoard's files go, unless the user does; else they lie in `checkpoints`, which is removed."""
    name = "TENSORBOARD_LOGGING_DIR"
    own = name not in os.environ
    if own:
        os.environ[name] = str(folder)
    try:
        yield
    finally:
        if own:
            os.environ.pop(name, None)


def _seed(options: RunOptions) -> int:
    return options.seed % 2**32  # what numpy takes
