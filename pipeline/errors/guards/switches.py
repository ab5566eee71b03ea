"""Guards that are switched off in this process, by a test that nothing goes wrong without them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_off: set[str] = set()


def is_on(name: str) -> bool:
    """Tell whether the guard is asked."""
    return name not in _off


@contextmanager
def switched_off(names: Iterable[str]) -> Iterator[None]:
    """Do not ask these guards within the block."""
    _off.update(names)
    try:
        yield
    finally:
        _off.difference_update(names)
