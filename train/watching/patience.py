"""The end of a run that gets no better: said, and written to the log."""

from typing import Any

from transformers import EarlyStoppingCallback

from train.evaluation.evalconfig import EvalConfig

from .log import Log


class Patience(EarlyStoppingCallback):  # type: ignore[misc]
    """Ends the run after so many evaluations in a row without a better one."""

    def __init__(self, evaluations: int, log: Log) -> None:
        super().__init__(early_stopping_patience=evaluations)
        self._log = log

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any, **options: Any) -> None:
        """Compare, and say so where this ends the run."""
        super().on_evaluate(args, state, control, metrics, **options)
        if self.early_stopping_patience_counter >= self.early_stopping_patience and state.global_step < state.max_steps:
            name = args.metric_for_best_model
            text = f"no better {name} in {self.early_stopping_patience} evaluations: the run ends here"
            self._log.event(int(state.global_step), "early_stop", metric=name, message=text)
            self._log.say(f"train: {text}")


def add(trainer: Any, config: EvalConfig, log: Log) -> None:
    """Let the trainer lose its patience, where the configuration gives it one."""
    if config.early_stopping_patience:
        trainer.add_callback(Patience(config.early_stopping_patience, log))
