"""libvips: three times as fast as Pillow at the same pixels (`tests/test_engines.py` holds both together).

It resizes everything. A PNG or JPEG that becomes smaller is decoded by kornia-rs: a PNG in half of libvips' time and a
quarter of Pillow's, a JPEG a little faster than by Pillow and to three bytes a pixel, which take less time to resize
than four. Any other PNG is libvips'. Both are given only plain pictures, and believed only where they have nothing to
complain about: whatever is unusual or broken goes to Pillow, so both engines refuse the same files with the same words.
One fault kornia-rs lets pass: right chunks of a PNG around a stream of pixels that ends in a wrong checksum of its own.
So it is asked for pixels only, and never vouches for a file that is stored as it came.

All else is Pillow's, whose decoders hand over four bytes a pixel, as the encoder wants them.
"""

import contextlib
import os
from typing import Any

# libvips reads these when it is loaded: no threads beside the worker's own, and no second voice on stderr.
os.environ["VIPS_CONCURRENCY"] = "1"
os.environ["VIPS_WARNING"] = "0"

import numpy as np
import pyvips
from PIL import Image

try:
    import kornia_rs
except ImportError:  # no wheel for this system: libvips decodes every PNG, at the same pixels
    kornia_rs = None  # type: ignore[assignment]  # a module, or none

from .engine import Header, ImageFormat, Picture, Size
from .pillow import PillowEngine, PillowPicture, memory

pyvips.cache_set_max(0)  # no picture comes twice
pyvips.block_untrusted_set(True)
pyvips.operation_block_set("VipsForeignLoad", True)
pyvips.operation_block_set("VipsForeignLoadPng", False)


BICUBIC = Image.Resampling.BICUBIC
COLOUR_TYPE, WITH_ALPHA = 25, 6
"""Where a PNG says what a pixel is made of, and what it says of one of four bytes."""
STRIP = 32
"""Rows that are made at a time: few enough to stay in the processor's cache, many enough to make little ado."""


class DecodedPicture:
    """A picture that Pillow has decoded."""

    def __init__(self, picture: PillowPicture) -> None:
        self._picture = picture
        self.size = picture.size
        self.faithful = picture.faithful

    def pixels(self, size: Size) -> Image.Image:
        """Return it at that size, in mode RGBX."""
        if not _shrinks(self.size, size):
            return self._picture.pixels(size)
        image = pyvips.Image.new_from_memory(memory(self._picture.image), *self.size, 4, "uchar")
        try:
            return _framed(_reduced(image, self.size, size), size)
        except pyvips.Error:  # some 500 times smaller, it finds
            return self._picture.pixels(size)


class PngPicture:
    """A plain PNG; it is decoded again by Pillow where a faster decoder has doubts."""

    def __init__(self, data: bytes, header: Header) -> None:
        self._data = data
        self._header = header
        self._bands = 4 if data[COLOUR_TYPE] == WITH_ALPHA else 3

    @property
    def size(self) -> Size:
        """Width and height."""
        return self._header.width, self._header.height

    @property
    def faithful(self) -> ImageFormat | None:
        """Its format unless it has an alpha channel: readers disagree on what shows through."""
        return self._header.format if self._bands == 3 else None

    def pixels(self, size: Size) -> Image.Image:
        """Return it at that size, in mode RGBX; raises UnreadableError unless every pixel decodes."""
        try:
            return self._resized(size)
        except (pyvips.Error, _DoubtError):
            return PillowEngine().open(self._data, self._header).pixels(size)

    def _resized(self, size: Size) -> Image.Image:
        """Return the picture at that size, by the rule of Pillow's bicubic."""
        if _shrinks(self.size, size):
            image = self._streamed() if kornia_rs is None else self._decoded()
            return _framed(_reduced(image, self.size, size), size)
        whole = _framed(self._streamed(), self.size)
        return whole if size == self.size else whole.convert("RGB").resize(size, BICUBIC).convert("RGBX")

    def _streamed(self) -> "pyvips.Image":
        """Return it as libvips decodes it, while it is used, on white."""
        image = pyvips.Image.pngload_buffer(self._data, access="sequential", fail_on="warning")
        if (image.width, image.height, image.bands, image.format) != (*self.size, self._bands, "uchar"):
            raise _DoubtError
        return _opaque(image)

    def _decoded(self) -> "pyvips.Image":
        """Return it as kornia-rs decodes it, all at once, on white."""
        mode = "rgba" if self._bands == 4 else "rgb"
        pixels = _asked("decode_image_png_u8", self.size, self._bands, self._data, self.size[::-1], mode)
        image = pyvips.Image.new_from_memory(pixels.data, *self.size, self._bands, "uchar")
        solid = self._bands == 4 and np.bitwise_and.reduce(pixels.view("<u4"), axis=None) >> 24 == 255
        return image if solid else _opaque(image)


