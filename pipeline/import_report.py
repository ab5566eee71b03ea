"""What `gdp import` tells at its end: trajectories, steps, actions by type, losses by kind, what was refused."""

import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from .actions import Action, Drag, Scroll, Swipe, Unknown, kind
from .importers.output import rejected_row
from .importers.refusal import Refusal
from .records import Trajectory
from .report import SHOWN
from .storage.manifest import Flow
from .terminal import safe_line


def losses(action: Action) -> list[str]:
    """Return what the action's source did not say or we did not understand, by kind.

    >>> losses(Scroll(direction="down"))
    ['scroll without start point', 'scroll without distance']
    """
    found = [f"synthesised {kind(action)}"] if action.synth else []
    match action:
        case Unknown():
            found.append("action of no known meaning")
        case Scroll(point=None):
            found.append("scroll without start point")
        case Swipe(start=None) | Swipe(end=None):
            found.append("swipe without start or end point")
        case Drag(from_cursor=True):
            found.append("drag without start point")
    if isinstance(action, Scroll) and action.dx is None and action.dy is None:
        found.append("scroll without distance")
    return found


@dataclass
class Tally:
    """What an import has seen so far."""

    trajectories: Flow = field(default_factory=Flow)
    steps: Flow = field(default_factory=Flow)
    actions: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    screenshots: Flow = field(default_factory=Flow)
    refusals: list[Refusal] = field(default_factory=list)

    def take(self, trajectory: Trajectory, notes: Counter[str], n_pictures: int) -> None:
        """Count a trajectory that was written."""
        self.trajectories += Flow(into=1, out=1)
        self.steps += Flow(into=len(trajectory.steps), out=len(trajectory.steps))
        self.screenshots += Flow(into=n_pictures, out=n_pictures)
        self.losses.update(notes)
        for step in trajectory.steps:
            self.labels[step.label.role] += 1
            for action in step.actions:
                self.actions[kind(action)] += 1
                self.losses.update(losses(action))

    def refuse(self, refusal: Refusal) -> None:
        """Count what was not taken."""
        self.refusals.append(refusal)
        if refusal.scope == "trajectory":
            self.trajectories += Flow(into=1, rejected=1)
        elif refusal.scope == "step":
            self.steps += Flow(into=1, rejected=1)
        else:
            self.screenshots += Flow(into=1, rejected=1)


@dataclass(frozen=True)
class ImportReport:
    """The outcome of an import."""

    path: str
    identity: dict[str, Any]
    tally: Tally
    shown: int = SHOWN
    """Refusals that the text names."""

    def detailed(self, wanted: bool) -> "ImportReport":
        """Return the same report, naming every refusal if that is wanted."""
        return replace(self, shown=sys.maxsize) if wanted else self

    @property
    def empty(self) -> bool:
        """Whether nothing is left to go on with."""
        return self.tally.trajectories.out == 0

    @property
    def exit_code(self) -> int:
        """1 if anything was refused or nothing is left, else 0."""
        return 1 if self.tally.refusals or self.empty else 0

    def summary(self) -> dict[str, Any]:
        """Return the report as it is stored: it depends on the source and the options alone."""
        tally = self.tally
        counts = {"trajectories": tally.trajectories, "steps": tally.steps, "screenshots": tally.screenshots}
        flows = {name: {"in": flow.into, "out": flow.out, "rejected": flow.rejected} for name, flow in counts.items()}
        return {
            "import": self.identity,
            "counts": flows,
            "actions": _sorted(tally.actions),
            "labels": _sorted(tally.labels),
            "losses": _sorted(tally.losses),
            "rejected": _sorted(Counter(refusal.code for refusal in tally.refusals)),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as plain data."""
        refused = [rejected_row(refusal) for refusal in self.tally.refusals]
        return {"stage": "import", "path": self.path, **self.summary(), "refused": refused}

    def render_text(self) -> str:
        """Return the report for a person."""
        summary = self.summary()
        lines = [f"import: {self.path}"]
        for name, flow in summary["counts"].items():
            lines.append(f"  {name:<15} {flow['in']} in = {flow['out']} out + {flow['rejected']} rejected")
        for name in ("actions", "labels", "losses", "rejected"):
            counts = summary[name]
            if name == "labels":
                counts = {kind: n for kind, n in counts.items() if kind != "normal"}
            if counts:
                lines.append(f"  {name:<15} " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
        if self.empty:
            lines.append("hint: no trajectory is left, expected at least one; see what was refused")
        refusals = self.tally.refusals
        lines += [safe_line(f"{each.where}: {each.message} [{each.code}]") for each in refusals[: self.shown]]
        if len(refusals) > self.shown:
            lines.append(f"… and {len(refusals) - self.shown} more; --verbose names all, rejected.jsonl has them")
        return "\n".join(lines)


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts) if counts[name]}
