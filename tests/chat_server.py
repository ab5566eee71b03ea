"""A real HTTP server of chat completions for tests: it answers from a script, and remembers what it was asked."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes]
Script = Callable[[int, dict[str, Any]], Reply]
"""From the number of the request and its body to status, headers and body."""


def answer(*thoughts: str) -> Reply:
    """Return a good answer with these thoughts."""
    return said(json.dumps({"thoughts": list(thoughts)}, ensure_ascii=False))


def said(text: Any) -> Reply:
    """Return a completion with this content."""
    return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class ChatServer(ThreadingHTTPServer):
    """The server; `url` is its root."""

    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.busy = self.busiest = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that gave up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            number = len(server.asked)
            server.asked.append(body)
            server.headers.append(dict(self.headers.items()))
            server.paths.append(self.path)
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
        try:
            status, headers, data = server.script(number, body)
        finally:
            with server.lock:
                server.busy -= 1
        self.send_response(status)
        pause = float(headers.pop("X-Drip", 0))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for piece in (data[n : n + 1] for n in range(len(data))) if pause else (data,):
            self.wfile.write(piece)
            time.sleep(pause)

    def do_GET(self) -> None:
        raise AssertionError("a redirect was followed")

    def log_message(self, *args: Any) -> None:
        """Stay silent."""


@contextlib.contextmanager
def serving(script: Script) -> Iterator[ChatServer]:
    """Run the server while the block lasts."""
    server = ChatServer(script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
