"""The run's folder: taken before training, complete when `run.json` is there, never mixed with another run's files."""

import contextlib
import errno
import hashlib
import json
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pipeline.exceptions import OutputError
from pipeline.lock import locked
from pipeline.place import Place, is_temporary

RESULT = "run.json"
MARKER = ".unfinished.json"
"""Holds the identity of a run under way; the same command starts over in a folder with it and without `run.json`."""

LOCK = ".lock"
"""Held by the process that trains there."""

LOG = "training_log.jsonl"

TENSORBOARD = "tensorboard"
"""Written where `report_to` asks for it."""

ANSWERS, PICTURES = "generations.jsonl", "generations"
"""What the model said at each evaluation, as text and as pictures."""

FILES = (RESULT, MARKER, LOCK, LOG, "loss.png", ANSWERS)
FOLDERS = ("adapter", "base", "checkpoints", "last_good", PICTURES, TENSORBOARD)
OURS = (*FILES, *FOLDERS)

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def identity(**parts: Any) -> dict[str, Any]:
    """Return what makes two runs the same, with a fingerprint over it."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return {**json.loads(text), "fingerprint": hashlib.sha256(text.encode()).hexdigest()}


@contextlib.contextmanager
def taken(out: Path, who: dict[str, Any], *, fresh: bool) -> Iterator[dict[str, Any] | None]:
    """Hold the folder, ready for the run; the value is its result if it already holds this very run, else None.

    A run that fails before it trains leaves nothing there. Raises OutputError if the folder holds anything else, or if
    another process is training there.
    """
    _check_is_ours(out)
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(Place(str(out)), LOCK):
            stored = None if fresh else _earlier(out, who)
            if stored is None:
                _start(out, who)
            else:
                (out / MARKER).unlink(missing_ok=True)  # of a run that was killed after its last file
            try:
                yield stored
            except BaseException:
                if stored is None and not (out / LOG).exists():
                    _clear(out, keep={LOCK})
                raise
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise OutputError(str(out), f"cannot write there ({error.strerror or error})") from error
    finally:
        if new:
            with contextlib.suppress(OSError):
                out.rmdir()  # only where nothing is left in it


def _check_is_ours(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise OutputError(str(out), "found a file, expected a new folder", "choose another -o")
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if strange := sorted(name for name in names - set(OURS) if not is_temporary(name)):
        message = f"found other files ({', '.join(strange[:3])}), expected a new or empty folder"
        raise OutputError(str(out), message, "choose another -o")
    if names and not names & {RESULT, MARKER, LOCK}:
        raise OutputError(str(out), f"found {min(names)} of no known run, expected a new folder", "choose another -o")


def _earlier(out: Path, who: dict[str, Any]) -> dict[str, Any] | None:
    """Return the result of an earlier run, None if there is none; raises OutputError if it was another run's."""
    result = _read(out / RESULT)
    if not result and not (out / LOG).exists():
        return None  # it stopped before it trained, so there is nothing to lose
    earlier = result or _read(out / MARKER)
    if earlier and earlier.get("fingerprint") != who["fingerprint"]:
        changed = [key for key in who if key != "fingerprint" and earlier.get(key) != who[key]]
        message = f"found a run with another {' and '.join(changed) or 'identity'}, expected a new folder"
        raise OutputError(str(out), message, "choose another -o, or --fresh to start over there")
    return result if (out / "adapter" / "adapter_model.safetensors").is_file() else None


def _start(out: Path, who: dict[str, Any]) -> None:
    write(out, MARKER, who)
    (out / RESULT).unlink(missing_ok=True)  # first: what follows leaves it without what it speaks of
    _clear(out, keep={MARKER, LOCK})


def _clear(out: Path, keep: Collection[str]) -> None:
    for path in list(out.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in keep:
            path.unlink()


def finish(out: Path, result: dict[str, Any]) -> None:
    """Write `run.json`, last of all; the run is complete then."""
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    write(out, RESULT, result)
    (out / MARKER).unlink()


def write(out: Path, name: str, document: dict[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    text = json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    Place(str(out)).write(name, text.encode(), "train")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
