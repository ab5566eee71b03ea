"""Which pictures a batch shows, each of them once."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a batch: U different ones, shown I times."""

    keys: tuple[str, ...]
    """The SHA-256 of each of the U, in the order in which they come first."""
    shown: tuple[int, ...]
    """For each of the I: which of the U it is."""
    made: tuple[int, ...]
    """Which of the U have their patches in `pixel_values`, in this order; features of the others are at hand."""

    @classmethod
    def of(cls, hashes: Iterable[str], at_hand: frozenset[str] = frozenset()) -> "Pictures":
        """Return the pictures of a batch from the hash of each that it shows."""
        places: dict[str, int] = {}
        shown = tuple(places.setdefault(each, len(places)) for each in hashes)
        made = tuple(place for key, place in places.items() if key not in at_hand)
        return cls(tuple(places), shown, made)

    @property
    def first(self) -> tuple[int, ...]:
        """For each of the U, the place among the I where it is shown first."""
        return tuple(self.shown.index(place) for place in range(len(self.keys)))
