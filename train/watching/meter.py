"""How fast a run is and what it waits for: samples, tokens, seconds, and the most memory that it took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .waiting import Waiting


class Meter:
    """Counts between two lines of the log. Evaluating and saving are no training and stand outside of the rates."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._since = self._began
        self._aside = 0.0
        self.waiting = Waiting()
        self._samples = 0
        self._tokens: list[Any] = []

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the time inside out."""
        began = time.monotonic()
        with self.waiting.aside():
            yield
        self._aside += time.monotonic() - began

    def batch(self, inputs: dict[str, Any]) -> None:
        """Count a batch; its padding is no token. Nothing is read from the device here."""
        self._samples += len(inputs["sample_ids"])
        self._tokens.append(inputs["attention_mask"].sum())

    def elapsed(self) -> float:
        """Return the seconds since the start of the run."""
        return time.monotonic() - self._began

    def take(self) -> dict[str, float]:
        """Return the rates since the last call, and start over; `peak_memory` is since the start of the run."""
        now = time.monotonic()
        seconds = max(now - self._since - self._aside, 1e-9)
        tokens = float(sum(float(count) for count in self._tokens))
        rates = {
            "samples_per_second": self._samples / seconds,
            "tokens_per_second": tokens / seconds,
            "data_wait": self.waiting.share(),
            "elapsed": self.elapsed(),
        }
        self._since, self._aside, self._samples, self._tokens = now, 0.0, 0, []
        return {**rates, **memory()}


def memory() -> dict[str, float]:
    """Return the peak in bytes: `gpu_peak_memory` as torch counts it, `process_peak_memory` (RSS) without a GPU."""
    if torch.cuda.is_available():
        return {"gpu_peak_memory": float(torch.cuda.max_memory_allocated())}
    if sys.platform == "win32":
        return {}
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return {"process_peak_memory": float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)}
