"""What the page asks for: its own files, samples, trajectories and screenshots, each at an address of its own."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.exceptions import GdpError
from pipeline.records import ImageRef

from .catalogue import FACETS, Catalogue
from .originals import Originals
from .present import Links, Presenter

STATIC = {"index.html": "text/html", "view.css": "text/css", "data.js": "text/javascript",
          "draw.js": "text/javascript", "pages.js": "text/javascript", "view.js": "text/javascript",
          "icon.svg": "image/svg+xml"}  # fmt: skip
Endpoint = Callable[[Request], Awaitable[Response]]


def static(name: str) -> bytes:
    """Return one of the page's own files."""
    return files("pipeline.view").joinpath("static", name).read_bytes()


class Endpoints:
    """The answers about one dataset; they share its open files and run one after the other."""

    def __init__(self, catalogue: Catalogue, originals: Originals | None = None) -> None:
        self._dataset = catalogue.dataset
        self._originals = originals
        self._presenter = Presenter(catalogue, Links(stored=_stored, recorded=self._recorded))
        self._formats: dict[int, list[str]] = {}
        """Of each image shard that was asked for, the format of every row."""

    def routes(self) -> list[Route]:
        """Return every address with what answers there."""
        return [
            Route("/", self.file),
            Route("/summary", _careful(self.summary)),
            Route("/samples", _careful(self.samples)),
            Route("/sample", _careful(self.sample)),
            Route("/strips", _careful(self.strips)),
            Route("/image/{shard:int}/{row:int}", _careful(self.image)),
            Route("/recorded", _careful(self.recorded)),
            Route("/{name}", self.file),
        ]

    async def file(self, request: Request) -> Response:
        """Answer with one of the page's own files."""
        name = request.path_params.get("name", "index.html")
        if name not in STATIC:
            return _missing(f"no file {name}")
        return Response(static(name), media_type=STATIC[name], headers={"cache-control": "no-cache"})

    async def summary(self, request: Request) -> Response:
        """Answer with what the dataset is."""
        return _json(self._presenter.summary())

    async def samples(self, request: Request) -> Response:
        """Answer with a page of the samples that match."""
        return _json(self._presenter.samples(*_query(request)))

    async def strips(self, request: Request) -> Response:
        """Answer with a page of the trajectories that match, as film strips."""
        return _json(self._presenter.strips(*_query(request)))

    async def sample(self, request: Request) -> Response:
        """Answer with one sample, whole."""
        found = self._presenter.sample(request.query_params.get("id", ""))
        return _missing("no such sample") if found is None else _json(found)

    async def image(self, request: Request) -> Response:
        """Answer with a stored screenshot."""
        shard, row = request.path_params["shard"], request.path_params["row"]
        if shard not in self._formats:
            self._formats[shard] = [each["format"] for each in self._dataset.rows("images", shard, ["format"])]
        if row >= len(self._formats[shard]):
            return _missing("no such screenshot")
        data = self._dataset.image(ImageRef("", shard, row, 1, 1))
        return _picture(data, f"image/{self._formats[shard][row]}")

    async def recorded(self, request: Request) -> Response:
        """Answer with a screenshot as it was recorded."""
        step = request.query_params.get("step", "")
        if self._originals is None or not step.isdecimal():
            return _missing("no recorded screenshot")
        found = self._originals.find(self._presenter, request.query_params.get("trajectory", ""), int(step))
        return _missing("no recorded screenshot") if found is None else _picture(*found)

    def _recorded(self, trajectory: str, step: int) -> str | None:
        if self._originals is None:
            return None
        return f"recorded?{urlencode({'trajectory': trajectory, 'step': step})}"


def _stored(ref: ImageRef) -> str:
    return f"image/{ref.shard}/{ref.row}"


def _query(request: Request) -> tuple[dict[str, str], str, int]:
    given = request.query_params
    start = given.get("start", "0")
    wanted = {name: given[name] for name in FACETS if given.get(name)}
    return wanted, given.get("text", ""), int(start) if start.isdecimal() and len(start) < 12 else 0


def _careful(endpoint: Endpoint) -> Endpoint:
    """Answer with our own one line where the dataset turns out to be damaged."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except GdpError as error:
            return _json({"error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)

    return answer


def _json(value: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
    return Response(
        msgspec.json.encode(value), status, media_type="application/json", headers={"cache-control": "no-store"}
    )


def _missing(what: str) -> Response:
    return _json({"error": what}, HTTPStatus.NOT_FOUND)


def _picture(data: bytes, media_type: str) -> Response:
    return Response(data, media_type=media_type, headers={"cache-control": "private, max-age=3600"})
