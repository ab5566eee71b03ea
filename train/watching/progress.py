"""Progress on stderr: a line per evaluation and logging interval; on a terminal the latter is drawn over."""

import sys
import time
from collections.abc import Iterator

REDRAW_SECONDS = 0.2


class Progress:
    """Says what happens now, and how far training is."""

    def __init__(self, *, quiet: bool, bar: bool) -> None:
        self._quiet = quiet
        self._bar = bar and not quiet
        self._began = time.monotonic()
        self._shown = 0.0
        self._measured = ""
        self._open = False

    def say(self, text: str) -> None:
        """Write one line."""
        if not self._quiet:
            self.clear()
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def step(self, done: int, total: int) -> None:
        """Redraw how many steps are done, with the newest measurement, where lines can be drawn over."""
        now = time.monotonic()
        if self._bar and now - self._shown >= REDRAW_SECONDS:
            self._shown = now
            sys.stderr.write(f"\r\x1b[K{self._line(done, total, self._measured)}")
            sys.stderr.flush()
            self._open = True

    def counted(self, what: str, done: int, total: int) -> None:
        """Redraw how many of something are done, where lines can be drawn over."""
        now = time.monotonic()
        if self._bar and now - self._shown >= REDRAW_SECONDS:
            self._shown = now
            sys.stderr.write(f"\r\x1b[K{what} {done} of {total}  {now - self._began:.0f} s")
            sys.stderr.flush()
            self._open = True

    def measured(self, done: int, total: int, values: dict[str, float]) -> None:
        """Say an eval loss; say a train loss and what goes with it, or keep them for the drawn line."""
        if "eval_loss" in values:
            self.say(self._line(done, total, f"  eval loss {values['eval_loss']:.4f}{answers(values)}"))
        elif "loss" in values:
            self._measured = "".join(f"  {part}" for part in measurements(values))
            if not self._bar:
                self.say(self._line(done, total, self._measured))

    def _line(self, done: int, total: int, text: str) -> str:
        of_total = f" of {total}" if total else ""  # not known before the first step
        return f"train: step {done}{of_total}{text}  {time.monotonic() - self._began:.0f} s"

    def clear(self) -> None:
        """Take the drawn line away, so that what comes next starts on its own."""
        if self._open:
            sys.stderr.write("\r\x1b[K")
            self._open = False


def measurements(values: dict[str, float]) -> Iterator[str]:
    """Yield what a line of the log says, in words as short as they can be."""
    yield f"loss {values['loss']:.4f}"
    for key, value in values.items():
        if key.startswith("learning_rate"):
            yield f"lr{key.removeprefix('learning_rate').replace('/', ' ')} {value:.1e}"
    if "grad_norm" in values:
        yield f"grad {values['grad_norm']:.2f}"
    if "samples_per_second" in values:
        yield f"{values['samples_per_second']:.2f} samples/s"
        yield f"{values['tokens_per_second']:,.0f} tokens/s"
        yield f"data wait {values['data_wait']:.0%}"
    for key, name in (("gpu_peak_memory", "peak GPU memory"), ("process_peak_memory", "peak RSS")):
        if key in values:
            yield f"{name} {values[key] / 2**30:.1f} GiB"


def answers(values: dict[str, float]) -> str:
    """Return what an evaluation's answers came to, in words as short as they can be; nothing where none were asked."""
    named = {"eval_step_success": "step success", "eval_action_type": "type", "eval_grounding": "grounding"}
    return "".join(f"  {name} {values[key]:.0%}" for key, name in named.items() if key in values)
