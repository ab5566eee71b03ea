"""Text for a terminal: colours, and data that cannot steer it."""

import os
import sys
from collections.abc import Callable

GREEN, RED, GREY, BOLD, RESET = "\x1b[32m", "\x1b[31m", "\x1b[90m", "\x1b[1m", "\x1b[0m"

DIRECTIONS = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Marks that turn the order of what stands after them (Unicode UAX #9), spelled out: an id could look like another."""
CONTROL_CHARACTERS: dict[int, int | str] = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"},
    **DIRECTIONS,
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0x2426),
}
"""Drawn as pictures of themselves, so that no text of a dataset can steer the terminal."""


def safe(text: str) -> str:
    """Return the text with nothing in it that a terminal would obey."""
    return text.translate(CONTROL_CHARACTERS)


def safe_line(text: str) -> str:
    r"""Return the text as one line, whatever names and values stand in it.

    >>> safe_line("a\nb")
    'a␊b'
    """
    return safe(text).translate({0x0A: 0x240A, 0x09: 0x2409, 0x2028: 0x240A, 0x2029: 0x240A})


def numbered(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> numbered(1, "sample"), numbered(2, "sample")
    ('1 sample', '2 samples')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def cut(lines: list[str], room: int, rest: Callable[[int], str]) -> list[str]:
    """Return at most `room` lines, of which the last one is `rest` of how many were left out, if any were.

    >>> cut(["a", "b", "c"], 2, "and {} more".format)
    ['a', 'and 2 more']
    """
    if len(lines) <= room:
        return lines
    kept = max(room - 1, 0)
    return [*lines[:kept], rest(len(lines) - kept)]


def coloured() -> bool:
    """Tell whether stdout is a terminal that wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
