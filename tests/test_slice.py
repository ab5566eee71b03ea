"""`gdp slice`: one sample a decision, screenshots once and at the model's size, nothing lost, the same bytes twice."""

import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import build
import pytest
from PIL import Image

from pipeline.exceptions import ConfigError, OutputError
from pipeline.layouts import LAYOUTS
from pipeline.screens.geometry import smart_resize
from pipeline.slice import SliceConfig
from pipeline.slicing.split import draw_split
from pipeline.stage import Running
from pipeline.storage.dataset import Dataset


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six trajectories of four steps."""
    return build.corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def dataset(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Slice the corpus as it is by default."""
    return build.sliced(corpus, tmp_path_factory.mktemp("out") / "d")


def one(tmp_path: Path, document: dict[str, Any], **config: Any) -> Dataset:
    """Slice a single trajectory."""
    build.write(tmp_path / "in", document)
    return build.sliced(tmp_path / "in", tmp_path / "out", **config)


def codes(dataset: Dataset) -> list[tuple[str, str]]:
    """Return place and code of every refused row, having checked what each must say."""
    refused = build.rows(dataset, "rejected")
    for row in refused:
        assert row["stage"] == "slice"
        assert row["message"].startswith("found ")
        assert ", expected " in row["message"] or row["code"] == "history_inexpressible"
    assert dataset.manifest.rejected == dict(Counter(row["code"] for row in refused))
    for scope, flow in (
        ("trajectory", dataset.manifest.counts["trajectories"]),
        ("sample", dataset.manifest.counts["samples"]),
    ):
        assert flow.rejected == sum(row["scope"] == scope for row in refused)
        assert flow.into == flow.out + flow.rejected
    assert dataset.manifest.counts["samples"].out == len(list(dataset.samples()))
    return [(row["where"], row["code"]) for row in refused]


def test_one_sample_for_each_decision(dataset: Dataset) -> None:
    """One sample for each decision."""
    samples = list(dataset.samples())
    assert [sample.sample_id for sample in samples] == [f"t{t}/{n:04d}" for t in range(6) for n in range(4)]
    for sample in samples:
        assert [turn.step_index for turn in sample.turns] == list(range(sample.step_index + 1))
        assert [turn.loss_weight for turn in sample.turns] == [0.0] * sample.step_index + [1.0]
        assert sample.target.actions == sample.turns[-1].actions
        assert [message.loss_weight for message in sample.messages][-1] == 1
        assert sum(message.loss_weight for message in sample.messages) == 1
        assert sample.origin == "clean"
        assert sample.target.bbox == ((0.3, 0.4, 0.7, 0.5) if sample.step_index < 3 else None)
        assert sample.provenance == {"file": f"{sample.trajectory_id}/trajectory.json"}


@pytest.mark.parametrize(
    ("layout", "images"), [("mai-ui", None), ("mai-ui", 1), ("mai-ui", 2), ("qwen3-vl", None), ("qwen3-vl", 3)]
)
def test_the_last_screens_are_shown(corpus: Path, tmp_path: Path, layout: str, images: int | None) -> None:
    """The last screens are shown."""
    dataset = build.sliced(corpus, tmp_path / "out", layout=layout, history_images=images)
    most = images or LAYOUTS[layout].history.image_window
    for sample in dataset.samples():
        shown = [turn.step_index for turn in sample.turns if turn.image is not None]
        assert shown == list(range(sample.step_index + 1))[-most:]
        number = int(sample.trajectory_id[1:]) * 10
        for turn, ref in zip((t for t in sample.turns if t.image is not None), sample.images, strict=True):
            picture = Image.open(io.BytesIO(dataset.image(ref)))
            assert picture.size == (ref.width, ref.height)
            original = build.screen(number + turn.step_index).resize(picture.size, Image.Resampling.BICUBIC)
            assert _off(picture, original) < 4, "the screenshot of this step, no other's"
        assert sample.image_tokens == sum(ref.width * ref.height for ref in sample.images) // 32**2
    assert dataset.manifest.contract.history.image_window == most


