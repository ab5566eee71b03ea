"""Columns as numbers of their values: what repeats, which in conversations is nearly everything, is made once."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.int64]


class Coding:
    """A column of n values: `values`, each of which may stand in many places, and `numbers`, n places in them."""

    __slots__ = ("numbers", "values")

    def __init__(self, values: Sequence[Any], numbers: Numbers) -> None:
        self.values = values
        self.numbers = numbers

    @classmethod
    def of(cls, column: Any) -> "Coding":
        """Return the coding of an Arrow array; null is a value."""
        coded = column.dictionary_encode(null_encoding="encode")
        return cls(coded.dictionary.to_pylist(), coded.indices.to_numpy())

    @classmethod
    def rows(cls, columns: Iterable["Coding"]) -> "Coding":
        """Return columns of one length as one column of tuples; only those are made that occur.

        >>> found = Coding.rows([Coding("ab", np.array([0, 1, 0])), Coding((1, 2), np.array([1, 1, 1]))])
        >>> found.values, found.numbers.tolist()
        ([('a', 2), ('b', 2)], [0, 1, 0])
        """
        columns = list(columns)
        mixed: Numbers = np.zeros(len(columns[0].numbers), np.int64)
        for column in columns:
            mixed = mixed * max(len(column.values), 1) + column.numbers
        coded = pa.array(mixed).dictionary_encode()
        rest: Numbers = coded.dictionary.to_numpy()
        parts: list[list[Any]] = []
        for column in reversed(columns):
            rest, which = np.divmod(rest, max(len(column.values), 1))
            parts.append([column.values[number] for number in which.tolist()])
        return cls(list(zip(*reversed(parts), strict=True)), coded.indices.to_numpy())

    def lists(self, bounds: Numbers) -> "Coding":
        """Return a column of tuples of the values: the i-th has the places from `bounds[i]` up to `bounds[i + 1]`.

        >>> found = Coding("ab", np.array([0, 1, 0, 1])).lists(np.array([0, 1, 3, 3, 4]))
        >>> [found.values[number] for number in found.numbers.tolist()]
        [('a',), ('b', 'a'), (), ('b',)]
        """
        starts, one = bounds[:-1], np.diff(bounds) == 1
        values = [(value,) for value in self.values]  # most have one
        numbers: Numbers = np.zeros(len(starts), np.int64)
        numbers[one] = self.numbers[starts[one]]
        known: dict[tuple[int, ...], int] = {}
        for place in np.flatnonzero(~one).tolist():
            key = tuple(self.numbers[bounds[place] : bounds[place + 1]].tolist())
            if key not in known:
                known[key] = len(values)
                values.append(tuple([self.values[number] for number in key]))
            numbers[place] = known[key]
        return Coding(values, numbers)
