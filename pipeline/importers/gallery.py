"""Where a picture lies that a record names without its folder, as releases in several archives do."""

from pathlib import PurePosixPath

from .folder import SourceFolder
from .refusal import Refused

PATTERNS = ("*.png", "*.jpg", "*.jpeg", "*.webp", "*.PNG", "*.JPG", "*.JPEG")


class Gallery:
    """Finds pictures by their recorded names, below the whole source."""

    def __init__(self, source: SourceFolder) -> None:
        self._source = source
        self._by_name: dict[str, list[str]] | None = None

    def path(self, folder: str, name: str) -> str:
        """Return the path, from the source folder, of the picture that a record in `folder` names.

        Beside the record, in `images` beside it, or the only file of that name anywhere in the source; a name with
        folders is taken as it is. Raises Refused where several files have the name.
        """
        beside = str(PurePosixPath(folder, name))
        if "/" in name or not name or self._source.has(beside):
            return beside
        inside = str(PurePosixPath(folder, "images", name))
        if self._source.has(inside):
            return inside
        found = self._named(name)
        if len(found) > 1:
            raise Refused("image_missing", f"{len(found)} files of the name {name!r}", "one, or one beside the record")
        return found[0] if found else beside

    def _named(self, name: str) -> list[str]:
        if self._by_name is None:
            self._by_name = {}
            for path in self._source.names(*PATTERNS, everything=True):
                self._by_name.setdefault(PurePosixPath(path).name, []).append(path)
        return self._by_name.get(name, [])
