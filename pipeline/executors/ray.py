"""Plain tasks of Ray Core, on this machine or on a cluster; the extra `.[ray]`.

Ray starts a task again whose worker or node died; all else is as on one machine, for the worker's code is the same. The
nodes need the same gdp, and the input and the output under the same paths or URLs. Of two attempts that run at once,
because a node was lost that is not dead, both write the same bytes.
"""

import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.exceptions import MissingExtraError, StageError

from .worker import ATTEMPTS, TASK_SECONDS, attempt, name_of, pack, unpack

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class RayExecutor:
    """Tasks on a Ray cluster."""

    workers: int | None = None
    """Tasks at a time; None is what the cluster has room for."""
    attempts: int = ATTEMPTS
    task_seconds: float = TASK_SECONDS
    address: str | None = None
    """The cluster; None is $RAY_ADDRESS, or one of its own on this machine."""

    def run(
        self, fn: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[tuple[Task, Result | BaseException], None, None]:
        """Yield (task, result or exception) as the tasks end."""
        waiting = deque(tasks)
        live: dict[Any, Task] = {}
        ended: list[tuple[Task, Any]] = []
        if not waiting:
            return
        with self._cluster() as ray:
            remote = ray.remote(num_cpus=1, max_retries=self.attempts - 1)(attempt)
            while waiting or live or ended:
                window = self.workers or 2 * int(ray.cluster_resources().get("CPU", 1))
                while waiting and len(live) < window:
                    task = waiting.popleft()
                    live[remote.remote(name_of(task), pack(fn, task), self.task_seconds)] = task
                yield from ended  # while the workers work
                done, _ = ray.wait(list(live), num_returns=1) if live else ([], [])
                ended = [self._outcome(ray, live.pop(reference), reference) for reference in done]

    def _outcome(self, ray: Any, task: Task, reference: Any) -> tuple[Task, Any]:
        name = name_of(task)
        try:
            return task, unpack(name, ray.get(reference))
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError):
            found, hint = f"its worker died, or ran longer than {self.task_seconds:g} s, {self.attempts} times", None
        except ray.exceptions.RayError as error:
            found = f"Ray could not run it ({str(error).strip().rpartition(chr(10))[2]})"
            hint = "is the same gdp installed on every node?"
        return task, StageError(f"task {name}", f"{found}, expected a result", hint)

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[Any]:
        """Connect to the cluster or start one; leave or stop it at the end.

        Leaving ends what runs. Nothing is cancelled before: Ray 2.60 aborts where that meets a task that just ends.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        address = self.address or os.environ.get("RAY_ADDRESS", "local")
        options: dict[str, Any] = {"address": address}
        if address == "local":
            options.update(num_cpus=self.workers or len(os.sched_getaffinity(0)), include_dashboard=False)
            if "RAY_AUTH_MODE" not in os.environ:
                # Otherwise Ray makes a token in the home directory, which locks out clusters started later.
                os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
        try:
            import ray
        except ImportError as error:
            hint = "pip install '.[ray]' in the checkout of gui-data-pipeline"
            raise MissingExtraError("--executor ray", "ray is not installed, expected the ray extra", hint) from error
        if ray.is_initialized():  # by the program that called us: what was handed out runs to its end
            yield ray
            return
        with _own_sigterm():
            try:
                _knock(address)
                ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
            except (OSError, RuntimeError, ValueError) as error:
                reason = str(error).strip().partition("\n")[0]
                message = f"found no cluster to work with ({reason}), expected one"
                hint = "is it up, and are RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH as on its nodes?"
                raise StageError(f"--ray-address {address}", message, hint) from error
        with contextlib.redirect_stdout(sys.stderr):  # Ray reports lost nodes on stdout, from a thread of its own
            try:
                yield ray
            finally:
                ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at HOST:PORT; Ray would try for a quarter of an hour."""
    host, _, port = address.rpartition(":")
    if host and "/" not in address and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep the handler that Ray would replace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
