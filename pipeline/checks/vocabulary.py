"""The words of an English text, found once: a search for what needs a word that is not there need not begin."""

import string
from functools import lru_cache

_OF_WORDS = f"{string.ascii_letters}{string.digits}_"
_WORDS = "".join(c.lower() if c in _OF_WORDS else " " for c in map(chr, range(128))).encode().ljust(256)
"""Of each ASCII character what is left of it: letters in small, digits and _; all else stands between words."""


@lru_cache(maxsize=4096)
def vocabulary(text: str) -> tuple[int, frozenset[str]]:
    """Return how many words an ASCII text has, and which, in small letters: whole runs of letters, digits and _."""
    words = text.encode("ascii").translate(_WORDS).decode("ascii").split()
    return len(words), frozenset(words)


def says(text: str, words: frozenset[str]) -> bool:
    """Tell whether one of the words stands in an ASCII text, in large or small letters; of others nothing is known."""
    return text.isascii() and not words.isdisjoint(vocabulary(text)[1])


def may_say(text: str, words: frozenset[str]) -> bool:
    """Tell whether one of the words may stand in a text; what is not ASCII may say it in another language."""
    return not text.isascii() or not words.isdisjoint(vocabulary(text)[1])


def may_quote(thought: str) -> bool:
    """Tell whether there is a mark that a name in quotes begins with."""
    return "'" in thought or '"' in thought or "“" in thought or "「" in thought
