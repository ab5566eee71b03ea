"""Run a function over tasks in processes that may die: one seam, `Executor.run`.

Tasks and results are small (numbers, paths, counts); the work itself goes through files. A new executor is a new module
here and a line in `EXECUTORS`; the conformance tests run against every one of them.
"""

from collections.abc import Callable, Generator, Iterable
from typing import Any, Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Executor(Protocol):
    """Whatever can run tasks somewhere."""

    def run(
        self, fn: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[tuple[Task, Result | BaseException], None, None]:
        """Yield (task, result or exception) as the tasks end, in any order; `fn` is importable by name.

        Closing the iterator early stops what runs.
        """
        ...


def _local(workers: int | None, **options: Any) -> Executor:
    from pipeline.executors.local import LocalExecutor

    return LocalExecutor(workers, **options)


def _ray(workers: int | None, **options: Any) -> Executor:
    from pipeline.executors.ray import RayExecutor

    return RayExecutor(workers, **options)


EXECUTORS: dict[str, Callable[..., Executor]] = {"local": _local, "ray": _ray}
"""Each is imported only when it is used, and by no worker."""
