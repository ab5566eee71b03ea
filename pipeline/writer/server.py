"""One question to a server: sent, tried again where that may help, its answer read within bounds.

Redirects are not followed, because the key would go along to wherever they lead. What a server says in its error texts
is not repeated: some repeat the key.
"""

import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pipeline.exceptions import StageError

from .settings import WriterSettings

TRIES = 5
LONGEST_PAUSE = 30.0
MAX_BYTES = 1 << 20
CHUNK = 1 << 16


class Failure(Exception):  # noqa: N818 - an outcome to be counted, not an error of the program
    """No answer to this question; the reason is what the report counts."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **options: Any) -> None:
        return None


_sockets = threading.local()
"""The connections of the question that a thread is asking."""


class _Plain(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _sockets.open.append(self.sock)


class _Secure(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _sockets.open.append(self.sock)


class _HTTP(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Plain, request)


class _HTTPS(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Secure, request, context=self._context)  # type: ignore[attr-defined]  # of the base


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Cut the thread's connections after so many seconds and raise TimeoutError: a timeout bounds only each wait.

    A server that sends drop by drop, headers too, would keep a question for hours.
    """
    deadline = time.monotonic() + seconds
    opened: list[socket.socket] = []
    _sockets.open = opened
    timer = threading.Timer(seconds, _cut, (opened,))
    timer.daemon = True
    timer.start()
    try:
        yield
    except (http.client.HTTPException, OSError, ValueError):
        if time.monotonic() >= deadline:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
    if time.monotonic() >= deadline:
        raise TimeoutError


def _cut(opened: list[socket.socket]) -> None:
    for each in opened:
        with suppress(OSError):
            socket.socket.shutdown(each, socket.SHUT_RDWR)  # not TLS's own, which another thread is reading


class Server:
    """A server of chat completions."""

    def __init__(self, settings: WriterSettings, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._pause = pause
        self._opener = urllib.request.build_opener(_NoRedirect, _HTTP, _HTTPS)

    def ask(self, body: dict[str, Any]) -> str:
        """Return the text of the answer.

        Raises Failure where this question has none, and StageError where no question would have: the server cannot be
        reached, refuses the key, or knows no such address or model.
        """
        reason = "timeout"
        for attempt in range(TRIES):
            wait = None
            try:
                return self._harmless(_text(self._send(json.dumps(body).encode())))
            except urllib.error.HTTPError as error:
                error.close()
                reason = self._status(error.code)
                wait = _retry_after(error.headers.get("Retry-After"))
            except TimeoutError:
                reason = "timeout"
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                if isinstance(getattr(error, "reason", None), TimeoutError):
                    reason = "timeout"
                elif attempt == TRIES - 1:
                    raise self._fatal(f"cannot reach the server ({_kind(error)})", "is it running?") from None
            if attempt < TRIES - 1:
                self._pause(min(wait if wait is not None else 2.0**attempt / 2, LONGEST_PAUSE))
        raise Failure(reason)

    def _send(self, data: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if (key := self._settings.key()) is not None:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self._settings.url, data, headers, method="POST")  # noqa: S310 - http(s) only
        seconds = self._settings.seconds
        with _within(seconds), self._opener.open(request, timeout=seconds) as response:
            received = bytearray()
            while chunk := response.read1(CHUNK):
                received += chunk
                if len(received) > MAX_BYTES:
                    raise Failure("too_long")
            return bytes(received)

    def _harmless(self, text: str) -> str:
        """Return the text; raises Failure if it repeats the key, which would then stand in the cache and in samples."""
        key = self._settings.key()
        if key is not None and key in text:
            raise Failure("key_repeated")
        return text

    def _status(self, code: int) -> str:
        """Return the reason to count if another try may help; raises otherwise."""
        if code in {401, 403}:
            variable = self._settings.key_variable
            raise self._fatal(f"found the key refused (HTTP {code})", f"the key is read from the variable {variable}")
        if code in {404, 405} or 300 <= code < 400:
            raise self._fatal(f"found HTTP {code}, expected chat completions", "check the address and the model's name")
        if code in {408, 409, 425, 429} or code >= 500:
            return f"status_{code}"
        raise Failure(f"status_{code}")

    def _fatal(self, found: str, hint: str) -> StageError:
        return StageError(f"--thoughts-from {self._settings.url}", found, hint)


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that the server asks for, None where it says nothing that is a number."""
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _kind(error: BaseException) -> str:
    cause = getattr(error, "reason", error)
    return getattr(cause, "strerror", None) or type(cause).__name__


def _text(data: bytes) -> str:
    try:
        text = json.loads(data)["choices"][0]["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError):
        raise Failure("garbled") from None
    if not isinstance(text, str) or not encodable(text):
        raise Failure("garbled")
    return text


def encodable(text: str) -> bool:
    """Tell whether the text is one: JSON may spell half of a character, which no file can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
