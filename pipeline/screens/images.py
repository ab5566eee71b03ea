"""Screenshots: read from the source folder with suspicion, brought once to the size that the model will see.

Formats by allowlist, a pixel and a byte ceiling before anything is decoded, a full decode before a picture counts as
good (`verify()` passes truncated JPEGs), paths that cannot leave the source folder.
"""

import hashlib
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct
from PIL import Image, UnidentifiedImageError

from pipeline import engines
from pipeline.engines import Header, ImageFormat, Size, UnreadableError
from pipeline.engines.pillow import ORIENTATION, PillowEngine, encode, look
from pipeline.storage.place import Place

from .fingerprint import Fingerprint, fingerprint
from .geometry import fits, model_size

MAX_PIXELS = 40_000_000
MAX_BYTES = 32 << 20

WEBP_SIDE = 16_383
"""WebP has no longer sides."""

FRAMES = {b"acTL", b"fcTL", b"fdAT"}
"""Chunks of a PNG that moves, or says so."""
METADATA = (b"Raw profile type ", b"XML:", b"exif\0", b"xmp\0")
"""How the texts in a PNG begin that Pillow takes for EXIF data or XMP."""


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
    engine: str = "pillow"
    """One of `pipeline.engines.ENGINES`."""
    max_dim: int | None = None
    """The long side at most, in pixels."""

    @property
    def limits(self) -> dict[str, int]:
        """What the model's own processor keeps to."""
        return {"factor": self.factor, "min_pixels": self.min_pixels, "max_pixels": self.max_pixels}


class Resized(Struct, frozen=True):
    """A screenshot's pixels at the size at which it is stored."""

    pixels: Image.Image
    kept: tuple[bytes, ImageFormat] | None
    """The file itself, where it passes unchanged."""
    source_sha256: str
    source_width: int
    source_height: int


class Stored(Struct, frozen=True):
    """A screenshot as it is stored; `source_*` describe the file that it came from."""

    data: bytes
    sha256: str
    format: ImageFormat
    source_sha256: str
    source_width: int
    source_height: int
    fingerprint: Fingerprint

    @property
    def width(self) -> int:
        """In pixels, as stored."""
        return self.fingerprint.width

    @property
    def height(self) -> int:
        """In pixels, as stored."""
        return self.fingerprint.height


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
            root = _resolved(source.local)
            file = root / name
            real = file.resolve(strict=True) if file.is_symlink() else _resolved(file.parent) / file.name
            if not real.is_relative_to(root):
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
    except (OSError, RuntimeError) as error:  # Python before 3.13 raises RuntimeError for links that lead in a circle
        reason = getattr(error, "strerror", None) or error
        message = f"found {path!r} that cannot be read ({reason}), expected a screenshot"
        raise ImageProblem("image_missing", message) from error


@lru_cache(maxsize=1024)
def _resolved(folder: Path) -> Path:
    return folder.resolve()


def header(data: bytes) -> Header:
    """Read a picture's header; raises ImageProblem for an unknown format or one that is too large to decode."""
    try:
        picture = look(data)
        if picture.width * picture.height > MAX_PIXELS:
            raise _too_large(f"{picture.width}x{picture.height}")
        form = _FORMATS[picture.format or ""]
        return Header(form, picture.width, picture.height, plain=_is_plain(picture, form, data))
    except Image.DecompressionBombError as error:
        raise _too_large("a decompression bomb") from error
    except UnidentifiedImageError as error:  # its text holds a memory address, and results must not differ
        raise _broken("no PNG, JPEG or WebP") from error
    except ImageProblem:
        raise
    except Exception as error:  # bad bytes make Pillow raise many kinds
        raise _broken(str(error) or type(error).__name__) from error


def is_upright(data: bytes) -> bool:
    """Tell whether its metadata, before its pixels or after, asks for no turning; raises ImageProblem."""
    try:
        return bool(look(data).getexif().get(ORIENTATION, 1) == 1)
    except Exception as error:  # bad bytes make Pillow raise many kinds
        raise _broken(str(error) or type(error).__name__) from error


def decode(data: bytes) -> Image.Image:
    """Return the fully decoded picture, upright, in RGB; raises ImageProblem."""
    try:
        return PillowEngine().open(data, header(data)).image
    except UnreadableError as error:
        raise _broken(str(error)) from error


def prepare(data: bytes, width: int, height: int, plan: Plan) -> Stored:
    """Bring a screenshot to the size that the model's processor would choose; raises ImageProblem.

    `width` and `height` are what the record claims, in pixels. A picture that has the right size keeps its bytes.
    """
    return finish(resize(data, width, height, plan, hashlib.sha256(data).hexdigest()), plan)


