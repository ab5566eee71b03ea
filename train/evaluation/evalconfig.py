"""`training.eval`: what a run asks its model at each evaluation, and what makes one checkpoint better than another."""

from dataclasses import dataclass
from typing import Any

from pipeline.exceptions import ConfigError
from train.metrics import METRICS

LOSS = "eval_loss"


@dataclass(frozen=True, slots=True)
class EvalConfig:
    """Evaluation in training; see `$defs/eval` of the schema."""

    samples: int = 64
    preset: str = "default"
    metric: str = LOSS
    early_stopping_patience: int = 0
    batch_size: int = 8
    max_new_tokens: int = 0
    keep: int = 4

    @property
    def key(self) -> str:
        """What Trainer and the log call the metric."""
        return self.metric if self.metric == LOSS else f"eval_{self.metric}"

    @property
    def greater_is_better(self) -> bool:
        """Whether more of the metric is better."""
        return self.metric != LOSS and METRICS[self.metric].greater_is_better


def check(where: str, config: EvalConfig) -> None:
    """Raise ConfigError for a metric that nothing measures."""
    if config.metric != LOSS and config.samples == 0:
        message = f"found {config.metric} with samples: 0, expected {LOSS}: no answer is looked at"
        raise ConfigError(f"{where}.metric", message, "raise training.eval.samples")


def best(lines: list[dict[str, Any]], config: EvalConfig) -> dict[str, Any]:
    """Return the line of the evaluation whose weights are kept: the first of the best ones, that at step 0 left out."""
    evals = [line for line in lines if LOSS in line][1:]
    sign = 1 if config.greater_is_better else -1
    return max(evals, key=lambda line: sign * line[config.key])
