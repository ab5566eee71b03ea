"""Both image engines make the same pixels of good pictures, and refuse the same bad ones with the same words."""

import io
import struct
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import build
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat, PngImagePlugin

from pipeline import engines, images, slice_inputs
from pipeline.engines import ImageFormat
from pipeline.exceptions import ConfigError, OutputError
from pipeline.images import MAX_PIXELS, ImageProblem, Plan, Stored, prepare
from pipeline.slice import SliceConfig, run
from pipeline.stage import Running

pytest.importorskip("pyvips")

SAMPLES = Path(__file__).parent.parent / "sample_data" / "trajectories"


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


def screenshots() -> Iterable[Path]:
    """Return real screens, of phones and of desktop windows."""
    return [next(folder.glob("1.png")) for folder in sorted(SAMPLES.iterdir())[:4]]


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


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def deep(mode: int, channels: int) -> bytes:
    """Return a PNG of 16 bits a channel."""
    rows = b"".join(b"\0" + bytes((x * y + x) % 256 for x in range(320 * channels * 2)) for y in range(640))
    header = struct.pack(">IIBBBBB", 320, 640, 16, mode, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


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


SCREEN = build.screen(1, 320, 640)
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


def wrong_inner_sum(picture: Image.Image) -> bytes:
    """Return a PNG all of whose chunks are right, and whose compressed stream ends in a wrong checksum."""
    data = saved(picture, "PNG", compress_level=9)
    at = data.index(b"IDAT")
    end = at + 4 + int.from_bytes(data[at - 4 : at])
    stream = data[at + 4 : end - 4] + bytes(each ^ 0xFF for each in data[end - 4 : end])
    return data[: at - 4] + chunk(b"IDAT", stream) + data[end + 4 :]


def smaller(data: bytes, engine: str = "vips") -> Stored:
    """Return a picture of 320 x 640 pixels as it is stored where it must become smaller."""
    return prepare(data, 320, 640, Plan(32, 65_536, 131_072, "png", engine=engine))


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


WHOLE = {kind: saved(SCREEN, kind) for kind in ("PNG", "JPEG", "WEBP")}
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


@pytest.fixture
def no_vips(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pretend that pyvips is not installed."""

    def missing() -> Any:
        raise ModuleNotFoundError("No module named 'pyvips'")

    engines.get.cache_clear()
    monkeypatch.setitem(engines.ENGINES, "vips", missing)
    yield
    engines.get.cache_clear()


@pytest.mark.usefixtures("no_vips")
def test_without_libvips_pillow_does_the_work() -> None:
    """`auto` falls back, `vips` says what is missing."""
    assert engines.choose("auto").name == "pillow"
    with pytest.raises(ConfigError, match=r"--image-engine: found no library for vips[^\n]*\nhint: pip install"):
        engines.choose("vips")


WITH_KORNIA = {
    "png": saved(SCREEN, "PNG"),
    "png, alpha": saved(SCREEN.convert("RGBA"), "PNG"),
    "jpeg": saved(SCREEN, "JPEG"),
    "jpeg, subsampled": saved(SCREEN, "JPEG", subsampling=2),
    "jpeg, progressive": saved(SCREEN, "JPEG", progressive=True),
}


@pytest.mark.parametrize("name", WITH_KORNIA)
def test_without_kornia_others_decode(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The same pixels, and what decided them is named."""
    pytest.importorskip("kornia_rs")
    engine, data = engines.get("vips"), WITH_KORNIA[name]
    assert "kornia-rs" in engine.versions()
    fast = smaller(data)
    monkeypatch.setattr(sys.modules["pipeline.engines.vips"], "kornia_rs", None)
    assert "kornia-rs" not in engine.versions()
    assert smaller(data).sha256 == fast.sha256
    with pytest.raises(ImageProblem):  # libvips and Pillow look at the second sum
        smaller(wrong_inner_sum(SCREEN))


def test_an_unknown_engine_is_refused() -> None:
    """The line names those that there are."""
    with pytest.raises(ConfigError, match="found 'opencv', expected one of auto, vips, pillow"):
        SliceConfig(image_engine="opencv").image_plan()


def test_nothing_imports_libvips_before_it_is_used() -> None:
    """Neither the command line nor the stages do."""
    code = "import sys, pipeline.cli, pipeline.slice, pipeline.validate; sys.exit('pyvips' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def inline(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Run tasks in this process."""
    for task in tasks:
        yield task, function(task)


class _Inline:
    """An executor without processes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.run = inline


def test_each_screenshot_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many samples show it, and however often the recording names it."""
    source = tmp_path / "in"
    document = build.trajectory("t", 5)
    document["steps"][3]["observation"]["image"]["path"] = "0.png"
    build.write(source, document)
    decoded: Counter[str] = Counter()

    def counted(data: bytes, width: int, height: int, plan: Plan, sha256: str) -> images.Resized:
        decoded[sha256] += 1
        return images.resize(data, width, height, plan, sha256)

    monkeypatch.setattr(slice_inputs, "resize", counted)
    monkeypatch.setitem(sys.modules["pipeline.stage"].EXECUTORS, "local", _Inline)
    run(source, tmp_path / "out", SliceConfig(), Running())
    assert sorted(decoded.values()) == [1, 1, 1, 1]


def test_the_engine_is_part_of_the_run(tmp_path: Path) -> None:
    """Its results differ in bytes, so a run is not continued with another one."""
    source = build.corpus(tmp_path / "in", 2)
    report = run(source, tmp_path / "out", SliceConfig(), Running())
    engine = report.manifest.image["engine"]
    assert engine["name"] == "vips"
    assert engine == report.manifest.config["image_engine"] == {"name": "vips", **engines.get("vips").versions()}
    assert run(source, tmp_path / "out", SliceConfig(image_engine="vips"), Running()).manifest == report.manifest
    with pytest.raises(OutputError, match=r"config.image_engine.name \"pillow\""):
        run(source, tmp_path / "out", SliceConfig(image_engine="pillow"), Running())


def test_the_ceiling_is_looked_up_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of more pixels is refused by its header, by both engines."""
    monkeypatch.setattr(images, "MAX_PIXELS", 320 * 640 - 1)
    for engine in ("pillow", "vips"):
        assert outcome(WHOLE["PNG"], engine, (320, 640))[0] == "image_too_large"
