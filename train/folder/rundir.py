"""The run's folder: taken before training, complete when `run.json` is there, never mixed with another run's files."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.exceptions import OutputError, cannot_write
from pipeline.storage.faults import reach
from pipeline.storage.lock import locked
from pipeline.storage.place import Place, is_temporary

from . import checkpoints, unwritable

RESULT = "run.json"
MARKER = ".unfinished.json"
"""Holds the identity of a run under way; the same command goes on in a folder with it and without `run.json`."""

LOCK = ".lock"
"""Held by the process that trains there."""

LOG = "training_log.jsonl"

TENSORBOARD = "tensorboard"
"""Written where `report_to` asks for it."""

ANSWERS, PICTURES = "generations.jsonl", "generations"
"""What the model said at each evaluation, as text and as pictures."""

LAST_GOOD = "last_good"
"""The best adapter of a run that a guard stopped."""

FEATURES = "vision_cache"
"""What `cache_vision: disk` keeps while the run lasts."""

FILES = (RESULT, MARKER, LOCK, LOG, "loss.png", ANSWERS)
FOLDERS = ("adapter", "base", checkpoints.FOLDER, LAST_GOOD, PICTURES, TENSORBOARD, FEATURES)
OURS = (*FILES, *FOLDERS)

GROWING = (LOG, ANSWERS, PICTURES, TENSORBOARD, FEATURES, checkpoints.FOLDER)
"""What a run adds to while it trains, and goes on with."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the folder already holds of this very run."""

    result: dict[str, Any] | None = None
    """Its `run.json`, where it is complete."""
    checkpoint: Path | None = None
    """The newest whole checkpoint, where it was stopped."""
    damaged: tuple[str, ...] = ()
    """A line for each checkpoint after that one."""
    begun: bool = False
    """Whether it was stopped before its first checkpoint."""


def identity(**parts: Any) -> dict[str, Any]:
    """Return what makes two runs the same, with a fingerprint over it."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return {**json.loads(text), "fingerprint": hashlib.sha256(text.encode()).hexdigest()}


@contextlib.contextmanager
def taken(out: Path, who: dict[str, Any], *, fresh: bool, resume: bool = False) -> Iterator[Earlier]:
    """Hold the folder, ready for the run; the value is what it already holds of it.

    A run that fails before it trains leaves nothing there, one that is stopped before it trains only its marker.
    Raises OutputError if the folder holds anything else, if another process is training there, if every checkpoint is
    damaged, or if `resume` finds nothing to go on from.
    """
    _check_is_ours(out)
    new = not out.exists()
    try:
        unwritable.make(out, out)
        with locked(Place(str(out)), LOCK):
            earlier = Earlier() if fresh else _earlier(out, who)
            if resume and earlier == Earlier():
                hint = "leave --resume out to start it"
                raise OutputError(str(out), "found no run to go on with, expected one that was stopped", hint)
            if earlier.result is None:
                _start(out, who, goes_on=earlier.checkpoint is not None)
            else:
                _tidy(out)  # after a run that was killed after its last file
            try:
                yield earlier
            except BaseException as error:
                starts = earlier.checkpoint is None and earlier.result is None
                if starts and out.exists() and not (out / LOG).exists():
                    stopped = earlier.begun or isinstance(error, KeyboardInterrupt)
                    _clear(out, keep={LOCK, MARKER} if stopped else {LOCK})
                raise
    except Exception as error:
        reason = unwritable.reason(error)
        if reason is None:
            raise
        retry = "make room; the same command goes on from the last whole checkpoint" if (out / LOG).exists() else None
        raise cannot_write(out, reason, retry) from error
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


def _earlier(out: Path, who: dict[str, Any]) -> Earlier:
    """Return what is there of this run; raises OutputError if it was another run, or its checkpoints are damaged."""
    result = read(out / RESULT)
    if not result and not (out / LOG).exists():
        begun = read(out / MARKER).get("fingerprint") == who["fingerprint"]
        return Earlier(begun=begun)  # it stopped before it trained, so there is nothing to lose
    earlier = result or read(out / MARKER)
    if earlier and earlier.get("fingerprint") != who["fingerprint"]:
        changed = [key for key in who if key != "fingerprint" and earlier.get(key) != who[key]]
        message = f"found a run with another {' and '.join(changed) or 'identity'}, expected a new folder"
        raise OutputError(str(out), message, "choose another -o, or --fresh to start over there")
    if result and (out / "adapter" / "adapter_model.safetensors").is_file():
        return Earlier(result=result)
    found, damaged = checkpoints.newest(out / checkpoints.FOLDER)
    return Earlier(checkpoint=found, damaged=tuple(damaged), begun=found is None and not result)


def _start(out: Path, who: dict[str, Any], *, goes_on: bool) -> None:
    write(out, MARKER, who)
    (out / RESULT).unlink(missing_ok=True)  # first: what follows leaves it without what it speaks of
    _clear(out, keep={MARKER, LOCK, *(GROWING if goes_on else ())})


def _clear(out: Path, keep: Collection[str]) -> None:
    for path in list(out.iterdir()):
        if path.name in keep:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def finish(out: Path, result: dict[str, Any]) -> None:
    """Write `run.json`, last of all; the run is complete then, and needs its checkpoints no more."""
    write(out, RESULT, result)
    reach("run.checkpoints")
    _tidy(out)


def _tidy(out: Path) -> None:
    for folder in (checkpoints.FOLDER, FEATURES):
        shutil.rmtree(out / folder, ignore_errors=True)
    (out / MARKER).unlink(missing_ok=True)


def write(out: Path, name: str, document: dict[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    text = json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    Place(str(out)).write(name, text.encode(), "train")


def read(path: Path) -> dict[str, Any]:
    """Return what a JSON file of the folder says, nothing where it is missing or no object."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
