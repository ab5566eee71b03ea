"""`gdp view`: a page on this machine only. The address holds a secret; nothing is fetched from anywhere else."""

import contextlib
import secrets
import signal
import socket
import webbrowser
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.exceptions import GdpError, OutputError
from pipeline.records import ImageRef

from .catalogue import FACETS, Catalogue
from .originals import Originals
from .present import Links, Presenter

HOST = "127.0.0.1"
STATIC = {"index.html": "text/html", "view.css": "text/css", "data.js": "text/javascript",
          "draw.js": "text/javascript", "pages.js": "text/javascript", "view.js": "text/javascript",
          "icon.svg": "image/svg+xml"}  # fmt: skip
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
Endpoint = Callable[[Request], Awaitable[Response]]


def static(name: str) -> bytes:
    """Return one of the page's own files."""
    return files("pipeline.view").joinpath("static", name).read_bytes()


def application(catalogue: Catalogue, token: str, originals: Originals | None = None) -> ASGIApp:
    """Return the application; everything lies below the token, so that who does not know it finds nothing.

    The endpoints share the dataset's open files and run one after the other.
    """
    formats: dict[int, list[str]] = {}
    presenter = Presenter(
        catalogue,
        Links(
            stored=lambda ref: f"image/{ref.shard}/{ref.row}",
            recorded=lambda trajectory, step: (
                None if originals is None else f"recorded?{urlencode({'trajectory': trajectory, 'step': step})}"
            ),
        ),
    )

    async def file(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in STATIC:
            return _missing(f"no file {name}")
        return Response(static(name), media_type=STATIC[name], headers={"cache-control": "no-cache"})

    async def summary(request: Request) -> Response:
        return _json(presenter.summary())

    async def samples(request: Request) -> Response:
        return _json(presenter.samples(*_query(request)))

    async def strips(request: Request) -> Response:
        return _json(presenter.strips(*_query(request)))

    async def sample(request: Request) -> Response:
        found = presenter.sample(request.query_params.get("id", ""))
        return _missing("no such sample") if found is None else _json(found)

    async def image(request: Request) -> Response:
        shard, row = request.path_params["shard"], request.path_params["row"]
        if shard not in formats:
            formats[shard] = [each["format"] for each in catalogue.dataset.rows("images", shard, ["format"])]
        if row >= len(formats[shard]):
            return _missing("no such screenshot")
        data = catalogue.dataset.image(ImageRef("", shard, row, 1, 1))
        return _picture(data, f"image/{formats[shard][row]}")

    async def recorded(request: Request) -> Response:
        step = request.query_params.get("step", "")
        if originals is None or not step.isdecimal():
            return _missing("no recorded screenshot")
        found = originals.find(presenter, request.query_params.get("trajectory", ""), int(step))
        return _missing("no recorded screenshot") if found is None else _picture(*found)

    routes = [
        Route("/", file),
        Route("/summary", _careful(summary)),
        Route("/samples", _careful(samples)),
        Route("/sample", _careful(sample)),
        Route("/strips", _careful(strips)),
        Route("/image/{shard:int}/{row:int}", _careful(image)),
        Route("/recorded", _careful(recorded)),
        Route("/{name}", file),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False)
    return _guarded(Starlette(routes=[Mount(f"/{token}", routes=routes)], middleware=[hosts]))


def serve(
    catalogue: Catalogue,
    *,
    port: int,
    open_browser: bool,
    originals: Originals | None,
    announce: Callable[[str], None],
) -> None:
    """Serve until interrupted; `announce` is called once with the address. Raises OutputError for a port in use."""
    token = secrets.token_urlsafe(16)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise OutputError("--port", f"found {port} that cannot be had ({error}), expected a free port") from error
        address = f"http://{HOST}:{listener.getsockname()[1]}/{quote(token)}/"
        config = uvicorn.Config(
            application(catalogue, token, originals), log_level="critical", lifespan="off", access_log=False
        )
        listener.listen()  # from here on a request waits instead of being refused
        server = uvicorn.Server(config)
        with _ending(server):  # before anybody knows of it
            announce(address)
            if open_browser:
                webbrowser.open(address)
            server.run(sockets=[listener])


@contextlib.contextmanager
def _ending(server: uvicorn.Server) -> Iterator[None]:
    """End the server quietly at an interrupt, also one that comes before it has installed its own handlers."""

    def end(number: int, frame: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


def _guarded(app: ASGIApp) -> ASGIApp:
    """Add the security headers to every answer, errors too."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).extend((k.encode(), v.encode()) for k, v in HEADERS.items())
            await send(message)

        await app(scope, receive, with_headers)

    return answer
