"""The words of an English text, found once: a search for what needs a word that is not there need not begin."""

import re
from functools import lru_cache

_WORD = re.compile(r"\w+")


@lru_cache(maxsize=4096)
def vocabulary(text: str) -> tuple[int, frozenset[str]]:
    """Return how many words an ASCII text has, and which, in small letters: whole runs of letters, digits and _."""
    words = _WORD.findall(text.lower())
    return len(words), frozenset(words)


def says(text: str, words: frozenset[str]) -> bool:
    """Tell whether one of the words stands in an ASCII text, in large or small letters; of others nothing is known."""
    return text.isascii() and not words.isdisjoint(vocabulary(text)[1])


def may_say(text: str, words: frozenset[str]) -> bool:
    """Tell whether one of the words may stand in a text; what is not ASCII may say it in another language."""
    return not text.isascii() or not words.isdisjoint(vocabulary(text)[1])
