"""Write a dataset so that nothing is ever half there.

A shard's tables are written under temporary names (host, process, random), flushed to the disk, renamed, and their
folder flushed; the driver then notes the shard in a journal; the manifest comes last. A reader opens only what the
manifest names, so whatever a killed run leaves behind is invisible, and the same command goes on from the journal.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from .exceptions import OutputError
from .manifest import TABLES, Flow, Manifest, Shard
from .tables import SCHEMAS, Row, to_table

MANIFEST = "manifest.json"
STATE = ".gdp"
"""Folder of the journal and the lock while a run is under way; gone when the manifest is written."""

ROW_GROUP_ROWS = 16
ROW_GROUP_BYTES = 16 << 20
"""Image row groups are flushed at whichever comes first, so that fetching one screenshot never reads much more."""
TEXT_ROW_GROUP_ROWS = 1024


class ShardResult(Struct, frozen=True):
    """What one shard came to; the journal's unit."""

    number: int
    shards: tuple[Shard, ...]
    counts: dict[str, Flow]
    rejected: dict[str, int]
    splits: dict[str, int]
    details: dict[str, Any] = {}
    """Further counts that the stage reports."""
    refused: tuple[Row, ...] = ()
    """Refused rows, where they are written nowhere."""


def temporary_name(name: str) -> str:
    """Return a name beside the final one that no other process, host or attempt uses."""
    return f".{name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.tmp"


def flush_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, data: bytes) -> None:
    """Write the file whole or not at all."""
    temporary = path.with_name(temporary_name(path.name))
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        flush_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _codec(column: str) -> Literal["none", "zstd"]:
    return "none" if column == "bytes" else "zstd"  # screenshots are compressed already


class TableWriter:
    """Write rows to one Parquet file under a temporary name; `commit` makes it visible."""

    def __init__(self, out: Path, name: str, number: int, metadata: dict[str, str]) -> None:
        self.name = f"{name}/{number:05d}.parquet"
        self._table = name
        self._final = out / self.name
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = self._final.with_name(temporary_name(self._final.name))
        schema = SCHEMAS[name].with_metadata({f"gdp.{key}": value for key, value in metadata.items()})
        images = name == "images"
        self._writer = pq.ParquetWriter(
            self._temporary,
            schema,
            compression={field.name: _codec(field.name) for field in schema},
            use_dictionary=not images,
            write_page_checksum=True,
            write_page_index=True,
            store_schema=True,
        )
        self._schema = schema
        self._pending: list[Row] = []
        self._pending_bytes = 0
        self.rows = 0

    def write(self, row: Row) -> int:
        """Add a row and return its number in the file."""
        self._pending.append(row)
        limit = TEXT_ROW_GROUP_ROWS
        if self._table == "images":
            limit = ROW_GROUP_ROWS
            self._pending_bytes += len(row["bytes"])
        if len(self._pending) >= limit or self._pending_bytes >= ROW_GROUP_BYTES:
            self._flush()
        self.rows += 1
        return self.rows - 1

    def commit(self) -> Shard:
        """Flush, rename, flush the folder; return the entry for the manifest."""
        self._flush()
        self._writer.close()
        with self._temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        size = self._temporary.stat().st_size
        self._temporary.replace(self._final)
        flush_folder(self._final.parent)
        return Shard(self.name, self.rows, size, digest)

    def discard(self) -> None:
        """Remove whatever was written."""
        with contextlib.suppress(Exception):
            self._writer.close()
        self._temporary.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._pending:
            table: pa.Table = to_table(self._table, self._pending)
            self._writer.write_table(table.replace_schema_metadata(self._schema.metadata))
        self._pending, self._pending_bytes = [], 0


class ShardWriter:
    """The tables of one shard, committed together; leaving the block early leaves no file."""

    def __init__(self, out: Path, number: int, tables: Iterable[str], metadata: dict[str, str]) -> None:
        self.number = number
        self._tables = {name: TableWriter(out, name, number, metadata) for name in tables}

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._tables.values():
            writer.discard()

    def write(self, table: str, row: Row) -> int:
        """Add a row to a table and return its number there."""
        return self._tables[table].write(row)

    def commit(self) -> tuple[Shard, ...]:
        """Make all tables visible, in the order in which they were named."""
        committed = tuple(writer.commit() for writer in self._tables.values())
        self._tables = {}
        return committed


