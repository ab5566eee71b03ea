"""What importers share: frames, boxes, sizes, pictures, the source folder."""

import io
import os
from pathlib import Path
from typing import Any

import build
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from importing import imported, report, trajectories
from PIL import Image, PngImagePlugin

from pipeline.actions import Frame
from pipeline.importers import Album, Refused, SourceFolder, numbered
from pipeline.importers.coordinates import (
    NORM_XY,
    NORM_YX,
    corner_and_extent,
    corners,
    grid,
    point,
    px,
    screen_size,
)  # fmt: skip
from pipeline.importers.folder import JSON_BYTES, convert, decode
from pipeline.importers.keys import chord, key_name
from pipeline.storage.place import Place

SIDES = st.integers(1, 8000)


@given(st.sampled_from([999, 1000]), st.data())
def test_grid_points_come_back_exactly(scale: int, data: st.DataObject) -> None:
    """A fraction times the scale, rounded, is the source's number."""
    x, y = data.draw(st.integers(0, scale)), data.draw(st.integers(0, scale))
    found = point(grid(scale), (x, y))
    assert [round(found[0] * scale), round(found[1] * scale)] == [x, y]


@given(SIDES, SIDES, st.data())
def test_pixel_points_come_back_exactly(width: int, height: int, data: st.DataObject) -> None:
    """Whichever axis comes first."""
    x, y = data.draw(st.integers(0, width)), data.draw(st.integers(0, height))
    frame = px((width, height))
    swapped = Frame(kind="px", size=(width, height), axes="yx")
    assert point(frame, (x, y)) == point(swapped, (y, x))
    found = point(frame, (x, y))
    assert [round(found[0] * width), round(found[1] * height)] == [x, y]


@given(st.floats(0, 1), st.floats(0, 1))
def test_fractions_stay_as_they_are(x: float, y: float) -> None:
    """Not a bit is rounded."""
    assert point(NORM_XY, (x, y)) == point(NORM_YX, (y, x)) == (x, y)


@settings(deadline=None)
@given(st.lists(st.one_of(st.floats(), st.integers(-(10**400), 10**400), st.none(), st.booleans(), st.text(max_size=3)),
                max_size=5), st.sampled_from([NORM_YX, grid(1000), px((360, 800))]))  # fmt: skip
def test_whatever_comes_is_on_the_screen_or_refused(numbers: list[Any], frame: Frame) -> None:
    """Points and boxes, from anything that JSON can hold."""
    for read in (point, corners, corner_and_extent):
        try:
            found = read(frame, numbers)
        except Refused as refused:
            assert (refused.code, bool(refused.found)) == ("coordinate", True)  # noqa: PT017 - not every input is bad
            continue
        assert all(0 <= number <= 1 for number in found or ())
        if found and len(found) == 4:
            assert found[0] <= found[2]
            assert found[1] <= found[3]


def test_boxes_are_cut_at_the_edges() -> None:
    """One that is wholly outside is none; corners may come in any order."""
    frame = px((100, 200))
    assert corners(frame, (-10, 20, 50, 400)) == (0.0, 0.1, 0.5, 1.0)
    assert corners(frame, (50, 100, 10, 20)) == (0.1, 0.1, 0.5, 0.5)
    assert corners(frame, (100, 0, 150, 10)) is None
    assert corners(frame, (-9, 0, 0, 10)) is None
    assert corner_and_extent(NORM_YX, (0.1, 0.2, 0.25, 0.5)) == (0.2, 0.1, 0.7, 0.35)


def test_the_size_that_pixels_count_in() -> None:
    """The picture's own after a rotation; the device's where the picture is a scaled copy; else a contradiction."""
    assert screen_size(None, (10, 20)) == (10, 20)
    assert screen_size((20, 10), (10, 20)) == (10, 20)
    assert screen_size((1080, 2400), (270, 600)) == (1080, 2400)
    for recorded in ((1080, 2400), (0, 0), (-1, -2)):
        with pytest.raises(Refused) as refused:
            screen_size(recorded, (600, 600))
        assert refused.value.code == "size_mismatch"


def test_numbers_with_gaps() -> None:
    """Ordered by number; the first that is not the expected one says so."""
    found = [(n, problem and problem.code) for n, problem in numbered([3, 1, 0, 1], lambda n: n, first=0)]
    assert found == [(0, None), (1, None), (1, "step_gap"), (3, None)]


def album(tmp_path: Path) -> Album:
    """Return an album on an empty source."""
    return Album(SourceFolder(Place(str(tmp_path))), "record.json")


def test_a_turned_picture_is_stored_upright(tmp_path: Path) -> None:
    """EXIF orientation 6 turns it by 90 degrees: the sides swap, the tag goes; others keep their bytes."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = build.encoded(build.screen(1), "JPEG", exif=exif)
    plain = build.encoded(build.screen(1), "JPEG")
    pictures = album(tmp_path)
    shot, other = pictures.add(turned), pictures.add(plain)
    assert (shot.width, shot.height) == (build.HEIGHT, build.WIDTH)
    stored = Image.open(io.BytesIO(pictures.pictures[shot.path]))
    assert (stored.size, stored.getexif().get(0x0112)) == ((build.HEIGHT, build.WIDTH), None)
    assert (other.width, other.height) == (build.WIDTH, build.HEIGHT)
    assert pictures.pictures[other.path] == plain
    assert pictures.notes == {"screenshot turned upright": 1}


def test_a_picture_is_turned_by_what_stands_after_its_pixels(tmp_path: Path) -> None:
    """As `slice` would turn it; metadata that cannot be read is a refusal."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = build.encoded(build.screen(1).quantize(16), "PNG", exif=exif)
    at = data.index(b"eXIf") - 4
    end = at + 12 + int.from_bytes(data[at : at + 4])
    shot = album(tmp_path).add(data[:at] + data[end:-12] + data[at:end] + data[-12:])
    assert (shot.width, shot.height) == (build.HEIGHT, build.WIDTH)
    info = PngImagePlugin.PngInfo()
    info.add_text("xmp", "no XMP")
    with pytest.raises(Refused, match="cannot be decoded"):
        album(tmp_path).add(build.encoded(build.screen(1).quantize(16), "PNG", pnginfo=info))


