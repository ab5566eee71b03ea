"""Fingerprints of pixels: equal for equal pixels, and a change shows in exactly the tile where it is."""

import io
import random
from pathlib import Path

import build
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from pipeline.screens.fingerprint import (
    PHASH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    differing_tiles,
    distance,
    fingerprint,
    grid,
    same_outside,
)
from pipeline.screens.images import Plan, prepare
from pipeline.storage.dataset import Dataset

SIZES = [(352, 800), (96, 16), (192, 32), (97, 17), (1, 1), (2, 1), (5, 40), (700, 3)]


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """Return a picture of random pixels."""
    data = random.Random(seed).randbytes(3 * width * height)  # noqa: S311 - no secret
    return Image.frombytes("RGB", (width, height), data).convert("RGBX")


@st.composite
def changed(draw: st.DrawFn) -> tuple[Image.Image, Image.Image, tuple[int, int]]:
    """Draw a picture, the same with another value in one channel of one pixel, and that pixel."""
    size = draw(st.sampled_from(SIZES))
    picture = noise(*size)
    x, y = draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))
    pixel = list(picture.getpixel((x, y)))  # type: ignore[arg-type]  # a tuple in this mode
    pixel[draw(st.integers(0, 2))] ^= draw(st.integers(1, 255))
    other = picture.copy()
    other.putpixel((x, y), tuple(pixel))
    return picture, other, (x, y)


