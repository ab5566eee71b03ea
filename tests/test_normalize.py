"""`gdp normalize`: a dataset at a smaller size is, but for a second resampling, the dataset sliced at that size."""

import io
import json
from pathlib import Path
from typing import Any

import build
import msgspec
import pytest
from PIL import Image, ImageChops, ImageStat

from pipeline import normalize
from pipeline.exceptions import ConfigError
from pipeline.layouts import LAYOUTS
from pipeline.normalize import NormalizeConfig
from pipeline.slicing.token_count import counter
from pipeline.stage import Running
from pipeline.storage.dataset import Dataset

LAYOUT_OF_EACH_FRAME = sorted({layout.scale is None: name for name, layout in LAYOUTS.items()}.values())
LIMITS = ({"max_dim": 520}, {"max_pixels": 200_000}, {"max_dim": 640, "max_pixels": 180_000})
MEAN_LEVELS = 1.0
"""Levels of 255 by which a picture resampled twice differs on average from one resampled once."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trajectories with screens of several sizes, one of them twice, and a Back that errors can be made of."""
    root = build.back_corpus(tmp_path_factory.mktemp("corpus"))
    document = build.trajectory("wide", 4, first_screen=50)
    for number, step in enumerate(document["steps"]):
        width, height = ((1200, 700), (700, 1200), (352, 800), (1210, 690))[number]
        step["observation"]["image"].update(width=width, height=height)
    build.write(root, document)
    return root


def comparable(dataset: Dataset) -> list[dict[str, Any]]:
    """Return all of the samples but the hashes of their screenshots."""
    samples = [msgspec.to_builtins(sample) for sample in dataset.samples()]
    for sample in samples:
        for image in sample["images"]:
            del image["sha256"], image["row"]
    return samples


@pytest.mark.parametrize("layout", LAYOUT_OF_EACH_FRAME)
@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_it_is_as_if_sliced_at_that_size(corpus: Path, tmp_path: Path, layout: str, limits: dict[str, int]) -> None:
    """Labels, sizes, tokens and contract exactly; pixels nearly."""
    large = build.sliced(corpus, tmp_path / "large", layout=layout)
    small = build.normalized(Path(large.path), tmp_path / "small", **limits)
    direct = build.sliced(corpus, tmp_path / "direct", layout=layout, **limits)
    assert comparable(small) == comparable(direct)
    assert small.manifest.contract == direct.manifest.contract
    assert small.manifest.slicing == direct.manifest.slicing
    assert small.manifest.splits == direct.manifest.splits
    for one, other in zip(build.rows(small, "steps"), build.rows(direct, "steps"), strict=True):
        assert {**one, "image": None} == {**other, "image": None}
        assert (one["image"]["width"], one["image"]["height"]) == (other["image"]["width"], other["image"]["height"])
        pictures = [
            Image.open(io.BytesIO(dataset.pick("images", 0, [row["image"]["row"]])[0]["bytes"])).convert("RGB")
            for dataset, row in ((small, one), (direct, other))
        ]
        levels = ImageStat.Stat(ImageChops.difference(*pictures)).mean
        assert sum(levels) / 3 < MEAN_LEVELS
    assert build.validated(Path(small.path)).findings == 0
    rows = build.rows(small, "images")
    assert {(row["source_width"], row["source_height"]) for row in rows} >= {(360, 800), (1200, 700)}
    assert len({row["sha256"] for row in rows}) == len(rows)


