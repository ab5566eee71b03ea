"""The order of an epoch: batches of about one length, steps of all lengths.

Samples of one length are often of one kind: one more screenshot is one more turn, a short answer is a tap. Batches
sorted by length alone would be of one kind each, and so would the steps that are made of few of them. So a length is
moved by chance before it is sorted by (as AllenNLP's BucketBatchSampler does with `padding_noise`), as far as padding
allows, and the batches that one step accumulates are of different lengths.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from pipeline.seeds import digest

CHANCE = 0.03
"""Padding that chance may cost beyond what sorting by length leaves, as a share of an epoch's tokens.

More chance makes a step's gradient vary less, and a step longer. Where a fifth of that variance is between kinds of
samples, the product of the two was least at 0.03, of 0.01 to 0.1 and over real and made-up lengths with batches of 2 to
16; where a half is, 1 % less at 0.07.
"""

SPREADS = (*(2.0**power for power in range(3, -8, -1)), 0.0)
"""How far chance may move a length, as a share of it; tried in this order, after chance alone."""


def order(
    lengths: Sequence[int], batch: int, seed: int, epoch: int, *, passes: int = 1, processes: int = 1
) -> list[int]:
    """Return every index once; `batch` indices in a row are samples of about one length, in tokens.

    `passes` x `processes` batches in a row are a step: the epoch's batches by length are cut into as many strata, and a
    step has one of each, the longest first. The batch with the longest sample comes first of all, so that memory that
    does not suffice fails in the first step. Batches that do not fill a step come last, and after them what does not
    fill a batch. Nothing but sums and products decides, which are the same on every machine.
    """
    free = np.random.default_rng(list(digest(seed, "order", epoch)))
    known = np.asarray(lengths)
    shuffled = free.permutation(len(known))
    full = len(known) // batch * batch
    rows = _batches(known, shuffled[:full].reshape(-1, batch), free)
    rows = _steps(rows[np.argsort(-known[rows].max(axis=1), kind="stable")], passes, processes, free)
    return [int(index) for index in (*rows.ravel(), *shuffled[full:])]


def _batches(known: Any, rows: Any, free: np.random.Generator) -> Any:
    """Return the samples of shuffled batches [batches, batch] as those that have the most of chance within `CHANCE`."""
    shuffled = rows.ravel()
    moved = free.random(len(shuffled))

    def sorted_by(spread: float) -> Any:
        return shuffled[np.argsort(known[shuffled] * (1 + spread * moved), kind="stable")].reshape(rows.shape)

    allowed = _padding(known[sorted_by(0.0)]) + CHANCE
    for spread in SPREADS:
        if _padding(known[rows]) <= allowed:
            break
        rows = sorted_by(spread)
    return rows


def _padding(lengths: Any) -> float:
    """Return the share of padding in batches of these lengths, [batches, batch]."""
    return 1 - float(lengths.sum() / max(1, lengths.shape[1] * lengths.max(axis=1, initial=0).sum()))


def _steps(rows: Any, passes: int, processes: int, free: np.random.Generator) -> Any:
    """Return batches, given from the longest to the shortest, in steps of `passes` x `processes` strata.

    accelerate deals them out one to a process in turn. In every other pass the longest goes to the last process, so
    that all have about as many tokens in a step, and nearly the same in a pass.
    """
    together = passes * processes
    steps, over = divmod(len(rows), together)
    if not steps:
        return rows
    last = 1 + free.permutation(len(rows) - 1)[:over]  # never the first, which is the longest
    strata = free.permuted(np.arange(steps * together).reshape(together, steps), axis=1)
    first = int(np.argmin(strata[0]))
    strata[0, [0, first]] = strata[0, [first, 0]]
    dealt = strata.T.reshape(steps, passes, processes)
    dealt[:, 1::2] = dealt[:, 1::2, ::-1].copy()
    return np.concatenate([np.delete(rows, last, axis=0)[dealt.ravel()], rows[last]])


class ByLength(torch.utils.data.Sampler[int]):
    """The order of whichever epoch is set; Trainer sets it, and skips on resuming without loading anything."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, *, passes: int = 1, processes: int = 1) -> None:
        self._lengths, self._batch, self._seed, self._epoch = lengths, batch, seed, 0
        self._passes, self._processes = passes, processes

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        made = order(self._lengths, self._batch, self._seed, self._epoch,
                     passes=self._passes, processes=self._processes)  # fmt: skip
        return iter(made)


def padding(lengths: Sequence[int], indices: Sequence[int], batch: int) -> float:
    """Return the share of padding among all tokens of an order's batches."""
    groups = [[lengths[index] for index in indices[start : start + batch]] for start in range(0, len(indices), batch)]
    return 1 - sum(map(sum, groups)) / sum(len(group) * max(group) for group in groups)
