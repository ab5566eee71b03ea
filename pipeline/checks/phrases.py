"""Sentences that thoughts of the dataset say over and over: a model learns to say them, whatever it sees."""

import re
from collections import Counter
from itertools import chain

from pipeline.describe import words_of

SHARE = 0.05
"""Of all decisions; below it a sentence is not looked at any more (`Thresholds.sentence_share` may be higher)."""
TIMES = 12
"""A sentence said less often is nobody's habit."""
WORDS = 4
"""Words of a sentence at least: "Done." may be said."""

_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_INNER = re.compile(r"[.!?。！？\n](?:(?<=[。！？\n])|\s)")
"""Stands in every text that `_END` splits; begins with a set of characters, which `re` finds fast."""


def sentences(thought: str) -> list[str]:
    """Return the sentences of a thought."""
    if not _INNER.search(thought):
        return [thought.strip()] if thought.strip() else []
    return [each for each in map(str.strip, _END.split(thought)) if each]


def habits(*thoughts: Counter[str]) -> dict[str, float]:
    """Return the over-represented sentences of decisions' thoughts, and their shares of the decisions."""
    every = chain.from_iterable(each.elements() for each in thoughts)
    found = Counter(sentence for thought in every for sentence in set(sentences(thought)))
    decisions = sum(each.total() for each in thoughts)
    often = {each: times for each, times in found.items() if times >= max(TIMES, SHARE * decisions)}
    return {each: times / decisions for each, times in often.items() if len(words_of(each)) >= WORDS}
