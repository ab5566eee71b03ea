"""`training_log.jsonl`: one line per measurement, flushed at once; docs/monitoring.md has its fields.

What a clock or the machine decides stands in `timing`; without it, equal runs have equal logs.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from pipeline.storage.place import Place
from train.metrics import METRICS

from .progress import Progress

KEPT = ("loss", "eval_loss", "grad_norm", "learning_rate", "epoch", "eval_cut_off")
TIMING = (
    "elapsed",
    "samples_per_second",
    "tokens_per_second",
    "data_wait",
    "gpu_peak_memory",
    "process_peak_memory",
    "eval_runtime",
)


def _kept(key: str) -> bool:
    return key in KEPT or key.startswith("learning_rate") or key.removeprefix("eval_") in METRICS


def rewind(path: Path, lines: int) -> list[dict[str, Any]]:
    """Cut the log after its first lines and return them."""
    kept = path.read_bytes().splitlines(keepends=True)[:lines]
    Place(str(path.parent)).write(path.name, b"".join(kept), "log")
    return [json.loads(line) for line in kept]


class Log(TrainerCallback):  # type: ignore[misc]
    """Writes what Trainer measures to the log, keeps it for the report, and shows it."""

    def __init__(self, path: Path | None, progress: Progress) -> None:
        self._path = path  # None in all processes of a run but one
        self._file = path.open("a", encoding="utf-8") if path else None
        self._progress = progress
        self._losses: list[float] = []
        self._norms: list[float | None] = []
        self._samples: Sequence[str] = ()
        self.lines: list[dict[str, Any]] = []

    def step(self, loss: float, norm: float | None, samples: Sequence[str]) -> None:
        """Keep a step's numbers for the next line."""
        self._losses.append(loss)
        self._norms.append(norm)
        self._samples = samples

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Write one line if the measurement holds a loss."""
        logs = logs or {}
        measured = {key: float(value) for key, value in logs.items() if _kept(key)}
        if "loss" not in measured and "eval_loss" not in measured:
            return
        line: dict[str, Any] = {"step": int(state.global_step), **measured}
        if "loss" in measured:
            line |= self._steps()
        timing = {key: float(logs[key]) for key in TIMING if key in logs}
        self._write({**line, "timing": timing} if timing else line)
        self._progress.measured(int(state.global_step), int(state.max_steps), {**measured, **timing})

    def event(self, step: int, event: str, **facts: Any) -> None:
        """Write a line that is no measurement: `begin`, `warning`, or `stop` after the steps that led there."""
        if event == "stop" and self._losses:
            self._write({"step": step, **self._steps()})
        self._write({"step": step, "event": event, **facts})

    def say(self, text: str) -> None:
        """Show a line."""
        self._progress.say(text)

    def _steps(self) -> dict[str, Any]:
        """Return the numbers of each step since the last line, and the samples of the newest; they are told once."""
        steps = {"losses": self._losses, "grad_norms": self._norms, "samples": list(self._samples)}
        self._losses, self._norms = [], []
        return steps

    def _write(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        if self._file:
            self._file.write(json.dumps(_finite(line), allow_nan=False, ensure_ascii=False) + "\n")
            self._file.flush()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell how far the run is, and see to it that the last step is measured and saved like any other."""
        if state.global_step >= state.max_steps:
            control.should_log = control.should_evaluate = control.should_save = True
        self._progress.step(int(state.global_step), int(state.max_steps))

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of it: how far the log was, and the steps for its next line."""
        pending = {"losses": self._losses, "norms": self._norms, "samples": list(self._samples)}
        return {"lines": len(self.lines), **pending}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where the log was at the checkpoint; what followed will be measured again."""
        self.close()
        self.lines = rewind(self._path, state["lines"]) if self._path else []
        self._losses, self._norms, self._samples = state["losses"], state["norms"], state["samples"]
        self._file = self._path.open("a", encoding="utf-8") if self._path else None

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def series(self, key: str) -> list[tuple[int, float]]:
        """Return (step, value) of every line that holds the key."""
        return [(line["step"], line[key]) for line in self.lines if key in line]

    def losses(self) -> list[tuple[int, float]]:
        """Return (step, train loss) of every optimizer step."""
        ends = [(line["step"] - len(line["losses"]) + 1, line["losses"]) for line in self.lines if "losses" in line]
        return [(first + place, loss) for first, losses in ends for place, loss in enumerate(losses)]


def _finite(value: Any) -> Any:
    """Return the value with null for every number that JSON has no word for."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(each) for key, each in value.items()}
        case list():
            return [_finite(each) for each in value]
    return value
