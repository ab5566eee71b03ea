"""How long training waits for data: the share of the time since one last asked."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Waiting:
    """A watch for one purpose: `with watch:` around what is waited for, `share()` whenever a line is logged."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._waited = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time within as waiting."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._waited += time.monotonic() - began

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the time within out: nothing is trained there."""
        began = time.monotonic()
        yield
        self._since += time.monotonic() - began

    def share(self) -> float:
        """Return the share of waiting [0, 1] since the last call, or since the watch was made, and start anew."""
        now = time.monotonic()
        whole, waited = now - self._since, self._waited
        self._since, self._waited = now, 0.0
        return waited / whole if whole > 0 else 0.0
