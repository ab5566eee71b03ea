"""What a dry run finds, and the lines that tell it."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.terminal import numbered
from train.steps import Steps

from .estimate import Estimate

GB = 1e9
BAR = 30
"""Letters of the longest bar of the histogram."""

CHECKED = "family, coordinates, pixel factor and budget, control tokens, chat template, labels of the first step"


@dataclass(frozen=True, slots=True)
class Bin:
    """Samples of about one length, and their mean number of tokens of text and of pictures."""

    up_to: int
    samples: int
    text: float
    image: float


@dataclass(frozen=True, slots=True)
class Size:
    """Screenshots of one size: what the model sees of them, and what each costs."""

    width: int
    height: int
    tokens: int
    screenshots: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one optimizer step sees: samples of a forward pass, passes, and processes that do so side by side."""

    samples: int
    passes: int
    processes: int

    def __str__(self) -> str:
        whole = self.samples * self.passes * self.processes
        each = f" in each of {self.processes} processes" if self.processes > 1 else ""
        return f"{numbered(whole, 'sample')} a step: {self.passes} x {self.samples}{each}"


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would be."""

    model: str
    samples: dict[str, int]
    refused: dict[str, dict[str, int]]
    notes: tuple[str, ...]
    matched: dict[str, int]
    trainable: int
    total: int
    steps: Steps
    batch: Batch
    lengths: tuple[Bin, ...]
    sizes: tuple[Size, ...]
    memory: dict[str, Estimate]
    """By way of running it: `as configured`, with checkpointing the other way, in bf16, with the model in 4 bits."""
    available: float | None
    """GB of the GPU that is there."""
    advice: tuple[str, ...]
    preset: dict[str, Any] | None

    @property
    def exit_code(self) -> int:
        """0: whatever would stop the run was raised."""
        return 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values, memory in bytes with its total."""
        memory = {
            way: {**asdict(each), "peak": each.phases.peak, "total": each.total} for way, each in self.memory.items()
        }
        return {"stage": "train --dry-run", **asdict(self), "memory": memory, "exit_code": self.exit_code}

    def render_text(self) -> str:
        """Return the report as lines for people."""
        steps, seen = self.steps, self.samples
        lines = [
            "train: dry run, nothing was written",
            f"  model     {self.model}",
            *(f"  {note}" for note in self.notes),
            f"  contract  agrees: {CHECKED}",
            f"  samples   {seen['train']} train, {seen['val']} val",
            *(f"  refused   {n} {split}: {reason}" for split, why in self.refused.items() for reason, n in why.items()),
            f"  learns    {self.trainable:,} of {self.total:,} weights ({self.trainable / self.total:.2%})",
            f"  steps     {steps.epoch} an epoch, {steps.total} in all, {steps.warmup} of them warm-up",
            f"  batch     {self.batch}",
            f"  evals     before the first step and after {steps.evaluations} of them",
            "  lengths   tokens up to, samples, mean text + image tokens",
            *_histogram(self.lengths),
            "  sizes     as stored and as the model sees them",
            *(f"    {s.width}x{s.height}: {s.tokens:,} tokens, {s.screenshots} screenshots" for s in self.sizes),
            *(_table(self.memory, self.batch.processes) if self.memory else ()),
            *(f"  advice    {line}" for line in self.advice),
        ]
        return "\n".join(lines)


def _histogram(bins: tuple[Bin, ...]) -> list[str]:
    most = max(each.samples for each in bins)
    return [
        f"    {each.up_to:>7,} {each.samples:>6,} {each.text:>7,.0f} + {each.image:<7,.0f}"
        f"{'#' * math.ceil(BAR * each.samples / most)}".rstrip()
        for each in bins
    ]


TERMS: dict[str, Callable[[Estimate], int]] = {
    "weights": lambda e: e.weights,
    "adapter, gradients, optimizer": lambda e: e.learning,
    "inputs": lambda e: e.phases.inputs,
    "inputs of the step's other batches": lambda e: e.ahead,
    "kept for the way back": lambda e: e.phases.kept - e.phases.inputs,
    "peak: vision tower": lambda e: e.phases.vision,
    "peak: language model": lambda e: e.phases.forward,
    "peak: scores and loss": lambda e: e.phases.head,
    "peak: way back": lambda e: e.phases.backward,
    "a matrix unpacked": lambda e: e.unpacked,
    "total at the highest peak": lambda e: e.total,
}
"""The rows of the table; a peak holds inputs and what is kept until then."""


def _unit(memory: dict[str, Estimate]) -> float:
    return GB if max(each.total for each in memory.values()) >= GB else 1e6


def _table(memory: dict[str, Estimate], processes: int) -> list[str]:
    ways, unit = list(memory), _unit(memory)
    whose = "a process with the largest batch" if processes > 1 else "the largest batch"
    lines = [f"  memory    of {whose}, in {'GB' if unit == GB else 'MB'}"]
    lines.append(f"    {'':36}" + "".join(f"{way:>20}" for way in ways))
    for title, term in TERMS.items():
        values = [term(each) for each in memory.values()]
        if any(values):
            lines.append(f"    {title:36}" + "".join(f"{value / unit:>20.2f}" for value in values))
    return lines
