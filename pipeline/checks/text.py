"""Texts that were damaged on their way: decoded by the wrong character set, or with characters that nobody can see."""

import re
from collections.abc import Iterator

_HIGH = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
"""The second and later bytes of a character in UTF-8, read as Latin-1 or Windows-1252."""
_CLOSING = "[\u00a0…‘’“”–—»]"
"""Those of them that may well follow a letter: a café…”."""
_MOJIBAKE = re.compile(
    "\ufffd"  # what a decoder writes for bytes that it cannot read
    "|[ÃÂ][\u0080-\u00bf]"  # UTF-8 read as Latin-1: é becomes Ã©
    "|â€[\u0098-\u00a6\u201c-\u201d\u0153™]"  # UTF-8 read as Windows-1252: a typographic quote
    rf"|[ãäåæçèé](?!{_CLOSING}{{2}}){_HIGH}{{2}}"  # Chinese and Japanese read so
    rf"|(?:[ÐÑ](?!{_CLOSING}){_HIGH}){{2}}"  # Cyrillic
    "|ï»¿"  # a byte order mark
    "|锟斤拷|烫烫烫|屯屯屯"  # and what GBK makes of replacement characters and of fresh memory
)
_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""C0 and C1 controls, zero-width space, line separators, marks that turn the writing direction, byte order mark."""


def mojibake(text: str) -> Iterator[str]:
    """Yield the first characters that look like a wrong character set."""
    if not text.isascii() and (found := _MOJIBAKE.search(text)):
        yield f"found {found[0]!r}, which looks like a wrong character set, expected readable text"


def unseen(text: str) -> Iterator[str]:
    """Yield the first character that nobody sees."""
    if not text.isprintable() and (found := _UNSEEN.search(text)):
        yield f"found the invisible character U+{ord(found[0]):04X}, expected text that can be seen"
