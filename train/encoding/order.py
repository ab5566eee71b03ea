"""The order of an epoch: batches of samples of one length, a pure function of the lengths, the seed and the epoch."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from pipeline.seeds import digest

FEWEST, MOST = 4, 64
"""Batches of shuffled samples that are sorted among themselves, a pool: what is together in a batch stays chance."""

POOLS = 8
"""So many pools an epoch at least, where FEWEST allows it.

Samples of one length are often of one kind of action, and a dataset sorted as one pool has the same batches every
epoch. What smaller pools cost small datasets in padding is a few hundredths; above 512 batches the pools are of MOST.
"""


def pool_of(batches: int) -> int:
    """Return how many batches are sorted among themselves where the epoch has so many."""
    return max(FEWEST, min(MOST, batches // POOLS))


def order(lengths: Sequence[int], batch: int, seed: int, epoch: int) -> list[int]:
    """Return every index once; `batch` indices in a row are samples of nearly one length, in tokens.

    The batch with the longest sample comes first, so that memory that does not suffice fails in the first step. What
    does not fill a batch comes last.
    """
    free = np.random.default_rng(list(digest(seed, "order", epoch)))
    shuffled = free.permutation(len(lengths))
    full = len(shuffled) // batch * batch
    known = np.asarray(lengths)
    size = batch * pool_of(full // batch)
    batches = []
    for start in range(0, full, size):
        pool = shuffled[start : min(start + size, full)]
        batches.append(pool[np.argsort(-known[pool], kind="stable")].reshape(-1, batch))
    if not batches:
        return [int(index) for index in shuffled]
    rows = free.permutation(np.concatenate(batches))
    longest = int(np.argmax(known[rows].max(axis=1)))
    rows[[0, longest]] = rows[[longest, 0]]
    return [int(index) for index in (*rows.ravel(), *shuffled[full:])]


class ByLength(torch.utils.data.Sampler[int]):
    """The order of whichever epoch is set; Trainer sets it, and skips on resuming without loading anything."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed, self._epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        return iter(order(self._lengths, self._batch, self._seed, self._epoch))


def padding(lengths: Sequence[int], indices: Sequence[int], batch: int) -> float:
    """Return the share of padding among all tokens of an order's batches."""
    groups = [[lengths[index] for index in indices[start : start + batch]] for start in range(0, len(indices), batch)]
    return 1 - sum(map(sum, groups)) / sum(len(group) * max(group) for group in groups)
