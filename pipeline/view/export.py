"""`gdp view --export`: the same pages as files. They need no server: data come as scripts, which `file://` allows."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pipeline.exceptions import InputError, OutputError, cannot_write
from pipeline.records import ImageRef
from pipeline.screens.images import ImageProblem, header

from .catalogue import Catalogue
from .endpoints import STATIC, static
from .originals import Originals
from .present import Links, Presenter
from .server import HEADERS

IMAGES = "images"
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
        self._stored_as: dict[tuple[int, int], str] = {}
        self._presenter = Presenter(catalogue, Links(stored=self._stored, recorded=self._recorded))

    def write(self, limit: int) -> int:
        try:
            if self._out.exists() and (not self._out.is_dir() or any(self._out.iterdir())):
                raise OutputError(str(self._out), "found something there, expected a new or empty folder")
            for folder in ("data/sample", IMAGES):
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
            raise cannot_write(self._out, error) from error
        return count

    def _data(self, numbers: list[int]) -> Iterator[tuple[str, Any]]:
        entries = self._catalogue.entries(numbers)
        shown = {entry.sample_id: entry.number for entry in entries}
        yield "summary", {**self._presenter.summary(), "exported": len(entries)}
        yield "samples", self._presenter.cards(entries)
        yield "texts", _each_once(self._catalogue.texts(entries))
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
        place = (ref.shard, ref.row)
        if place not in self._stored_as:
            try:
                data = self._catalogue.dataset.image(ref)
                self._stored_as[place] = self._picture(data, header(data).format)
            except (InputError, ImageProblem):
                self._stored_as[place] = f"{IMAGES}/{ref.shard}-{ref.row}-unreadable"  # the page says so in its place
        return self._stored_as[place]

    def _recorded(self, trajectory_id: str, step_index: int) -> str | None:
        if self._originals is None:
            return None
        found = self._originals.find(self._presenter, trajectory_id, step_index)
        return None if found is None else self._picture(found[0], found[1].removeprefix("image/"))

    def _picture(self, data: bytes, kind: str) -> str:
        """Write a picture unless it is there; it is named by its own hash, not by what a row says of it."""
        name = f"{IMAGES}/{hashlib.sha256(data).hexdigest()}.{kind}"
        if not (self._out / name).exists():
            (self._out / name).write_bytes(data)
        return name


def _each_once(told: list[list[str]]) -> dict[str, Any]:
    """Return the texts, each once, and of each sample the places of its own: a turn is told in every later sample."""
    places: dict[str, int] = {}
    of = [[places.setdefault(text, len(places)) for text in dict.fromkeys(texts)] for texts in told]
    return {"texts": list(places), "of": of}


def _page() -> str:
    """Return the page with the policy that a server would send, and told that its data are files."""
    policy = HEADERS["content-security-policy"].replace("; frame-ancestors 'none'", "")  # means nothing in a page
    text = static("index.html").decode()
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return text.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n  {meta}').replace(
        "<html ", '<html data-source="files" '
    )