def test_it_changes_nothing_the_second_time(corpus: Path, tmp_path: Path) -> None:
    """The same limits, or wider ones that no screenshot exceeds, leave every byte of the tables."""
    large = build.sliced(corpus, tmp_path / "large")
    once = build.normalized(Path(large.path), tmp_path / "once", max_dim=520)
    twice = build.normalized(Path(once.path), tmp_path / "twice", max_dim=520)
    tables = {name: digest for name, digest in build.tree(tmp_path / "once").items() if name != "manifest.json"}
    assert {n: d for n, d in build.tree(tmp_path / "twice").items() if n != "manifest.json"} == tables
    assert set(twice.manifest.details["screenshots"]) == {"unchanged"}
    steps = build.normalized(Path(large.path), tmp_path / "first", max_dim=700)
    steps = build.normalized(Path(steps.path), tmp_path / "then", max_dim=520)
    assert comparable(steps) == comparable(once), "going down in two steps leads to the same place"
    wider = build.normalized(Path(large.path), tmp_path / "wider", max_dim=4000)
    assert wider.manifest.details["screenshots"] == {"unchanged": len(build.rows(large, "images"))}
    assert comparable(wider) == comparable(large)
    assert wider.manifest.contract.max_dim == 4000


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_samples_stay_what_they_are(corpus: Path, tmp_path: Path, jitter: float) -> None:
    """Those with errors keep their turns, those cut out or moved their points; ids, split and provenance stay."""
    sliced = build.sliced(corpus, tmp_path / "sliced", history_images=2)
    large = build.augmented(Path(sliced.path), tmp_path / "augmented", rate=0.4, jitter=jitter, crop=jitter)
    small = build.normalized(Path(large.path), tmp_path / "small", max_dim=520)
    before, after = comparable(large), comparable(small)
    assert any(sample.get("origin") == "error_correction" for sample in before)
    for sample in (*before, *after):
        sizes = [(image["width"], image["height"]) for image in sample["images"]]
        assert sample["image_tokens"] == sum(width * height for width, height in sizes) // 32**2
        for part in (*sample["images"], *sample["turns"]):
            for name in ("width", "height", "size"):
                part.pop(name, None)
        del sample["image_tokens"]
    assert after == before
    assert all(max(ref.width, ref.height) <= 520 for sample in small.samples() for ref in sample.images)
    assert build.validated(Path(small.path)).findings == 0


@pytest.mark.parametrize("mode", ["window", "subtask"])
def test_every_mode(tmp_path: Path, mode: str) -> None:
    """Windows and sub-tasks are brought down as well."""
    document = build.trajectory("t", 6)
    for step in document["steps"]:
        step["subgoal"] = f"Part {step['index'] // 3}"
    build.write(tmp_path / "in", document)
    large = build.sliced(tmp_path / "in", tmp_path / "large", mode=mode)
    small = build.normalized(Path(large.path), tmp_path / "small", max_dim=520)
    assert comparable(small) == comparable(build.sliced(tmp_path / "in", tmp_path / "direct", mode=mode, max_dim=520))
    assert build.validated(Path(small.path)).findings == 0


def test_an_exact_count_stays_exact_where_texts_change(tmp_path: Path) -> None:
    """Smaller coordinates in pixels are shorter texts; a tokenizer that would count nothing is refused."""
    tokenizer = str(build.byte_tokenizer(tmp_path))
    build.write(tmp_path / "in", build.trajectory("t", 3))
    limits: dict[str, Any] = {"max_dim": 520}
    for layout in ("qwen2.5-vl", "mai-ui"):
        build.sliced(tmp_path / "in", tmp_path / layout, layout=layout, tokenizer=tokenizer, max_tokens=9000)
    with pytest.raises(ConfigError, match="--tokenizer: found none, expected the tokenizer that gdp slice counted"):
        build.normalized(tmp_path / "qwen2.5-vl", tmp_path / "out", **limits)
    small = build.normalized(tmp_path / "qwen2.5-vl", tmp_path / "out", **limits, tokenizer=tokenizer)
    exact = counter(tokenizer, small.manifest.contract.factor)
    after = list(small.samples())
    assert [each.text_tokens_estimate for each in after] == [exact.text(each.messages) for each in after]
    before = Dataset.open(tmp_path / "qwen2.5-vl").samples()
    assert any(one.messages != two.messages for one, two in zip(before, after, strict=True))
    with pytest.raises(ConfigError, match=r"--tokenizer: found .*, expected none: the coordinates of mai-ui"):
        build.normalized(tmp_path / "mai-ui", tmp_path / "grid", **limits, tokenizer=tokenizer)


