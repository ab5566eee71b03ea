"""One run of a stage on its output folder: the journal of finished shards, and the manifest at the end.

The journal (`.gdp/`) holds what the run is (stage, version, configuration, seed, input) and an entry for each finished
shard. The same command finds it and does only what is missing; any other command is refused. The manifest is the last
file to appear; the journal then goes.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from typing import Any

import msgspec

from pipeline.exceptions import OutputError, cannot_write

from .lock import locked
from .manifest import MANIFEST, TABLES, Manifest, Shard
from .place import Place, is_temporary
from .shards import ShardResult

STATE = ".gdp"
HEAD = f"{STATE}/run.json"
LOCK = f"{STATE}/lock"


class RunFolder:
    """The output folder while a stage runs."""

    def __init__(self, out: Place, done: dict[int, ShardResult], *, complete: bool) -> None:
        self.out = out
        self.done = done
        """Shards that an earlier, interrupted run finished."""
        self.complete = complete
        """Whether an earlier run of the same kind wrote the manifest already."""

    @classmethod
    @contextlib.contextmanager
    def open(cls, out: Place, identity: dict[str, Any], *, fresh: bool) -> Iterator["RunFolder"]:
        """Take the folder for a run of the stage that `identity` describes.

        Raises OutputError if the folder holds something else, if an earlier run differed, or if another run is alive.
        """
        try:
            _check_is_ours(out)
            if out.local is not None:
                (out.local / STATE).mkdir(parents=True, exist_ok=True)
            with locked(out, LOCK):
                if fresh:
                    _clear(out)
                complete = _is_complete(out, identity)
                run = cls(out, {} if complete else _journal(out, identity), complete=complete)
                try:
                    yield run
                except BaseException:
                    run.sweep()
                    raise
        except OSError as error:
            raise cannot_write(out, error) from error
        finally:
            if out.local is not None:
                with contextlib.suppress(OSError):  # the journal of a run that did not finish stays
                    (out.local / STATE).rmdir()

    def note(self, result: ShardResult) -> None:
        """Enter a finished shard in the journal."""
        self.out.write(f"{STATE}/{result.number:05d}.json", msgspec.json.encode(result), "journal")
        self.done[result.number] = result

    def finish(self, manifest: Manifest) -> None:
        """Remove what killed attempts left, write the manifest, drop the journal."""
        wanted = {shard.name for shard in manifest.shards}
        for table in TABLES:
            for name in self.out.names(table):
                if f"{table}/{name}" not in wanted:
                    self.out.remove(f"{table}/{name}")
        self.sweep()
        self.out.write(MANIFEST, manifest.to_json(), "manifest")
        _drop_journal(self.out)

    def sweep(self) -> None:
        """Remove the temporary files of killed attempts; an object store has none."""
        for folder in ("", STATE, *TABLES) if self.out.local is not None else ():
            for name in filter(is_temporary, self.out.names(folder)):
                self.out.remove(f"{folder}/{name}" if folder else name)


def _check_is_ours(out: Place) -> None:
    """Raise OutputError unless the folder is absent, empty or one of ours."""
    if out.local is not None and out.local.exists() and not out.local.is_dir():
        raise OutputError(str(out), "found a file, expected a new folder", "choose another -o")
    names = {name for name in out.names() if not is_temporary(name)}
    strange = sorted(names - {MANIFEST, STATE, *TABLES})
    if strange or (names and MANIFEST not in names and STATE not in names):
        shown = ", ".join((strange or sorted(names))[:3])
        message = f"found other files ({shown}), expected a new or empty folder"
        raise OutputError(str(out), message, "choose another -o")


def _clear(out: Place) -> None:
    """Remove an earlier run: first what makes it a dataset."""
    out.remove(MANIFEST)
    for table in TABLES:
        if out.local is not None:
            shutil.rmtree(out.local / table, ignore_errors=True)
        else:
            for name in out.names(table):
                out.remove(f"{table}/{name}")
    _drop_journal(out)


def _drop_journal(out: Place) -> None:
    for name in out.names(STATE):
        if f"{STATE}/{name}" != LOCK:
            out.remove(f"{STATE}/{name}")


def _is_complete(out: Place, identity: dict[str, Any]) -> bool:
    try:
        manifest = json.loads(out.read(MANIFEST))
    except FileNotFoundError:
        return False
    except ValueError:
        manifest = {}  # not one of ours any more: everything differs
    _refuse_change(out, {key: manifest.get(key) for key in identity}, identity)
    _drop_journal(out)  # a run may have died after its manifest
    return True


def _journal(out: Place, identity: dict[str, Any]) -> dict[int, ShardResult]:
    """Return the shards that an earlier run finished, and start a journal if there was none."""
    try:
        earlier = json.loads(out.read(HEAD))
    except FileNotFoundError:
        out.write(HEAD, msgspec.json.encode(identity), "journal")
        return {}
    _refuse_change(out, earlier, identity)
    done = {}
    for name in out.names(STATE):
        if name.removesuffix(".json").isdigit():
            result = msgspec.json.decode(out.read(f"{STATE}/{name}"), type=ShardResult)
            if all(_intact(out, shard) for shard in result.shards):
                done[result.number] = result
    return done


def _intact(out: Place, shard: Shard) -> bool:
    if out.size(shard.name) != shard.bytes:
        return False
    with out.open(shard.name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == shard.sha256


def _refuse_change(out: Place, earlier: dict[str, Any], now: dict[str, Any]) -> None:
    changed = list(_differences(earlier, msgspec.to_builtins(now)))
    if changed:
        key, was, found = changed[0]
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        message = f"found {key} {_short(found)}{more}, expected {_short(was)} as in the run that is there"
        raise OutputError(str(out), message, "choose another -o, or --fresh to start over there")


def _differences(was: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(was, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*was, *now)):
            yield from _differences(was.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif was != now:
        yield path, was, now


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"
