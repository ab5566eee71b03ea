"""Both image engines make the same pixels of good pictures."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import build
import pytest
from engine_pictures import (
    SCREEN,
    WHOLE,
    both,
    chunk,
    difference,
    exif,
    outcome,
    saved,
    screenshots,
    smaller,
    tail,
)
from PIL import Image, PngImagePlugin

from pipeline.engines import ImageFormat
from pipeline.screens.images import Plan, Stored, prepare

pytest.importorskip("pyvips")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("path", screenshots(), ids=lambda path: path.parent.name)
def test_real_screens_get_the_same_pixels(path: Path, kind: str) -> None:
    """Half a level on a tenth of the pixels is nothing that a model sees."""
    picture = Image.open(path).convert("RGB")
    data = path.read_bytes() if kind == "PNG" else build.encoded(picture, kind)
    mean, most = both(data, picture.size)
    assert mean <= 0.05
    assert most <= 6


@pytest.mark.parametrize("size", [(1366, 768), (200, 200), (370, 810), (1000, 1010)], ids=str)
def test_what_grows_is_exact(size: tuple[int, int]) -> None:
    """The reference enlarges, on one side or on both: libvips has another rule for that."""
    assert both(build.encoded(build.screen(1, *size)), size) == (0, 0)


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_every_format_can_be_stored(form: ImageFormat) -> None:
    """Encoders may write other bytes, never other pixels: a picture of the right size shows that."""
    opaque = build.screen(1, 320, 640).convert("RGBA")
    assert both(build.encoded(opaque), (320, 640), form) == (0, 0)


def turned(orientation: int) -> bytes:
    """Return a JPEG that is to be turned when it is shown."""
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    build.screen(2, 416, 640).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int) -> None:
    """Turned pictures come out upright."""
    assert both(turned(orientation), (416, 640) if orientation < 5 else (640, 416)) == (0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_other_exif_data_is_of_no_account(kind: str) -> None:
    """A picture is turned although its description is a number, which Pillow cannot write again."""
    tags = struct.pack("<HHHIIHHIf", 2, 0x0112, 3, 1, 6, 0x010E, 11, 1, 1.5) + bytes(4)
    data = saved(SCREEN, kind, exif=b"Exif\0\0II*\0\10\0\0\0" + tags, **({} if kind == "JPEG" else {"lossless": True}))
    for engine in ("pillow", "vips"):
        stored = outcome(data, engine, (640, 320))
        assert isinstance(stored, Stored), stored
        assert stored.data != data


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_whatever_becomes_far_smaller(kind: str) -> None:
    """Libvips makes nothing 500 times smaller; Pillow does."""
    data = saved(Image.new("RGB", (16_384, 84), (3, 9, 200)), kind)
    plan = {"factor": 32, "min_pixels": 1_024, "max_pixels": 1 << 20, "max_dim": 32}
    stored = [prepare(data, 16_384, 84, Plan(**plan, engine=engine)) for engine in ("pillow", "vips")]
    assert difference(*stored) == (0, 0)


def deep(mode: int, channels: int) -> bytes:
    """Return a PNG of 16 bits a channel."""
    rows = b"".join(b"\0" + bytes((x * y + x) % 256 for x in range(320 * channels * 2)) for y in range(640))
    header = struct.pack(">IIBBBBB", 320, 640, 16, mode, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


GLASS = Image.merge("RGBA", (*SCREEN.split(), Image.linear_gradient("L").resize((320, 640))))
FRAMES: dict[str, Any] = {"save_all": True, "append_images": [build.screen(9, 320, 640)], "duration": 90}
UNUSUAL: dict[str, bytes] = {
    "grey": saved(SCREEN.convert("L"), "PNG"),
    "grey jpeg": saved(SCREEN.convert("L"), "JPEG"),
    "black and white": saved(SCREEN.convert("1"), "PNG"),
    "palette": saved(SCREEN.quantize(64), "PNG"),
    "palette with a transparent colour": saved(SCREEN.quantize(64), "PNG", transparency=0),
    "rgb with a transparent colour": saved(SCREEN, "PNG", transparency=(255, 255, 255)),
    "grey and alpha": saved(GLASS.convert("LA"), "PNG"),
    "16 bits, grey": deep(0, 1),
    "16 bits, rgb": deep(2, 3),
    "16 bits, rgba": deep(6, 4),
    "cmyk jpeg": saved(SCREEN.convert("CMYK"), "JPEG"),
    "progressive jpeg": saved(SCREEN, "JPEG", progressive=True),
    "jpeg, subsampled": saved(SCREEN, "JPEG", subsampling=2),
    "moving webp": saved(SCREEN, "WEBP", lossless=True, **FRAMES),
    "moving png": saved(SCREEN, "PNG", **FRAMES),
    "colour profile": saved(SCREEN, "PNG", icc_profile=b"\0" * 200),
    "gamma": saved(SCREEN, "PNG", pnginfo=None, gamma=0.3),
    "turned after its pixels": tail(chunk(b"eXIf", exif(2))),
    "turned by a text after its pixels": tail(chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="2"/>')),
    "a comment after its pixels": tail(chunk(b"tEXt", b"date\0today")),
    "rubbish after its end": saved(SCREEN, "PNG") + b"rubbish" * 9,
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_pictures_are_equal(name: str) -> None:
    """Whatever decoders could treat differently, the reference decodes."""
    assert both(UNUSUAL[name], (320, 640)) == (0, 0)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_transparent_is_white(kind: str) -> None:
    """Libvips rounds the mixture down, Pillow to the nearest."""
    mean, most = both(saved(GLASS, kind, **({"lossless": True} if kind == "WEBP" else {})), (320, 640))
    assert most <= 1
    assert mean < 0.6


def test_an_alpha_channel_that_hides_nothing_is_left_out() -> None:
    """As phones write their screens; one pixel that shows through is white as always."""
    solid = SCREEN.convert("RGBA")
    assert smaller(saved(solid, "PNG")).sha256 == smaller(WHOLE["PNG"]).sha256
    green = Image.new("RGBA", SCREEN.size, (0, 90, 0, 255))
    green.putpixel((319, 639), (0, 0, 0, 0))
    fast, reference = (smaller(saved(green, "PNG"), engine) for engine in ("vips", "pillow"))
    assert Image.open(io.BytesIO(fast.data)).getpixel((fast.width - 1, fast.height - 1)) > (100, 150, 100)
    assert difference(fast, reference)[1] <= 6


def test_the_same_bytes_every_time() -> None:
    """No metadata, no clock, no thread shows in what is stored."""
    for path in screenshots():
        with Image.open(path) as picture:
            size = picture.size
        assert len({outcome(path.read_bytes(), "vips", size, "jpeg").sha256 for _ in range(3)}) == 1


def test_metadata_is_not_written_again() -> None:
    """A colour profile or a comment of the source is no part of the stored picture."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "secret-comment")
    data = saved(build.screen(1), "PNG", pnginfo=info, icc_profile=b"secret-profile")
    for engine in ("pillow", "vips"):
        for form in ("jpeg", "png", "webp"):
            stored = outcome(data, engine, (build.WIDTH, build.HEIGHT), form)
            assert b"secret" not in stored.data
            assert not {"icc_profile", "Comment"} & set(Image.open(io.BytesIO(stored.data)).info)
