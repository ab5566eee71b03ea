"""The output folder of an import: a folder per trajectory, what was refused, and the report as the last file.

    OUT/<trajectory>/000.png … trajectory.json    pictures first; a folder without trajectory.json is no trajectory
    OUT/rejected.jsonl                            if anything was refused
    OUT/import.json                               last: with it the import is finished

Each file gets its name whole or not at all. While the import runs `.gdp/import.json` says what it is. The same command
goes over the source again and keeps what is there already and equal; what differs is refused, never mixed in.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from pipeline.exceptions import OutputError, cannot_write
from pipeline.storage.lock import locked
from pipeline.storage.place import Place, is_temporary
from pipeline.trajectories import FILE_NAME, IMPORT_REPORT, IMPORT_STATE, REJECTED_NAME

from .refusal import REASONS, Refusal

STATE = ".gdp"
LOCK = f"{STATE}/import.lock"
WRITERS = 8
"""Files that are made durable at a time."""
_OURS = re.compile(rf"^(\d+\.(png|jpg|webp)|{re.escape(FILE_NAME)}|\..*\.tmp)$")


class ImportFolder:
    """The output folder while an import runs."""

    def __init__(self, out: Place, pool: ThreadPoolExecutor) -> None:
        self._out = out
        self._pool = pool
        self._written: set[str] = set()

    @classmethod
    @contextlib.contextmanager
    def open(cls, out: Place, identity: dict[str, Any], *, fresh: bool) -> Iterator["ImportFolder"]:
        """Take the folder for the import that `identity` describes.

        Raises OutputError if the folder holds something else, or another import, or if one is running there.
        """
        try:
            earlier = _identity(out)
            _check_is_ours(out, earlier)
            if out.local is not None:
                (out.local / STATE).mkdir(parents=True, exist_ok=True)
            with locked(out, LOCK), ThreadPoolExecutor(WRITERS) as pool:
                if fresh:
                    _clear(out)
                elif earlier is not None:
                    _refuse_change(out, earlier, identity)
                out.write(IMPORT_STATE, msgspec.json.encode(identity), "import_state")
                yield cls(out, pool)
        except OSError as error:
            raise cannot_write(out, error) from error
        finally:
            if out.local is not None:
                with contextlib.suppress(OSError):  # the state of an import that did not finish stays
                    (out.local / STATE).rmdir()

    def put(self, trajectory_id: str, text: bytes, pictures: Mapping[str, bytes]) -> None:
        """Write one trajectory, or find it there already; raises OutputError if another one is there."""
        folder = folder_name(trajectory_id)
        self._written.add(folder)
        name = f"{folder}/{FILE_NAME}"
        try:
            there: bytes | None = self._out.read(name)
        except FileNotFoundError:
            there = None
        if there is not None and there != text:
            message = "found another trajectory, expected the one that this import writes"
            raise OutputError(f"{self._out}/{name}", message, "the source has changed; --fresh starts over")
        missing = [each for each, data in pictures.items() if self._out.size(f"{folder}/{each}") != len(data)]
        list(self._pool.map(lambda each: self._out.write(f"{folder}/{each}", pictures[each], "picture"), missing))
        if there is None:
            self._out.write(name, text, "trajectory")

    def finish(self, refusals: Sequence[Refusal], report: dict[str, Any]) -> None:
        """Write what was refused and, last, the report."""
        strange = sorted(set(_folders(self._out)) - self._written)
        for folder in strange:  # a killed attempt may have left pictures without a trajectory
            if self._out.size(f"{folder}/{FILE_NAME}") is not None:
                message = "found a trajectory that is not in the source any more, expected none"
                raise OutputError(f"{self._out}/{folder}", message, "--fresh starts over")
            _remove_folder(self._out, folder)
        for folder in ("", STATE, *sorted(self._written)) if self._out.local is not None else ():
            for name in filter(is_temporary, self._out.names(folder)):
                self._out.remove(f"{folder}/{name}" if folder else name)
        if refusals:
            lines = b"".join(msgspec.json.encode(rejected_row(refusal)) + b"\n" for refusal in refusals)
            self._out.write(REJECTED_NAME, lines, "rejected")
        else:
            self._out.remove(REJECTED_NAME)
        self._out.write(IMPORT_REPORT, json.dumps(report, ensure_ascii=False, indent=2).encode() + b"\n", "report")
        self._out.remove(IMPORT_STATE)


def rejected_row(refusal: Refusal) -> dict[str, Any]:
    """Return the line of `rejected.jsonl`."""
    return {
        "scope": refusal.scope,
        "file": refusal.file,
        "record": refusal.record,
        "code": refusal.code,
        "reason": REASONS[refusal.code],
        "found": refusal.found,
        "expected": refusal.expected,
    }


def folder_name(trajectory_id: str) -> str:
    """Return a name for the trajectory's folder that every file system takes, another one for each id.

    >>> folder_name("google_apps-52"), folder_name("GOOGLE_APPS-52")
    ('google_apps-52', 'GOOGLE_APPS-52-cf70097a')
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", trajectory_id)[:80].strip("-")
    if plain and plain == trajectory_id and plain.lower() == plain:
        return plain
    # Case alone tells no names apart on some file systems.
    return f"{plain or 'trajectory'}-{hashlib.sha256(trajectory_id.encode()).hexdigest()[:8]}"


