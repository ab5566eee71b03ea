"""How long a run is: its optimizer steps and the evaluations among them, as Trainer counts them. Imports no torch."""

import math
from dataclasses import dataclass

from pipeline.exceptions import ConfigError

from .config import TrainConfig


@dataclass(frozen=True, slots=True)
class Counting:
    """A key that counts evaluations in a row, and how many others a run needs for it to do anything."""

    section: str
    key: str
    default: int
    others: int


COUNTING = (
    Counting("eval", "early_stopping_patience", 0, 2),  # one to be better than, and one to be spared
    Counting("guards", "overfitting_evals", 2, 1),
)


@dataclass(frozen=True, slots=True)
class Steps:
    """The length of a run, in optimizer steps."""

    epoch: int
    total: int
    warmup: int
    evaluations: int
    """Those that follow a step: every `eval_steps`, and the last. One more comes before the first step."""

    @classmethod
    def of(cls, samples: int, config: TrainConfig, most: int | None, *, processes: int = 1) -> "Steps":
        """Return the length of a run on so many train samples; `most` is `--max-steps`."""
        sft = config.sft
        batches = math.ceil(math.ceil(samples / sft.per_device_train_batch_size) / processes)
        epoch = max(1, math.ceil(batches / sft.gradient_accumulation_steps))
        total = most or math.ceil(sft.num_train_epochs * epoch)
        every = int(sft.eval_steps) if sft.eval_steps >= 1 else math.ceil(total * sft.eval_steps)
        return cls(epoch, total, int(total * sft.warmup), math.ceil(total / every))

    def check(self, config: TrainConfig) -> None:
        """Raise ConfigError for a key that waits for more evaluations than there are; a default is let pass."""
        for each in COUNTING:
            found = getattr(getattr(config, each.section), each.key)
            needed = found + each.others
            if found == each.default or needed <= self.evaluations:
                continue
            limit = self.evaluations - each.others
            message = (
                f"found {found}, which takes {needed} evaluations to do anything; the run has {self.evaluations} in"
                f" {self.total} step{'s' if self.total > 1 else ''}, expected {limit if limit > 0 else 'it left out'}"
                f"{' at most' if limit > 0 else ''}"
            )
            raise ConfigError(f"training.{each.section}.{each.key}", message, self._hint(each.key, needed))

    def _hint(self, key: str, needed: int) -> str:
        if needed > self.total:
            return f"leave {key} out, or train for {needed} steps at least"
        oftener = next(every for every in range(self.total, 0, -1) if math.ceil(self.total / every) >= needed)
        return f"leave {key} out, train longer, or evaluate oftener: eval_steps: {oftener}"
