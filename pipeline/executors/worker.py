"""What runs in a worker: one task at a time; whatever comes of it goes back as bytes.

Packed here and checked here, so that a result or an exception that cannot travel is reported like any other failure.
"""

import contextlib
import faulthandler
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NoReturn

from pipeline.exceptions import StageError

ATTEMPTS = 3
"""Workers that a task may take down with it."""
TASK_SECONDS = 3600.0


def name_of(task: Any) -> str:
    """Return how errors call the task."""
    return str(getattr(task, "name", task))


def pack(fn: Callable[[Any], Any], task: Any) -> bytes:
    """Return a call as bytes."""
    return pickle.dumps((fn, task))


def attempt(name: str, call: bytes, seconds: float | None = None) -> bytes:
    """Run a packed call; return its result or its exception, packed.

    A task that asks the process to exit, or that takes longer than `seconds`, takes the worker with it.
    """
    with _limit(seconds):
        try:
            fn, task = pickle.loads(call)  # noqa: S301 (from our own supervisor)
            outcome = fn(task)
        except SystemExit:
            raise
        except Exception as error:
            error.add_note(f"in task {name}:\n{traceback.format_exc()}")
            outcome = error
        except BaseException as error:  # a panic in a library, or what would stop the supervisor itself
            outcome = _odd(name, f"found {error!r}")
    try:
        packed = pickle.dumps(outcome)
        if isinstance(outcome, BaseException):
            pickle.loads(packed)  # noqa: S301 (an exception may be packed and yet not be rebuilt)
    except Exception as error:
        packed = pickle.dumps(_odd(name, f"found {type(outcome).__name__} that cannot be sent ({error}): {outcome!r}"))
    return packed


def unpack(name: str, packed: bytes) -> Any:
    """Return the result or the exception of an attempt."""
    try:
        return pickle.loads(packed)  # noqa: S301 (from our own worker)
    except Exception as error:
        return _odd(name, f"found a result that cannot be read ({error})")


def _odd(name: str, found: str) -> StageError:
    return StageError(f"task {name}", f"{found}, expected a result")


@contextlib.contextmanager
def _limit(seconds: float | None) -> Iterator[None]:
    """End the process if the block lasts longer, even if it never lets go of the interpreter; None is no limit."""
    if seconds is None:
        yield
        return
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 (a device)
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def serve(handle: int) -> NoReturn:
    """Serve the calls that come through the supervisor's pipe; end when it closes, whatever the task is doing.

    Ctrl-C and a scheduler's SIGTERM reach the whole process group, but the supervisor decides: it started this process
    with both blocked.
    """
    pipe = Connection(handle)
    calls: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, calls), daemon=True).start()
    try:
        while True:
            answer = attempt(*calls.get())
            sys.stdout.flush()  # the supervisor may end this process as soon as it has the answer
            pipe.send_bytes(answer)
    except SystemExit as error:
        os._exit(error.code if isinstance(error.code, int) else 1)
    except OSError:  # the supervisor is gone
        os._exit(1)


def _listen(pipe: Connection, calls: "SimpleQueue[tuple[str, bytes]]") -> None:
    try:
        while True:
            calls.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(1)
