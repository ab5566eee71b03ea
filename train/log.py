"""`training_log.jsonl`: one line per measurement, flushed at once, no times in it, so equal runs have equal logs."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

KEPT = ("loss", "eval_loss", "grad_norm", "learning_rate", "epoch")


class Log(TrainerCallback):  # type: ignore[misc]
    """Writes what Trainer measures to the log, keeps it for the report, and tells `progress` about each step."""

    def __init__(self, path: Path, progress: Callable[[int, int, dict[str, float]], None]) -> None:
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

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell how far the run is, and see to it that the last step is measured and saved like any other."""
        if state.global_step >= state.max_steps:
            control.should_log = control.should_evaluate = control.should_save = True
        last: dict[str, float] = {key: line[key] for line in self.lines for key in ("loss", "eval_loss") if key in line}
        self._progress(int(state.global_step), int(state.max_steps), last)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def series(self, key: str) -> list[tuple[int, float]]:
        """Return (step, value) of every line that holds the key."""
        return [(line["step"], line[key]) for line in self.lines if key in line]
