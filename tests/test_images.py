"""Screenshots are read with suspicion, and stored at exactly the size that the model's processor would choose."""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import build
import pytest
from PIL import Image

from pipeline.screens.images import MAX_BYTES, ImageProblem, Plan, decode, prepare, read
from pipeline.storage.place import Place

PLAN = Plan(factor=32, min_pixels=65_536, max_pixels=1280 * 1024)


def problem(data: bytes, width: int, height: int, plan: Plan = PLAN) -> tuple[str, str]:
    """Return why a picture is refused."""
    with pytest.raises(ImageProblem) as caught:
        prepare(data, width, height, plan)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_fits_keeps_its_bytes(kind: str) -> None:
    """A picture that fits keeps its bytes."""
    data = build.encoded(build.screen(1, 320, 640), kind)
    stored = prepare(data, 320, 640, PLAN)
    assert stored.data == data
    assert (stored.width, stored.height, stored.format) == (320, 640, kind.lower())
    assert stored.sha256 == stored.source_sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_another_picture_is_resized_once(kind: Any) -> None:
    """Another picture is resized once."""
    data = build.encoded(build.screen(1, 361, 803))
    stored = prepare(data, 361, 803, Plan(32, 65_536, 1280 * 1024, format=kind))
    assert (stored.width, stored.height) == (352, 800)
    assert (stored.source_width, stored.source_height) == (361, 803)
    picture = Image.open(io.BytesIO(stored.data))
    assert (picture.format, picture.size) == (kind.upper(), (352, 800))
    expected = build.screen(1, 361, 803).resize((352, 800), Image.Resampling.BICUBIC)
    off = max(high for _, high in Image.Image.getextrema(_difference(picture.convert("RGB"), expected)))
    assert off <= (60 if kind == "jpeg" else 0)
    assert prepare(stored.data, 352, 800, PLAN).data == stored.data, "stored pictures pass unchanged"


def _difference(one: Image.Image, other: Image.Image) -> Image.Image:
    from PIL import ImageChops

    return ImageChops.difference(one, other)


def test_jpeg_keeps_the_colour_of_every_pixel() -> None:
    """Chroma subsampling would smear the red text of a warning."""
    stored = prepare(build.encoded(build.screen(1, 361, 803)), 361, 803, PLAN)
    picture = Image.open(io.BytesIO(stored.data))
    assert {layer[1:3] for layer in picture.layer} == {(1, 1)}  # type: ignore[attr-defined]


GOOD = build.encoded(build.screen(1, 320, 640))
JPEG = build.encoded(build.screen(1, 320, 640), "JPEG")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (GOOD[: len(GOOD) // 2], "image_broken"),
        (JPEG[: len(JPEG) // 2], "image_broken"),
        (GOOD[:8], "image_broken"),
        (b"x" * 100, "image_broken"),
        (GOOD[:60] + b"\0\0\0\0" + GOOD[64:], "image_broken"),
        (build.encoded(build.screen(1, 320, 640), "GIF"), "image_broken"),
        (build.encoded(build.screen(1, 320, 640), "TIFF"), "image_broken"),
        (build.encoded(Image.new("1", (8000, 6000))), "image_too_large"),
        (build.encoded(build.screen(1, 321, 640)), "image_size"),
    ],
)
def test_a_bad_picture_is_refused_with_its_reason(data: bytes, code: str) -> None:
    """A bad picture is refused with its reason."""
    found, message = problem(data, 320, 640)
    assert found == code
    assert message.startswith("found ")
    assert ", expected " in message


def test_a_strip_is_refused() -> None:
    """A strip is refused."""
    assert problem(build.encoded(Image.new("RGB", (4, 804))), 4, 804)[0] == "image_aspect"
    tight = Plan(32, 65_536, 70_000)  # room for no size that a second resize would leave alone
    code, message = problem(build.encoded(build.screen(1)), build.WIDTH, build.HEIGHT, tight)
    assert code == "image_aspect"
    assert "70000 pixels" in message
    flat = build.encoded(Image.new("RGB", (16_384, 82)))  # as thin as allowed, and thinner once rounded
    assert problem(flat, 16_384, 82) == (
        "image_aspect",
        "found 16384x82, expected a shape that fits 1310720 pixels in one resize",
    )


def test_a_turned_transparent_or_moving_picture_is_written_anew() -> None:
    """Readers disagree on what its bytes mean, so they may not pass unchanged."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = build.encoded(build.screen(1, 640, 320), "JPEG", exif=exif)
    stored = prepare(turned, 320, 640, PLAN)
    assert stored.data != turned
    assert (stored.width, stored.height) == (320, 640)
    clear = Image.new("RGBA", (320, 640), (255, 0, 0, 0))
    stored = prepare(build.encoded(clear), 320, 640, Plan(32, 65_536, 1280 * 1024, format="png"))
    assert decode(stored.data).getpixel((0, 0)) == (255, 255, 255)
    moving = build.encoded(build.screen(1, 320, 640), "PNG", save_all=True, append_images=[build.screen(2, 320, 640)])
    assert Image.open(io.BytesIO(moving)).n_frames == 2  # type: ignore[attr-defined]
    assert prepare(moving, 320, 640, PLAN).data != moving


def reading(root: Path, path: str, folder: str = "t") -> str:
    """Return why a path is not read, or "read"."""
    try:
        read(Place(str(root)), folder, path)
    except ImageProblem as problem:
        return problem.code if ", expected " in problem.message else problem.message
    return "read"


def test_paths_stay_in_the_source_folder(tmp_path: Path) -> None:
    """Paths stay in the source folder."""
    root = tmp_path / "in"
    (root / "t" / "sub").mkdir(parents=True)
    (root / "other").mkdir()
    for file in (tmp_path / "secret.png", root / "t" / "0.png", root / "other" / "1.png", root / "t" / "sub" / "2.png"):
        file.write_bytes(GOOD)
    (root / "t" / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "t" / "beside.png").symlink_to("../other/1.png")
    (root / "t" / "circle.png").symlink_to("circle.png")
    os.mkfifo(root / "t" / "pipe.png")
    (root / "t" / "empty.png").touch()
    with (root / "t" / "huge.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    expected = {
        "0.png": "read", "sub/2.png": "read", "./0.png": "read", "beside.png": "read",
        "../../secret.png": "path_escape", "../other/1.png": "path_escape", "sub/../0.png": "path_escape",
        str(tmp_path / "secret.png"): "path_escape", "/dev/zero": "path_escape", "out.png": "path_escape",
        "..\\0.png": "path_escape", "a\0.png": "path_escape", "file://x": "path_escape", "": "path_escape",
        ".": "path_escape", "no.png": "image_missing", "sub": "image_missing", "circle.png": "image_missing",
        "pipe.png": "image_missing", "x" * 300: "image_missing", "empty.png": "image_broken",
        "huge.png": "image_too_large",
    }  # fmt: skip
    assert {path: reading(root, path) for path in expected} == expected
