"""`gdp view`: a page on this machine only. The address holds a secret; nothing is fetched from anywhere else."""

import contextlib
import secrets
import signal
import socket
import webbrowser
from collections.abc import Callable, Iterator
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.exceptions import OutputError

from .catalogue import Catalogue
from .endpoints import Endpoints
from .originals import Originals

HOST = "127.0.0.1"
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def application(catalogue: Catalogue, token: str, originals: Originals | None = None) -> ASGIApp:
    """Return the application; everything lies below the token, so that who does not know it finds nothing."""
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False)
    below = Mount(f"/{token}", routes=Endpoints(catalogue, originals).routes())
    return _guarded(Starlette(routes=[below], middleware=[hosts]))


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


def _guarded(app: ASGIApp) -> ASGIApp:
    """Add the security headers to every answer, errors too."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).extend((k.encode(), v.encode()) for k, v in HEADERS.items())
            await send(message)

        await app(scope, receive, with_headers)

    return answer
