"""SIGTERM and Ctrl-C while a model trains: the step under way is finished and saved, an evaluation left."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether the run was asked to end."""

    def __init__(self, tell: Callable[[str], None] = lambda text: None) -> None:
        self.asked = False
        self.tell = tell
        self._process = os.getpid()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals while training; a second one ends the run at once, as everywhere else."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may
            return
        before = {each: signal.signal(each, self._take) for each in SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _take(self, signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return  # a worker process that has only just been forked
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.tell("train: asked to stop; what is trained will be saved (again to stop at once)")
