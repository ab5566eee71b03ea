"""Questions to a real HTTP server: tried again where that helps, bounded, and the key stays where it is."""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from chat_server import Reply, answer, said, serving

from pipeline.exceptions import ConfigError, StageError
from pipeline.storage.place import Place
from pipeline.writer import Cache, Failure, Server, WriterSettings
from pipeline.writer.prompt import thoughts
from pipeline.writer.server import LONGEST_PAUSE, MAX_BYTES, TRIES

KEY = "sk-secret-0123456789"


def settings(url: str, tmp_path: Path, **options: Any) -> WriterSettings:
    """Return settings for a server."""
    return WriterSettings.of(url, "tiny", str(tmp_path / "cache"), **options)


def server(url: str, tmp_path: Path, pauses: list[float] | None = None, **options: Any) -> Server:
    """Return a client that notes its pauses instead of making them."""
    return Server(settings(url, tmp_path, **options), pause=(pauses if pauses is not None else []).append)


def test_a_question_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes into its header, the question into the body."""
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    with serving(lambda n, body: said(f"hello {body['x']} 你好")) as found:
        assert server(found.url, tmp_path).ask({"x": 1}) == "hello 1 你好"
    assert found.paths == ["/v1/chat/completions"]
    assert found.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("variable", [None, "MY_KEY"])
def test_without_a_key_none_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    """Local servers need none; another variable may hold it."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("MY_KEY", KEY)
    options = {} if variable is None else {"key_variable": variable}
    with serving(lambda n, body: said("x")) as found:
        server(found.url, tmp_path, **options).ask({})
    assert found.headers[0].get("Authorization") == (None if variable is None else f"Bearer {KEY}")


@pytest.mark.parametrize("status", [408, 429, 500, 503, 529])
def test_a_busy_server_is_asked_again(tmp_path: Path, status: int) -> None:
    """With growing pauses, or as long as it asks for."""
    pauses: list[float] = []

    def script(number: int, body: Any) -> Reply:
        return (status, {"Retry-After": "7"} if number == 1 else {}, b"no") if number < 3 else said("at last")

    with serving(script) as found:
        assert server(found.url, tmp_path, pauses).ask({}) == "at last"
    assert pauses == [0.5, 7.0, 2.0]


def test_it_is_not_asked_for_ever(tmp_path: Path) -> None:
    """The reason is counted; a server that asks for a day is not obeyed."""
    pauses: list[float] = []
    with (
        serving(lambda n, body: (429, {"Retry-After": "86400"}, b"")) as found,
        pytest.raises(Failure, match="status_429"),
    ):
        server(found.url, tmp_path, pauses).ask({})
    assert len(found.asked) == TRIES
    assert pauses == [LONGEST_PAUSE] * (TRIES - 1)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((400, {}, b"too many pictures"), "status_400"),
        ((422, {}, b""), "status_422"),
        ((200, {}, b"<html>"), "garbled"),
        ((200, {}, b"[" * 9999), "garbled"),
        ((200, {}, b"{}"), "garbled"),
        ((200, {}, b'{"choices": []}'), "garbled"),
        (said(None), "garbled"),
        (said(["parts"]), "garbled"),
        (said("half a character: \ud83d"), "garbled"),
        ((200, {}, b"x" * (MAX_BYTES + 1)), "too_long"),
    ],
)
def test_a_bad_answer_concerns_one_question(tmp_path: Path, reply: Reply, reason: str) -> None:
    """It is not asked again."""
    with serving(lambda n, body: reply) as found, pytest.raises(Failure, match=reason):
        server(found.url, tmp_path).ask({})
    assert len(found.asked) == 1


def test_an_answer_that_repeats_the_key_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would stand in the cache and in the samples."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(lambda n, body: answer(f"The key is {KEY}.")) as found, pytest.raises(Failure, match="key_repeated"):
        server(found.url, tmp_path).ask({})


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_a_head_that_never_ends_is_left(tmp_path: Path, start: bytes) -> None:
    """Headers or the length of a chunk, drop by drop: no single wait is too long, all together are."""
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(start)
            while not done.wait(0.02):
                connection.sendall(b"0")

    def listen(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, args=(listener,), daemon=True).start()
        try:
            with pytest.raises(Failure, match="timeout"):
                server(f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path, seconds=0.2).ask({})
        finally:
            done.set()


@pytest.mark.parametrize("status", [401, 403, 404, 405, 301, 302, 307, 308])
def test_a_refusal_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """One line; no redirect is followed, and neither the key nor the server's text is repeated."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    reply = (status, {"Location": "/elsewhere"}, f"bad key {KEY}".encode())
    with serving(lambda n, body: reply) as found, pytest.raises(StageError, match=f"HTTP {status}") as caught:
        server(found.url, tmp_path).ask({})
    assert len(found.asked) == 1
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert "hint: " in str(caught.value)


def test_nobody_listens(tmp_path: Path) -> None:
    """One line that says so, after the pauses that a restarting server needs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    pauses: list[float] = []
    with pytest.raises(StageError, match=r"cannot reach the server \(Connection refused\)\nhint: is it running"):
        server(url, tmp_path, pauses).ask({})
    assert len(pauses) == TRIES - 1


