"""Regular expressions over the names of a model's modules, which end: one that backtracks for ever is refused."""

import contextlib
import re
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType

from pipeline.exceptions import ConfigError

SECONDS = 5.0
"""Of the processor, for all names together; an ordinary pattern takes milliseconds."""


def matched(pattern: str, names: Iterable[str], where: str, entry: str) -> tuple[str, ...]:
    r"""Return the names that the pattern matches whole.

    Raises re.error, and ConfigError about the entry where that takes too long: `(\w+\.?)+x` tries every way to cut a
    name in pieces, and those double with each letter. Names differ in length, so no rule about patterns alone would
    tell; engines that cannot backtrack have no lookahead, which people need.
    """
    try:
        compiled = re.compile(pattern)
    except OverflowError as error:
        raise re.error(str(error)) from error
    except RecursionError as error:
        raise re.error("its groups are nested too deep") from error
    message = f"found {entry!r}, which is not through with the modules' names after {SECONDS:g} s, expected an instant"
    hint = r"a repeated group with a repetition inside, such as (\w+\.?)+, tries every way to cut a name: write [\w.]+"
    with _limited(ConfigError(where, message, hint)):
        return tuple(name for name in names if compiled.fullmatch(name))


@contextlib.contextmanager
def _limited(error: ConfigError) -> Iterator[None]:
    """Raise the error inside once the time is up; `re` looks for signals while it searches.

    Not where there is no such timer (Windows), nor outside of the main thread, which alone may set a handler.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        raise error

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
