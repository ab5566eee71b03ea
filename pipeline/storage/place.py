"""A folder that is read and written: on a disk, or in an object store that pyarrow knows (`s3://bucket/prefix`).

A file gets its final name whole or not at all. On a disk: temporary name, flush, rename, flush of the folder. In an
object store, where nothing can be renamed: written to a local file first, then put under its name, which is atomic.
Credentials, region and endpoint come from the store's usual environment variables and profile.
"""

import contextlib
import errno
import io
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Union

import pyarrow as pa
import pyarrow.fs as pafs

from pipeline.exceptions import ConfigError, InputError

from .faults import reach

CHUNK = 8 << 20

Where = Union["Place", Path, str]
"""How callers name a place."""


class Place:
    """A folder, named by a path or a URL; picklable."""

    def __init__(self, text: str) -> None:
        if not text or "\n" in text or not _is_text(text):
            shown = text.encode("utf-8", "backslashreplace").decode()
            raise ConfigError(repr(shown), "found no usable path, expected one line of UTF-8 text")
        self.text = text.rstrip("/") or text

    @classmethod
    def of(cls, where: Where) -> "Place":
        """Return the place that a path, a URL or a place names."""
        return where if isinstance(where, Place) else cls(str(where))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Place({self.text!r})"

    def __reduce__(self) -> tuple[type["Place"], tuple[str]]:
        return (Place, (self.text,))

    @cached_property
    def local(self) -> Path | None:
        """The folder's path if it is on a disk, else None."""
        if "://" not in self.text:
            return Path(self.text)
        if self.text.startswith("file://"):
            return Path(self.text.removeprefix("file://"))
        return None

    def absolute(self) -> "Place":
        """Return the same place, independent of the working folder."""
        return self if self.local is None else Place(os.path.realpath(self.local))

    @cached_property
    def _remote(self) -> tuple[pafs.FileSystem, str]:
        try:
            system, path = pafs.FileSystem.from_uri(self.text)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise ConfigError(self.text, f"found a place that cannot be used ({_short(error)}), expected a folder, "
                              "file:// or s3://bucket/prefix") from error  # fmt: skip
        return system, str(path)

    def _key(self, name: str) -> str:
        return f"{self._remote[1]}/{name}" if name else self._remote[1]

    def open(self, name: str) -> "pa.NativeFile":
        """Open a file for random access; raises FileNotFoundError."""
        if self.local is not None:
            return pa.OSFile(str(self.local / name), "rb")
        return self._remote[0].open_input_file(self._key(name))

    def require_plain(self, name: str) -> None:
        """Raise OSError unless the name is a plain file below the place: no pipe, no device, no link that leads out."""
        if self.local is None:
            return
        path, root = Path(os.path.realpath(self.local / name, strict=True)), Path(os.path.realpath(self.local))
        if not path.is_relative_to(root):
            raise OSError(errno.EPERM, "it is a link that leads out of the source folder")
        if not path.is_file():
            raise OSError(errno.EINVAL, "it is no plain file")

    def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        """Return a file's bytes, or a range of them; raises FileNotFoundError."""
        if self.local is not None:
            with (self.local / name).open("rb") as plain:
                plain.seek(offset)
                return plain.read() if size is None else plain.read(size)
        with self.open(name) as file:
            file.seek(offset)
            data: bytes = file.read() if size is None else file.read(size)
            return data

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield a file's lines, ends included, without holding more than one."""
        with self.open(name) as file, io.BufferedReader(file, CHUNK) as buffered:  # type: ignore[type-var]
            yield from buffered

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, None if there is no such file."""
        if self.local is not None:
            path = self.local / name
            return path.stat().st_size if path.is_file() else None
        info = self._remote[0].get_file_info(self._key(name))
        return int(info.size) if info.type == pafs.FileType.File else None

    def stamp(self, name: str) -> str | None:
        """Return what changes when the file does, without reading it: size and time; None if there is no such file."""
        info = pafs.LocalFileSystem().get_file_info(str(self.local / name)) if self.local is not None else (
            self._remote[0].get_file_info(self._key(name)))  # fmt: skip
        return f"{info.size} {info.mtime_ns}" if info.type == pafs.FileType.File else None

    def exists(self) -> bool:
        """Tell whether something is there; a folder of an object store exists if it holds something."""
        return self.local.exists() if self.local is not None else bool(self.names())

    def files(self) -> Iterator[str]:
        """Yield every file below, as names relative to the place, in no order; a disk's hidden folders are left out."""
        if self.local is not None:
            yield from _walk(self.local)
            return
        system, base = self._remote
        try:
            infos = system.get_file_info(pafs.FileSelector(base, recursive=True, allow_not_found=True))
        except OSError as error:
            raise InputError(self.text, f"cannot list it ({_short(error)}), expected a bucket and a prefix") from error
        yield from (info.path.removeprefix(f"{base}/") for info in infos if info.type == pafs.FileType.File)

    def links_out(self) -> Iterator[str]:
        """Yield the folders below that are links out of the place, which `files` does not follow, in no order."""
        if self.local is None:
            return
        root = self.local.resolve()
        for folder, folders, _ in os.walk(self.local, onerror=_unreadable):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for path in (Path(folder, name) for name in folders):
                if path.is_symlink() and not path.resolve().is_relative_to(root):
                    yield path.relative_to(self.local).as_posix()

    def names(self, folder: str = "") -> list[str]:
        """Return the names directly in a folder of the place, files and folders, hidden ones too."""
        if self.local is not None:
            path = self.local / folder
            return sorted(each.name for each in path.iterdir()) if path.is_dir() else []
        system, _ = self._remote
        infos = system.get_file_info(pafs.FileSelector(self._key(folder), allow_not_found=True))
        return sorted(info.base_name for info in infos)

    def scratch(self, name: str) -> Path:
        """Return a path to write a file's content to before `commit` gives it its name."""
        if self.local is None:
            return Path(tempfile.gettempdir(), _temporary_name(PurePosixPath(name).name))
        path = self.local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(_temporary_name(path.name))

    def commit(self, written: Path, name: str, kind: str) -> None:
        """Give a complete file its final name, durably; `kind` names the fault points."""
        reach(f"{kind}.written")
        if self.local is None:
            self._put(written, name)
            written.unlink()
            reach(f"{kind}.renamed")
            return
        with written.open("rb") as file:
            os.fsync(file.fileno())
        reach(f"{kind}.synced")
        final = self.local / name
        written.replace(final)
        reach(f"{kind}.renamed")
        flush_folder(final.parent)
        reach(f"{kind}.folder_synced")

    def write(self, name: str, data: bytes, kind: str) -> None:
        """Write a small file whole or not at all."""
        scratch = self.scratch(name)
        try:
            scratch.write_bytes(data)
            self.commit(scratch, name, kind)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise

    def take_over(self, source: "Place", name: str, kind: str) -> None:
        """Make a file of another place a file of this one: a hard link, a copy within the store, or a copy."""
        if self.local is None:
            if source.local is None and type(source._remote[0]) is type(self._remote[0]):
                self._remote[0].copy_file(source._key(name), self._key(name))
            else:
                self._put_stream(source, name)
            reach(f"{kind}.renamed")
            return
        scratch = self.scratch(name)
        try:
            if source.local is None or not _link(source.local / name, scratch):
                with source.open(name) as reading, scratch.open("wb") as writing:
                    shutil.copyfileobj(reading, writing, CHUNK)
            self.commit(scratch, name, kind)
            # Renaming one link over another to the same file does nothing, and leaves the temporary name.
            scratch.unlink(missing_ok=True)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        if self.local is not None:
            (self.local / name).unlink(missing_ok=True)
            return
        with contextlib.suppress(FileNotFoundError):
            self._remote[0].delete_file(self._key(name))

    def _put(self, written: Path, name: str) -> None:
        with written.open("rb") as reading, self._remote[0].open_output_stream(self._key(name)) as writing:
            while chunk := reading.read(CHUNK):
                writing.write(chunk)

    def _put_stream(self, source: "Place", name: str) -> None:
        with source.open(name) as reading, self._remote[0].open_output_stream(self._key(name)) as writing:
            while chunk := reading.read(CHUNK):
                writing.write(chunk)


def flush_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_temporary(name: str) -> bool:
    """Tell whether a file is what a killed run left of one that never got its name."""
    return name.startswith(".") and name.endswith(".tmp")


def _temporary_name(name: str) -> str:
    """Return a name that no other process, host or attempt uses."""
    return f".{name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.tmp"


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:
        return False  # another file system, or one without hard links
    return True


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            yield Path(folder, name).relative_to(root).as_posix()


def _unreadable(error: OSError) -> None:
    raise InputError(str(error.filename), f"cannot list it ({error.strerror}), expected a readable folder") from error


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text if len(text) <= 160 else text[:159] + "…"