def _off(one: Image.Image, other: Image.Image) -> float:
    pairs = zip(
        one.convert("L").resize((90, 200)).tobytes(), other.convert("L").resize((90, 200)).tobytes(), strict=True
    )
    return sum(abs(a - b) for a, b in pairs) / 18_000


def test_a_screenshot_is_stored_once_at_the_size_of_the_processor(dataset: Dataset) -> None:
    """A screenshot is stored once at the size of the processor."""
    images = build.rows(dataset, "images")
    assert len(images) == 24
    assert len({row["sha256"] for row in images}) == 24
    assert {row["format"] for row in images} == {"jpeg"}
    size = smart_resize(build.WIDTH, build.HEIGHT, factor=32, min_pixels=65_536, max_pixels=1280 * 1024)
    assert {(row["width"], row["height"]) for row in images} == {size}
    assert {(row["source_width"], row["source_height"]) for row in images} == {(build.WIDTH, build.HEIGHT)}
    assert dataset.manifest.details["screenshots"] == {"resized": 24}


def test_a_screen_seen_again_is_the_same_row(tmp_path: Path) -> None:
    """A screen seen again is the same row."""
    document = build.trajectory("t", 3)
    document["steps"][2]["observation"] = document["steps"][0]["observation"]
    dataset = one(tmp_path, document)
    assert len(build.rows(dataset, "images")) == 2
    last = list(dataset.samples())[-1]
    assert [ref.row for ref in last.images] == [0, 1, 0]


def test_a_screenshot_that_fits_keeps_its_bytes(tmp_path: Path) -> None:
    """A screenshot that fits keeps its bytes."""
    document = build.trajectory("t", 1)
    document["steps"][0]["observation"]["image"].update(width=320, height=640)
    dataset = one(tmp_path, document)
    (row,) = build.rows(dataset, "images")
    assert row["bytes"] == (tmp_path / "in" / "t" / "0.png").read_bytes()
    assert row["format"] == "png"
    assert dataset.manifest.details["screenshots"] == {"unchanged": 1}


@pytest.mark.parametrize(
    ("limits", "size", "most"),
    [({"max_dim": 520}, (224, 512), 512**2), ({"max_dim": 520, "max_pixels": 131_072}, (224, 512), 131_072),
     ({"max_dim": 520, "max_pixels": 200_000}, (224, 512), 200_000), ({"max_dim": 4000}, (352, 800), 4000**2),
     ({"max_dim": 800, "max_pixels": 140_000}, (224, 544), 140_000)],
    ids=str,
)  # fmt: skip
def test_the_long_side(corpus: Path, tmp_path: Path, limits: dict[str, int], size: tuple[int, int], most: int) -> None:
    """Both limits hold where both are given; the manifest says what a screenshot has at most."""
    dataset = build.sliced(corpus, tmp_path / "out", **limits)
    assert {(ref.width, ref.height) for sample in dataset.samples() for ref in sample.images} == {size}
    contract = dataset.manifest.contract
    assert (contract.max_dim, contract.max_pixels) == (limits["max_dim"], most)
    assert build.validated(tmp_path / "out").findings == 0


def test_the_split_keeps_goals_together(tmp_path: Path) -> None:
    """The split keeps goals together."""
    for number in range(12):
        goal = f"Goal {number // 2}" if number % 2 else f" goal  {number // 2}".upper()
        build.write(tmp_path / "in", build.trajectory(f"t{number:02d}", 1, first_screen=number, goal=goal))
    for seed in range(3):
        dataset = build.sliced(tmp_path / "in", tmp_path / f"{seed}", val_fraction=0.5, seed=seed, shard_size=5)
        sides: dict[str, set[str]] = {}
        for sample in dataset.samples():
            sides.setdefault(" ".join(sample.goal.lower().split()), set()).add(sample.split)
        assert all(len(split) == 1 for split in sides.values())
        assert dataset.manifest.splits == {"train": 6, "val": 6}
        assert {row["split"] for row in build.rows(dataset, "steps")} == {"train", "val"}


