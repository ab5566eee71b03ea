"""Pictures for both image engines, as files whole and spoilt, and how far what they make is apart."""

import io
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import build
from PIL import Image, ImageChops, ImageStat

from pipeline.engines import ImageFormat
from pipeline.screens.images import ImageProblem, Plan, Stored, prepare

SAMPLES = Path(__file__).parent.parent / "sample_data" / "trajectories"


def screenshots() -> Iterable[Path]:
    """Return real screens, of phones and of desktop windows."""
    return [next(folder.glob("1.png")) for folder in sorted(SAMPLES.iterdir())[:4]]


def outcome(
    data: bytes, engine: str, size: tuple[int, int], form: ImageFormat = "png", least: int = 65_536,
    most: int = 1280 * 1024,
) -> Any:  # fmt: skip
    """Return what the engine makes of a file: the stored picture, or (code, message)."""
    try:
        return prepare(data, *size, Plan(32, least, most, form, engine=engine))
    except ImageProblem as problem:
        return problem.args


def difference(one: Stored, other: Stored) -> tuple[float, int]:
    """Return how many levels two stored pictures are apart, on average and at most."""
    pictures = [Image.open(io.BytesIO(each.data)).convert("RGB") for each in (one, other)]
    assert pictures[0].size == pictures[1].size
    off = ImageStat.Stat(ImageChops.difference(*pictures))
    return max(off.mean), max(int(high) for _, high in off.extrema)


def both(data: bytes, size: tuple[int, int], form: ImageFormat = "png") -> tuple[float, int]:
    """Return how far the engines are apart; every other field must be equal."""
    reference, fast = (outcome(data, engine, size, form) for engine in ("pillow", "vips"))
    assert isinstance(reference, Stored), reference
    assert isinstance(fast, Stored), fast
    for name in ("width", "height", "format", "source_sha256", "source_width", "source_height"):
        assert getattr(reference, name) == getattr(fast, name)
    assert (reference.data == data) == (fast.data == data), "the source passes unchanged in both or in neither"
    return difference(reference, fast)


def smaller(data: bytes, engine: str = "vips") -> Stored:
    """Return a picture of 320 x 640 pixels as it is stored where it must become smaller."""
    return prepare(data, 320, 640, Plan(32, 65_536, 131_072, "png", engine=engine))


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tail(*chunks: bytes) -> bytes:
    """Return a PNG with more chunks after its pixels."""
    data = build.encoded(build.screen(1, 320, 640))
    return data[:-12] + b"".join(chunks) + data[-12:]


def front(data: bytes, *chunks: bytes) -> bytes:
    """Return a PNG with more chunks before its pixels."""
    return data[:33] + b"".join(chunks) + data[33:]


def frame(width: int, height: int) -> tuple[bytes, bytes]:
    """Return the chunks by which a PNG says that its pixels are the one frame of a film, of that size."""
    return chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(
        b"fcTL", struct.pack(">IIIIIHHBB", 0, width, height, *[0] * 6)
    )


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    """Return EXIF data."""
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes().removeprefix(b"Exif\0\0")


def wrong_inner_sum(picture: Image.Image) -> bytes:
    """Return a PNG all of whose chunks are right, and whose compressed stream ends in a wrong checksum."""
    data = saved(picture, "PNG", compress_level=9)
    at = data.index(b"IDAT")
    end = at + 4 + int.from_bytes(data[at - 4 : at])
    stream = data[at + 4 : end - 4] + bytes(each ^ 0xFF for each in data[end - 4 : end])
    return data[: at - 4] + chunk(b"IDAT", stream) + data[end + 4 :]


SCREEN = build.screen(1, 320, 640)
WHOLE = {kind: saved(SCREEN, kind) for kind in ("PNG", "JPEG", "WEBP")}
