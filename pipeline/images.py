"""Screenshots: read from the source folder with suspicion, brought once to the size that the model will see.

Formats by allowlist, a pixel and a byte ceiling before anything is decoded, a full decode before a picture counts as
good (`verify()` passes truncated JPEGs), paths that cannot leave the source folder.
"""

import hashlib
import io
import struct
import zlib
from pathlib import PurePosixPath
from typing import Literal

from msgspec import Struct
from PIL import Image, ImageOps

from .geometry import smart_resize
from .place import Place

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 40_000_000
MAX_BYTES = 32 << 20

ImageFormat = Literal["jpeg", "png", "webp"]

_DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class ImageProblem(Exception):  # noqa: N818 - a finding to be counted, not a failure of the program
    """Why a screenshot is refused: a code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class Plan(Struct, frozen=True):
    """How screenshots are stored."""

    factor: int
    min_pixels: int
    max_pixels: int
    format: ImageFormat = "jpeg"
    quality: int = 95


class Stored(Struct, frozen=True):
    """A screenshot as it is stored; `source_*` describe the file that it came from."""

    data: bytes
    sha256: str
    width: int
    height: int
    format: str
    source_sha256: str
    source_width: int
    source_height: int


def read(source: Place, folder: str, path: str) -> bytes:
    """Return the bytes of a picture that a trajectory names; raises ImageProblem if it may not or cannot be read.

    `folder` is the trajectory's own, below the source; `path` is what the record says.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or any(bad in path for bad in ("\0", "\\", "://")):
        raise ImageProblem("path_escape", f"found path {path!r}, expected one below the trajectory's folder")
    name = str(PurePosixPath(folder, path))
    try:
        if source.local is not None:
            root = source.local.resolve()
            if not (root / name).resolve(strict=True).is_relative_to(root):
                message = f"found path {path!r} that leads out of the source folder, expected one below it"
                raise ImageProblem("path_escape", message)
        size = source.size(name)
        if size is None:
            raise ImageProblem("image_missing", f"found no file {path!r}, expected a screenshot")
        if size > MAX_BYTES:
            raise ImageProblem("image_too_large", f"found {size} bytes in {path!r}, expected at most {MAX_BYTES}")
        if size == 0:
            raise ImageProblem("image_broken", f"found an empty file {path!r}, expected a screenshot")
        return source.read(name)
    except FileNotFoundError:
        raise ImageProblem("image_missing", f"found no file {path!r}, expected a screenshot") from None
    except OSError as error:
        message = f"found {path!r} that cannot be read ({error.strerror or error}), expected a screenshot"
        raise ImageProblem("image_missing", message) from error


def decode(data: bytes) -> Image.Image:
    """Return the fully decoded picture, upright, in RGB; raises ImageProblem.

    `info["format"]` is jpeg, png or webp where the bytes mean just this picture to every reader.
    """
    try:
        picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise ImageProblem(
                "image_too_large", f"found {picture.width}x{picture.height}, expected {MAX_PIXELS} pixels"
            )
        name = (picture.format or "").lower()
        picture.load()
        if picture.getexif().get(0x0112, 1) != 1:
            picture = ImageOps.exif_transpose(picture)
            name = "rotated"  # its bytes may not pass unchanged: readers disagree on whether to turn it
        if picture.mode != "RGB" and (picture.has_transparency_data or picture.mode not in {"L", "P", "1"}):
            name = "converted"  # readers disagree on what shows through
        picture = _opaque(picture)
    except _DECODER_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise ImageProblem(
            "image_broken", f"found a picture that cannot be decoded ({reason}), expected one"
        ) from error
    picture.info = {"format": name}
    return picture


def prepare(data: bytes, width: int, height: int, plan: Plan) -> Stored:
    """Bring a screenshot to the size that the model's processor would choose.

    `width` and `height` are what the record claims, in pixels. A picture that has the right size already keeps its
    bytes. Raises ImageProblem.
    """
    picture = decode(data)
    if picture.size != (width, height):
        found, expected = f"{picture.width}x{picture.height}", f"{width}x{height} as recorded"
        raise ImageProblem("image_size", f"found {found}, expected {expected}")
    try:
        size = smart_resize(width, height, factor=plan.factor, min_pixels=plan.min_pixels, max_pixels=plan.max_pixels)
    except ValueError as error:
        raise ImageProblem("image_aspect", f"found {error}") from None
    source = hashlib.sha256(data).hexdigest()
    if size == picture.size and picture.info["format"] in {"png", "jpeg", "webp"}:
        return Stored(data, source, width, height, picture.info["format"], source, width, height)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)  # what the families' processors compute
    encoded = _encode(picture, plan)
    digest = hashlib.sha256(encoded).hexdigest()
    return Stored(encoded, digest, *size, plan.format, source, width, height)


def _opaque(picture: Image.Image) -> Image.Image:
    """Return the picture in RGB, what is transparent on white."""
    if picture.mode == "RGB":
        return picture
    if picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")


def _encode(picture: Image.Image, plan: Plan) -> bytes:
    buffer = io.BytesIO()
    match plan.format:
        case "jpeg":
            picture.save(buffer, "JPEG", quality=plan.quality, subsampling=0)
        case "png":
            picture.save(buffer, "PNG", compress_level=6)
        case "webp":
            picture.save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()
