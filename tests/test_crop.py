"""`--crop`: a part of the screenshot keeps the target and what is named whole, and every coordinate moves along."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from pipeline import augment_errors
from pipeline.actions import (
    Action,
    Box,
    Click,
    Copy,
    Drag,
    Hover,
    LongPress,
    Point,
    Scroll,
    SelectOption,
    SelectText,
    Swipe,
    Type,
    mapped,
    points,
)
from pipeline.augment_errors import AugmentConfig
from pipeline.augmentation import crop as cropping
from pipeline.augmentation.crop import plan_cut
from pipeline.augmentation.cut import Cut, is_cut
from pipeline.augmentation.safe_zone import Unmovable
from pipeline.exceptions import ConfigError
from pipeline.records import Sample
from pipeline.screens.geometry import inside, smart_resize
from pipeline.stage import Running
from pipeline.storage.dataset import Dataset

units = st.floats(0, 1)


@st.composite
def cuts(draw: st.DrawFn) -> Cut:
    """Return a part of a screenshot."""
    width, height = draw(st.integers(2, 60)) * 32, draw(st.integers(2, 60)) * 32
    left, top = draw(st.integers(0, width - 32)), draw(st.integers(0, height - 32))
    return Cut(left, top, draw(st.integers(16, width - left)), draw(st.integers(16, height - top)), (width, height))


@given(cuts(), units, units)
def test_a_point_of_the_part_is_the_same_pixel(cut: Cut, x: float, y: float) -> None:
    """There and back, to a fraction of a pixel."""
    whole = ((cut.left + x * cut.width) / cut.whole[0], (cut.top + y * cut.height) / cut.whole[1])
    back = cut.point(whole)
    assert back == pytest.approx((x, y), abs=1e-9)


A, B = (0.25, 0.5), (0.5, 0.75)
ACTIONS: list[Action] = [
    Click(point=A, bbox=(*A, *B)), Click(), LongPress(point=A), Hover(point=A), Drag(path=(A, B)),
    Scroll(point=A, dy=1), Scroll(dy=1), Swipe(start=A, end=B, path=(A,)), Swipe(direction="up"),
    Type(text="x", point=A, bbox=(*A, *B)),
    SelectOption(value="x", point=A), SelectText(start=A, end=B), Copy(),
]  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
def test_every_point_of_an_action_moves_along(action: Action) -> None:
    """And its box; nothing else."""

    def half(point: Point) -> Point:
        return (point[0] / 2, point[1] / 2)

    def halved(box: Box) -> Box:
        return (*half(box[:2]), *half(box[2:]))

    moved = mapped(action, half, halved)
    assert points(moved) == tuple(map(half, points(action)))
    box = getattr(action, "bbox", None)
    assert getattr(moved, "bbox", None) == (None if box is None else halved(box))
    assert mapped(moved, lambda p: (p[0] * 2, p[1] * 2), lambda b: (*(v * 2 for v in b),)) == action


def source(tmp_path: Path, change: Callable[[dict[str, Any]], None] = lambda document: None, **config: Any) -> Dataset:
    """Slice two trajectories into two shards of samples with one screenshot each."""
    for name in ("a", "b"):
        document = build.trajectory(name, 6, first_screen=10 * (name == "b"))
        for step in document["steps"]:
            change(step)
        build.write(tmp_path / "in", document)
    return build.sliced(tmp_path / "in", tmp_path / "d", **{"layout": "qwen3-vl", "shard_size": 1, **config})


def crops(dataset: Dataset) -> list[Sample]:
    """Return the samples that show a part."""
    return [sample for sample in dataset.samples() if is_cut(sample.sample_id)]


@pytest.mark.parametrize("form", ["jpeg", "png"])
def test_samples_are_added_with_a_part_of_the_screenshot(tmp_path: Path, form: str) -> None:
    """The pixels are those of the screenshot, the processor leaves the size alone, and every check passes."""
    before = source(tmp_path, image_format=form)
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0, crop=1.0)
    clean = {sample.sample_id: sample for sample in before.samples()}
    found = crops(dataset)
    assert {sample.sample_id: sample for sample in dataset.samples() if not is_cut(sample.sample_id)} == clean
    flow = dataset.manifest.counts["samples"]
    assert (flow.into, flow.added, flow.out) == (12, len(found), 12 + len(found))
    assert len(found) == dataset.manifest.details["crop"]["made"] == 10
    contract = dataset.manifest.contract
    for sample in found:
        whole = clean[sample.sample_id.removesuffix("+crop")]
        left, top, width, height = json.loads(sample.provenance["crop"])
        (ref,) = sample.images
        limits = {"factor": contract.factor, "min_pixels": contract.min_pixels, "max_pixels": contract.max_pixels}
        assert (ref.width, ref.height) == (width, height) == smart_resize(width, height, **limits)
        assert (width, height) != (whole.images[0].width, whole.images[0].height)
        part = Image.open(io.BytesIO(dataset.image(ref)))
        full = Image.open(io.BytesIO(before.image(whole.images[0]))).crop((left, top, left + width, top + height))
        worst = max(high for _, high in ImageChops.difference(part, full).getextrema())
        assert worst <= (0 if form == "png" else 12)
        assert sample.target.bbox is not None
        assert inside(sample.target.bbox, (0, 0, 1, 1))
        assert whole.target.bbox is not None
        assert sample.target.bbox[0] * width + left == pytest.approx(whole.target.bbox[0] * whole.images[0].width)
        click = sample.turns[-1].actions[0]
        assert isinstance(click, Click)
        assert click.point is not None
        x, y = round(click.point[0] * 999), round(click.point[1] * 999)
        assert f"[{x}, {y}]" in (sample.messages[-1].content[0].text or "")
        assert sample.image_tokens == width * height // 1024
        assert sample.turns[-1].size == (width, height)
    report = build.validated(tmp_path / "out")
    assert report.findings == 0
    assert set(report.manifest.details["warnings"]) <= {"thought_length"}  # the aim is asked of the recorded elements


def test_the_processor_leaves_every_part_as_it_is(tmp_path: Path) -> None:
    """Also where half of each side would be less than it takes: such a part is drawn again, or there is none."""
    source(tmp_path, max_pixels=131_072)
    found = [
        sample
        for seed in range(4)
        for sample in crops(build.augmented(tmp_path / "d", tmp_path / str(seed), rate=0, crop=1.0, seed=seed))
    ]
    assert len(found) > 20
    for image in (sample.images[0] for sample in found):
        size = (image.width, image.height)
        assert smart_resize(*size, factor=32, min_pixels=65_536, max_pixels=131_072) == size


def test_nothing_is_decoded_nor_copied_that_is_not_cut(tmp_path: Path) -> None:
    """A shard without a cut keeps its file; a cut decodes one picture."""
    source(tmp_path)
    with mock.patch.object(cropping, "decode", wraps=cropping.decode) as decoded:
        none = build.augmented(tmp_path / "d", tmp_path / "none", rate=0)
        assert decoded.call_count == 0
        some = build.augmented(tmp_path / "d", tmp_path / "some", rate=0, crop=0.2, seed=1)
        assert decoded.call_count == len(crops(some)) > 0
    assert "crop" not in none.manifest.details
    shards = {sample.images[0].shard for sample in crops(some)}
    for number in (0, 1):
        name = f"images/{number:05d}.parquet"
        linked = (tmp_path / "d" / name).stat().st_ino == (tmp_path / "some" / name).stat().st_ino
        assert linked is (number not in shards)


def test_the_same_for_any_workers_and_not_twice(tmp_path: Path) -> None:
    """A rerun on its own output adds no part of a part, and errors are made of whole screenshots only."""
    source(tmp_path, history_images=1)
    once = build.augmented(tmp_path / "d", tmp_path / "once", rate=0.3, crop=1.0, seed=3)
    augment_errors.run(tmp_path / "d", tmp_path / "two", AugmentConfig(rate=0.3, crop=1.0, seed=3), Running(workers=2))
    assert build.tree(tmp_path / "once") == build.tree(tmp_path / "two")
    twice = build.augmented(tmp_path / "once", tmp_path / "twice", rate=0.3, crop=1.0, seed=3)
    assert [s.sample_id for s in twice.samples()] == [s.sample_id for s in once.samples()]
    assert build.tree(
        Path(build.augmented(tmp_path / "d", tmp_path / "c", rate=0.3, crop=1.0, seed=4).path)
    ) != build.tree(tmp_path / "once")


def _say(text: str) -> Callable[[dict[str, Any]], None]:
    return lambda step: step["text"].update(thought=text)


def _act(**action: Any) -> Callable[[dict[str, Any]], None]:
    return lambda step: step.update(actions=[action])


REASONS: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    ("place_words", _say("I tap the button at the top.")),
    ("place_words", _say("点击左边的按钮。")),
    ("place_words", _say("I open the second entry.")),
    ("target_unclear", _act(type="click", point=[0.01, 0.99])),
    ("no_room", lambda step: step["actions"][0].update(bbox=[0, 0, 1, 1])),
    ("no_room", lambda step: (_say("From the Corridor to the Kitchen")(step),
                              step["observation"]["elements"].extend(
                                  [{"bbox": [0, 0, 0.1, 0.05], "text": "Corridor"},
                                   {"bbox": [0.9, 0.95, 1, 1], "text": "Kitchen"}]))),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "change"), REASONS)
def test_where_a_part_would_lie(tmp_path: Path, reason: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Or lose what is needed."""
    source(tmp_path, lambda step: change(step) if step["actions"][0]["type"] == "click" else None)
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0, crop=1.0)
    assert crops(dataset) == []
    assert dataset.manifest.details["crop"] == {"considered": 10, f"refused: {reason}": 10}


