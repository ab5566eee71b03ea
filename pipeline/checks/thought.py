"""The trained turn says why it acts."""

import re
from collections.abc import Iterator

from pipeline.records import Sample

from .check import Context, Finding


def check(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield the sample if its decision has no thought."""
    if not re.search(r"\w", sample.turns[-1].thought or ""):  # spaces and marks that nobody sees are no words
        yield Finding(
            f"$.turns[{len(sample.turns) - 1}].thought", "found no thought, expected the reason for the action"
        )
