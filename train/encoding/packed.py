"""Tokens kept for a whole run: a run of equal ids, as the pads of a picture are, takes the room of one token."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tokens import IGNORED, Encoded


@dataclass(frozen=True, slots=True)
class Runs:
    """Numbers as runs of equal ones: `values[i]` stands `counts[i]` times."""

    values: NDArray[np.generic]
    counts: NDArray[np.uint32]

    @classmethod
    def of(cls, numbers: NDArray[np.generic]) -> "Runs":
        """Return the runs of an array [L]."""
        starts = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))[: len(numbers)]
        counts = np.diff(np.append(starts, len(numbers))).astype(np.uint32)
        return cls(numbers[starts], counts)

    def whole(self) -> NDArray[np.generic]:
        """Return the array [L]."""
        return np.repeat(self.values, self.counts)


@dataclass(frozen=True, slots=True)
class Packed:
    """The tokens of one sample and the number of tokens of each of its pictures, in about 8 bytes a text token."""

    ids: Runs
    weights: Runs
    image_tokens: tuple[int, ...]
    length: int
    """Tokens in all, those of pictures included."""

    @classmethod
    def of(cls, encoded: Encoded, image_tokens: list[int]) -> "Packed":
        """Return the packed form; labels are not kept, because a token is trained exactly where its weight is not 0."""
        ids = Runs.of(np.array(encoded.input_ids, dtype=np.int32))
        weights = Runs.of(np.array(encoded.weights, dtype=np.float64))
        return cls(ids, weights, tuple(image_tokens), len(encoded.input_ids))

    def unpacked(self) -> Encoded:
        """Return the tokens as they were."""
        ids, weights = self.ids.whole(), self.weights.whole()
        labels = np.where(weights != 0, ids, IGNORED)
        return Encoded(ids.tolist(), labels.tolist(), weights.tolist())
