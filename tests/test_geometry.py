"""Where a click lands: sizes as the model's own processor chooses them, grids that lose nothing."""

import math
import random

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline.screens.geometry import (
    area,
    contains,
    distance,
    from_grid,
    inside,
    model_size,
    smallest_containing,
    smart_resize,
    straight,
    to_grid,
)

MIN = 65_536
sides = st.integers(1, 6000)
fractions = st.floats(0, 1)
boxes = st.tuples(fractions, fractions, fractions, fractions).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


def resize(width: int, height: int, factor: int, most: int) -> tuple[int, int]:
    """Resize as a layout does."""
    return smart_resize(width, height, factor=factor, min_pixels=MIN, max_pixels=most)


@given(width=sides, height=sides, factor=st.sampled_from([28, 32]), most=st.integers(8 * MIN, 64 * MIN))
def test_resize_is_in_budget_on_the_grid_and_final(width: int, height: int, factor: int, most: int) -> None:
    """Resize is in budget on the grid and final."""
    assume(max(width, height) <= 200 * min(width, height))
    size = resize(width, height, factor, most)
    assert size[0] % factor == size[1] % factor == 0
    assert MIN <= size[0] * size[1] <= most
    assert resize(*size, factor, most) == size


@given(width=sides, height=sides)
def test_resize_keeps_the_shape_up_to_rounding(width: int, height: int) -> None:
    """Resize keeps the shape up to rounding."""
    assume(max(width, height) <= 4 * min(width, height))
    new_width, new_height = resize(width, height, 32, 20 * MIN)
    scale = math.sqrt(new_width * new_height / (width * height))
    assert abs(new_width - width * scale) <= 32 + new_width / 10
    assert abs(new_height - height * scale) <= 32 + new_height / 10


def test_resize_is_what_the_processor_computes() -> None:
    """Resize is what the processor computes."""
    modeling = pytest.importorskip("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl")
    rng = random.Random(0)  # noqa: S311
    for _ in range(5000):
        factor = rng.choice((28, 32))
        # Below half a cell the processor's own arithmetic makes a side of 0; nobody has such screenshots.
        width, height = rng.randint(factor, 5000), rng.randint(factor, 5000)
        if max(width, height) > 200 * min(width, height):
            continue
        most = rng.randint(2 * MIN, 64 * MIN)
        height_first = modeling.smart_resize(height, width, factor=factor, min_pixels=MIN, max_pixels=most)
        assert resize(width, height, factor, most) == height_first[::-1], (width, height, factor, most)


@example(width=1008, height=505, factor=32, most=524288, long=992, shorter=0, fewer=1)
@example(width=844, height=1085, factor=28, most=586074, long=840, shorter=0, fewer=1)
@given(
    width=sides, height=sides, factor=st.sampled_from([28, 32]), most=st.integers(8 * MIN, 64 * MIN),
    long=st.integers(384, 3000), shorter=st.integers(0, 500), fewer=st.integers(0, 6 * MIN),
)  # fmt: skip
def test_a_long_side_too(width: int, height: int, factor: int, most: int, long: int, shorter: int, fewer: int) -> None:
    """Within both limits, unchanged by the processor and by itself; smaller limits lengthen no side but by a factor."""

    def size(width: int, height: int, most: int, long: int | None) -> tuple[int, int] | None:
        try:
            return model_size(width, height, factor=factor, min_pixels=MIN, max_pixels=most, max_dim=long)
        except ValueError:
            return None

    found = size(width, height, most, long)
    assume(found is not None)
    assert found is not None
    assert found[0] % factor == found[1] % factor == 0
    assert max(found) <= long
    assert MIN <= found[0] * found[1] <= most
    assert resize(*found, factor, most) == found == size(*found, most, long)
    assert size(width, height, most, None) == resize(width, height, factor, most)
    smaller = size(width, height, most - fewer, max(long - shorter, 384))
    if smaller is not None:
        brought = max(resize(width, height, factor, most)) > long  # and by the smaller area, too, perhaps
        assert smaller[0] <= found[0] + factor * brought
        assert smaller[1] <= found[1] + factor * brought
        assert max(smaller) <= max(found)


