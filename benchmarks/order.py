"""What the order of an epoch costs in padding, and how far its steps are from samples drawn at random.

python -m benchmarks.order [DATASET ...]

Without datasets it takes those that `make demo` and `make learn` leave. Nothing is trained: lengths are those of the
built-in tokenizer. A sample's kind is its action's type, and whether it repairs an error.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.storage.dataset import Dataset
from train.encoding.data import Encoder, select
from train.encoding.order import order, padding
from train.models import tiny

from .measure import HERE, machine, table, write_section

USUAL = (HERE.parent / "demo" / "clean", HERE.parent / "learn" / "measured" / "ec30")
STEPS = ((1, 8), (2, 4), (4, 1), (4, 4), (8, 1), (8, 4), (16, 1), (16, 4))
"""Samples of a batch, batches of a step."""

EPOCHS = 24


@dataclass(frozen=True)
class Samples:
    """What is put in order."""

    name: str
    lengths: list[int]
    """In tokens."""
    kinds: list[str]

    @property
    def title(self) -> str:
        """Return what the table calls them."""
        least, most = min(self.lengths), max(self.lengths)
        kinds = len(set(self.kinds))
        return f"`{self.name}`: {len(self.lengths)} samples of {least:,} to {most:,} tokens, {kinds} kinds"


def of(path: Path) -> Samples:
    """Return the samples that a run would train on."""
    dataset = Dataset.open(path)
    samples = list(dataset.samples("train"))
    encoder = Encoder(tiny.build_processor(dataset), dataset.manifest.contract, tiny.name(dataset.manifest.contract))
    items, _ = select(samples, encoder, max_images=10**6, max_tokens=10**9)
    kinds = [f"{type(sample.target.actions[0]).__name__} {sample.origin}" for sample in samples]
    return Samples("/".join(path.parts[-2:]), [item.tokens.length for item in items if item.tokens], kinds)


def spread(samples: Samples, indices: Sequence[int], size: int) -> float:
    """Return how much the shares of kinds vary from step to step: the sum of their variances."""
    kinds = np.asarray(samples.kinds)[np.asarray(indices[: len(indices) // size * size])].reshape(-1, size)
    return float(sum((kinds == kind).mean(axis=1).var() for kind in set(samples.kinds)))


def orders(samples: Samples, batch: int, passes: int) -> dict[str, Callable[[int], list[int]]]:
    """Return what gives the order of an epoch, by name."""
    lengths = np.asarray(samples.lengths)

    def drawn(epoch: int) -> list[int]:
        return [int(index) for index in np.random.default_rng(epoch).permutation(len(lengths))]

    def by_length(epoch: int) -> list[int]:
        indices = np.asarray(drawn(epoch))
        full = len(indices) // batch * batch
        sorted_ones = indices[:full][np.argsort(-lengths[indices[:full]], kind="stable")].reshape(-1, batch)
        rows = np.random.default_rng([epoch, 1]).permutation(sorted_ones)
        return [int(index) for index in (*rows.ravel(), *indices[full:])]

    def ours(epoch: int) -> list[int]:
        return order(samples.lengths, batch, 0, epoch, passes=passes)

    return {"drawn": drawn, "by length": by_length, "`gdp train`": ours}


def rows(samples: Samples) -> list[list[str]]:
    """Return a row of the table for each form of a step."""
    made = []
    for batch, passes in STEPS:
        size = batch * passes
        if len(samples.lengths) < 2 * size:
            continue
        costs, spreads = [], []
        for name in (found := orders(samples, batch, passes)):
            epochs = [found[name](epoch) for epoch in range(EPOCHS)]
            costs.append(statistics.fmean(padding(samples.lengths, epoch, batch) for epoch in epochs))
            spreads.append(statistics.fmean(spread(samples, epoch, size) for epoch in epochs))
        made.append([f"{batch} x {passes}", *(f"{cost:.1%}" for cost in costs),
                     *(f"{each / spreads[0]:.2f}" for each in spreads[1:])])  # fmt: skip
    return made


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="*", default=USUAL)
    header = ["batch x passes", "padding: drawn at random", "padding: sorted by length", "padding: `gdp train`",
              "kinds vary: sorted by length", "kinds vary: `gdp train`"]  # fmt: skip
    parts = [machine("torch", "numpy") + "."]
    for path in parser.parse_args().datasets:
        samples = of(path)
        parts += [f"{samples.title}.", table(header, rows(samples))]
    text = "\n\n".join(parts)
    print(text)
    write_section("order", text)


if __name__ == "__main__":
    main()
