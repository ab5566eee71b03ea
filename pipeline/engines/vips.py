"""libvips: two to four times as fast as Pillow at the same pixels (`tests/test_engines.py` holds both together).

It resizes everything, and decodes PNG, for which it takes half of Pillow's time. It is given only plain PNGs, and
believed only where it has nothing to complain about: whatever is unusual or broken goes to Pillow, so both engines
refuse the same files with the same words. JPEG and WebP are Pillow's, whose decoders are no slower and hand over four
bytes a pixel, as the encoder wants them.
"""

import os

# libvips reads these when it is loaded: no threads beside the worker's own, and no second voice on stderr.
os.environ["VIPS_CONCURRENCY"] = "1"
os.environ["VIPS_WARNING"] = "0"

import pyvips
from PIL import Image

from .engine import Header, ImageFormat, Picture, Size
from .pillow import PillowEngine, PillowPicture, memory

pyvips.cache_set_max(0)  # no picture comes twice
pyvips.block_untrusted_set(True)
pyvips.operation_block_set("VipsForeignLoad", True)
pyvips.operation_block_set("VipsForeignLoadPng", False)


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
        if size == self.size or _grows(self.size, size):
            return self._picture.pixels(size)
        image = pyvips.Image.new_from_memory(memory(self._picture.image), *self.size, 4, "uchar")
        return _framed(_reduced(image, self.size, size), size)


class PngPicture:
    """A PNG that is decoded while it is used, and decoded again by Pillow where libvips has doubts."""

    def __init__(self, image: "pyvips.Image", bands: int, data: bytes, header: Header) -> None:
        self._image = image
        self._bands = bands
        self._data = data
        self._header = header

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
        except pyvips.Error:
            return PillowEngine().open(self._data, self._header).pixels(size)

    def _resized(self, size: Size) -> Image.Image:
        """Return the picture at that size, by the rule of Pillow's bicubic."""
        image = self._image if self._bands == 3 else self._image.flatten(background=255)
        if _grows(self.size, size):
            whole = _framed(image.bandjoin(255), self.size)
            return whole.convert("RGB").resize(size, Image.Resampling.BICUBIC).convert("RGBX")
        image = image if size == self.size else _reduced(image, self.size, size)
        return _framed(image.bandjoin(255), size)


class VipsEngine:
    """The engine `vips`."""

    name = "vips"

    def versions(self) -> dict[str, str]:
        """Return the versions of libvips, and of Pillow, which encodes and takes what libvips is not given."""
        return {"libvips": ".".join(str(pyvips.version(part)) for part in range(3)), **PillowEngine().versions()}

    def open(self, data: bytes, header: Header) -> Picture:
        """Return the picture, not decoded yet; raises UnreadableError."""
        if header.format == "png" and header.plain:
            try:
                image = pyvips.Image.pngload_buffer(data, access="sequential", fail_on="warning")
            except pyvips.Error:
                image = None
            bands = image and _bands(image, header)
            if bands in {3, 4}:
                return PngPicture(image, bands, data, header)
        return DecodedPicture(PillowEngine().open(data, header))


def _bands(image: "pyvips.Image", header: Header) -> int | None:
    """Return the number of bytes a pixel has, None for a picture that is not as its header says."""
    as_announced = (image.width, image.height, image.format) == (header.width, header.height, "uchar")
    return image.bands if as_announced else None


def _grows(now: Size, size: Size) -> bool:
    """Tell whether a side gets longer: libvips enlarges by another rule, up to 165 levels away."""
    return size[0] > now[0] or size[1] > now[1]


def _reduced(image: "pyvips.Image", now: Size, size: Size) -> "pyvips.Image":
    # Not `resize`: from a factor of 4 it averages blocks first.
    return image.reduce(now[0] / size[0], now[1] / size[1], kernel="cubic")


def _framed(image: "pyvips.Image", size: Size) -> Image.Image:
    """Run the pipeline of a picture of four bands, strip by strip in this thread; Pillow uses the memory as it is.

    libvips' own loop has a thread do each strip while this one waits; with one worker on two cores, handing over took
    6 % of the whole. Raises pyvips.Error.
    """
    region = pyvips.Region.new(image)
    width, height = size
    row = width * image.bands
    pixels = bytearray(row * height)
    for top in range(0, height, STRIP):
        rows = min(STRIP, height - top)
        pixels[row * top : row * (top + rows)] = region.fetch(0, top, width, rows)
    return Image.frombuffer("RGBX", size, pixels, "raw", "RGBX", 0, 1)
