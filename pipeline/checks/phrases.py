"""Sentences that thoughts of the dataset say over and over: a model learns to say them, whatever it sees."""

import re
from collections import Counter
from itertools import compress

import msgspec
from msgspec import Struct

from pipeline.describe import words_of
from pipeline.storage.dataset import Dataset

SHARE = 0.05
"""Of all decisions; below it a sentence is not looked at any more (`Thresholds.sentence_share` may be higher)."""
TIMES = 12
"""A sentence said less often is nobody's habit."""
WORDS = 4
"""Words of a sentence at least: "Done." may be said."""

_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_INNER = re.compile(r"[.!?]\s|[。！？\n]")
"""Stands in every text that `_END` splits."""


class _Thought(Struct):
    thought: str | None = None


def sentences(thought: str) -> list[str]:
    """Return the sentences of a thought."""
    if not _INNER.search(thought):
        return [thought.strip()] if thought.strip() else []
    return [each for each in map(str.strip, _END.split(thought)) if each]


class Phrases:
    """Counts sentences."""

    def __init__(self) -> None:
        self._found: Counter[str] = Counter()
        self._decisions = 0

    def add(self, thought: str) -> None:
        """Count the sentences of a decision's thought, each once."""
        self._decisions += 1
        for sentence in set(sentences(thought)):
            self._found[sentence] += 1

    def finish(self, dataset: Dataset) -> dict[str, float]:
        """Return the over-represented sentences and their shares, the corrections' thoughts counted too."""
        turns = msgspec.json.Decoder(list[_Thought])
        for number, table in dataset.tables("samples", ["origin"]):
            made = [origin == "error_correction" for origin in table.column(0).to_pylist()]
            rows = dataset.rows("samples", number, ["turns"]) if any(made) else ()
            for text in compress((row["turns"] for row in rows), made):
                try:
                    thought = turns.decode(text or "")[-1].thought
                except (msgspec.DecodeError, IndexError):
                    continue  # the check of the schema says so
                if thought:
                    self.add(thought)
        shares = {each: times / self._decisions for each, times in self._found.items() if times >= TIMES}
        habits = {each: share for each, share in shares.items() if share >= SHARE}
        return {each: share for each, share in habits.items() if len(words_of(each)) >= WORDS}