def test_the_split_is_drawn_from_the_seed() -> None:
    """The split is drawn from the seed."""
    goals = [f"goal {n}" for n in range(20)]
    splits = {seed: draw_split(goals, 0.2, seed) for seed in range(8)}
    assert all(sorted(each.values()).count("val") == 4 for each in splits.values())
    assert draw_split(goals[::-1], 0.2, 3) == splits[3]
    assert len({tuple(sorted(name for name, side in each.items() if side == "val")) for each in splits.values()}) > 4
    assert set(draw_split(goals, 0, 0).values()) == {"train"}
    assert sorted(draw_split(["a", "b"], 0.01, 0).values()) == ["train", "val"]
    assert sorted(draw_split(["a", "b"], 0.99, 0).values()) == ["train", "val"]
    assert draw_split(["a", "a"], 0.9, 0) == {"a": "train"}, "something is left to train on"


def test_a_broken_trajectory_does_not_leak(tmp_path: Path) -> None:
    """Its first steps are used, so they must stand on the side of their goal."""
    for name, goal in (("a", "shared"), ("b", "shared"), ("c", "other"), ("d", "third")):
        document = build.trajectory(name, 3, goal=goal)
        if name == "b":
            document["steps"][2] = {"index": 2}
        build.write(tmp_path / "in", build.trajectory(name, 3, goal=goal))
        (tmp_path / "in" / name / "trajectory.json").write_text(json.dumps(document))
    for seed in range(6):
        dataset = build.sliced(tmp_path / "in", tmp_path / f"{seed}", val_fraction=0.5, seed=seed)
        assert len({sample.split for sample in dataset.samples() if sample.goal == "shared"}) == 1


def test_several_actions_in_one_response(tmp_path: Path) -> None:
    """No layout has a call for them: that decision and those that would show it are refused, with the reason."""
    document = build.trajectory("t", 4)
    document["steps"][1]["actions"] *= 2
    dataset = one(tmp_path, document)
    assert [sample.step_index for sample in dataset.samples()] == [0]
    at = "t/trajectory.json: $.steps"
    assert codes(dataset) == [
        (f"{at}[1]", "inexpressible"), (f"{at}[2]", "history_inexpressible"), (f"{at}[3]", "history_inexpressible"),
    ]  # fmt: skip


def test_what_the_recording_calls_wrong_is_not_learned(tmp_path: Path) -> None:
    """But stays in the history of what follows."""
    document = build.trajectory("t", 5)
    document["steps"][1]["label"] = {"role": "error"}
    document["steps"][2]["label"] = {"correct": False}
    document["steps"][3]["label"] = {"role": "padding"}
    dataset = one(tmp_path, document)
    assert [sample.step_index for sample in dataset.samples()] == [0, 4]
    last = list(dataset.samples())[-1]
    assert [turn.role for turn in last.turns] == ["normal", "error", "error", "padding", "normal"]
    assert [code for _, code in codes(dataset)] == ["labelled_error", "labelled_error", "padding"]


def test_a_missing_screenshot_costs_only_what_shows_it(tmp_path: Path) -> None:
    """A missing screenshot costs only what shows it."""
    document = build.trajectory("t", 6)
    build.write(tmp_path / "in", document)
    (tmp_path / "in" / "t" / "1.png").unlink()
    dataset = build.sliced(tmp_path / "in", tmp_path / "out", history_images=2)
    assert [sample.step_index for sample in dataset.samples()] == [0, 3, 4, 5]
    assert [code for _, code in codes(dataset)] == ["image_missing", "history_image"]
    rows = build.rows(dataset, "steps")
    assert [row["image"] is None for row in rows] == [False, True, False, False, False, False]


