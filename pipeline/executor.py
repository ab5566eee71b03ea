"""Run a function over tasks in worker processes that may die: one seam, `Executor.run`.

The standard pools fail or hang when a worker is killed. This supervisor gives each worker its own pipe, so a death
costs a retry of one task, a task that kills its workers is reported by name, and one that hangs meets a time limit.
Tasks and results are small (numbers, paths, counts); the work itself goes through files.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol, TypeVar

from .exceptions import StageError

Task = TypeVar("Task")
Result = TypeVar("Result")

ATTEMPTS = 3
TASK_SECONDS = 3600.0


class Executor(Protocol):
    """Whatever can run tasks somewhere."""

    def run(self, fn: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[tuple[Task, Result | BaseException]]:
        """Yield (task, result or exception) as the tasks end, in any order; `fn` is importable by name."""
        ...


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    task: Any = None
    attempt: int = 0
    busy: bool = False
    started: float = 0.0


@dataclass(frozen=True)
class LocalExecutor:
    """Worker processes on this machine."""

    workers: int
    attempts: int = ATTEMPTS
    task_seconds: float = TASK_SECONDS

    def run(self, fn: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[tuple[Task, Result | BaseException]]:
        """Yield (task, result or exception) as the tasks end."""
        queue = [(task, 1) for task in tasks]
        queue.reverse()
        team = [_start() for _ in range(min(self.workers, len(queue)))]
        try:
            while queue or any(worker.busy for worker in team):
                for worker in team:
                    if not worker.busy and queue:
                        _hand(worker, fn, *queue.pop())
                yield from self._collect(team, queue)
        finally:
            for worker in team:
                _stop(worker)

    def _collect(self, team: list[_Worker], queue: list[tuple[Any, int]]) -> Iterator[tuple[Any, Any]]:
        """Wait for something to happen; yield what ended, queue again what deserves another attempt."""
        busy = [worker for worker in team if worker.busy]
        deadline = min((worker.started for worker in busy), default=0) + self.task_seconds
        ready = set(wait([worker.pipe for worker in busy], timeout=max(0.0, deadline - time.monotonic())))
        for worker in busy:
            outcome: Any
            if worker.pipe in ready:
                try:
                    outcome = worker.pipe.recv()
                except (EOFError, OSError):
                    outcome = None
                except Exception as error:  # the exception that came back cannot be rebuilt here
                    outcome = StageError(f"task {_name(worker.task)}", f"its result cannot be read ({error})")
            elif time.monotonic() - worker.started >= self.task_seconds:
                outcome = None
            else:
                continue
            task, attempt, hung = worker.task, worker.attempt, worker.pipe not in ready
            worker.busy = False
            if outcome is not None:
                yield task, outcome
                continue
            code = _stop(worker, now=True)
            team[team.index(worker)] = _start()
            if attempt < self.attempts:
                queue.append((task, attempt + 1))
            else:
                how = f"ran longer than {self.task_seconds:g} s" if hung else f"died (exit {code})"
                yield task, StageError(f"task {_name(task)}", f"its worker {how} {attempt} times, expected a result")


def _name(task: Any) -> str:
    return str(getattr(task, "name", task))


def _start() -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _hand(worker: _Worker, fn: Callable[[Any], Any], task: Any, attempt: int) -> None:
    worker.task, worker.attempt, worker.busy, worker.started = task, attempt, True, time.monotonic()
    with contextlib.suppress(BrokenPipeError, ConnectionError):  # a worker that died idle: noticed when collected
        worker.pipe.send((fn, task))


def _stop(worker: _Worker, *, now: bool = False) -> int | None:
    worker.pipe.close()
    if now or worker.busy:
        worker.process.kill()
    worker.process.join(timeout=5)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
    return worker.process.exitcode


def _work(pipe: Connection, parent: int) -> None:
    """Serve tasks until the pipe closes; leave at once when the supervisor is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    while True:
        try:
            fn, task = pipe.recv()
        except EOFError:
            return
        outcome: Any
        try:
            outcome = fn(task)
        except Exception as error:
            outcome = error
        try:
            pipe.send(outcome)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            pipe.send(StageError(f"task {_name(task)}", f"its result cannot be sent ({outcome!r}: {error})"))


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
