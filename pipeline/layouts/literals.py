"""UI-TARS's function calls, `click(start_box='…')`: Python string literals in single quotes, on one line."""

import re
from collections.abc import Iterator

from .calls import GrammarError

ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
"""What UI-TARS's prompts ask for, and what a Python parser would stumble over otherwise."""
_BARE = {written[1]: character for character, written in ESCAPES.items()}
_CALL = re.compile(r"([a-z_]+)\(")
_ARGUMENT = re.compile(r"([a-z_]+)='((?:[^'\\\x00-\x1f\x7f]|\\.)*)'")
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")


def escaped(text: str) -> str:
    """Return the text as it stands between single quotes."""
    return "".join(ESCAPES.get(c, c if c >= " " and c != "\x7f" else f"\\x{ord(c):02x}") for c in text)


def unescaped(text: str) -> str:
    """Return the text that a literal means; raises GrammarError for one that `escaped` would write differently."""
    meant = _ESCAPE.sub(lambda match: _meaning(match[1]), text)
    if escaped(meant) != text:
        raise GrammarError(f"found {text[:40]!r} in quotes, expected quotes, backslashes and line ends escaped")
    return meant


def _meaning(code: str) -> str:
    if len(code) == 3:
        return chr(int(code[1:], 16))
    if code not in _BARE:
        raise GrammarError(f"found the escape \\{code}, expected one of {' '.join(ESCAPES.values())} or \\xNN")
    return _BARE[code]


def calls(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield name and arguments of each call; blank lines stand between them. Raises GrammarError for anything else."""
    at = 0
    while True:
        opening = _CALL.match(text, at)
        if opening is None:
            raise GrammarError(f"found {text[at : at + 40]!r}, expected an action like wait()")
        arguments, at = _arguments(text, opening.end())
        yield opening[1], arguments
        if at == len(text):
            return
        if not text.startswith("\n\n", at):
            raise GrammarError(f"found {text[at : at + 40]!r} after an action, expected an empty line or the end")
        at += 2


def _arguments(text: str, at: int) -> tuple[dict[str, str], int]:
    """Return the arguments from `at` on, and the position after the closing bracket."""
    arguments: dict[str, str] = {}
    while not text.startswith(")", at):
        if arguments:
            if not text.startswith(", ", at):
                raise GrammarError(f"found {text[at : at + 40]!r}, expected a comma and an argument, or )")
            at += 2
        match = _ARGUMENT.match(text, at)
        if match is None:
            raise GrammarError(f"found {text[at : at + 40]!r}, expected an argument like content='…'")
        if match[1] in arguments:
            raise GrammarError(f"found {match[1]} twice, expected it once")
        arguments[match[1]] = match[2]
        at = match.end()
    return arguments, at + 1