def link_shard(source: Path, out: Path, shard: Shard) -> Shard:
    """Take a shard over unchanged: by hard link, or by copy where the file system has none."""
    final = out / shard.name
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(temporary_name(final.name))
    try:
        try:
            os.link(source / shard.name, temporary)
        except OSError:
            shutil.copyfile(source / shard.name, temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(final)
        # Replacing a name by another link to the same file does nothing and leaves the temporary name.
        temporary.unlink(missing_ok=True)
        flush_folder(final.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return shard


class Run:
    """One run of a stage on one output folder: the lock, the journal of finished shards, the manifest."""

    def __init__(
        self, out: Path, identity: dict[str, Any], done: dict[int, ShardResult], manifest: bytes | None
    ) -> None:
        self.out = out
        self.done = done
        self.finished = manifest
        """The manifest's bytes if an earlier run with the same identity already completed, else None."""
        self._identity = identity

    @classmethod
    @contextlib.contextmanager
    def open(cls, out: Path, identity: dict[str, Any], *, fresh: bool) -> Iterator["Run"]:
        """Take the folder for a run of the stage that `identity` describes.

        Raises OutputError if the folder holds something else, if an earlier run differed, or if another run is alive.
        """
        identity = msgspec.to_builtins(identity)
        _check_is_ours(out)
        try:
            (out / STATE).mkdir(parents=True, exist_ok=True)
            with _lock(out):
                if fresh:
                    _clear(out)
                manifest = _earlier_manifest(out, identity)
                done = {} if manifest else _journal(out, identity)
                yield cls(out, identity, done, manifest)
        except OSError as error:
            raise OutputError(str(out), f"cannot write there ({error.strerror or error})") from error

    def note(self, result: ShardResult) -> None:
        """Enter a finished shard in the journal."""
        write_file(self.out / STATE / f"{result.number:05d}.json", msgspec.json.encode(result))
        self.done[result.number] = result

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, after every shard; then drop the journal and stray temporary files."""
        wanted = {shard.name for shard in manifest.shards}
        for table in TABLES:
            for path in (self.out / table).glob("*"):
                if f"{table}/{path.name}" not in wanted:
                    path.unlink()
        write_file(self.out / MANIFEST, manifest.to_json())
        for path in (self.out / STATE).glob("*.json"):
            path.unlink()


def _check_is_ours(out: Path) -> None:
    """Raise OutputError unless the folder is absent, empty or one of ours."""
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputError(str(out), "found a file, expected a new folder", "choose another -o")
    try:
        names = {path.name for path in out.iterdir()}
    except OSError as error:
        raise OutputError(str(out), f"cannot read it ({error.strerror})") from error
    strange = sorted(names - {MANIFEST, STATE, *TABLES})
    if strange or (names and MANIFEST not in names and STATE not in names):
        shown = ", ".join((strange or sorted(names))[:3])
        raise OutputError(str(out), f"found other files ({shown}), expected a new or empty folder", "choose another -o")


@contextlib.contextmanager
def _lock(out: Path) -> Iterator[None]:
    path = out / STATE / "lock"
    mine = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}).encode()
    for _ in range(2):
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            holder = _holder(path)
            if holder is not None:
                raise OutputError(
                    str(out), f"another run ({holder}) is writing there, expected none", "wait for it, or stop it"
                ) from None
            path.unlink(missing_ok=True)
            continue
        os.write(handle, mine)
        os.close(handle)
        break
    else:
        raise OutputError(str(out), "another run is writing there, expected none", "wait for it, or stop it")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (out / STATE).rmdir()


def _holder(path: Path) -> str | None:
    """Return who holds the lock, or None if that process is gone."""
    try:
        lock = json.loads(path.read_bytes())
        host, pid, started = lock["host"], int(lock["pid"]), lock["started"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return None  # its writer died between creating and filling it
    if host == socket.gethostname() and _started(pid) != started:
        return None
    return f"process {pid} on {host}"


def _started(pid: int) -> str | None:
    """Return the process's start time as the kernel counts it, None if there is no such process.

    A process id alone is not enough: after a restart another process may have it.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except OSError:
            return "unknown"
        return "unknown"


def _clear(out: Path) -> None:
    (out / MANIFEST).unlink(missing_ok=True)
    for table in TABLES:
        shutil.rmtree(out / table, ignore_errors=True)
    for path in (out / STATE).glob("*.json"):
        path.unlink()


def _earlier_manifest(out: Path, identity: dict[str, Any]) -> bytes | None:
    try:
        data = (out / MANIFEST).read_bytes()
    except FileNotFoundError:
        return None
    manifest = json.loads(data)
    _refuse_change(out, {key: manifest.get(key) for key in identity}, identity)
    return data


def _journal(out: Path, identity: dict[str, Any]) -> dict[int, ShardResult]:
    """Return the shards that an earlier run finished, and start a journal if there was none."""
    head = out / STATE / "run.json"
    try:
        earlier = json.loads(head.read_bytes())
    except FileNotFoundError:
        write_file(head, msgspec.json.encode(identity))
        return {}
    _refuse_change(out, earlier, identity)
    done = {}
    for path in sorted((out / STATE).glob("[0-9]*.json")):
        result = msgspec.json.decode(path.read_bytes(), type=ShardResult)
        if all(_intact(out, shard) for shard in result.shards):
            done[result.number] = result
    return done


def _intact(out: Path, shard: Shard) -> bool:
    path = out / shard.name
    return path.is_file() and path.stat().st_size == shard.bytes and sha256_of(path) == shard.sha256


def _refuse_change(out: Path, earlier: dict[str, Any], now: dict[str, Any]) -> None:
    changed = _differences(earlier, now)
    if changed:
        key, was, found = changed[0]
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        message = f"{key} was {_short(was)} in the earlier run and is {_short(found)} now{more}, expected no change"
        raise OutputError(str(out), message, "choose another -o, or --fresh to start over there")


def _differences(was: Any, now: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(was, dict) and isinstance(now, dict):
        keys = list(dict.fromkeys((*was, *now)))
        return [
            item
            for key in keys
            for item in _differences(was.get(key), now.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if was == now else [(path, was, now)]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"
