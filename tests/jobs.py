"""Tasks for the executors' tests: importable by name, as whatever runs in a worker must be."""

import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """A task with a name and a folder of its own to leave marks in."""

    name: str
    folder: Path
    value: int = 0

    def first_time(self) -> bool:
        """Tell whether no worker has come here before."""
        try:
            (self.folder / f"{self.name}.seen").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def sign(self) -> None:
        """Leave this worker's process id."""
        scratch = self.folder / f".{self.name}.{os.getpid()}"
        scratch.write_text(str(os.getpid()))
        scratch.rename(self.folder / f"{self.name}.{os.getpid()}.pid")


class Awkward(Exception):  # noqa: N818 (an exception that cannot be rebuilt from its arguments)
    """Packs, but does not unpack."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def double(number: int) -> int:
    """Do what is asked."""
    return 2 * number


def refuse_odd(number: int) -> int:
    """Fail on odd numbers."""
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def die_once(job: Job) -> int:
    """Be killed on the first attempt."""
    if job.value and job.first_time():
        os.kill(os.getpid(), signal.SIGKILL)
    return job.value


def die(job: Job) -> int:
    """Be killed on every attempt, if the job is poison."""
    if job.value:
        job.sign()
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return job.value


def hang(job: Job) -> int:
    """Never end, if the job is like that."""
    if job.value:
        job.sign()
        time.sleep(600)
    return job.value


def odd_end(kind: str) -> object:
    """End in a way that does not travel, or that would stop the supervisor."""
    match kind:
        case "result":
            return lambda: None
        case "exception":
            error = ValueError("not to be packed")
            error.culprit = lambda: None  # type: ignore[attr-defined]
            raise error
        case "awkward":
            raise Awkward(1, 2)
        case "interrupt":
            raise KeyboardInterrupt
        case "exit":
            sys.exit(3)
        case "print":
            print("in a worker")  # noqa: T201 (what must not reach stdout)
    return kind


def wait_with_file(job: Job) -> int:
    """Hold a file in the temporary folder for as long as the work takes."""
    if job.value:
        (job.folder / "where").write_text(tempfile.mkstemp()[1])
        hang(job)
    return job.value


def nap(job: Job) -> int:
    """Take a moment, and leave the result as a file too."""
    time.sleep(0.2)
    (job.folder / job.name).write_text(str(job.value))
    return job.value


def supervise(folder: str) -> None:
    """Run two workers that never end, in a process to be killed."""
    from pipeline.executors.local import LocalExecutor

    list(LocalExecutor(2).run(hang, [Job(f"j{number}", Path(folder), 1) for number in range(2)]))
