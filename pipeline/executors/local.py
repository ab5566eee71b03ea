"""Worker processes on this machine.

The standard pools fail or hang when a worker is killed. This supervisor gives each worker its own pipe, so a death
costs a retry of one task, a task that kills its workers is reported by name, and one that hangs meets a time limit.
Workers are only ever stopped by SIGKILL: an exception that a signal raises in the middle of a task may come up inside a
callback of an image library, which drops it. What they leave is removed here and by `run_folder`.

A worker is a bare interpreter that imports what its task needs (the standard start methods run the main script again,
or fork a process that has threads); its pipe is its lifeline, so none outlives the supervisor, however that ends.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from pipeline.exceptions import StageError

from .worker import ATTEMPTS, TASK_SECONDS, name_of, pack, unpack

Task = TypeVar("Task")
Result = TypeVar("Result")

GRACE_SECONDS = 5.0
"""How long a process may take to end whose pipe has."""
BOOT = "import sys; sys.path[:] = sys.argv[2:]; from pipeline.executors.worker import serve; serve(int(sys.argv[1]))"


@dataclass
class _Job:
    task: Any
    attempts: int = 0


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: Connection
    job: _Job | None = None
    started: float = 0.0


@dataclass(frozen=True)
class LocalExecutor:
    """A supervisor of local processes."""

    workers: int | None = None
    """None is one for each core."""
    attempts: int = ATTEMPTS
    task_seconds: float = TASK_SECONDS

    def run(
        self, fn: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[tuple[Task, Result | BaseException], None, None]:
        """Yield (task, result or exception) as the tasks end."""
        queue = deque(_Job(task) for task in tasks)
        team: list[_Worker] = []
        ended: list[tuple[Any, Any]] = []
        scratch = tempfile.mkdtemp(prefix="gdp-")  # for the tasks' temporary files: whatever is killed, they go with it
        try:
            while queue or ended or any(worker.job for worker in team):
                self._assign(team, queue, fn, scratch)
                yield from ended  # while the workers work
                ended = self._collect(team, queue)
        finally:
            for worker in team:
                _end(worker)
            shutil.rmtree(scratch, ignore_errors=True)

    def _assign(self, team: list[_Worker], queue: deque[_Job], fn: Callable[[Any], Any], scratch: str) -> None:
        """Give every worker something to do, as far as there is something."""
        for worker in team:
            if queue and not worker.job:
                _hand(worker, fn, queue.popleft())
        workers = self.workers or len(os.sched_getaffinity(0))
        while queue and len(team) < workers:
            team.append(_start(scratch))
            _hand(team[-1], fn, queue.popleft())

    def _collect(self, team: list[_Worker], queue: deque[_Job]) -> list[tuple[Any, Any]]:
        """Wait for something to happen; return what ended, queue again what deserves another attempt."""
        busy = [(worker, worker.job) for worker in team if worker.job]
        ended: list[tuple[Any, Any]] = []
        if busy:
            deadline = min(worker.started for worker, _ in busy) + self.task_seconds
            wait([worker.pipe for worker, _ in busy], timeout=max(0.0, deadline - time.monotonic()))
        for worker, job in busy:
            packed = _receive(worker)
            if packed:
                ended.append((job.task, unpack(name_of(job.task), packed)))
                worker.job = None
                continue
            if packed is not None:
                how, hint = _death(worker)
            elif time.monotonic() - worker.started >= self.task_seconds:
                how, hint = f"ran longer than {self.task_seconds:g} s", "a larger --task-timeout, if that is its pace"
            else:
                continue
            _end(worker)
            team.remove(worker)
            job.attempts += 1
            if job.attempts < self.attempts:
                queue.append(job)
            else:
                message = f"its worker {how} {job.attempts} times, expected a result"
                ended.append((job.task, StageError(f"task {name_of(job.task)}", message, hint)))
        return ended


def _start(scratch: str) -> _Worker:
    ours, theirs = multiprocessing.Pipe()
    # Blocked signals stay blocked in the new process, see `worker.serve`.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        # A print in a task must not end up among the stage's own output.
        process = subprocess.Popen(  # noqa: S603 (ourselves)
            [sys.executable, "-c", BOOT, str(theirs.fileno()), *sys.path],
            stdin=subprocess.DEVNULL,
            stdout=2,
            env={**os.environ, "TMPDIR": scratch, "OPENBLAS_NUM_THREADS": "1"},  # numpy's: there is a worker a core
            pass_fds=[theirs.fileno()],
        )
    except OSError as error:
        message = f"cannot start a process ({error.strerror}), expected to"
        raise StageError("--workers", message, "try fewer --workers") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return _Worker(process, ours)


def _hand(worker: _Worker, fn: Callable[[Any], Any], job: _Job) -> None:
    worker.job, worker.started = job, time.monotonic()
    call = (name_of(job.task), pack(fn, job.task))
    with contextlib.suppress(OSError):  # a worker that died idle: noticed when collected
        worker.pipe.send(call)


def _receive(worker: _Worker) -> bytes | None:
    """Return the packed outcome; nothing (b"") if the worker is gone, None if it is still at work."""
    try:
        return worker.pipe.recv_bytes() if worker.pipe.poll() else None
    except (EOFError, OSError):
        return b""


def _death(worker: _Worker) -> tuple[str, str | None]:
    """Say how a worker ended whose pipe has."""
    try:
        code = worker.process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return "went silent", None
    if code == -signal.SIGKILL:
        return "was killed", "if the machine ran out of memory: fewer --workers"
    return (f"died of {signal.Signals(-code).name}" if code < 0 else f"ended (exit {code})"), None


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.wait()
    worker.pipe.close()
