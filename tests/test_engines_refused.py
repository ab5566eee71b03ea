"""Both image engines refuse the same bad pictures with the same words."""

import struct
import sys
import zlib
from unittest import mock

import build
import pytest
from engine_pictures import (
    SCREEN,
    WHOLE,
    chunk,
    difference,
    frame,
    front,
    outcome,
    saved,
    smaller,
    tail,
    wrong_inner_sum,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import engines
from pipeline.screens import images
from pipeline.screens.images import MAX_PIXELS, ImageProblem, Plan, Stored, prepare

pytest.importorskip("pyvips")


def bomb() -> bytes:
    """Return a small file that claims to be a huge picture."""
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(9_000)))
        + chunk(b"IEND", b"")
    )


def wrong_sum(data: bytes, kind: bytes) -> bytes:
    """Return the PNG with a wrong checksum in its first chunk of that kind."""
    at = data.index(kind)
    end = at + 4 + int.from_bytes(data[at - 4 : at])
    return data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :]


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "image_broken"),
    "text": (b"not a picture", "image_broken"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="320" height="640"/>', "image_broken"),
    "eps": (saved(SCREEN, "EPS"), "image_broken"),
    "gif": (saved(SCREEN, "GIF"), "image_broken"),
    "bmp": (saved(SCREEN, "BMP"), "image_broken"),
    "tiff": (saved(SCREEN, "TIFF"), "image_broken"),
    "ppm": (saved(SCREEN, "PPM"), "image_broken"),
    "bomb": (bomb(), "image_too_large"),
    "half a png": (WHOLE["PNG"][: len(WHOLE["PNG"]) // 2], "image_broken"),
    "half a jpeg": (WHOLE["JPEG"][: len(WHOLE["JPEG"]) // 2], "image_broken"),
    "half a webp": (WHOLE["WEBP"][: len(WHOLE["WEBP"]) // 2], "image_broken"),
    "wrong sum of the header": (wrong_sum(WHOLE["PNG"], b"IHDR"), "image_broken"),
    "one frame of nothing": (front(WHOLE["PNG"], *frame(0, 0)), "image_broken"),
    "a text that is a bomb": (tail(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000)))), "image_broken"),
    "a text packed by nobody knows what": (tail(chunk(b"zTXt", b"a\0\5" + zlib.compress(b"x"))), "image_broken"),
    "a text that is no EXIF data": (tail(chunk(b"tEXt", b"exif\0no")), "image_broken"),
    "an empty colour profile": (tail(chunk(b"iCCP", b"")), "image_broken"),
    "a text for metadata": (front(WHOLE["PNG"], chunk(b"tEXt", b"xmp\0no")), "image_broken"),
    "a text for transparency": (
        front(saved(SCREEN.convert("L"), "PNG"), chunk(b"tEXt", b"transparency\0no")),
        "image_broken",
    ),
    "another size": (saved(build.screen(1, 300, 600), "PNG"), "image_size"),
    "half a picture of another size": (saved(build.screen(1, 300, 600), "JPEG")[:5_000], "image_broken"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_are_refused_with_the_same_words(name: str) -> None:
    """The code is the same, and the message, which holds no memory address."""
    data, code = BAD[name]
    reference, fast = (outcome(data, engine, (320, 640)) for engine in ("pillow", "vips"))
    assert reference == fast
    assert reference[0] == code
    assert "0x" not in reference[1].replace("12000x12000", "").replace("0x6", "")


def test_a_bomb_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The header is enough to refuse it."""
    monkeypatch.setattr(engines, "get", lambda name: pytest.fail("an engine was asked"))
    with pytest.raises(ImageProblem, match=f"12000x12000, expected at most {MAX_PIXELS} pixels"):
        prepare(bomb(), 12_000, 12_000, Plan(32, 65_536, 1 << 20))


NOISY = Image.blend(build.screen(3, 192, 416), Image.effect_noise((192, 416), 60).convert("RGB"), 0.2)
WHOLES = [
    saved(NOISY, "PNG"),
    saved(NOISY.convert("RGBA"), "PNG"),
    saved(NOISY, "JPEG"),
    saved(NOISY, "JPEG", progressive=True),
    saved(NOISY, "WEBP"),
    saved(NOISY, "WEBP", lossless=True),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a picture file with a piece cut out, doubled, or overwritten, anywhere, more often near its start."""
    data = draw(st.sampled_from(WHOLES))
    at = draw(st.integers(0, 700) | st.integers(0, len(data) - 1))
    piece = draw(st.binary(max_size=8))
    match draw(st.sampled_from(["end", "overwrite", "insert", "remove", "double"])):
        case "end":
            return data[:at]
        case "overwrite":
            return data[:at] + piece + data[at + len(piece) :]
        case "insert":
            return data[:at] + piece + data[at:]
        case "remove":
            return data[:at] + data[at + draw(st.integers(1, 200)) :]
        case _:
            return data[: at + 100] + data[at:]


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(damaged(), st.sampled_from([79_872, 40_000]))
def test_damaged_files_get_the_same_verdict(data: bytes, most: int) -> None:
    """Refused by both with the same words, or taken by both with the same pixels, kept or made smaller."""
    reference, fast = (outcome(data, engine, (192, 416), "png", 3_072, most) for engine in ("pillow", "vips"))
    if isinstance(reference, Stored):
        assert isinstance(fast, Stored), fast
        assert (reference.width, reference.height) == (fast.width, fast.height)
        if most == 79_872:
            assert difference(reference, fast)[1] <= (1 if data[:4] == b"\x89PNG" else 0)
    else:
        assert reference == fast
    with mock.patch.object(sys.modules["pipeline.engines.vips"], "kornia_rs", None):
        assert outcome(data, "vips", (192, 416), "png", 3_072, most) == fast


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_second_sum_counts_where_the_file_is_kept(mode: str) -> None:
    """What is stored as it came must satisfy every reader; what is encoded anew only has to have its pixels."""
    pytest.importorskip("kornia_rs")
    data = wrong_inner_sum(SCREEN.convert(mode))
    assert outcome(data, "vips", (320, 640)) == outcome(data, "pillow", (320, 640))
    assert outcome(data, "pillow", (320, 640))[0] == "image_broken"
    assert smaller(data).width < 320
    assert smaller(data).sha256 == smaller(WHOLE["PNG"]).sha256


def test_the_end_of_a_jpeg_is_looked_at() -> None:
    """Libvips does not read on after the last line: found by chance in 60,000 damaged files."""
    data = saved(NOISY, "JPEG")
    broken = data[:-80] + b"\xff\xa7" + data[-78:]
    assert outcome(broken, "vips", (192, 416)) == outcome(broken, "pillow", (192, 416))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PPM"])
def test_libvips_has_no_other_loaders(kind: str) -> None:
    """Its other decoders are out of reach even for code that asks it directly."""
    pyvips = pytest.importorskip("pyvips")
    engines.get("vips")
    data = saved(SCREEN, kind)
    with pytest.raises(pyvips.Error):
        pyvips.Image.new_from_buffer(data, "").avg()


def test_the_ceiling_is_looked_up_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of more pixels is refused by its header, by both engines."""
    monkeypatch.setattr(images, "MAX_PIXELS", 320 * 640 - 1)
    for engine in ("pillow", "vips"):
        assert outcome(WHOLE["PNG"], engine, (320, 640))[0] == "image_too_large"
