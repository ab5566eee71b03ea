"""`training_log.jsonl`: one line per measurement, flushed at once, no times in it, so equal runs have equal logs."""

import json
import math
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from .progress import Progress

KEPT = ("loss", "eval_loss", "grad_norm", "learning_rate", "epoch")


class Log(TrainerCallback):  # type: ignore[misc]
    """Writes what Trainer measures to the log, keeps it for the report, and shows it."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._progress = progress
        self.lines: list[dict[str, Any]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Write one line if the measurement holds a loss."""
        measured = {key: float(logs[key]) for key in KEPT if logs and key in logs}
        if "loss" not in measured and "eval_loss" not in measured:
            return
        line = {"step": int(state.global_step), **measured}
        self.lines.append(line)
        finite = {key: value if math.isfinite(value) else None for key, value in line.items()}
        self._file.write(json.dumps(finite, allow_nan=False) + "\n")
        self._file.flush()
        self._progress.measured(int(state.global_step), int(state.max_steps), measured)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell how far the run is, and see to it that the last step is measured and saved like any other."""
        if state.global_step >= state.max_steps:
            control.should_log = control.should_evaluate = control.should_save = True
        self._progress.step(int(state.global_step), int(state.max_steps))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def series(self, key: str) -> list[tuple[int, float]]:
        """Return (step, value) of every line that holds the key."""
        return [(line["step"], line[key]) for line in self.lines if key in line]
