"""Work done ahead in another thread: the same items in the same order, the same errors, no thread left behind."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ahead import ahead


def left() -> list[str]:
    """Return the names of helper threads that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ahead")]


@given(st.lists(st.none() | st.integers()), st.integers(1, 5))
def test_the_items_come_in_their_order(items: list[int | None], depth: int) -> None:
    """Whatever they are, fewer or more than may wait."""
    assert list(ahead(items, depth)) == items
    assert left() == []


def test_an_error_comes_where_the_item_would() -> None:
    """What was made before it is used first."""

    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("three")

    coming = ahead(items())
    assert [next(coming), next(coming)] == [1, 2]
    with pytest.raises(KeyError, match="three"):
        next(coming)
    assert left() == []


def test_another_thread_works_ahead_but_not_too_far() -> None:
    """While an item is used, and by no more than the depth; closed early, it stops there."""
    made: list[int] = []
    threads, enough = set(), threading.Event()

    def items() -> Iterator[int]:
        for number in range(100):
            threads.add(threading.current_thread())
            made.append(number)
            if number == 2:
                enough.set()
            yield number

    with closing(ahead(items(), 2)) as coming:
        assert next(coming) == 0
        assert enough.wait(30), "made while 0 is in use"
        assert made == [0, 1, 2]
    assert left() == []
    assert len(made) <= 4
    assert threads.isdisjoint({threading.current_thread()})
