"""Which server writes the thoughts, and how it is asked."""

import os
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from msgspec import Struct
from msgspec.structs import replace

from pipeline.exceptions import ConfigError

VERSION = 1
"""Of the words of the question: others are another question."""
SECONDS = 60.0
CONCURRENCY = 4
KEY_VARIABLE = "OPENAI_API_KEY"


class WriterSettings(Struct, frozen=True):
    """All that a worker needs; the key itself is no part of it and stays in the environment."""

    url: str
    """Of the chat completions."""
    model: str
    cache: str
    """Folder or URL where answers are kept."""
    key_variable: str = KEY_VARIABLE
    concurrency: int = CONCURRENCY
    """Questions under way at a time."""
    seconds: float = SECONDS
    """Longest time for one answer."""

    @classmethod
    def of(
        cls, url: str, model: str | None, cache: str, *, key_variable: str = KEY_VARIABLE,
        concurrency: int = CONCURRENCY, seconds: float = SECONDS,
    ) -> "WriterSettings":  # fmt: skip
        """Return checked settings; raises ConfigError. No message repeats what could be a secret."""
        if not model:
            raise ConfigError("--thoughts-model", "found none, expected the name of a model of the server")
        if concurrency < 1:
            raise ConfigError("--thoughts-concurrency", f"found {concurrency}, expected at least 1")
        if not 0 < seconds < 1e6:
            raise ConfigError("--thoughts-timeout", f"found {seconds}, expected seconds above 0")
        settings = cls(_completions(url), model, cache, key_variable, concurrency, seconds)
        settings.key()
        return settings

    def identity(self) -> dict[str, Any]:
        """Return what of this an answer depends on; the address does not tell servers of one model apart."""
        return {"model": self.model, "question": VERSION}

    def shared(self, workers: int | None) -> "WriterSettings":
        """Return what each of so many workers may ask at a time, so that all together keep the limit."""
        workers = min(workers or os.cpu_count() or 1, self.concurrency)
        return replace(self, concurrency=self.concurrency // workers)

    def key(self) -> str | None:
        """Return the key from the environment, None if there is none; raises ConfigError if no header can carry it."""
        key = os.environ.get(self.key_variable, "").strip()
        if not all("!" <= character <= "~" for character in key):
            raise ConfigError(self.key_variable, "found a key with characters that no header can carry, expected ASCII")
        return key or None


def _completions(url: str) -> str:
    """Return the address of the chat completions of a server that is named by it, by its /v1, or by its root."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = SplitResult("", "", "", "", ""), False
    if not usable or not url.isascii() or any(character.isspace() for character in url):
        raise ConfigError("--thoughts-from", "found no usable address, expected http://HOST:PORT or https://HOST/v1")
    if "@" in parts.netloc or parts.query:
        raise ConfigError(
            "--thoughts-from", "found a user, a password or a query in the address, expected none",
            "put the key into an environment variable and name it with --thoughts-key-env",
        )  # fmt: skip
    path = parts.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        path += "/chat/completions" if path.endswith("/v1") else "/v1/chat/completions"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
