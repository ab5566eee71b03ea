"""libvips: three to four times as fast as Pillow at the same pixels (`tests/test_engines.py` holds both together).

It is given only plain pictures, and believed only where it has nothing to complain about: whatever is unusual or
broken goes to Pillow, so both engines refuse the same files with the same words.
"""

import os

# libvips reads these when it is loaded: no threads beside the worker's own, and no second voice on stderr.
os.environ["VIPS_CONCURRENCY"] = "1"
os.environ["VIPS_WARNING"] = "0"

import pyvips
from PIL import Image

from .engine import Header, ImageFormat, Picture, Size
from .pillow import PillowEngine

_LOADERS = {
    "png": pyvips.Image.pngload_buffer,
    "jpeg": pyvips.Image.jpegload_buffer,
    "webp": pyvips.Image.webpload_buffer,
}

pyvips.cache_set_max(0)  # no picture comes twice
pyvips.block_untrusted_set(True)
pyvips.operation_block_set("VipsForeignLoad", True)
for _name in ("VipsForeignLoadPng", "VipsForeignLoadJpeg", "VipsForeignLoadWebp"):
    pyvips.operation_block_set(_name, False)


class VipsPicture:
    """A picture that is decoded while it is used, and decoded again by Pillow where libvips has doubts."""

    def __init__(self, image: "pyvips.Image", data: bytes, header: Header) -> None:
        self._image = image
        self._data = data
        self._header = header

    @property
    def size(self) -> Size:
        """Width and height."""
        return self._header.width, self._header.height

    @property
    def faithful(self) -> ImageFormat | None:
        """Its format unless it has an alpha channel: readers disagree on what shows through."""
        return self._header.format if self._image.bands == 3 else None

    def pixels(self, size: Size) -> Image.Image:
        """Return it at that size, in mode RGBX; raises UnreadableError unless every pixel decodes."""
        try:
            return _resized(self._image, size)
        except pyvips.Error:
            return PillowEngine().open(self._data, self._header).pixels(size)


class VipsEngine:
    """The engine `vips`."""

    name = "vips"

    def versions(self) -> dict[str, str]:
        """Return the versions of libvips, and of Pillow, which encodes and takes what libvips is not given."""
        return {"libvips": ".".join(str(pyvips.version(part)) for part in range(3)), **PillowEngine().versions()}

    def open(self, data: bytes, header: Header) -> Picture:
        """Return the picture, not decoded yet; raises UnreadableError."""
        if header.plain:
            try:
                image = _LOADERS[header.format](data, access="sequential", fail_on="warning")
            except pyvips.Error:
                image = None
            if image is not None and _is_as_announced(image, header):
                return VipsPicture(image, data, header)
        return PillowEngine().open(data, header)


def _is_as_announced(image: "pyvips.Image", header: Header) -> bool:
    size = (image.width, image.height)
    return size == (header.width, header.height) and image.format == "uchar" and image.bands in {3, 4}


def _resized(image: "pyvips.Image", size: Size) -> Image.Image:
    """Return the picture at that size, by the rule of Pillow's bicubic."""
    if image.bands == 4:
        image = image.flatten(background=255)
    width, height = size
    if width > image.width or height > image.height:
        # libvips enlarges by another rule, up to 165 levels away.
        return _decoded(image).convert("RGB").resize(size, Image.Resampling.BICUBIC).convert("RGBX")
    if size != (image.width, image.height):
        # Not `resize`: from a factor of 4 it averages blocks first.
        image = image.reduce(image.width / width, image.height / height, kernel="cubic")
    return _decoded(image)


def _decoded(image: "pyvips.Image") -> Image.Image:
    """Run the pipeline; Pillow then uses the memory as it is."""
    size = (image.width, image.height)
    return Image.frombuffer("RGBX", size, image.bandjoin(255).write_to_memory(), "raw", "RGBX", 0, 1)
