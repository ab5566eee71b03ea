"""The source folder as importers see it: files by pattern, JSON with a ceiling, pictures that cannot lead out."""

import fnmatch
import io
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import PurePosixPath
from typing import IO, Any, TypeVar

import msgspec

from pipeline.exceptions import InputError
from pipeline.screens import images
from pipeline.screens.images import ImageProblem
from pipeline.storage.place import Place

from .refusal import Refusal, Refused, shortened

T = TypeVar("T")

JSON_BYTES = 64 << 20
"""A record of one episode is never larger; what is claims to be something else."""

_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class SourceFolder:
    """What the user names as SOURCE: a folder, or one file of it."""

    def __init__(self, place: Place) -> None:
        if not place.exists():
            raise InputError(str(place), "found nothing there, expected a folder or a file", "check the path")
        self.shown = str(place)
        self.only: str | None = None
        if place.local is not None and place.local.is_file():
            self.only = place.local.name
            place = Place(str(place.local.parent))
        self.place = place

    def names(self, *patterns: str, everything: bool = False) -> list[str]:
        """Return the files whose name matches a glob pattern, in the order of their paths.

        Hidden files and folders (`.DS_Store`, `._x.json`) and `__MACOSX` are no recordings. If the user named one
        file, only that one is returned, whatever it is called; `everything` lists its neighbours too.
        """
        if self.only is not None and not everything:
            return [self.only]
        paths = [PurePosixPath(name) for name in self.place.files() if _is_text(name)]
        wanted = [path for path in paths if any(fnmatch.fnmatchcase(path.name, each) for each in patterns)]
        return [path.as_posix() for path in sorted(wanted, key=lambda path: path.parts) if not _hidden(path)]

    def passed_over(self, *patterns: str) -> Iterator[Refusal]:
        """Yield what `names` leaves out though it may hold recordings: by its name, or behind a link to elsewhere."""
        if self.only is not None:
            return
        for name in sorted(name for name in self.place.files() if not _is_text(name)):
            path = PurePosixPath(name)
            if any(fnmatch.fnmatchcase(path.name, each) for each in patterns) and not _hidden(path):
                shown = name.encode("utf-8", "backslashreplace").decode()
                found = "a name with a backslash or that is no UTF-8"
                yield Refusal("trajectory", "unreadable", shown, found, "another name")
        for name in sorted(self.place.links_out()):
            found = "a link that leads out of the source folder"
            yield Refusal("trajectory", "unreadable", name.encode("utf-8", "backslashreplace").decode(), found,
                          "the folder itself, or SOURCE set to what the link names")  # fmt: skip

    def read(self, name: str, *, ceiling: int = JSON_BYTES) -> bytes:
        """Return a file's bytes; raises Refused where it is no plain file below the folder, or too large."""
        try:
            self.place.require_plain(name)
            size = self.place.size(name)
            if size is not None and size > ceiling:
                raise Refused("too_large", f"{size} bytes", f"at most {ceiling}")
            return self.place.read(name)
        except (OSError, RuntimeError) as error:  # Python before 3.13: RuntimeError for links in a circle
            raise _unreadable(error) from error

    def open(self, name: str) -> IO[bytes]:
        """Open a file of any size for reading; raises Refused."""
        try:
            self.place.require_plain(name)
            return io.BufferedReader(self.place.open(name))  # type: ignore[type-var]
        except (OSError, RuntimeError) as error:
            raise _unreadable(error) from error

    def lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield (number from 1, line) of a file, without empty ones; raises Refused, also for a line beyond reason."""
        with self.open(name) as file:
            number = 0
            while line := file.readline(JSON_BYTES + 1):
                number += 1
                if len(line) > JSON_BYTES:
                    raise Refused("too_large", f"a line of more than {JSON_BYTES} bytes", "the record of one episode")
                if line.strip():
                    yield number, line

    def picture(self, name: str) -> bytes:
        """Return the bytes of a picture; raises Refused."""
        try:
            return images.read(self.place, "", name)
        except ImageProblem as problem:
            raise Refused.of(problem) from None

    def locate(self, path: str, *folders: str, by_name: bool = False, anywhere: bool = False) -> str:
        """Return the file that a record names by `path`, below one of the folders; if there is none, the first place.

        `by_name`: the recorded folders are those of another disk, so the last part alone counts. `anywhere`: the names
        are unique in the whole release, which comes in several archives; a bare name is then looked for everywhere.
        Raises Refused for a path that leads out, and where several files have the name.
        """
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or any(bad in path for bad in ("\0", "\\", "://")):
            raise Refused("path_escape", f"path {shortened(path)}", "one below the source folder")
        wanted = parts[-1] if by_name else path
        places = [str(PurePosixPath(folder, wanted)) for folder in folders]
        found = next((place for place in places if self.has(place)), None)
        if found is not None or not anywhere or "/" in wanted:
            return found or places[0]
        others = self._index.get(wanted, [])
        if len(others) > 1:
            raise Refused(
                "image_missing", f"{len(others)} files of the name {wanted!r}", "one, or one beside the record"
            )
        return others[0] if others else places[0]

    @cached_property
    def _index(self) -> dict[str, list[str]]:
        """Name of a file to the places where it lies."""
        places: dict[str, list[str]] = {}
        for name in self.names("*", everything=True):
            places.setdefault(PurePosixPath(name).name, []).append(name)
        return places

    def has(self, name: str) -> bool:
        """Tell whether there is a file of that name."""
        try:
            return _is_text(name) and self.place.size(name) is not None
        except (OSError, ValueError):
            return False


def decode(data: bytes, kind: type[T] | Any = Any) -> Any:
    """Return the JSON text as records of the given type; raises Refused for broken text and for other shapes.

    Fields that the type does not name are ignored: formats grow.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise Refused("json_broken", "an empty file or line", "JSON text")
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise Refused("shape", *_halves(error)) from None
    except _NO_JSON as error:
        raise Refused("json_broken", f"broken JSON ({_reason(error)})", "JSON text") from None


def convert(value: Any, kind: type[T]) -> T:
    """Return plain data as records of the given type; raises Refused for another shape."""
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.ValidationError as error:
        raise Refused("shape", *_halves(error)) from None
    except RecursionError:
        raise Refused("shape", "data nested beyond reason", "a record") from None


def _halves(error: msgspec.ValidationError) -> tuple[str, str]:
    """Split "Expected `int`, got `str` - at `$.a`" into what was found and what was expected."""
    text, _, place = str(error).replace("`", "").partition(" - at ")
    at = f" at {place}" if place else ""
    if ", got " in text:
        expected, _, found = text.removeprefix("Expected ").partition(", got ")
        return found + at, expected
    if text.startswith("Object missing required field"):
        return f"no field {text.rpartition(' ')[2]}{at}", "one"
    return f"{text[:1].lower()}{text[1:]}{at}", "a record of this format"


def _reason(error: Exception) -> str:
    return "nested beyond reason" if isinstance(error, RecursionError) else str(error)


def _unreadable(error: Exception) -> Refused:
    reason = getattr(error, "strerror", None) or error
    return Refused("unreadable", f"a file that cannot be read ({reason})", "a plain file below the source folder")


def _hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _is_text(name: str) -> bool:
    """Tell whether the name is UTF-8 without a backslash, as a trajectory can name it."""
    try:
        os.fsencode(name).decode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        return False
    return "\\" not in name
