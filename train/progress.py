"""Progress on stderr: a line per evaluation, on a terminal also one that is drawn over, nothing when quiet."""

import sys
import time

REDRAW_SECONDS = 0.2


class Progress:
    """Says what happens now, and how far training is."""

    def __init__(self, *, quiet: bool, bar: bool) -> None:
        self._quiet = quiet
        self._bar = bar and not quiet
        self._began = time.monotonic()
        self._shown = 0.0
        self._loss = ""
        self._open = False

    def say(self, text: str) -> None:
        """Write one line."""
        if not self._quiet:
            self.clear()
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def step(self, done: int, total: int) -> None:
        """Redraw how many steps are done, with the newest train loss, where lines can be drawn over."""
        now = time.monotonic()
        if self._bar and now - self._shown >= REDRAW_SECONDS:
            self._shown = now
            sys.stderr.write(f"\r\x1b[K{self._line(done, total, self._loss)}")
            sys.stderr.flush()
            self._open = True

    def measured(self, done: int, total: int, values: dict[str, float]) -> None:
        """Say an eval loss, and keep a train loss for the drawn line."""
        if "loss" in values:
            self._loss = f"  loss {values['loss']:.4f}"
        if "eval_loss" in values:
            self.say(self._line(done, total, f"  eval loss {values['eval_loss']:.4f}"))

    def _line(self, done: int, total: int, loss: str) -> str:
        of_total = f" of {total}" if total else ""  # not known before the first step
        return f"train: step {done}{of_total}{loss}  {time.monotonic() - self._began:.0f} s"

    def clear(self) -> None:
        """Take the drawn line away, so that what comes next starts on its own."""
        if self._open:
            sys.stderr.write("\r\x1b[K")
            self._open = False