def test_a_shape_that_does_not_fit(tmp_path: Path) -> None:
    """Costs the samples that show it, with the reason; they are kept whole in `rejected/`."""
    document = build.trajectory("t", 6)
    document["steps"][2]["observation"]["image"].update(width=192, height=3200)
    build.write(tmp_path / "in", document)
    large = build.sliced(tmp_path / "in", tmp_path / "large", history_images=2)
    assert len(list(large.samples())) == 6
    small = build.normalized(Path(large.path), tmp_path / "small", max_dim=800)
    assert [sample.step_index for sample in small.samples()] == [0, 1, 4, 5]
    rows = build.rows(small, "rejected")
    assert [(row["code"], row["sample_id"]) for row in rows] == [("image_aspect", "t/0002"), ("image_aspect", "t/0003")]
    assert rows[0]["message"] == "found 32x800 pixels within 800 a side, expected 65536 pixels"
    assert json.loads(rows[1]["row"])["step_index"] == 3
    flow = small.manifest.counts["samples"]
    assert (flow.into, flow.out, flow.rejected) == (6, 4, 2)
    assert [row["image"] is None for row in build.rows(small, "steps")] == [False, False, True, False, False, False]
    assert small.manifest.details["screenshots"] == {"refused": 1, "unchanged": 5}
    assert build.validated(Path(small.path)).findings == 0


def test_workers_and_shards_change_nothing(corpus: Path, tmp_path: Path) -> None:
    """The same bytes for one worker and two, and the same samples for any sharding."""
    large = build.sliced(corpus, tmp_path / "large", shard_size=1)
    for workers in (1, 2):
        running = Running(workers=workers)
        normalize.run(large.path, tmp_path / f"w{workers}", NormalizeConfig(max_dim=520), running)
    assert build.tree(tmp_path / "w1") == build.tree(tmp_path / "w2")
    whole = build.sliced(corpus, tmp_path / "whole")
    other = build.normalized(Path(whole.path), tmp_path / "other", max_dim=520)
    for one, two in zip(comparable(Dataset.open(tmp_path / "w1")), comparable(other), strict=True):
        for image in (*one["images"], *two["images"]):
            del image["shard"]
        assert one == two


def test_never_up(corpus: Path, tmp_path: Path) -> None:
    """A larger limit than the dataset's is refused; so is none, and too small a one."""
    large = build.sliced(corpus, tmp_path / "large", max_dim=640)
    for limits, message in (
        ({"max_dim": 641}, "--max-dim: found 641, expected at most 640 a side, the dataset's own limit"),
        ({"max_pixels": 640**2 + 1}, "--max-pixels: found 409601, expected at most 409600 pixels"),
        ({"max_dim": 300}, "--max-dim: found 300, expected at least 384"),
        ({"max_pixels": 1000}, "--max-pixels: found 1000, expected at least 131072"),
    ):
        with pytest.raises(ConfigError) as caught:
            build.normalized(Path(large.path), tmp_path / "up", **limits)
        assert str(caught.value).startswith(message)
    with pytest.raises(ConfigError, match="gdp normalize: found no limit, expected --max-dim or --max-pixels"):
        NormalizeConfig()
    assert not (tmp_path / "up").exists()


def test_the_command(corpus: Path, tmp_path: Path) -> None:
    """It chains, and says where nothing was larger."""
    build.sliced(corpus, tmp_path / "large")
    done = build.gdp("normalize", "-", "-o", tmp_path / "small", "--max-dim", 1024, stdin=f"{tmp_path / 'large'}\n")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'small'}\n")
    again = build.gdp("normalize", tmp_path / "small", "-o", tmp_path / "again", "--max-dim", 1024)
    assert "hint: no screenshot was larger than that: all are as they were" in again.stderr
