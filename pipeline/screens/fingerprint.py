"""Fingerprints of a screenshot's pixels, so that two can be compared without decoding either.

`phash` tells how alike two screens look: a filter for candidates. `tiles` decides: a checksum for each 16 x 96 pixels,
so that "the same outside of the clock" is a comparison of numbers. Both are taken from the pixels at the stored size,
as they are handed to the encoder; of a screenshot whose bytes are kept, from the pixels that it decodes to. So equal
recorded pixels have equal fingerprints within a dataset, whatever an encoder does to them afterwards.

Pillow is imported where there are pixels: most of what compares fingerprints decodes nothing.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from pipeline.actions import Box

if TYPE_CHECKING:
    from PIL import Image

TILE_HEIGHT, TILE_WIDTH = 16, 96
"""Pixels of a tile; those at the right and lower edge may be smaller. A status bar is about 50 pixels high."""
PHASH_BYTES = 32
_SIDE, _LOW, _OVERSAMPLING = 128, 16, 2
_WORDS = TILE_WIDTH // 2

Words = npt.NDArray[np.uint64]

_WEIGHTS: Words = (
    np.frombuffer(hashlib.shake_256(b"gdp tile weights").digest(8 * TILE_HEIGHT * _WORDS), "<u8")
    .astype(np.uint64)
    .reshape(TILE_HEIGHT, _WORDS)
) | np.uint64(1)
_DCT = np.rint(1024 * np.cos(np.pi / (2 * _SIDE) * np.outer(np.arange(_LOW), 2 * np.arange(_SIDE) + 1)))
"""Whole numbers: every sum of the transform is exact in float64, so no machine rounds it otherwise."""


class Fingerprint(Struct, frozen=True):
    """What is known of a stored screenshot's pixels."""

    width: int
    height: int
    phash: bytes
    tiles: bytes


def fingerprint(pixels: "Image.Image") -> Fingerprint:
    """Return the fingerprint of a picture in mode RGBX."""
    return Fingerprint(*pixels.size, phash(pixels), tiles(pixels))


def phash(pixels: "Image.Image") -> bytes:
    """Return 256 bits that change little where a picture does: its 16 x 16 lowest frequencies against their median.

    The discrete cosine transform (DCT-II) of the grey picture at 128 x 128, as in the ImageHash package with
    hash_size 16 and highfreq_factor 8; not the same bits, as pixels are sampled before they are averaged.
    """
    from PIL.Image import Resampling

    side = _SIDE * _OVERSAMPLING
    grey = pixels.resize((side, side), Resampling.NEAREST).convert("L").reduce(_OVERSAMPLING)
    low = _DCT @ np.asarray(grey, np.float64) @ _DCT.T
    return np.packbits(low > np.median(low)).tobytes()


def distance(one: bytes, other: bytes) -> int:
    """Return in how many of their 256 bits two perceptual hashes differ.

    At most 12 makes two screens candidates for being the same state; it never proves it.
    """
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def tiles(pixels: "Image.Image") -> bytes:
    """Return the checksums of all tiles of a picture in mode RGBX: 8 bytes each, rows from the top, left to right.

    A tile's is the sum of its pixel pairs, each times an odd constant of its place, modulo 2^64. One changed pixel
    always shows. Several go unseen with a probability of 2^-40 at most, 2^-24 where all of them lie in odd columns,
    and 2^-8 where moreover nothing but their blue changes: no way in which screens change.
    """
    words = _words(pixels)
    sums = np.empty(grid(*pixels.size), np.uint64)
    for top, bottom, height in _pieces(words.shape[0], TILE_HEIGHT):
        for left, right, width in _pieces(words.shape[1], _WORDS):
            block = words[top:bottom, left:right].reshape(-1, height, (right - left) // width, width)
            row, column = top // TILE_HEIGHT, left // _WORDS
            part = sums[row : row + block.shape[0], column : column + block.shape[2]]
            np.einsum("ryci,yi->rc", block, _WEIGHTS[:height, :width], out=part)
    return sums.astype("<u8").tobytes()


def grid(width: int, height: int) -> tuple[int, int]:
    """Return how many rows and columns of tiles a picture has."""
    return math.ceil(height / TILE_HEIGHT), math.ceil(width / TILE_WIDTH)


def differing_tiles(one: Fingerprint, other: Fingerprint) -> frozenset[tuple[int, int]]:
    """Return (row, column) of every tile that differs; raises ValueError for pictures of different sizes."""
    if (one.width, one.height) != (other.width, other.height):
        raise ValueError(f"{one.width}x{one.height} beside {other.width}x{other.height}, expected one size")
    differs = _sums(one) != _sums(other)
    return frozenset((int(row), int(column)) for row, column in np.argwhere(differs))


def same_outside(one: Fingerprint, other: Fingerprint, masks: Iterable[Box] = ()) -> bool:
    """Tell whether two pictures have equal pixels in every tile that no mask touches; other sizes are not the same.

    Masks are boxes in fractions of the picture. All of a tile that one touches is left out.
    """
    if (one.width, one.height) != (other.width, other.height):
        return False
    boxes = tuple(masks)
    return bool(np.array_equal(outside(one, boxes), outside(other, boxes)))


def outside(of: Fingerprint, masks: Iterable[Box] = ()) -> npt.NDArray[Any]:
    """Return the checksums of a picture's tiles, shape `grid`, with 0 for those that a mask touches."""
    sums = _sums(of).copy()
    for left, top, right, bottom in masks:
        rows = _touched(top, bottom, of.height, TILE_HEIGHT)
        columns = _touched(left, right, of.width, TILE_WIDTH)
        sums[rows, columns] = 0
    return sums


def _touched(start: float, end: float, length: int, unit: int) -> slice:
    """Return the tiles that share more than an edge with a stretch of the picture, given in fractions of its length."""
    first, last = (round(at * length, 6) / unit for at in (start, end))  # 6: fractions of pixels come back inexact
    return slice(max(0, math.floor(first)), max(0, math.ceil(last))) if last > first else slice(0)


def _sums(of: Fingerprint) -> npt.NDArray[Any]:
    return np.frombuffer(of.tiles, "<u8").reshape(grid(of.width, of.height))


def _pieces(length: int, unit: int) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, unit) of the whole tiles, then of what is left."""
    whole = length - length % unit
    if whole:
        yield 0, whole, unit
    if whole < length:
        yield whole, length, length - whole


def _words(pixels: "Image.Image") -> Words:
    """Return the pixels two by two, shape (height, width / 2 rounded up); the fourth byte of each is 255."""
    from pipeline.engines.pillow import memory

    assert pixels.mode == "RGBX"
    width, height = pixels.size
    single = np.frombuffer(memory(pixels), "<u4").reshape(height, width)
    if width % 2:
        single = np.pad(single, ((0, 0), (0, 1)))
    return single.view("<u8")
