"""Columns as numbers of their values say what the columns say."""

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storage.coding import Coding

ROWS = st.lists(st.tuples(st.sampled_from([None, "a", "b", ""]), st.sampled_from([None, 0.0, 1.0, 0.5])), max_size=12)


def said(coding: Coding) -> list[Any]:
    return [coding.values[number] for number in coding.numbers.tolist()]


def coded(rows: list[tuple[Any, Any]]) -> Coding:
    texts, weights = ([row[place] for row in rows] for place in range(2))
    return Coding.rows([Coding.of(pa.array(texts, pa.string())), Coding.of(pa.array(weights, pa.float64()))])


@given(ROWS)
def test_rows(rows: list[tuple[Any, Any]]) -> None:
    coding = coded(rows)
    assert said(coding) == rows
    assert sorted(map(repr, coding.values)) == sorted({repr(row) for row in rows}), "what occurs, once"


@given(st.lists(ROWS, max_size=6))
def test_lists(lists: list[list[tuple[Any, Any]]]) -> None:
    bounds = np.cumsum([0, *map(len, lists)])
    flat = coded([row for rows in lists for row in rows])
    assert said(flat.lists(bounds)) == list(map(tuple, lists))
    again = Coding.rows([flat.lists(bounds), flat.lists(bounds)])
    assert said(again) == [(tuple(rows), tuple(rows)) for rows in lists], "lists are values like others"
    assert len(again.values) == len(set(map(tuple, lists)))
