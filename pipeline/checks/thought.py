"""Every trained turn says why it acts, where the layout's answers have a place for it."""

import re
from collections.abc import Iterator

from .case import Case
from .check import Context, Finding

_WORD = re.compile(r"\w")


def check(case: Case, context: Context) -> Iterator[Finding]:
    """Yield the decisions that have no thought."""
    for number in case.outline.taught:
        # Spaces and marks that nobody sees are no words.
        if not _WORD.search(case.sample.turns[number].thought or ""):
            yield Finding(f"$.turns[{number}].thought", "found no thought, expected the reason for the action")
