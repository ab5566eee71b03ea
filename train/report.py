"""What a run of `gdp train` came to, for people and for programs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean loss per trained token: eval over the val split, train over the first and last lines of the log."""

    eval_start: float
    eval_best: float
    eval_final: float
    best_step: int
    train_start: float | None
    train_final: float | None


@dataclass(frozen=True, slots=True)
class TrainReport:
    """The run's outcome. Seconds are here only, never in the run's files, so equal runs write equal files."""

    out: str
    model: str
    demo: bool
    seed: int
    samples: dict[str, int]
    refused: dict[str, dict[str, int]]
    matched: dict[str, int]
    trainable: int
    total: int
    steps: int
    losses: Losses
    verified: dict[str, float | None]
    metrics: dict[str, Any] = field(default_factory=dict)
    """What the answers to val samples came to, and which evaluation's weights were kept."""
    seconds: float = 0.0
    reused: bool = False
    """The folder already held this very run; nothing was trained again."""
    warnings: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0: an adapter was trained, saved and verified; everything else raises."""
        return 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {"stage": "train", **asdict(self), "exit_code": self.exit_code}

    def render_text(self) -> str:
        """Return the report as lines for people."""
        loss, split = self.losses, self.samples
        lines = [
            f"train: {self.out}" + (" (was already there; nothing was trained again)" if self.reused else ""),
            f"  model     {self.model}",
            f"  samples   {split['train']} train, {split['val']} val",
            *(f"  refused   {n} {name}: {reason}" for name, why in self.refused.items() for reason, n in why.items()),
            f"  LoRA      {', '.join(f'{entry}: {n} layers' for entry, n in self.matched.items())};"
            f" {self.trainable:,} of {self.total:,} weights learn",
            f"  eval loss {loss.eval_start:.4f} at the start, best {loss.eval_best:.4f} (step {loss.best_step}),"
            f" {loss.eval_final:.4f} at the end",
        ]
        if loss.train_start is not None and loss.train_final is not None:
            final = f" in the first steps, {loss.train_final:.4f} in the last"
            lines.append(f"  train loss {loss.train_start:.4f}{final if loss.train_final != loss.train_start else ''}")
        lines += _examined(self.metrics)
        lines.append(f"  verified  {_verified(self.verified)}")
        if not self.reused:
            lines.append(f"  time      {self.steps} step{'s' if self.steps > 1 else ''}, {self.seconds:.0f} s")
        lines += [f"  warning   {warning}" for warning in self.warnings]
        return "\n".join(lines)


def _verified(found: dict[str, float | None]) -> str:
    sees = "" if found["inverted_pixels_from_true"] is None else "; sees the pictures"
    return f"read back from disk: same as trained; differs from the base{sees}"


def _examined(found: dict[str, Any]) -> Iterator[str]:
    """Yield what the answers came to, and what chose the weights where that was not the loss."""
    if "kept" in found:
        yield f"  answers   {found['samples']} val samples, {found['preset']} rules, before → after:"
        for name in SHOWN:
            if name in found["start"]:
                before, after = 100 * found["start"][name], 100 * found["kept"][name]
                yield f"    {name.replace('_', ' '):<17} {before:.1f} → {after:.1f} %"
    if found.get("metric", "eval_loss") != "eval_loss":
        yield f"  kept      step {found['kept_step']}, the best by {found['metric']}: {found['kept_value']:.4f}"


SHOWN = ("format_valid", "action_type", "grounding", "step_success", "false_reflection", "recovery")
