"""Every answer, kept under the hash of its question: a rerun costs nothing and gives the same bytes.

A question that got no answer is kept as such too, so that what a run writes follows from the cache alone; `--fresh`
forgets those, and asks again. Failures that concern the whole server are not kept: the run ends with them.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.storage.place import Place

from .server import Failure


class _Entry(Struct, frozen=True, omit_defaults=True):
    answer: str | None = None
    failed: str | None = None


class Cache:
    """The answers of all runs that use the folder."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def get(self, question: dict[str, Any], ask: Callable[[], str]) -> tuple[str, str]:
        """Return the key and the answer to the question, asking if nobody has; raises Failure as `ask` does or did."""
        key = key_of(question)
        entry = self._read(key)
        if entry is None:
            try:
                entry = _Entry(answer=ask())
            except Failure as failure:
                entry = _Entry(failed=failure.reason)
            self._place.write(_name(key), msgspec.json.encode(entry), "answer")
        if entry.answer is None:
            raise Failure(entry.failed or "garbled")
        return key, entry.answer

    def forget_failures(self) -> None:
        """Remove the questions without an answer, so that they are asked again."""
        for folder in self._place.names():
            for name in self._place.names(folder):
                key = name.removesuffix(".json")
                entry = self._read(key)
                if entry is not None and entry.answer is None:
                    self._place.remove(_name(key))

    def _read(self, key: str) -> _Entry | None:
        try:
            return msgspec.json.decode(self._place.read(_name(key)), type=_Entry)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            return None  # no file of ours, or a damaged one: asked again and written anew


def key_of(question: dict[str, Any]) -> str:
    """Return the hash of a question, the same wherever it is asked."""
    return hashlib.sha256(json.dumps(question, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _name(key: str) -> str:
    return f"{key[:2]}/{key}.json"