def _identity(out: Place) -> dict[str, Any] | None:
    """Return what the import is that the folder holds, finished or not; None if it holds none."""
    for name in (IMPORT_STATE, IMPORT_REPORT):
        try:
            found = json.loads(out.read(name))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except ValueError:
            found = {}
        identity = found.get("import") if name == IMPORT_REPORT and isinstance(found, dict) else found
        return identity if isinstance(identity, dict) else {}
    return None


def _check_is_ours(out: Place, earlier: dict[str, Any] | None) -> None:
    """Raise OutputError unless the folder is absent, empty or an import's."""
    if out.local is not None and out.local.exists() and not out.local.is_dir():
        raise OutputError(str(out), "found a file, expected a new folder", "choose another -o")
    names = [name for name in out.names() if not is_temporary(name) and name != STATE]
    strange = names if earlier is None else [
        name for name in names if name not in {IMPORT_REPORT, REJECTED_NAME} and not _is_trajectory(out, name)
    ]  # fmt: skip
    if strange:
        message = f"found other files ({', '.join(sorted(strange)[:3])}), expected a new or empty folder"
        raise OutputError(str(out), message, "choose another -o")


def _is_trajectory(out: Place, folder: str) -> bool:
    if out.local is not None and not (out.local / folder).is_dir():
        return False
    return all(_OURS.match(name) for name in out.names(folder))


def _folders(out: Place) -> list[str]:
    return [
        name for name in out.names() if name not in {IMPORT_REPORT, REJECTED_NAME, STATE} and not is_temporary(name)
    ]


def _clear(out: Place) -> None:
    """Remove an earlier import: first what makes it a finished one."""
    for name in (IMPORT_REPORT, REJECTED_NAME):
        out.remove(name)
    for folder in _folders(out):
        out.remove(f"{folder}/{FILE_NAME}")
        _remove_folder(out, folder)
    out.remove(IMPORT_STATE)


def _remove_folder(out: Place, folder: str) -> None:
    for name in out.names(folder):
        out.remove(f"{folder}/{name}")
    if out.local is not None:
        (out.local / folder).rmdir()


def _refuse_change(out: Place, earlier: dict[str, Any], now: dict[str, Any]) -> None:
    for key in now:
        if earlier.get(key) != now[key]:
            found, was = (json.dumps(each, ensure_ascii=False) for each in (now[key], earlier.get(key)))
            message = f"found {key} {found}, expected {was} as in the import that is there"
            raise OutputError(str(out), message, "choose another -o, or --fresh to start over there")
