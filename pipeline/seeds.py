"""Randomness without state: every draw is a function of the seed, the stage and the row, never of order or workers."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def digest(*parts: object) -> bytes:
    """Return the SHA-256 of the parts; the separator cannot occur inside a part's length-prefixed text."""
    hasher = hashlib.sha256()
    for part in parts:
        text = str(part).encode()
        hasher.update(b"%d:" % len(text))
        hasher.update(text)
    return hasher.digest()


def uniform(*parts: object) -> float:
    """Return a number in [0, 1), the same for the same parts."""
    return (int.from_bytes(digest(*parts)[:7], "big") >> 3) / (1 << 53)


def pick(options: Sequence[T], *parts: object) -> T:
    """Return one of the options (at least one), the same for the same parts."""
    return options[int(uniform(*parts) * len(options))]
