"""What `gdp evaluate` is asked, and what models say: shared by the command and by what loads models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Split = Literal["train", "val", "all"]


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What the command line says."""

    split: Split = "val"
    preset: str = "default"
    limit: int | None = None
    """Samples at most, spread evenly; None is all."""
    batch_size: int = 8
    max_new_tokens: int | None = None
    """Tokens of an answer at most; None is half as many again as the longest recorded one has."""
    base: bool = True
    """Of a run, whether the base model answers too."""
    fresh: bool = False
    quiet: bool = False
    verbose: bool = False
    progress: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model, or a file, says to the samples."""

    name: str
    """`adapter`, `base`, `model` or `predictions`."""
    responses: Mapping[str, str]
    """By sample id."""
    truncated: frozenset[str] = frozenset()
    """Samples whose answer was cut off."""


def spread(samples: Sequence[Any], limit: int | None) -> list[Any]:
    """Return `limit` samples evenly apart, the same ones each time; all where there are no more."""
    if limit is None or limit >= len(samples):
        return list(samples)
    return [samples[place * len(samples) // limit] for place in range(limit)]
