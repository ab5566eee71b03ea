"""Pillow: the reference. Its bicubic is what the families' processors compute, its verdict on a file is final.

It also encodes, whatever engine made the pixels: equal pixels are equal files.
"""

import io
import warnings
from typing import Any

import PIL
import pyarrow as pa
from PIL import Image, ImageFile

from .engine import Header, ImageFormat, Size, UnreadableError

FORMATS = ("PNG", "JPEG", "WEBP")
ORIENTATION = 0x0112
"""The EXIF tag."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture of an EXIF orientation upright. `ImageOps.exif_transpose` writes all EXIF data anew, and fails
where a tag has another type than it should."""


def look(data: bytes) -> ImageFile.ImageFile:
    """Return the picture with its header read and nothing decoded; raises whatever Pillow does for bad bytes.

    No decoder but those of FORMATS is asked, whatever the file is called.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow only warns of, our own ceiling refuses
        return Image.open(io.BytesIO(data), formats=FORMATS)


def encode(pixels: Image.Image, form: ImageFormat, quality: int) -> bytes:
    """Return a picture in mode RGBX as a file; `quality` is that of JPEG, the other formats lose nothing."""
    buffer = io.BytesIO()
    match form:
        case "jpeg":
            pixels.save(buffer, "JPEG", quality=quality, subsampling=0)
        case "png":
            pixels.convert("RGB").save(buffer, "PNG", compress_level=6)
        case "webp":
            pixels.convert("RGB").save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def memory(pixels: Image.Image) -> Any:
    """Return the bytes of a picture in mode RGB or RGBX, four a pixel, the fourth 255: its own, not a copy, if it can.

    Pillow shares them through Arrow; a large picture lies in several blocks, and is copied into one.
    """
    try:
        return pa.array(pixels).values.buffers()[1]  # type: ignore[call-overload]  # any object with Arrow's protocol
    except ValueError:
        return pixels.tobytes("raw", "RGBX")


class PillowPicture:
    """A decoded picture."""

    def __init__(self, image: Image.Image, faithful: ImageFormat | None) -> None:
        self.image = image
        self.faithful = faithful

    @property
    def size(self) -> Size:
        """Width and height."""
        return self.image.size

    def pixels(self, size: Size) -> Image.Image:
        """Return it at that size, in mode RGBX."""
        image = self.image if size == self.size else self.image.resize(size, Image.Resampling.BICUBIC)
        return image.convert("RGBX")


class PillowEngine:
    """The engine `pillow`."""

    name = "pillow"

    def versions(self) -> dict[str, str]:
        """Return Pillow's version."""
        return {"pillow": PIL.__version__}

    def open(self, data: bytes, header: Header) -> PillowPicture:
        """Decode the whole picture; raises UnreadableError."""
        try:
            picture: Image.Image = look(data)
            faithful: ImageFormat | None = header.format if picture.format == header.format.upper() else None
            picture.load()
            if (orientation := picture.getexif().get(ORIENTATION, 1)) != 1:
                picture = picture.transpose(TURNS[orientation]) if orientation in TURNS else picture
                faithful = None  # readers disagree on whether to turn it
            if picture.mode != "RGB" and (picture.has_transparency_data or picture.mode not in {"L", "P", "1"}):
                faithful = None  # readers disagree on what shows through
            if getattr(picture, "n_frames", 1) > 1:
                faithful = None  # readers disagree on which picture is meant
            picture = _opaque(picture)
        except Exception as error:  # bad bytes make it raise many kinds, IndexError and TypeError among them
            raise UnreadableError(str(error) or type(error).__name__) from error
        picture.info = {}  # metadata that must not be written again
        return PillowPicture(picture, faithful)


def _opaque(picture: Image.Image) -> Image.Image:
    """Return the picture in RGB, what is transparent on white."""
    if picture.mode == "RGB":
        return picture
    if picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")