@pytest.mark.parametrize("headers", [{}, {"X-Drip": "0.05"}])
def test_a_slow_server_is_left(tmp_path: Path, headers: dict[str, str]) -> None:
    """Silent, or drop by drop: each try ends with its time."""
    silent = not headers

    def script(number: int, body: Any) -> Reply:
        if silent:
            import time

            time.sleep(0.6)
        return 200, dict(headers), answer("x")[2]

    with serving(script) as found, pytest.raises(Failure, match="timeout"):
        server(found.url, tmp_path, seconds=0.2).ask({})
    assert len(found.asked) == TRIES


def test_https_is_verified(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is no server to send a key to."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2",
         "-keyout", str(key), "-out", str(certificate)],
        capture_output=True, check=False,
    ) if _has_openssl() else None  # fmt: skip
    if made is None or made.returncode:
        pytest.skip("no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(lambda n, body: said("x")) as found:
        found.socket = context.wrap_socket(found.socket, server_side=True)
        url = found.url.replace("http:", "https:").replace("127.0.0.1", "localhost")
        with pytest.raises(StageError, match="cannot reach the server"):
            server(url, tmp_path).ask({})
        assert found.asked == []
        trusting = pytest.MonkeyPatch()
        trusting.setenv("SSL_CERT_FILE", str(certificate))
        try:
            assert server(url, tmp_path).ask({}) == "x"
        finally:
            trusting.undo()


def _has_openssl() -> bool:
    import shutil

    return shutil.which("openssl") is not None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host:8000", "http://host:8000/v1/chat/completions"),
        ("http://host:8000/", "http://host:8000/v1/chat/completions"),
        ("https://host/v1/", "https://host/v1/chat/completions"),
        ("https://host/openai/v1", "https://host/openai/v1/chat/completions"),
        ("https://host/x/chat/completions", "https://host/x/chat/completions"),
    ],
)
def test_a_server_is_named_as_people_name_it(tmp_path: Path, url: str, expected: str) -> None:
    """By its root, by its /v1, or by the address itself."""
    assert settings(url, tmp_path).url == expected


@pytest.mark.parametrize(
    "url", ["", "host:8000", "ftp://host", "file:///etc/passwd", "http://", "http://h:port", "http://[::1",
            "http://ho st", f"http://me:{KEY}@host", f"http://{KEY}@host/v1", f"https://host/v1?key={KEY}"],
)  # fmt: skip
def test_a_bad_address_is_refused(tmp_path: Path, url: str) -> None:
    """In one line that repeats no secret."""
    with pytest.raises(ConfigError, match=r"--thoughts-from: found .*, expected ") as caught:
        settings(url, tmp_path)
    assert KEY not in str(caught.value)


def test_other_settings_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that no header can carry would be shown by the HTTP library's own error."""
    with pytest.raises(ConfigError, match="--thoughts-model"):
        WriterSettings.of("http://host", None, "cache")
    with pytest.raises(ConfigError, match="--thoughts-concurrency"):
        settings("http://host", tmp_path, concurrency=0)
    with pytest.raises(ConfigError, match="--thoughts-timeout"):
        settings("http://host", tmp_path, seconds=0)
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nX-Evil: 1")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY: found a key") as caught:
        settings("http://host", tmp_path)
    assert KEY not in str(caught.value)


def test_an_answer_is_asked_for_once(tmp_path: Path) -> None:
    """Also a failure is kept, until it is asked for again; damage is mended."""
    cache, calls = Cache(Place(str(tmp_path / "cache"))), []

    def ask() -> str:
        calls.append(1)
        return f"answer {len(calls)}"

    def fail() -> str:
        calls.append(0)
        raise Failure("timeout")

    key, text = cache.get({"q": 1}, ask)
    assert (key, text) == cache.get({"q": 1}, ask)
    assert cache.get({"q": 2}, ask)[1] == "answer 2"
    for _ in range(2):
        with pytest.raises(Failure, match="timeout"):
            cache.get({"q": 3}, fail)
    assert calls == [1, 1, 0]
    cache.forget_failures()
    assert cache.get({"q": 3}, ask)[1] == "answer 4"
    assert cache.get({"q": 1}, ask)[1] == "answer 1"
    file = tmp_path / "cache" / key[:2] / f"{key}.json"
    assert json.loads(file.read_text()) == {"answer": "answer 1"}
    file.write_text("{")
    assert cache.get({"q": 1}, ask)[1] == "answer 5"
    Cache(Place(str(tmp_path / "none"))).forget_failures()


def test_a_refusal_is_not_kept(tmp_path: Path) -> None:
    """The run ends, and the next one asks again."""
    cache = Cache(Place(str(tmp_path / "cache")))

    def refuse() -> str:
        raise StageError("x", "y")

    with pytest.raises(StageError):
        cache.get({"q": 1}, refuse)
    assert cache.get({"q": 1}, lambda: "x")[1] == "x"


@pytest.mark.parametrize(
    "text",
    [
        '{"thoughts": ["a", "b  c"]}',
        '```json\n{"thoughts": ["a", "b\\n c"]}\n```',
        '<think>x</think> {"thoughts": ["a", "b c"]}',
    ],
)
def test_models_wrap_their_json(text: str) -> None:
    """In fences, or after thinking aloud."""
    assert thoughts(text, 2) == ["a", "b c"]


@pytest.mark.parametrize(
    "text", ["", "a, b", "[]", '{"thoughts": "a"}', '{"thoughts": ["a"]}', '{"thoughts": ["a", 1]}']
)
def test_what_is_no_answer_is_garbled(text: str) -> None:
    """Not as many thoughts as were asked for, for one."""
    with pytest.raises(Failure, match="garbled"):
        thoughts(text, 2)
