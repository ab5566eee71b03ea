"""Texts that were damaged on their way: decoded by the wrong character set, or with characters that nobody can see."""

import re
from collections.abc import Iterator

from pipeline.records import Sample

from .check import Context, Finding

_MOJIBAKE = re.compile(
    "\ufffd"  # what a decoder writes for bytes that it cannot read
    "|[ÃÂ][\u0080-\u00bf]"  # UTF-8 read as Latin-1: é becomes Ã©
    "|â€[\u0098-\u00a6\u201c-\u201d\u0153™]"  # UTF-8 read as Windows-1252: a typographic quote
    "|[åæçèé][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]{2}"  # Chinese read so
    "|锟斤拷|烫烫烫|屯屯屯"  # and what GBK makes of replacement characters and of fresh memory
)
_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""C0 and C1 controls, zero-width space, line separators, marks that turn the writing direction, byte order mark."""


def mojibake(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield texts that look like bytes read in the wrong character set."""
    for path, text in texts(sample):
        if found := _MOJIBAKE.search(text):
            yield Finding(path, f"found {found[0]!r}, which looks like a wrong character set, expected readable text")


def unseen(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield texts with control characters or marks without a shape."""
    for path, text in texts(sample):
        if found := _UNSEEN.search(text):
            yield Finding(path, f"found the invisible character U+{ord(found[0]):04X}, expected text that can be seen")


def texts(sample: Sample) -> Iterator[tuple[str, str]]:
    """Yield the goal and the words of the last turn, each with its place; earlier turns have samples of their own."""
    yield "$.goal", sample.goal
    last = len(sample.turns) - 1
    turn = sample.turns[last]
    for name in ("thought", "instruction"):
        value = getattr(turn, name)
        if value:
            yield f"$.turns[{last}].{name}", value
    for number, action in enumerate(turn.actions):
        value = getattr(action, "text", None)
        if value:
            yield f"$.turns[{last}].actions[{number}].text", value