def test_a_long_side_that_leaves_too_little() -> None:
    """A strip that would have fewer pixels than the model takes."""
    with pytest.raises(ValueError, match="32x512 pixels within 520 a side, expected 65536 pixels"):
        model_size(200, 4000, factor=32, min_pixels=MIN, max_pixels=64 * MIN, max_dim=520)


def test_resize_refuses_a_strip() -> None:
    """Resize refuses a strip."""
    assert resize(20, 4000, 32, 64 * MIN)[0] == 32
    with pytest.raises(ValueError, match="aspect ratio 201:1, expected at most 200:1"):
        resize(20, 4020, 32, 64 * MIN)


def test_every_grid_point_comes_back() -> None:
    """Every grid point comes back."""
    for scale in (999, 1000, 1080, 2400, 3840):
        for i in range(scale + 1):
            assert to_grid(from_grid(i, scale - i, scale), scale) == [i, scale - i]


@given(x=fractions, y=fractions)
def test_the_grid_is_at_most_half_a_cell_off(x: float, y: float) -> None:
    """The grid is at most half a cell off."""
    back = from_grid(*to_grid((x, y), 999), 999)
    assert abs(back[0] - x) <= 0.5 / 999 + 1e-12
    assert abs(back[1] - y) <= 0.5 / 999 + 1e-12


@pytest.mark.parametrize("point", [(-1, 0), (0, 1000), (float("nan"), 0), (0, -0.001)])
def test_a_point_off_the_grid_is_refused(point: tuple[float, float]) -> None:
    """A point off the grid is refused."""
    with pytest.raises(ValueError, match="expected numbers from 0 to 999"):
        from_grid(*point, 999)


def test_contains_is_half_open() -> None:
    """Contains is half open."""
    box = (0.2, 0.3, 0.4, 0.5)
    assert contains(box, (0.2, 0.3))
    assert not contains(box, (0.4, 0.4))
    assert not contains(box, (0.3, 0.5))
    assert not contains((0.2, 0.3, 0.2, 0.3), (0.2, 0.3))


@given(box=boxes, point=st.tuples(fractions, fractions))
def test_distance_is_zero_inside_and_to_the_nearest_place_outside(
    box: tuple[float, float, float, float], point: tuple[float, float]
) -> None:
    """Distance is zero inside and to the nearest place outside."""
    nearest = (min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3]))
    found = distance(box, point, 1000, 500)
    assert math.isclose(found, math.hypot((nearest[0] - point[0]) * 1000, (nearest[1] - point[1]) * 500), abs_tol=1e-9)
    if contains(box, point):
        assert found == 0


def test_the_smallest_box_wins_and_among_equals_the_last() -> None:
    """The smallest box wins and among equals the last."""
    boxes = [(7, (0.0, 0.0, 1.0, 1.0)), (8, (0.1, 0.1, 0.5, 0.5)), (9, (0.1, 0.1, 0.5, 0.5)), (4, (0.6, 0.6, 0.7, 0.7))]
    assert smallest_containing(boxes, (0.2, 0.2)) == 9
    assert smallest_containing(boxes, (0.9, 0.9)) == 7
    assert smallest_containing(boxes[3:], (0.2, 0.2)) is None


@given(outer=boxes, inner=boxes)
def test_inside_means_no_corner_out(
    outer: tuple[float, float, float, float], inner: tuple[float, float, float, float]
) -> None:
    """Inside means no corner out."""
    union = (min(outer[0], inner[0]), min(outer[1], inner[1]), max(outer[2], inner[2]), max(outer[3], inner[3]))
    assert inside(inner, union)
    assert inside(inner, outer) == all(abs(a - b) <= 1e-6 for a, b in zip(union, outer, strict=True))
    assert area(union) >= max(area(inner), area(outer))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([(0.1, 0.1), (0.9, 0.9)], True),
        ([(0.1, 0.1), (0.5, 0.52), (0.9, 0.9)], True),
        ([(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)], False),  # round a corner, as an unlock pattern
        ([(0.5, 0.2), (0.5, 0.9), (0.5, 0.5)], False),  # too far and back
        ([(0.5, 0.5), (0.5, 0.9), (0.5, 0.5)], False),
        ([(0.5, 0.5)], True),
    ],
)
def test_straight(path: list[tuple[float, float]], expected: bool) -> None:
    """Straight."""
    assert straight(path) is expected