def test_ids_come_once(tmp_path: Path) -> None:
    """The first keeps it, in the order of the files; also where the second is in another shard, and broken."""
    for name in ("a", "b", "c"):
        folder = build.write(tmp_path / "in", build.trajectory(name, 2))
        document = build.trajectory("same", 2, goal=name)
        if name == "c":
            document["steps"][1] = {"index": 1}
        (folder / "trajectory.json").write_text(json.dumps(document))
    dataset = build.sliced(tmp_path / "in", tmp_path / "out", shard_size=1)
    assert {sample.goal for sample in dataset.samples()} == {"a"}
    assert codes(dataset) == [("b/trajectory.json", "duplicate_id"), ("c/trajectory.json", "duplicate_id")]


def test_a_broken_step_takes_the_rest_along(tmp_path: Path) -> None:
    """A broken step takes the rest along."""
    document = build.trajectory("t", 5)
    build.write(tmp_path / "in", document)
    document["steps"][2]["actions"] = []
    (tmp_path / "in" / "t" / "trajectory.json").write_text(json.dumps(document))
    dataset = build.sliced(tmp_path / "in", tmp_path / "out")
    assert [sample.step_index for sample in dataset.samples()] == [0, 1]
    assert codes(dataset) == [
        ("t/trajectory.json: $.steps[2].actions", "schema"),
        ("t/trajectory.json: $.steps[3]", "history_broken"),
        ("t/trajectory.json: $.steps[4]", "history_broken"),
    ]
    assert dataset.manifest.counts["samples"].into == 5


def test_the_final_screen_is_kept(tmp_path: Path) -> None:
    """The final screen is kept."""
    document = build.trajectory("t", 2)
    document["final_observation"] = build.step(0, 1)["observation"]
    dataset = one(tmp_path, document)
    rows = build.rows(dataset, "steps")
    assert [(row["step_index"], row["step"] is None) for row in rows] == [(0, False), (1, False), (2, True)]
    assert len(list(dataset.samples())) == 2


def test_scrolls_by_pixels_mean_the_same_at_every_size(tmp_path: Path) -> None:
    """Scrolls by pixels mean the same at every size."""
    document = build.trajectory("t", 2)
    document["steps"][0]["actions"] = [{"type": "scroll", "point": [0.5, 0.5], "dx": 36, "dy": -400, "unit": "px"}]
    dataset = one(tmp_path, document, layout="qwen3-vl")
    action = next(dataset.samples()).turns[0].actions[0]
    assert (action.unit, action.dx, action.dy) == ("page", 0.1, -0.5)  # type: ignore[union-attr]


def test_two_runs_are_the_same_bytes(corpus: Path, dataset: Dataset, tmp_path: Path) -> None:
    """Whatever the number of workers, real ones, and wherever the input lies; another seed is another split."""
    from pipeline import slice as stage

    shutil.copytree(corpus, tmp_path / "elsewhere")
    expected = build.tree(Path(dataset.path))
    assert set(expected) == {
        "manifest.json",
        *(f"{t}/00000.parquet" for t in ("images", "rejected", "samples", "steps")),
    }
    stage.run(tmp_path / "elsewhere", tmp_path / "again", SliceConfig(), Running())
    assert build.tree(tmp_path / "again") == expected
    for workers in (1, 2):
        stage.run(corpus, tmp_path / f"w{workers}", SliceConfig(shard_size=2), Running(workers=workers))
    assert build.tree(tmp_path / "w1") == build.tree(tmp_path / "w2")
    other = build.sliced(corpus, tmp_path / "seed", seed=1)
    assert other.manifest.seed == 1
    assert build.tree(tmp_path / "seed")["images/00000.parquet"] == expected["images/00000.parquet"]
    assert build.tree(tmp_path / "seed")["samples/00000.parquet"] != expected["samples/00000.parquet"]


