"""The guards at work: they see each step before the optimizer takes it, and stop the run that should not go on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.exceptions import StageError

from .guards import Finding, GuardConfig, Guards
from .log import Log

NAMED = 3
"""Sample ids in a message; the log holds all of them."""


class GuardStopError(StageError):
    """A guard ended the run: the model does not learn what it should."""


@dataclass
class Warned:
    """How often a guard warned, and its first words."""

    text: str
    count: int = 0


class Watch:
    """Feeds the guards, writes what they find, says each warning once; raises GuardStopError."""

    def __init__(self, config: GuardConfig, log: Log) -> None:
        self.guards = Guards(config)
        self._log = log
        self._warned: dict[str, Warned] = {}

    def begin(self, *, steps: int, warmup: int, uniform: float) -> None:
        """Start the training; `uniform` is the loss of a model that knows nothing."""
        self.guards.begin(steps=steps, warmup=warmup)
        self._log.event(0, "begin", steps=steps, warmup_steps=warmup, uniform_loss=uniform)

    def step(self, step: int, loss: float, norm: float | None, samples: Sequence[str]) -> None:
        """Judge the step that the optimizer is about to take with these samples' gradients."""
        self._log.step(loss, norm, samples)
        self._handle(self.guards.step(step, loss, norm), samples)

    def evaluation(self, step: int, loss: float, uniform: float) -> None:
        """Judge an evaluation."""
        self.guards.uniform = uniform
        self._handle(self.guards.evaluation(step, loss), ())

    def end(self, step: int) -> None:
        """Judge the whole run."""
        self._handle(self.guards.end(step), ())

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: what the guards remember, and what was warned of."""
        return {
            "guards": self.guards.state_dict(),
            "warned": {name: asdict(each) for name, each in self._warned.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.guards.load_state_dict(state["guards"])
        self._warned = {name: Warned(**each) for name, each in state["warned"].items()}

    def warnings(self) -> list[str]:
        """Return a line for each guard that warned."""
        return [
            f"{guard}: {each.text}" + (f" ({each.count} times in all)" if each.count > 1 else "")
            for guard, each in sorted(self._warned.items())
        ]

    def _handle(self, findings: list[Finding], samples: Sequence[str]) -> None:
        for finding in sorted((each for each in findings if each.action != "off"), key=lambda each: not each.stops):
            text = _text(finding, samples)
            if finding.stops:
                self._log.event(finding.step, "stop", guard=finding.guard, message=text, hint=finding.hint)
                raise GuardStopError("training", text, finding.hint)
            warned = self._warned.setdefault(finding.guard, Warned(text))
            warned.count += 1
            self._log.event(finding.step, "warning", guard=finding.guard, message=text, hint=finding.hint)
            if warned.count == 1:
                self._log.say(f"train: warning: {finding.guard}: {text}\nhint: {finding.hint}")


def _text(finding: Finding, samples: Sequence[str]) -> str:
    names = ", ".join(samples[:NAMED]) + (f" and {len(samples) - NAMED} more" if len(samples) > NAMED else "")
    who = f" (samples {names})" if samples else ""
    return f"{finding.found} at step {finding.step}{who}, expected {finding.expected}"