@settings(deadline=None)
@given(changed())
def test_one_changed_pixel_changes_exactly_its_tile(
    drawn: tuple[Image.Image, Image.Image, tuple[int, int]],
) -> None:
    """Whatever the size, and wherever the pixel."""
    picture, other, (x, y) = drawn
    one, two = fingerprint(picture), fingerprint(other)
    assert differing_tiles(one, two) == {(y // TILE_HEIGHT, x // TILE_WIDTH)}
    assert differing_tiles(one, fingerprint(picture.copy())) == set()
    width, height = picture.size
    around = (x / width, y / height, (x + 1) / width, (y + 1) / height)
    assert not same_outside(one, two)
    assert same_outside(one, two, [around])


@settings(deadline=None)
@given(changed(), st.data())
def test_a_mask_hides_what_it_touches_and_no_more(
    drawn: tuple[Image.Image, Image.Image, tuple[int, int]], data: st.DataObject
) -> None:
    """A box by whole pixels, beside or over the pixel that changed: the tile counts where the two overlap."""
    picture, other, (x, y) = drawn
    width, height = picture.size
    left, right = sorted(data.draw(st.integers(0, width)) for _ in range(2))
    top, bottom = sorted(data.draw(st.integers(0, height)) for _ in range(2))
    column, row = x // TILE_WIDTH * TILE_WIDTH, y // TILE_HEIGHT * TILE_HEIGHT
    over = left < right and top < bottom and column < right and left < column + TILE_WIDTH
    over = over and row < bottom and top < row + TILE_HEIGHT
    mask = (left / width, top / height, right / width, bottom / height)
    assert same_outside(fingerprint(picture), fingerprint(other), [mask]) is over


@settings(deadline=None)
@given(st.sampled_from(SIZES), st.integers(0, 2**30))
def test_the_pixels_alone_decide(size: tuple[int, int], seed: int) -> None:
    """Not how they lie in memory: a picture of several blocks, a copy, one that was mapped."""
    picture = noise(*size, seed=seed)
    mapped = Image.frombuffer("RGBX", size, picture.tobytes(), "raw", "RGBX", 0, 1)
    assert fingerprint(picture) == fingerprint(mapped) == fingerprint(picture.crop((0, 0, *size)))


def test_a_large_picture_lies_in_several_blocks() -> None:
    """Pillow cannot share that without a copy, and the copy has the same fingerprint."""
    large = noise(500, 400).resize((3_000, 2_400), Image.Resampling.NEAREST)
    mapped = Image.frombuffer("RGBX", large.size, large.tobytes(), "raw", "RGBX", 0, 1)
    assert fingerprint(large) == fingerprint(mapped)


def clock(picture: Image.Image, text: str) -> Image.Image:
    """Return the screen with a clock in its status bar."""
    picture = picture.copy()
    ImageDraw.Draw(picture).text((5, 2), text, fill="white")
    return picture


def test_a_mask_hides_the_clock_and_nothing_below_it() -> None:
    """A status bar is masked as tightly as a tile is high."""
    screen = build.screen(1, 352, 800)
    one, two = (fingerprint(clock(screen, text).convert("RGBX")) for text in ("12:00", "12:01"))
    assert {row for row, _ in differing_tiles(one, two)} == {0}
    assert not same_outside(one, two)
    assert same_outside(one, two, [(0, 0, 1, 16 / 800)])
    assert not same_outside(one, two, [(0, 16 / 800, 1, 1)]), "the mask begins below the clock"
    assert not same_outside(one, two, [(0.1, 0.01, 0.1, 0.01)]), "an empty mask hides nothing"
    assert same_outside(one, two, [(-1, -1, 2, 2)]), "a mask may reach beyond the picture"
    other = fingerprint(clock(build.screen(2, 352, 800), "12:00").convert("RGBX"))
    assert not same_outside(one, other, [(0, 0, 1, 16 / 800)])
    lower = build.screen(1, 352, 800)
    lower.putpixel((0, 112), (1, 2, 3))
    assert (112 / 800) * 800 > 112, "fractions of pixels come back inexact"
    assert not same_outside(fingerprint(lower.convert("RGBX")), fingerprint(screen.convert("RGBX")),
                            [(0, 0, 1, 112 / 800)])  # fmt: skip


def test_pictures_of_two_sizes_are_never_the_same() -> None:
    """Their tiles are not comparable, even where they are equal in number."""
    one, two = fingerprint(noise(96, 32)), fingerprint(noise(192, 16))
    assert grid(96, 32) == (2, 1)
    assert grid(192, 16) == (1, 2)
    assert not same_outside(one, two, [(0, 0, 1, 1)])
    with pytest.raises(ValueError, match="96x32 beside 192x16"):
        differing_tiles(one, two)


def test_the_perceptual_hash_grows_with_the_difference() -> None:
    """Nothing for the same, little for a clock, much for another page."""
    screens = [build.screen(number, 352, 800) for number in range(1, 4)]
    screens += [Image.open(path).convert("RGB") for path in sorted(SAMPLES.glob("*/0.png"))[:6]]
    own = [fingerprint(clock(screen, "12:00").convert("RGBX")).phash for screen in screens]
    later = [fingerprint(clock(screen, "12:01").convert("RGBX")).phash for screen in screens]
    assert {len(each) for each in own} == {PHASH_BYTES}
    assert [distance(each, each) for each in own] == [0] * len(own)
    assert max(map(distance, own, later)) <= 12
    assert distance(own[0], own[-1]) > 60
    assert distance(bytes(32), b"\xff" * 32) == 256


SAMPLES = Path(__file__).parent.parent / "sample_data" / "trajectories"


@pytest.mark.parametrize("engine", ["pillow", "vips"])
@pytest.mark.parametrize("size", [(320, 640), (361, 803), (200, 200)], ids=["kept", "shrunk", "enlarged"])
@pytest.mark.parametrize("kind", ["RGB", "RGBA"])
def test_it_is_of_the_pixels_that_are_stored(engine: str, size: tuple[int, int], kind: str) -> None:
    """Of those that a kept file decodes to, of those that the encoder got: a lossless one shows them."""
    if engine == "vips":
        pytest.importorskip("pyvips")
    data = build.encoded(build.screen(1, *size).convert(kind))
    stored = prepare(data, *size, Plan(32, 65_536, 1280 * 1024, "png", engine=engine))
    shown = Image.open(io.BytesIO(stored.data)).convert("RGBX")
    assert stored.fingerprint == fingerprint(shown)


def test_a_dataset_has_them(tmp_path: Path) -> None:
    """Readable by row, without the pictures; a screen that comes again with another clock is found by its tiles."""
    source = build.corpus(tmp_path / "in", 2, 3)
    for number in (0, 10):
        folder = source / f"t{number // 10}"
        clock(build.screen(number), f"12:{number}").save(folder / f"{number}.png")
        clock(build.screen(number), f"13:{number}").save(folder / f"{number + 1}.png")
    dataset = build.sliced(source, tmp_path / "out", image_format="png", shard_size=1)
    assert isinstance(dataset, Dataset)
    assert dataset.manifest.shard_numbers() == [0, 1]
    for number in (0, 1):
        rows = build.rows(dataset, "images")[number * 3 : number * 3 + 3]
        found = dataset.fingerprints(number)
        assert [fingerprint(Image.open(io.BytesIO(row["bytes"])).convert("RGBX")) for row in rows] == list(found)
        assert not same_outside(found[0], found[1])
        assert same_outside(found[0], found[1], [(0, 0, 0.2, 0.03)])
        assert not same_outside(found[0], found[2], [(0, 0, 0.2, 0.03)])
    assert dataset.fingerprints(2) == ()
