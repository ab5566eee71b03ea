"""The part of a run that costs: train, save, prove what was saved."""

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import set_seed

from pipeline.storage.faults import reach

from . import outcome, trainer
from .config import TrainConfig
from .encoding.data import Collator, Examples, Item
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
    """Train, from the checkpoint if there is one, save, verify; return what `run.json` says about it.

    Empty where another process writes the folder. Raises KeyboardInterrupt when it was asked to stop and has saved
    everything, and GuardStopError where a guard stops the run; the best adapter until then lies in `last_good/`.
    """
    return _Fit(dataset, out, config, options, plan, progress).run(checkpoint)


class _Fit:
    """One run: what it was given, and what watches over it."""

    def __init__(
        self, dataset: Source, out: Path, config: TrainConfig, options: RunOptions, plan: Plan, progress: Progress
    ) -> None:
        self._dataset = dataset
        self._out = out
        self._config = config
        self._options = options
        self._plan = plan
        self._progress = progress
        self._seed = options.seed % 2**32  # what numpy takes
        self._stop = Stop(progress.say)

    def run(self, checkpoint: Path | None) -> dict[str, Any]:
        """Train, save, verify."""
        if checkpoint is not None:
            self._progress.say(f"train: going on from {checkpoint.name}")
        self._prepare()
        self._log = Log(self._out / rundir.LOG if processes.first() else None, self._progress)
        self._watch = Watch(self._config.guards, self._log)
        try:
            steps = self._learn(checkpoint)
        except Interrupted:  # before a step of its own
            kept = f"{checkpoint.name} stays" if checkpoint else "there is nothing to save"
            self._stop.tell(f"train: stopped before a step of this run, {kept}")
            raise KeyboardInterrupt from None
        finally:
            self._progress.clear()
            self._log.close()
        return self._prove(steps)

    def _prepare(self) -> None:
        """Load the model and put LoRA on it; nothing is written before that can be done."""
        plan, sft = self._plan, self._config.sft
        self._examination = Examination.of(self._dataset, plan, self._config.eval, self._out)
        set_seed(self._seed)
        self._set = self._arguments()  # before the model: with DeepSpeed they decide that its weights come in parts
        self._adapted = model.add_lora(model.load(plan.base, sft), plan.targets, self._config.lora, sft)
        if (way := head.way(self._adapted)) is not head.Way.CHUNKS:
            self._progress.say(f"train: the loss of this model takes {way.value}")

    def _learn(self, checkpoint: Path | None) -> int:
        """Return the number of steps; the model holds the best weights afterwards."""
        plan, sft, adapted = self._plan, self._config.sft, self._adapted
        examples = (self._examples(plan.train), self._examples(plan.val))
        with self._stop.listening():
            tower, collator = vision.prepare(adapted, plan, examples, sft, self._out, self._progress)
            with _tensorboard_in(self._out / rundir.TENSORBOARD):
                runner = trainer.make(
                    adapted,
                    self._set,
                    examples,
                    collator,
                    self._log,
                    tower,
                    self._watch,
                    rates=rates.of_parts(sft),
                    gradients=GradientCheck(self._log.say),
                    stop=self._stop,
                    save_steps=sft.eval_steps if sft.save_steps is None else sft.save_steps,
                    measure_first=True,
                )
            runner.examination = self._examination
            patience.add(runner, self._config.eval, self._log)
            self._train(runner, checkpoint)
        return int(runner.state.global_step)

    def _arguments(self) -> Any:
        processes.agree_on(self._plan.precision)
        arguments = trainer.arguments(
            self._config,
            folder=str(self._out / checkpoints.FOLDER),
            seed=self._seed,
            max_steps=self._options.max_steps,
            precision=self._plan.precision,
            run_name=self._out.name,
        )
        # Of a vision tower that learns, where a sample shows no screenshot.
        arguments.ddp_find_unused_parameters = not all(item.images for item in self._plan.train)
        return arguments

    def _examples(self, items: Sequence[Item]) -> Examples:
        return Examples(self._dataset, self._plan.encoder, items)

    def _train(self, runner: Any, checkpoint: Path | None) -> None:
        """Evaluate once, then train, from the checkpoint if there is one."""
        try:
            runner.train(resume_from_checkpoint=checkpoint and str(checkpoint))
            if runner.stopped:
                self._stop.tell(f"train: saved at step {runner.state.global_step}")
                raise KeyboardInterrupt
            self._watch.end(int(runner.state.global_step))
        except GuardStopError as error:
            best = runner.state.best_model_checkpoint
            raise lastgood.kept(error, self._out, best, self._plan, self._log) from error

    def _prove(self, steps: int) -> dict[str, Any]:
        """Save the adapter and hold what was saved against what was trained; return the run's facts."""
        out, plan, log, adapted = self._out, self._plan, self._log, self._adapted
        adapt.settle(adapted)
        batch = Collator(plan.base.processor, plan.encoder.frame)([self._examples(plan.val[:1])[0]])
        weights, seen = adapter.weights(adapted), verify.look(adapted, batch)  # of parts, in several processes
        if not processes.first():
            return {}
        facts = outcome.facts(self._dataset, self._config, plan, outcome.losses(log))
        facts |= {"warnings": self._watch.warnings(), "metrics": outcome.metrics(log, self._config.eval, plan)}
        title = f"{facts['model']}, seed {self._options.seed}"
        curve.draw(out / "loss.png", log.losses(), log.series("loss"), log.series("eval_loss"), title)
        trainable, total = adapted.get_nb_trainable_parameters()
        adapter.save(adapted, weights, plan, out / "adapter", facts)
        reach("adapter.saved")
        self._progress.say("train: checking the saved adapter")
        verify.release(adapted)
        del adapted, self._adapted
        load = functools.partial(model.load, plan.base, self._config.sft)
        found = verify.compare(seen, batch, out / "adapter", load, plan.precision)
        return {**facts, "trainable": trainable, "total": total, "steps": steps, "verified": asdict(found)}


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
