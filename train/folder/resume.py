"""Trainer that can be stopped at any moment and goes on as if it had never been.

A checkpoint holds what learns (the adapter), the optimizer, the schedule and, of every process, the random states and
the loop's own sums; never the frozen base. The order of the data is a function of seed and epoch, so the position in
it is the step alone, and skipped batches are skipped in the sampler: none of their screenshots is decoded again.
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback
from transformers.trainer import TRAINER_STATE_NAME, TRAINING_ARGS_NAME
from transformers.trainer_callback import ExportableState

from pipeline.storage.faults import reach

from . import checkpoints
from .stopping import Stop

LOOP = "loop_{rank}.json"
"""The loop's own sums, a file a process."""


class Interrupted(Exception):  # noqa: N818  no error: somebody asked for it
    """The run was asked to stop in the middle of an evaluation."""


class ResumableTrainer(Trainer):  # type: ignore[misc]
    """Saves whole checkpoints, stops when asked, resumes.

    A callback with `state_dict` and `load_state_dict` (plain JSON values) is saved and restored with the rest, and so
    are `stateful` objects, and callbacks of transformers that keep a state, such as early stopping. `save_steps` below
    1 is a share of all; with `measure_first` a run that starts from nothing is evaluated before its first step.
    """

    def __init__(
        self, *, stop: Stop | None = None, save_steps: float = 1, measure_first: bool = False, **options: Any
    ) -> None:
        first = [_Start(self)] if measure_first else []
        super().__init__(**{**options, "callbacks": [*first, *options.get("callbacks", ())]})
        self._stop = stop or Stop()
        self._every = save_steps
        self._owes_evaluation = False
        self._restored: dict[str, Any] | None = None
        self.add_callback(_Pace(self))

    @property
    def stopped(self) -> bool:
        """Whether the run ended because it was asked to, with everything saved."""
        return self._stop.asked and (self._owes_evaluation or self.state.global_step < self.state.max_steps)

    @property
    def resumes(self) -> bool:
        """Whether this run goes on from a checkpoint, and has not yet taken up all of its state."""
        return self._restored is not None

    def stateful(self) -> dict[str, Any]:
        """Return what else a checkpoint keeps, by name; each has `state_dict` and `load_state_dict`."""
        return {}

    def stop_asked(self) -> bool:
        """Return whether any process was asked to stop; all of them get the same answer."""
        if self.args.world_size > 1:
            asked = torch.tensor(int(self._stop.asked), device=self.args.device)
            torch.distributed.all_reduce(asked, op=torch.distributed.ReduceOp.MAX)
            self._stop.asked = bool(asked)
        return self._stop.asked

    def leave_if_asked(self) -> None:
        """Raise Interrupted where training was asked to stop: an evaluation is made up for later."""
        if self.is_in_train and self.stop_asked():
            raise Interrupted

    def due(self, step: int) -> bool:
        """Return whether `save_steps` (below 1 a share of all) wants a checkpoint after this step."""
        every = self._every if self._every >= 1 else math.ceil(self.state.max_steps * self._every)
        return step % int(every) == 0

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
        """Evaluate without moving the random states: training goes on the same whether or not it was measured."""
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices):
            metrics: dict[str, float] = super().evaluate(*args, **options)
        return metrics

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        best: bool = super()._determine_best_metric(metrics, trial)
        self.control.should_save = self.control.should_save or best  # the best is always on disk
        return best

    def _maybe_log_save_evaluate(self, *args: Any, **options: Any) -> None:
        try:
            super()._maybe_log_save_evaluate(*args, **options)
        except Interrupted:
            self._owes_evaluation = True
            self._save_checkpoint(self.model, None)
            self.control.should_evaluate = self.control.should_save = False
            self.control.should_training_stop = True

    def _run_epoch(self, **options: Any) -> None:
        """Train an epoch; a run that was stopped after its last step has none left."""
        lost_patience = any(_gave_up(each) for each in self.callback_handler.callbacks)
        if self.state.global_step < self.state.max_steps and not lost_patience:
            _set_epoch(options["train_dataloader"], options["epoch"])
            super()._run_epoch(**options)
        else:
            self.control.should_training_stop = True

    def _init_training_state(self, *args: Any) -> tuple[int, int]:
        trained: tuple[int, int] = super()._init_training_state(*args)
        if self.state.best_global_step:  # the folder may have moved
            best = checkpoints.path(Path(self.args.output_dir), self.state.best_global_step)
            self.state.best_model_checkpoint = str(best) if best.is_dir() else None
        return trained

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        name = LOOP.format(rank=self.args.process_index)
        self._restored = json.loads((Path(resume_from_checkpoint) / name).read_bytes())

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save a whole checkpoint or none; only the first process gives it its name and removes old ones."""
        folder, step = Path(self.args.output_dir), int(self.state.global_step)
        written = checkpoints.scratch(folder, step)
        if self.args.should_save:
            checkpoints.check_home(folder)
            checkpoints.clean(folder)
            written.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        self.store_flos()
        self.save_model(str(written), _internal_call=True)
        self._save_optimizer_and_scheduler(str(written))
        self._save_scaler(str(written))
        self._save_rng_state(str(written))
        (written / LOOP.format(rank=self.args.process_index)).write_text(json.dumps(self._loop_state()) + "\n")
        self.accelerator.wait_for_everyone()
        best = self.state.best_global_step
        if best:
            self.state.best_model_checkpoint = str(checkpoints.path(folder, best))
        if self.args.should_save:
            for unwanted in (TRAINING_ARGS_NAME, "README.md"):
                (written / unwanted).unlink(missing_ok=True)
            self.state.save_to_json(str(written / TRAINER_STATE_NAME))
            checkpoints.commit(folder, step)
            checkpoints.rotate(folder, self.args.save_total_limit or 1, best)
        self.accelerator.wait_for_everyone()

    def _loop_state(self) -> dict[str, Any]:
        return {
            "loss_sum": float(self._tr_loss),
            "last_logged": int(self._globalstep_last_logged),
            "owes_evaluation": self._owes_evaluation,
            "callbacks": {type(each).__name__: _state(each) for each in self.callback_handler.callbacks},
            "stateful": {name: each.state_dict() for name, each in self.stateful().items()},
        }

    def restore_loop(self) -> None:
        """Take up the sums where the checkpoint left them, and make up for an evaluation that was cut short."""
        if self._restored is None:
            return
        restored, self._restored = self._restored, None
        self._tr_loss += restored["loss_sum"]
        self._globalstep_last_logged = restored["last_logged"]
        for each in self.callback_handler.callbacks:
            _restore(each, restored["callbacks"].get(type(each).__name__))
        for name, each in self.stateful().items():
            each.load_state_dict(restored["stateful"][name])
        if restored["owes_evaluation"]:
            self._determine_best_metric(self._evaluate(None, None), None)
            if self.state.best_global_step == self.state.global_step:
                best = checkpoints.path(Path(self.args.output_dir), self.state.global_step)
                self.state.best_model_checkpoint = str(best)
            self.control.should_save = False


def _gave_up(callback: Any) -> bool:
    """Tell whether early stopping had ended the run before it was stopped."""
    early = isinstance(callback, EarlyStoppingCallback)
    return early and callback.early_stopping_patience_counter >= callback.early_stopping_patience


def _set_epoch(loader: Any, epoch: int) -> None:
    """Tell the sampler which epoch it is, however deep; accelerate loses sight of one that skips and is sharded."""
    if hasattr(loader, "set_epoch"):
        loader.set_epoch(epoch)
    for inner in ("batch_sampler", "sampler"):
        if (below := getattr(loader, inner, None)) is not None:
            _set_epoch(below, epoch)


def _state(callback: Any) -> Any:
    if hasattr(callback, "state_dict"):
        return callback.state_dict()
    return callback.state()["attributes"] if isinstance(callback, ExportableState) else None


def _restore(callback: Any, state: Any) -> None:
    if state is None:
        return
    if hasattr(callback, "load_state_dict"):
        callback.load_state_dict(state)
    else:
        for name, value in state.items():
            setattr(callback, name, value)


class _Start(TrainerCallback):  # type: ignore[misc]
    """Measures the model that has learned nothing, before anything else."""

    def __init__(self, trainer: ResumableTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate, unless this was done before the run was stopped."""
        if not self._trainer.resumes:
            self._trainer.evaluate()


class _Pace(TrainerCallback):  # type: ignore[misc]
    """Decides at the end of each step what follows: evaluation and checkpoint as configured, or the end."""

    def __init__(self, trainer: ResumableTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Put the rest of the checkpoint's state back."""
        self._trainer.restore_loop()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Be killed here, by a test."""
        reach(f"step.{state.global_step + 1}")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save as `save_steps` says and at the end; asked to stop, save now and evaluate when it goes on."""
        trainer = self._trainer
        last = state.global_step >= state.max_steps
        control.should_save = last or trainer.due(state.global_step)
        if not trainer.stop_asked():
            return
        trainer._owes_evaluation = control.should_evaluate
        control.should_evaluate, control.should_save, control.should_training_stop = False, True, True

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Leave an evaluation that nobody waits for."""
        reach(f"evaluation.{state.global_step}")
        self._trainer.leave_if_asked()
