"""What goes wrong while a model learns, as state machines over numbers: no torch, no clock, no files.

The trainer feeds them every optimizer step and every evaluation; `gdp monitor` feeds them the log of a run and gets the
same verdicts. A guard says what it found and what it expected; `watch.py` adds the samples and stops the run.
"""

import math
import statistics
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal

Action = Literal["off", "warn", "stop"]

SETTLED = 8
"""Losses before a median says anything."""

MARGIN = 1.0
"""Nats. Near zero a loss doubles for no reason; what is called far above something is above it by so much at least."""

LEARNED = 0.01
"""Nats. Below it a gradient may round to zero because nothing is left to learn."""

RISEN = 1.02
"""An eval loss this many times its best is higher than its best, not beside it."""

WINDOW_SHARE = 4
"""A short run compares its first quarter with its last, however many steps are configured."""


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """What is looked for, and what happens then; see `$defs/guards` of the schema."""

    initial_loss: Action = "stop"
    initial_loss_factor: float = 1.5
    loss_spike: Action = "warn"
    loss_spike_multiple: float = 4.0
    loss_spike_window: int = 50
    grad_norm: Action = "warn"
    grad_norm_limit: float = 10.0
    no_progress: Action = "warn"
    no_progress_steps: int = 50
    no_progress_drop: float = 0.01
    overfitting: Action = "warn"
    overfitting_evals: int = 2
    divergence: Action = "stop"
    divergence_factor: float = 1.5

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) is False:  # another word for `off`, and what YAML 1.1 makes of it
                object.__setattr__(self, field.name, "off")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a guard saw in one step or evaluation: `found` at `step`, `expected` instead, `hint` to try next."""

    guard: str
    action: Action
    step: int
    found: str
    expected: str
    hint: str

    @property
    def stops(self) -> bool:
        """Whether the run ends here."""
        return self.action == "stop"


class Guards:
    """All guards of a run. `uniform` is the loss in nats of a model that gives every token the same probability."""

    def __init__(self, config: GuardConfig, *, uniform: float | None = None) -> None:
        self.config = config
        self.uniform = uniform
        self._warmup = 0
        self._window = config.no_progress_steps
        self._eval_start: float | None = None
        self._eval_last: float | None = None
        self._first: list[float] = []
        self._recent: deque[float] = deque(maxlen=config.no_progress_steps)
        self._running: deque[float] = deque(maxlen=config.loss_spike_window)
        self._latest: deque[float] = deque(maxlen=SETTLED)
        self._since_eval: list[float] = []
        self._best: tuple[float, int, float] | None = None  # eval loss, step, train loss before it
        self._rising = 0
        self._last: tuple[float, float | None] = (0.0, None)

    def begin(self, *, steps: int, warmup: int) -> None:
        """Learn the length of the run, in optimizer steps, and of its warm-up."""
        self._warmup = warmup
        self._window = min(self._window, max(2, steps // WINDOW_SHARE))
        self._recent = deque(self._recent, maxlen=self._window)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the guards remember, as JSON values."""
        own = {name: value for name, value in vars(self).items() if name != "config"}
        return {name: list(value) if isinstance(value, deque) else value for name, value in own.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember what others did; `begin` comes before."""
        for name, value in state.items():
            if isinstance(own := getattr(self, name), deque):
                value = deque(value, own.maxlen)
            setattr(self, name, tuple(value) if name in {"_best", "_last"} and value else value)

    def step(self, step: int, loss: float, norm: float | None) -> list[Finding]:
        """Judge an optimizer step before it is taken: mean loss per trained token, gradient norm before clipping."""
        broken = [*self._finite("loss", step, loss), *self._finite("gradient norm", step, norm)]
        if broken:
            return broken
        self._last = (loss, norm)
        found = [*self._spike(step, loss), *self._norm(step, norm), *self._dead(self.config.divergence, step)]
        self._running.append(loss)
        self._latest.append(loss)
        self._since_eval.append(loss)
        self._recent.append(loss)
        if len(self._first) < self._window:
            self._first.append(loss)
        return [*found, *self._progress(step), *self._risen(step)]

    def evaluation(self, step: int, loss: float) -> list[Finding]:
        """Judge the mean loss of an evaluation; the first one is of the untrained adapter, which changes nothing."""
        broken = self._finite("eval loss", step, loss)
        if broken:
            return broken
        self._eval_last = loss
        if self._eval_start is None:
            self._eval_start = loss
            return list(self._initial(step, loss))
        return [*self._overfitting(step, loss), *self._diverged(self.config.divergence, "eval loss", step, loss)]

    def end(self, step: int) -> list[Finding]:
        """Judge the run as it ends, whatever is configured: one that diverged is no success."""
        found = list(self._dead("stop", step))
        if self._eval_last is not None:
            found += self._diverged("stop", "last eval loss", step, self._eval_last)
        if len(self._latest) >= SETTLED:
            found += self._diverged("stop", "train loss of the last steps", step, self._level())
        return found

    def _finite(self, what: str, step: int, value: float | None) -> list[Finding]:
        if value is None or math.isfinite(value):
            return []
        hint = "lower learning_rate, or raise warmup_ratio; in fp16 also try bf16 or fp32"
        if step == 0:
            hint = "the model's weights or its arithmetic are broken: download it again, or try precision: fp32"
        return [Finding("non_finite", "stop", step, f"the {what} is {value}", "a number", hint)]

    def _initial(self, step: int, loss: float) -> Iterator[Finding]:
        # A head of random weights adds half the variance of its logits to the uniform loss: with the usual 0.02 and
        # a width of 8,192 that is 1.6 nats on 12, a factor of 1.14. Weights that were never loaded, or a shifted
        # mask on a confident model, give several times the uniform loss. 1.5 stands between the two.
        factor = self.config.initial_loss_factor
        if self.uniform and loss > factor * self.uniform:
            yield Finding(
                "initial_loss",
                self.config.initial_loss,
                step,
                f"the eval loss before training is {loss:.2f}",
                f"at most {factor * self.uniform:.2f}, {factor:g} times that of a model that knows nothing"
                f" ({self.uniform:.2f})",
                "a wrong model class, chat template or loss mask does that: look at gdp train DATASET --model MODEL"
                " --show 1",
            )

    def _spike(self, step: int, loss: float) -> Iterator[Finding]:
        if len(self._running) < min(SETTLED, self.config.loss_spike_window):
            return
        median = statistics.median(self._running)
        multiple = self.config.loss_spike_multiple
        if loss > max(multiple * median, median + MARGIN):
            yield Finding(
                "loss_spike",
                self.config.loss_spike,
                step,
                f"the loss is {loss:.2f}, {loss / median:.1f} times its running median of {median:.2f}"
                if median > 0
                else f"the loss is {loss:.2f} after a running median of {median:.2f}",
                f"at most {multiple:g} times",
                "look at these samples with gdp inspect; if they are right, lower learning_rate",
            )

    def _norm(self, step: int, norm: float | None) -> Iterator[Finding]:
        limit = self.config.grad_norm_limit
        if norm is not None and norm > limit:
            yield Finding(
                "grad_norm",
                self.config.grad_norm,
                step,
                f"the gradient norm before clipping is {norm:.1f}",
                f"at most {limit:g}",
                "lower learning_rate or raise warmup_ratio; where the loss falls all the same, raise grad_norm_limit",
            )

    def _dead(self, action: Action, step: int) -> Iterator[Finding]:
        loss, norm = self._last
        if norm == 0 and loss > LEARNED:
            yield Finding(
                "divergence",
                action,
                step,
                f"the gradient is exactly zero at a loss of {loss:.2f}",
                "a gradient: the weights have left the range in which they can learn",
                "lower learning_rate (a tenth is a good next try)",
            )

    def _progress(self, step: int) -> Iterator[Finding]:
        judged = step - max(self._warmup, self._window)
        if judged <= 0 or judged % self._window:
            return
        before, now = statistics.fmean(self._first), statistics.fmean(self._recent)
        if now > before * (1 - self.config.no_progress_drop):
            yield Finding(
                "no_progress",
                self.config.no_progress,
                step,
                f"the mean loss of the last {len(self._recent)} steps is {now:.4f}, that of the first {before:.4f}",
                f"a fall of {self.config.no_progress_drop:.0%} at least after the warm-up",
                "raise learning_rate or lora.r, and see with --show that the right tokens are trained",
            )

    def _risen(self, step: int) -> Iterator[Finding]:
        if len(self._latest) >= SETTLED:
            yield from self._diverged(self.config.divergence, "median loss of the last steps", step, self._level())

    def _level(self) -> float:
        return statistics.median(self._latest)

    def _diverged(self, action: Action, what: str, step: int, loss: float) -> Iterator[Finding]:
        start = self._eval_start if self._eval_start is not None else self._first[0]
        if self._first and "eval" not in what:
            start = max(start, self._first[0])  # of the first step: no weight had changed then
        limit = max(self.config.divergence_factor * start, start + MARGIN)
        if loss > limit:
            yield Finding(
                "divergence",
                action,
                step,
                f"the {what} is {loss:.2f}, {start:.2f} before training",
                f"at most {limit:.2f}",
                "lower learning_rate (a third is a good next try), or raise warmup_ratio",
            )

    def _overfitting(self, step: int, loss: float) -> Iterator[Finding]:
        if not self._since_eval:
            return
        train = statistics.fmean(self._since_eval)
        self._since_eval = []
        if self._best is None or loss < self._best[0]:
            self._best, self._rising = (loss, step, train), 0
            return
        lowest, best_step, train_then = self._best
        self._rising = self._rising + 1 if loss > RISEN * lowest and train < train_then else 0
        if self._rising >= self.config.overfitting_evals:
            yield Finding(
                "overfitting",
                self.config.overfitting,
                step,
                f"the eval loss is {loss:.4f} after {lowest:.4f} at step {best_step}, while the train loss fell from"
                f" {train_then:.4f} to {train:.4f}",
                "both to fall",
                f"the weights of step {best_step} are what is kept; next time train for fewer epochs, on more data,"
                " or with lora.dropout",
            )


def replay(config: GuardConfig, lines: list[dict[str, Any]]) -> list[Finding]:
    """Return what the guards find in the lines of `training_log.jsonl`, off ones left out."""
    start = next((line for line in lines if line.get("event") == "begin"), {})
    guards = Guards(config, uniform=start.get("uniform_loss"))
    if start:
        guards.begin(steps=start["steps"], warmup=start["warmup_steps"])
    found: list[Finding] = []
    for line in lines:
        if line.get("eval_loss") is not None:
            found += guards.evaluation(line["step"], line["eval_loss"])
        losses, norms = line.get("losses", []), line.get("grad_norms", [])
        for place, (loss, norm) in enumerate(zip(losses, norms, strict=False)):
            if loss is not None:
                found += guards.step(line["step"] - len(losses) + 1 + place, loss, norm)
    return [finding for finding in found if finding.action != "off"]