def test_gestures_move_along_whole(tmp_path: Path) -> None:
    """Both ends of a drag; what is told in shares of the screen is no part's."""
    drag = _act(type="drag", path=[[0.4, 0.5], [0.5, 0.45], [0.6, 0.4]])
    source(tmp_path, lambda step: drag(step) if step["index"] == 1 else None)
    found = [s for s in crops(build.augmented(tmp_path / "d", tmp_path / "out", rate=0, crop=1.0)) if s.step_index == 1]
    assert len(found) == 2
    for sample in found:
        action = sample.turns[-1].actions[0]
        assert isinstance(action, Drag)
        left, top, width, height = json.loads(sample.provenance["crop"])
        for (x, y), (fx, fy) in zip(action.path, ((0.4, 0.5), (0.5, 0.45), (0.6, 0.4)), strict=True):
            assert (x * width + left, y * height + top) == pytest.approx((fx * 352, fy * 800))


def test_only_samples_of_one_screenshot(tmp_path: Path) -> None:
    """Older answers with coordinates, or several screenshots, would contradict the part."""
    source(tmp_path, layout="mai-ui")
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0, crop=1.0)
    assert {sample.step_index for sample in crops(dataset)} == {0}
    sample = next(s for s in dataset.samples() if s.step_index == 2)
    assert plan_cut(sample, (), dataset.manifest.contract, 0) is None


@given(st.integers(0, 10_000))
def test_what_is_named_stays_whole(seed: int) -> None:
    """Whatever is drawn."""
    sample, elements, contract = NAMED
    cut = plan_cut(sample, elements, contract, seed)
    assert isinstance(cut, Cut | Unmovable)
    if isinstance(cut, Cut):
        for element in elements:
            if element.text in ("Open 0", "Row 0"):
                x1, y1, x2, y2 = (v * s for v, s in zip(element.bbox, (352, 800) * 2, strict=True))
                assert cut.left <= x1 <= x2 <= cut.left + cut.width
                assert cut.top <= y1 <= y2 <= cut.top + cut.height


def _named() -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        dataset = source(Path(folder), lambda step: _say("Open 0 it is, not Row 0.")(step))
        step = next(iter(dataset.steps(0)))
        return next(dataset.samples()), step.observation.elements, dataset.manifest.contract


NAMED = _named()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_probability_out_of_range_is_refused(share: float) -> None:
    """One line that says what is expected."""
    with pytest.raises(ConfigError, match="expected a probability from 0 to 1"):
        AugmentConfig(crop=share)
