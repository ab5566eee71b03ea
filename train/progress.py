"""Progress on stderr: a line that is drawn over on a terminal, a few lines elsewhere, nothing when quiet."""

import sys
import time


class Progress:
    """Says what happens now, and how far training is."""

    def __init__(self, *, quiet: bool, bar: bool) -> None:
        self._quiet = quiet
        self._bar = bar and not quiet
        self._began = time.monotonic()
        self._shown = 0.0
        self._open = False

    def say(self, text: str) -> None:
        """Write one line."""
        if not self._quiet:
            self.clear()
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def step(self, done: int, total: int, losses: dict[str, float]) -> None:
        """Show that `done` of `total` steps are done."""
        now = time.monotonic()
        last = done >= total
        if self._quiet or not (last or now - self._shown >= (0.2 if self._bar else 15)):
            return
        self._shown = now
        values = "".join(f"  {name.replace('_', ' ')} {value:.4f}" for name, value in losses.items())
        text = f"train: step {done} of {total}{values}  {now - self._began:.0f} s"
        if self._bar:
            sys.stderr.write(f"\r\x1b[K{text}")
            self._open = True
            sys.stderr.flush()
        else:
            self.say(text)

    def clear(self) -> None:
        """Take the drawn line away, so that what comes next starts on its own."""
        if self._open:
            sys.stderr.write("\r\x1b[K")
            self._open = False