def test_a_turned_picture_through_the_whole_import(tmp_path: Path) -> None:
    """What is recorded is the upright size; slice takes it."""
    document = build.trajectory("a", 2)
    folder = build.write(tmp_path / "in", document)
    exif = Image.Exif()
    exif[0x0112] = 8
    lying = build.screen(0).transpose(Image.Transpose.ROTATE_270)
    (folder / "0.png").write_bytes(build.encoded(lying, "PNG", exif=exif))
    assert imported("jsonl", tmp_path / "in", tmp_path / "out").exit_code == 0
    assert report(tmp_path / "out")["losses"] == {"screenshot turned upright": 1}
    [trajectory] = trajectories(tmp_path / "out")
    image = trajectory.steps[0].observation.image
    assert (image.width, image.height) == (build.WIDTH, build.HEIGHT)
    assert build.sliced(tmp_path / "out", tmp_path / "sliced").manifest.counts["samples"].rejected == 0


def test_raw_pixels_and_equal_pictures(tmp_path: Path) -> None:
    """Pixels become a PNG; the same picture twice is stored once; the wrong number of bytes is refused."""
    pictures = album(tmp_path)
    pixels = build.screen(1, 30, 40)
    first, again = (pictures.add_pixels(pixels.tobytes(), 30, 40) for _ in range(2))
    assert first == again
    assert len(pictures.pictures) == 1
    assert Image.open(io.BytesIO(pictures.pictures[first.path])).tobytes() == pixels.tobytes()
    for bad in ((b"x", 30, 40), (b"", 0, 0), (b"", 10**6, 10**6)):
        with pytest.raises(Refused):
            pictures.add_pixels(*bad)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", os.urandom(1000)])
def test_what_is_no_picture(tmp_path: Path, data: bytes) -> None:
    """It is refused by its content, whatever its name."""
    with pytest.raises(Refused) as refused:
        album(tmp_path).add(data)
    assert refused.value.code == "image_broken"


def test_strays_are_no_recordings(tmp_path: Path) -> None:
    """Hidden files and folders, and those that an archiver adds; a file may be named alone."""
    for name in ("a.json", "._a.json", ".DS_Store", "__MACOSX/a.json", ".git/b.json", "x/b.json", "x/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert SourceFolder(Place(str(tmp_path))).names("*.json") == ["a.json", "x/b.json"]
    alone = SourceFolder(Place(str(tmp_path / "x" / "c.txt")))
    assert alone.names("*.json") == ["c.txt"]
    assert alone.names("*.json", everything=True) == ["b.json"]


def test_a_picture_is_found_by_its_name(tmp_path: Path) -> None:
    """Below the named folders; if it may be anywhere, the only one of its name; never outside."""
    for name in ("images/1.png", "deep/er/2.png", "a/3.png", "b/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    source = SourceFolder(Place(str(tmp_path)))
    assert source.locate("1.png", "images") == "images/1.png"
    assert source.locate("some/where/1.png", "images") == "images/some/where/1.png"
    assert source.locate("some/where/1.png", "images", by_name=True) == "images/1.png"
    assert source.locate("x/2.png", "images", anywhere=True) == "images/x/2.png"  # a path is no bare name
    assert source.locate("2.png", "images") == "images/2.png"  # which then is missing
    assert source.locate("2.png", "images", anywhere=True) == "deep/er/2.png"
    assert source.locate("4.png", "images", anywhere=True) == "images/4.png"
    with pytest.raises(Refused) as refused:
        source.locate("3.png", "images", anywhere=True)
    assert (refused.value.code, refused.value.found) == ("image_missing", "2 files of the name '3.png'")
    for bad in ("../1.png", "/etc/passwd", "a\\1.png", "", "\0", "file://x"):
        with pytest.raises(Refused) as refused:
            source.locate(bad, "images")
        assert refused.value.code == "path_escape"


def test_records_that_are_too_large_or_too_deep(tmp_path: Path) -> None:
    """A clear refusal before memory or the stack runs out."""
    with (tmp_path / "big.json").open("wb") as file:
        file.truncate(JSON_BYTES + 1)
    source = SourceFolder(Place(str(tmp_path)))
    with pytest.raises(Refused) as refused:
        source.read("big.json")
    assert refused.value.code == "too_large"
    with pytest.raises(Refused) as refused:
        list(source.lines("big.json"))
    assert refused.value.code == "too_large"
    for text in (b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000):
        with pytest.raises(Refused) as refused:
            decode(text)
        assert refused.value.code == "json_broken"
    assert decode(b"\xef\xbb\xbf[1]") == [1]
    with pytest.raises(Refused) as refused:
        convert({"a": "x"}, dict[str, int])
    assert (refused.value.found, refused.value.expected) == ("str at $[...]", "int")


def test_names_of_keys() -> None:
    """One spelling."""
    assert [key_name(name) for name in ("Control_L", "Return", "Super_L", "A", "F5", " ")] == [
        "ctrl", "enter", "meta", "A", "f5", "space",
    ]  # fmt: skip
    assert [chord(text) for text in ("Ctrl+V", "+", "Return")] == [("ctrl", "V"), ("+",), ("enter",)]
