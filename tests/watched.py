"""Processes that a test watches: who is there, and waiting until something is so."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def until(check: Callable[[], Any], seconds: float = 10) -> Any:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return found


def pids(folder: Path) -> list[int]:
    """Return the workers that signed in the folder."""
    return [int(path.read_text()) for path in folder.glob("*.pid")]


def alive(pid: int) -> bool:
    """Tell whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    with contextlib.suppress(OSError):
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
