"""One run at a time on an output folder.

On a disk the lock is a file that appears with its content in one step and that only one process can make. An object
store has no such thing here: a run writes its token, waits, and goes on only if the token is still its own, which
decides between runs that start within the wait.
"""

import contextlib
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.exceptions import OutputError

from .place import Place

SETTLE_SECONDS = 1.0
FILLING_SECONDS = 10.0


@contextlib.contextmanager
def locked(out: Place, name: str) -> Iterator[None]:
    """Hold the lock file `name` in the place; raises OutputError while another run is alive."""
    token = _token()
    for _ in range(3):
        if _take(out, name, token):
            break
        data, holder = _holder(out, name)
        if holder is not None:
            hint = f"wait for it, or stop it; if it is surely dead, remove {out}/{name}"
            raise OutputError(str(out), f"found another run ({holder}) writing there, expected none", hint)
        _break(out, name, data)
    else:
        raise OutputError(str(out), "found another run starting there, expected none", "wait for it")
    try:
        yield
    finally:
        out.remove(name)


def held(out: Place, name: str) -> bool:
    """Tell whether a living process holds the lock."""
    return _holder(out, name)[1] is not None


def _token() -> dict[str, Any]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "started": _started(pid), "token": secrets.token_hex(8)}


def _take(out: Place, name: str, token: dict[str, Any]) -> bool:
    data = json.dumps(token).encode()
    if out.local is None:
        if out.size(name) is not None:
            return False
        out.write(name, data, "lock")
        time.sleep(SETTLE_SECONDS)
        return out.read(name) == data
    path, scratch = out.local / name, out.scratch(name)
    try:
        scratch.write_bytes(data)
        return _link(scratch, path, data)
    finally:
        scratch.unlink(missing_ok=True)


def _link(scratch: Path, path: Path, data: bytes) -> bool:
    try:
        os.link(scratch, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links there: the file is empty for a moment, which `_holder` allows for
        return _create(path, data)
    return True


def _create(path: Path, data: bytes) -> bool:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    return True


def _holder(out: Place, name: str) -> tuple[bytes, str | None]:
    """Return the lock's content and who holds it, None if that process is gone."""
    try:
        data = out.read(name)
    except FileNotFoundError:
        return b"", None
    try:
        lock = json.loads(data)
        host, pid, started = lock["host"], int(lock["pid"]), lock["started"]
    except (ValueError, KeyError, TypeError):
        young = out.local is not None and time.time() - (out.local / name).stat().st_mtime < FILLING_SECONDS
        return data, "one that is just starting" if young else None
    if host == socket.gethostname() and _started(pid) != started:
        return data, None
    return data, f"process {pid} on {host}"


def _break(out: Place, name: str, stale: bytes) -> None:
    """Remove the lock of a dead run, unless another run has taken its place in the meantime."""
    if out.local is None:
        out.remove(name)
        return
    path, aside = out.local / name, out.scratch(name)
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if aside.read_bytes() != stale:
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()


def _started(pid: int) -> str | None:
    """Return the process's start time as the kernel counts it, None if there is no such process.

    A process id alone is not enough: after a restart another process may have it.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)  # where there is no /proc
    except ProcessLookupError:
        return None
    except OSError:
        return "unknown"
    return None if Path("/proc/self/stat").exists() else "unknown"