def test_the_shard_size_changes_the_sharding_only(corpus: Path, dataset: Dataset, tmp_path: Path) -> None:
    """The shard size changes the sharding only."""
    small = build.sliced(corpus, tmp_path / "out", shard_size=1)
    assert small.manifest.shard_numbers() == list(range(6))

    def bare(dataset: Dataset) -> list[Any]:
        return [
            (s.sample_id, s.split, s.messages, s.turns, s.target, [(i.sha256, dataset.image(i)) for i in s.images])
            for s in dataset.samples()
        ]

    assert bare(small) == bare(dataset)
    assert small.manifest.counts == dataset.manifest.counts
    assert small.manifest.splits == dataset.manifest.splits
    for sample in small.samples():
        assert {ref.shard for ref in sample.images} == {int(sample.trajectory_id[1:])}


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"layout": "qwen3-vl"}, {"history_images": 2}, {"max_pixels": 200_000}, {"image_format": "png"},
     {"max_dim": 520}, {"split_by": "app"}, {"val_fraction": 0.5}, {"shard_size": 2}, {"system_prompt": "Be brief."}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_no_setting_is_mixed_into_an_earlier_run(corpus: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    """The same command is done at once; any other is refused and leaves what is there alone."""
    small = tmp_path / "in"
    shutil.copytree(corpus / "t0", small / "t0")
    build.sliced(small, tmp_path / "out")
    before = build.tree(tmp_path / "out")
    build.sliced(small, tmp_path / "out")
    with pytest.raises(OutputError, match=r"expected .* as in the run that is there"):
        build.sliced(small, tmp_path / "out", **change)
    assert build.tree(tmp_path / "out") == before


def test_a_changed_picture_is_another_input(corpus: Path, tmp_path: Path) -> None:
    """A changed picture is another input."""
    shutil.copytree(corpus / "t0", tmp_path / "in" / "t0")
    build.sliced(tmp_path / "in", tmp_path / "out")
    build.screen(99).save(tmp_path / "in" / "t0" / "2.png")
    with pytest.raises(OutputError, match=r"found input\.fingerprint"):
        build.sliced(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize(
    "bad",
    [{"layout": "gpt"}, {"history_images": 0}, {"val_fraction": 1.0}, {"val_fraction": float("nan")},
     {"val_fraction": -0.1}, {"shard_size": 0}, {"max_pixels": 1000}, {"max_dim": 383}],
    ids=str,
)  # fmt: skip
def test_settings_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    """Settings out of range are refused."""
    with pytest.raises(ConfigError, match=r"found .*, expected "):
        SliceConfig(**bad)


@pytest.mark.parametrize("name", [".", "sub", "t0"])
def test_the_output_is_no_part_of_the_input(corpus: Path, tmp_path: Path, name: str) -> None:
    """The output is no part of the input."""
    shutil.copytree(corpus / "t0", tmp_path / "in" / "t0")
    before = build.tree(tmp_path / "in")
    with pytest.raises(ConfigError, match="expected a folder outside"):
        build.sliced(tmp_path / "in", tmp_path / "in" / name)
    assert build.tree(tmp_path / "in") == before
    build.sliced(tmp_path / "in", tmp_path / "in2")


def test_lines_and_folders_slice_alike(corpus: Path, dataset: Dataset, tmp_path: Path) -> None:
    """A JSON Lines file beside its pictures gives the samples that folders give."""
    lines = []
    for folder in sorted(corpus.iterdir()):
        lines.append(json.dumps(json.loads((folder / "trajectory.json").read_text())))
        for picture in folder.glob("*.png"):
            (tmp_path / "in").mkdir(exist_ok=True)
            shutil.copy(picture, tmp_path / "in" / picture.name)
    (tmp_path / "in" / "all.jsonl").write_text("\n".join(lines))
    other = build.sliced(tmp_path / "in", tmp_path / "out")
    assert [(s.sample_id, s.split, s.messages, s.images) for s in other.samples()] == [
        (s.sample_id, s.split, s.messages, s.images) for s in dataset.samples()
    ]
    assert [s.provenance["file"] for s in other.samples()][::4] == [f"all.jsonl:{n}" for n in range(1, 7)]