def resize(data: bytes, width: int, height: int, plan: Plan, sha256: str) -> Resized:
    """Do the first and longer part of `prepare`, in which other threads may run; `sha256` is the data's."""
    try:
        announced = header(data)
        picture = engines.get(plan.engine).open(data, announced)
        if picture.size != (width, height):
            picture.pixels(picture.size)  # a broken picture is called broken, whatever its size
            found, expected = f"{picture.size[0]}x{picture.size[1]}", f"{width}x{height} as recorded"
            raise ImageProblem("image_size", f"found {found}, expected {expected}")
        size = final_size(width, height, plan)
        pixels = picture.pixels(size)
    except UnreadableError as error:
        raise _broken(str(error)) from error
    kept = None if size != picture.size or picture.faithful is None else (data, picture.faithful)
    return Resized(pixels, kept, sha256, width, height)


def finish(picture: Resized, plan: Plan) -> Stored:
    """Do the rest of `prepare`."""
    source = (picture.source_sha256, picture.source_width, picture.source_height)
    seen = fingerprint(picture.pixels)
    if picture.kept is not None:
        data, form = picture.kept
        return Stored(data, picture.source_sha256, form, *source, seen)
    data = encode(picture.pixels, plan.format, plan.quality)
    return Stored(data, hashlib.sha256(data).hexdigest(), plan.format, *source, seen)


def scaled(data: bytes, size: Size, plan: Plan) -> dict[str, Any]:
    """Return the columns of `images/` that change when a stored screenshot is scaled; raises ImageProblem."""
    try:
        pixels = engines.get(plan.engine).open(data, header(data)).pixels(size)
    except UnreadableError as error:
        raise _broken(str(error)) from error
    encoded, seen = encode(pixels, plan.format, plan.quality), fingerprint(pixels)
    return {
        "bytes": encoded,
        "sha256": hashlib.sha256(encoded).hexdigest(),
        "format": plan.format,
        "width": seen.width,
        "height": seen.height,
        "phash": seen.phash,
        "tiles": seen.tiles,
    }


def final_size(width: int, height: int, plan: Plan) -> Size:
    """Return the size at which a screenshot is stored; raises ImageProblem if its shape has none."""
    try:
        size = model_size(width, height, **plan.limits, max_dim=plan.max_dim)
    except ValueError as error:
        raise ImageProblem("image_aspect", f"found {error}") from None
    if not fits(size, **plan.limits) or (plan.format == "webp" and max(size) > WEBP_SIDE):
        message = f"found {width}x{height}, expected a shape that fits {plan.max_pixels} pixels in one resize"
        raise ImageProblem("image_aspect", message)
    return size


_FORMATS: dict[str, ImageFormat] = {"PNG": "png", "JPEG": "jpeg", "MPO": "jpeg", "WEBP": "webp"}


def _is_plain(picture: Image.Image, form: ImageFormat, data: bytes) -> bool:
    """Tell whether the header rules out all that decoders treat differently."""
    return (
        picture.mode in {"RGB", "RGBA"}
        and picture.format != "MPO"
        and getattr(picture, "n_frames", 1) == 1
        and "transparency" not in picture.info
        # The method of Image: that of PNG files would decode the picture to look for EXIF data after the pixels.
        and Image.Image.getexif(picture).get(ORIENTATION, 1) == 1
        and (form != "png" or _is_plain_png(data))
    )


def _is_plain_png(data: bytes) -> bool:
    """Tell whether a PNG has 8 bits a channel, no frames, and nothing after its pixels that could change its meaning.

    There a reader may stop or go on, so only the time and short texts are let pass: not those that are unpacked, which
    Pillow may refuse, nor those that it takes for EXIF data or XMP.
    """
    if data[12:16] != b"IHDR" or data[24] != 8:
        return False
    at, pixels = 8, False
    while (kind := data[at + 4 : at + 8]) != b"IEND":
        pixels = pixels or kind == b"IDAT"
        if len(kind) < 4 or kind in FRAMES or (pixels and kind not in {b"IDAT", b"tEXt", b"tIME"}):
            return False
        if pixels and kind == b"tEXt" and data.startswith(METADATA, at + 8):
            return False
        at += 12 + int.from_bytes(data[at : at + 4])
    return True


def _too_large(found: str) -> ImageProblem:
    return ImageProblem("image_too_large", f"found {found}, expected at most {MAX_PIXELS} pixels")


def _broken(reason: str) -> ImageProblem:
    return ImageProblem("image_broken", f"found a picture that cannot be decoded ({reason}), expected one")
