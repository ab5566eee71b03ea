"""Let a second thread do the next piece of work while this one uses the last."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

DEPTH = 3
"""Items that may wait to be used."""


def ahead(items: Iterable[T], depth: int = DEPTH) -> Generator[T, None, None]:
    """Yield the items in their order; another thread makes up to `depth` of them before they are asked for.

    What an item raises while it is made is raised where it would have come. Closing the generator ends the thread.
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, "ahead") as pool:
        coming = deque(pool.submit(next, iterator, end) for _ in range(depth))
        try:
            while (item := coming.popleft().result()) is not end:
                coming.append(pool.submit(next, iterator, end))
                yield item  # type: ignore[misc]  # anything but the end is one of the items
        finally:
            pool.shutdown(cancel_futures=True)
