"""Checkpoints on disk: each is whole or not there, and is checked before it is used.

`checkpoint-N` gets its name when all of it is written and flushed; its `checkpoint.json`, written last, lists every
file with size and SHA-256. A folder without it, or one that it does not describe, is damaged.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.exceptions import OutputError
from pipeline.storage.faults import reach
from pipeline.storage.place import flush_folder

FOLDER = "checkpoints"
PREFIX = "checkpoint-"
MANIFEST = "checkpoint.json"


def scratch(folder: Path, step: int) -> Path:
    """Return where a checkpoint is written before it has its name; every process of a run gets the same."""
    return folder / f".{PREFIX}{step}.tmp"


def path(folder: Path, step: int) -> Path:
    """Return a checkpoint's folder."""
    return folder / f"{PREFIX}{step}"


def commit(folder: Path, step: int) -> Path:
    """Give what is written in `scratch` its name, durably, and return it; one of that step is replaced."""
    written, final = scratch(folder, step), path(folder, step)
    reach("checkpoint.written")
    files = {name: _facts(written / name) for name in _files(written)}
    (written / MANIFEST).write_text(json.dumps({"step": step, "files": files}, indent=2, sort_keys=True) + "\n")
    for each in sorted(written.rglob("*")):
        if each.is_dir():
            flush_folder(each)
        else:
            with each.open("rb") as file:
                os.fsync(file.fileno())
    flush_folder(written)
    reach("checkpoint.synced")
    if final.exists():
        remove(final)
    written.rename(final)
    reach("checkpoint.renamed")
    flush_folder(folder)
    return final


def remove(checkpoint: Path) -> None:
    """Remove a checkpoint, so that a kill in between leaves no half of it under its name."""
    aside = checkpoint.with_name(f".{checkpoint.name}.{secrets.token_hex(4)}.tmp")
    checkpoint.rename(aside)
    shutil.rmtree(aside)


def rotate(folder: Path, keep: int, best: int | None) -> None:
    """Remove all checkpoints but the newest `keep`, the best one counted among them; the newest is always kept."""
    steps = sorted(_steps(folder), reverse=True)
    kept = set(steps[:1]) | ({best} if best in steps else set())
    for step in steps:
        if len(kept) < keep:
            kept.add(step)
    for step in set(steps) - kept:
        remove(path(folder, step))


def damage(checkpoint: Path) -> str | None:
    """Return what is wrong with a checkpoint, None if every byte is as it was written."""
    try:
        document = json.loads((checkpoint / MANIFEST).read_bytes())
        listed = {str(name): (int(facts["size"]), str(facts["sha256"])) for name, facts in document["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} is missing or broken"
    for name, (size, digest) in listed.items():
        file = checkpoint / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} bytes, expected {size}"
        if _digest(file) != digest:
            return f"the checksum of {name} differs"
    return None


def newest(folder: Path) -> tuple[Path | None, list[str]]:
    """Return the newest whole checkpoint, None where none was made, and a line for each damaged one after it.

    Raises OutputError where all are damaged.
    """
    found: list[str] = []
    for step in sorted(_steps(folder), reverse=True):
        wrong = damage(path(folder, step))
        if wrong is None:
            return path(folder, step), found
        found.append(f"{PREFIX}{step} is damaged ({wrong})")
    if found:
        message = f"found no whole checkpoint, expected one: {'; '.join(found)}"
        raise OutputError(str(folder), message, "--fresh starts over")
    return None, []


def check_home(folder: Path) -> None:
    """Raise OutputError where somebody has removed the run's folder: what is written now would be half a run."""
    if not folder.parent.is_dir():
        message = "the folder is gone, expected it to stay while the model trains"
        raise OutputError(str(folder.parent), message, "the same command starts over")


def clean(folder: Path) -> None:
    """Remove what a killed run left half written or half removed."""
    if folder.is_dir():
        for each in list(folder.iterdir()):
            if each.name.startswith(".") and each.is_dir():
                shutil.rmtree(each)


def _steps(folder: Path) -> Iterator[int]:
    if folder.is_dir():
        for each in folder.iterdir():
            if match := re.fullmatch(rf"{PREFIX}(\d+)", each.name):
                yield int(match[1])


def _files(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def _facts(file: Path) -> dict[str, object]:
    return {"size": file.stat().st_size, "sha256": _digest(file)}


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