class JpegPicture:
    """A plain JPEG that may become smaller; where it does not, or kornia-rs has doubts, Pillow decodes it."""

    def __init__(self, data: bytes, header: Header) -> None:
        self._data = data
        self._header = header
        self.size = header.width, header.height
        self.faithful = header.format

    def pixels(self, size: Size) -> Image.Image:
        """Return it at that size, in mode RGBX; raises UnreadableError unless every pixel decodes."""
        if _shrinks(self.size, size):
            with contextlib.suppress(pyvips.Error, _DoubtError):
                return _framed(_reduced(self._decoded(), self.size, size), size)
        return DecodedPicture(PillowEngine().open(self._data, self._header)).pixels(size)

    def _decoded(self) -> "pyvips.Image":
        """Return it as kornia-rs decodes it, which takes no file that libjpeg warns of."""
        pixels = _asked("decode_image_jpegturbo", self.size, 3, self._data, "rgb")
        return pyvips.Image.new_from_memory(pixels.data, *self.size, 3, "uchar")


class _DoubtError(Exception):
    """A fast decoder has something to complain about."""


def _asked(decoder: str, size: Size, bands: int, *arguments: Any) -> Any:
    """Return what a decoder of kornia-rs makes of a picture [height, width, bands]; raises _DoubtError."""
    try:
        pixels = getattr(kornia_rs.io, decoder)(*arguments)
    except Exception as error:  # it raises nothing more special
        raise _DoubtError from error
    if pixels.shape != (*size[::-1], bands):
        raise _DoubtError
    return pixels


class VipsEngine:
    """The engine `vips`."""

    name = "vips"

    def versions(self) -> dict[str, str]:
        """Return the versions of its decoders, and of Pillow, which encodes and takes what they are not given."""
        libvips = ".".join(str(pyvips.version(part)) for part in range(3))
        rust = {} if kornia_rs is None else {"kornia-rs": kornia_rs.__version__}
        return {"libvips": libvips, **rust, **PillowEngine().versions()}

    def open(self, data: bytes, header: Header) -> Picture:
        """Return the picture, not decoded yet; raises UnreadableError."""
        if header.format == "png" and header.plain:
            return PngPicture(data, header)
        if header.format == "jpeg" and header.plain and kornia_rs is not None:
            return JpegPicture(data, header)
        return DecodedPicture(PillowEngine().open(data, header))


def _shrinks(now: Size, size: Size) -> bool:
    """Tell whether a side gets shorter and none longer: libvips enlarges by another rule, up to 165 levels away."""
    return size != now and size[0] <= now[0] and size[1] <= now[1]


def _opaque(image: "pyvips.Image") -> "pyvips.Image":
    return image if image.bands == 3 else image.flatten(background=255)


def _reduced(image: "pyvips.Image", now: Size, size: Size) -> "pyvips.Image":
    # Not `resize`: from a factor of 4 it averages blocks first.
    return image.reduce(now[0] / size[0], now[1] / size[1], kernel="cubic")


def _framed(image: "pyvips.Image", size: Size) -> Image.Image:
    """Run a picture's pipeline, strip by strip in this thread, to four bands; Pillow uses the memory as it is.

    libvips' own loop has a thread do each strip while this one waits; with one worker on two cores, handing over took
    6 % of the whole. Raises pyvips.Error.
    """
    image = image if image.bands == 4 else image.bandjoin(255)
    region = pyvips.Region.new(image)
    width, height = size
    row = width * image.bands
    pixels = bytearray(row * height)
    for top in range(0, height, STRIP):
        rows = min(STRIP, height - top)
        pixels[row * top : row * (top + rows)] = region.fetch(0, top, width, rows)
    return Image.frombuffer("RGBX", size, pixels, "raw", "RGBX", 0, 1)
