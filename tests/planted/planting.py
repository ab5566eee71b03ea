"""What a kind of planting is."""

from collections.abc import Callable
from dataclasses import dataclass

from .store import Store

N = 3
"""Plantings of a kind."""


@dataclass(frozen=True)
class Planting:
    """One way to spoil a dataset."""

    check: str
    """The check that has to find it."""
    plant: Callable[[Store], list[str]]
    """Spoils the rows in `N` places; returns the id of a sample in each that must be found."""
    base: str = "step"
    """Which clean dataset is spoiled: `step`, `window`, or `pixels` with coordinates in pixels."""
