"""`gdp view --export`: the same pages as files. They need no server: data come as scripts, which `file://` allows."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pipeline.exceptions import OutputError
from pipeline.records import ImageRef

from .catalogue import Catalogue
from .originals import Originals
from .present import Links, Presenter
from .server import HEADERS, STATIC, static

_MEANWHILE = "index.html.part"


def export(catalogue: Catalogue, out: Path, limit: int, originals: Originals | None = None) -> int:
    """Write the pages of at most `limit` samples, spread evenly, into a new folder; return how many there are.

    `index.html` comes last: a folder without it is not complete. Raises OutputError.
    """
    return _Export(catalogue, out, originals).write(limit)


class _Export:
    def __init__(self, catalogue: Catalogue, out: Path, originals: Originals | None) -> None:
        self._catalogue = catalogue
        self._out = out
        self._originals = originals
        self._pictures: set[str] = set()
        self._formats: dict[int, list[str]] = {}
        self._presenter = Presenter(catalogue, Links(stored=self._stored, recorded=self._recorded))

    def write(self, limit: int) -> int:
        try:
            if self._out.exists() and (not self._out.is_dir() or any(self._out.iterdir())):
                raise OutputError(str(self._out), "found something there, expected a new or empty folder")
            for folder in ("data/sample", "images"):
                (self._out / folder).mkdir(parents=True, exist_ok=True)
            total = len(self._catalogue)
            count = min(total, limit)
            numbers = [place * total // count for place in range(count)]
            for name, value in self._data(numbers):
                # A script may hold any JSON; only a line end inside a string would have troubled older browsers.
                text = f"gdp.receive({msgspec.json.encode(name).decode()}, {msgspec.json.encode(value).decode()});\n"
                (self._out / "data" / f"{name}.js").write_text(text, encoding="utf-8")
            for name in STATIC:
                if name != "index.html":
                    (self._out / name).write_bytes(static(name))
            meanwhile = self._out / _MEANWHILE
            meanwhile.write_text(_page(), encoding="utf-8")
            meanwhile.replace(self._out / "index.html")
        except OSError as error:
            raise OutputError(str(self._out), f"cannot write there ({error.strerror or error}), expected to") from error
        return count

    def _data(self, numbers: list[int]) -> Iterator[tuple[str, Any]]:
        entries = self._catalogue.entries(numbers)
        shown = {entry.sample_id: entry.number for entry in entries}
        yield "summary", {**self._presenter.summary(), "exported": len(entries)}
        yield "samples", self._presenter.cards(entries)
        strips = [self._presenter.strip(each) for each in dict.fromkeys(entry.trajectory_id for entry in entries)]
        for strip in strips:
            for step in strip["steps"]:
                step["samples"] = [each for each in step["samples"] if each["id"] in shown]
        yield "strips", strips
        for entry in entries:
            sample = self._presenter.sample(entry.sample_id)
            assert sample is not None
            for side in ("previous", "next"):
                sample[side] = sample[side] if sample[side] in shown else None
            sample["same_step"] = [each for each in sample["same_step"] if each["id"] in shown]
            yield f"sample/{entry.number}", sample

    def _stored(self, ref: ImageRef) -> str:
        if ref.shard not in self._formats:
            rows = self._catalogue.dataset.rows("images", ref.shard, ["format"])
            self._formats[ref.shard] = [row["format"] for row in rows]
        return self._picture(
            f"images/{ref.sha256}.{self._formats[ref.shard][ref.row]}", lambda: self._catalogue.dataset.image(ref)
        )

    def _recorded(self, trajectory_id: str, step_index: int) -> str | None:
        if self._originals is None:
            return None
        found = self._originals.find(self._presenter, trajectory_id, step_index)
        if found is None:
            return None
        data, media_type = found
        name = f"images/{hashlib.sha256(data).hexdigest()}.{media_type.removeprefix('image/')}"
        return self._picture(name, lambda: data)

    def _picture(self, name: str, data: Callable[[], bytes]) -> str:
        if name not in self._pictures:
            (self._out / name).write_bytes(data())
            self._pictures.add(name)
        return name


def _page() -> str:
    """Return the page with the policy that a server would send, and told that its data are files."""
    policy = HEADERS["content-security-policy"].replace("; frame-ancestors 'none'", "")  # means nothing in a page
    text = static("index.html").decode()
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return text.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n  {meta}').replace(
        "<html ", '<html data-source="files" '
    )
