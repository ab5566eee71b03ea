"""`--pairs`: what is rejected is surely wrong, and TRL and `datasets` read the table as it is."""

import io
import json
from pathlib import Path
from typing import Any

import build
import msgspec
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.actions import Action, Click, LongPress, Terminate, Type, Wait
from pipeline.augmentation import pairs
from pipeline.augmentation.negatives import NEGATIVES, Case, Negative
from pipeline.errors import Episode, Refusal
from pipeline.exceptions import ConfigError, InputError, OutputError
from pipeline.records import Element, ImageRef, Label, Observation, Screenshot, StepText
from pipeline.screens.geometry import contains, distance
from pipeline.stage import Running
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import StepFacts, StepRow

BUTTON = Element(bbox=(0.3, 0.4, 0.7, 0.5), text="Photos", role="button", clickable=True, enabled=True, topmost=True)
OTHER = Element(bbox=(0.3, 0.6, 0.7, 0.7), text="Music", role="button", clickable=True, enabled=True, topmost=True)
FIELD = Element(bbox=(0.1, 0.8, 0.9, 0.85), text="Name", editable=True, clickable=True, focused=True, topmost=True)
CLICK = Click(point=(0.5, 0.45))
DONE = Terminate(status="success")


def case(action: Action = CLICK, at: int = 1, n: int = 5, goal: str = "Open the holiday page", **changes: Any) -> Case:
    """Return a decision of an episode whose other steps tap the same button, and whose last one ends it."""
    rows = []
    for index in range(n):
        acts = (action,) if index == at else (DONE if index == n - 1 else CLICK,)
        acts = changes.get("ends", acts) if index == n - 1 else acts
        elements = changes.get("elements", (BUTTON, OTHER)) if index == at else changes.get("later", (BUTTON,))
        observation = Observation(
            image=Screenshot("0.png", 360, 800), elements=elements, keyboard=False, overlay=False,
            settled=changes.get("settled"),
        )  # fmt: skip
        label = changes.get("label", Label()) if index == at else Label()
        facts = StepFacts(actions=acts, text=StepText(thought='I type "Anna B" or tap.'), label=label)
        rows.append(
            StepRow("t", index, "train", goal, "en", 1.0, ImageRef("0" * 64, 0, 0, 352, 800), observation, facts)
        )
    return Case(Episode(tuple(rows), 0), at, changes.get("seed", 0))


def element(base: Element, **changes: Any) -> Element:
    """Return the element with other facts."""
    return msgspec.structs.replace(base, **changes)


def rejected(name: str, found: Case) -> Action:
    """Return the wrong action."""
    outcome = NEGATIVES[name](found)
    assert isinstance(outcome, Negative), outcome
    assert outcome.action.synth
    assert outcome.thought
    assert outcome.instruction
    return outcome.action


def test_each_kind_is_wrong_in_its_way() -> None:
    """Another element, beside the target, another type, another text, an end too soon."""
    wrong = rejected("wrong_element", case())
    assert isinstance(wrong, Click)
    assert contains(OTHER.bbox, wrong.point or (0, 0))
    for seed in range(20):
        beside = rejected("off_target", case(seed=seed))
        assert isinstance(beside, Click)
        assert beside.point is not None
        assert all(distance(e.bbox, beside.point, 360, 800) > 1 for e in (BUTTON, OTHER))
        assert distance(BUTTON.bbox, beside.point, 360, 800) >= 16
    assert isinstance(rejected("wrong_type", case(LongPress(point=(0.5, 0.45)))), Click)
    assert isinstance(rejected("wrong_type", case(Type(text="x"), elements=(FIELD,))), Click)
    assert isinstance(rejected("wrong_type", case(settled=True)), Wait)
    typo = rejected("wrong_text", case(Type(text="Anna B"), goal="Add anna b to the list"))
    assert isinstance(typo, Type)
    assert sorted(typo.text) == sorted("Anna B")
    assert typo.text.casefold() != "anna b"
    assert rejected("premature_finish", case()) == Terminate(status="success", synth=True)


AROUND = element(OTHER, bbox=(0, 0.3, 1, 1))
SAME_GOAL = "Open music, then photos"
DOUBTS: list[tuple[str, str | None, Case]] = [
    ("wrong_element", "no_elements", case(elements=())),
    ("wrong_element", "target_unnamed", case(elements=(element(BUTTON, text=None), OTHER))),
    ("wrong_element", "no_other_control", case(elements=(BUTTON,))),
    ("wrong_element", "no_other_control", case(elements=(BUTTON, element(OTHER, text="photos!")))),
    ("wrong_element", "no_other_control", case(elements=(BUTTON, element(OTHER, text="All photos")))),
    ("wrong_element", "no_other_control", case(elements=(BUTTON, element(OTHER, text=None)))),
    ("wrong_element", "no_other_control", case(elements=(BUTTON, element(OTHER, topmost=None)))),
    ("wrong_element", "no_other_control", case(elements=(BUTTON, element(OTHER, enabled=False)))),
    ("wrong_element", "no_other_control", case(elements=(BUTTON, element(OTHER, clickable=False)))),
    ("wrong_element", "no_other_control", case(elements=(BUTTON, element(OTHER, wired=True)))),
    ("wrong_element", "no_other_control", case(elements=(BUTTON, element(OTHER, parent=0)))),
    ("wrong_element", "no_other_control", case(elements=(element(BUTTON, parent=1), AROUND))),
    ("wrong_element", "no_other_control", case(elements=(BUTTON, element(OTHER, bbox=(0.3, 0.49, 0.7, 0.9))))),
    ("wrong_element", "no_other_control", case(goal=SAME_GOAL)),
    ("wrong_element", "no_other_control", case(later=(element(BUTTON, text="Music"),))),
    ("wrong_element", None, case(Type(text="x"))),
    ("off_target", "no_elements", case(elements=())),
    ("off_target", "target_unclear", case(elements=(element(BUTTON, wired=True), OTHER))),
    ("off_target", "target_unclear", case(elements=(OTHER,))),
    ("off_target", "no_gap", case(elements=(BUTTON, element(OTHER, bbox=(0, 0, 1, 1))))),
    ("off_target", "no_gap", case(elements=(element(BUTTON, bbox=(0, 0, 1, 1)),))),
    ("off_target", None, case(LongPress(point=(0.5, 0.45)))),
    ("wrong_type", "unsettled", case()),
    ("wrong_type", "focus_unknown", case(Type(text="x"), elements=(element(FIELD, focused=False),))),
    ("wrong_type", None, case(DONE)),
    ("wrong_text", "text_not_in_goal", case(Type(text="Anna B"))),
    ("wrong_text", "text_too_short", case(Type(text="ab"), goal="Type ab")),
    ("wrong_text", "text_too_short", case(Type(text="aaaa"), goal="Type aaaa")),
    ("wrong_text", "text_too_short", case(Type(text="abab"), goal="Type abab and baba, abba, aabb, bbaa")),
    ("wrong_text", None, case()),
    ("premature_finish", "end_unknown", case(ends=(CLICK,))),
    ("premature_finish", "end_unknown", case(ends=(Terminate(status="failure"),))),
    ("premature_finish", "near_end", case(at=3)),
    ("premature_finish", "step_redundant", case(label=Label(redundant=True))),
    ("premature_finish", "step_redundant", case(Wait())),
    ("premature_finish", None, case(DONE)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "doubt", "found"), DOUBTS)
def test_a_doubt_is_enough(name: str, doubt: str | None, found: Case) -> None:
    """One changed fact, and nothing is rejected."""
    assert NEGATIVES[name](found) == (None if doubt is None else Refusal(doubt))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slice six trajectories, some in Chinese, into two shards."""
    root = tmp_path_factory.mktemp("pairs")
    for number in range(6):
        document = build.trajectory(f"t{number}", 6, first_screen=number * 10)
        if number % 2:
            document.update(goal=f"打开第{number}项", lang="zh")
        for step in document["steps"]:
            step["observation"]["elements"].append(
                {"bbox": [0.3, 0.75, 0.7, 0.8], "text": f"Something else {step['index']}", "role": "button",
                 "clickable": True, "topmost": True}
            )  # fmt: skip
        build.write(root / "in", document)
    build.sliced(root / "in", root / "d", shard_size=3)
    return root / "d"


def made(source: Path, out: Path, **options: Any) -> Dataset:
    """Write the pairs in this process."""
    with build.in_process():
        pairs.run(source, out, options.pop("seed", 0), Running(**options))
    return Dataset.open(out, pairs=True)


def test_the_columns_are_those_that_trl_reads(source: Path, tmp_path: Path) -> None:
    """Images encoded, an image part for each, messages of lists of parts, the split as the file's folder."""
    dataset = made(source, tmp_path / "out")
    clean = {sample.sample_id: sample for sample in Dataset.open(source).samples()}
    kinds = set()
    for split in ("train", "val"):
        for row in build.rows(dataset, split):
            sample = clean[row["sample_id"]]
            assert sample.split == split
            parts = [part for message in row["prompt"] for part in message["content"]]
            assert [part["type"] for part in parts].count("image") == len(row["images"]) == len(sample.images)
            assert all((part["text"] is None) is (part["type"] == "image") for part in parts)
            assert row["prompt"][0]["role"] == "system"
            assert row["chosen"] == [
                {"role": "assistant", "content": [{"type": "text", "text": sample.messages[-1].content[0].text}]}
            ]
            assert row["rejected"][0]["content"][0]["text"] != row["chosen"][0]["content"][0]["text"]
            for image, ref in zip(row["images"], sample.images, strict=True):
                assert Image.open(io.BytesIO(image["bytes"])).size == (ref.width, ref.height)
            kinds.add(row["negative"])
    assert kinds >= {"wrong_element", "off_target", "premature_finish"}
    counts = dataset.manifest.counts["samples"]
    assert counts.out == sum(dataset.manifest.splits.values()) == counts.added > 20
    assert dataset.manifest.details["decisions"]["with a pair"] == counts.out


def test_datasets_decodes_the_images(source: Path, tmp_path: Path) -> None:
    """By the features that the file itself names."""
    made(source, tmp_path / "out")
    file = tmp_path / "out" / "train" / "00000.parquet"
    features = json.loads((pq.read_schema(file).metadata or {})[b"huggingface"])["info"]["features"]
    assert features["images"] == {"feature": {"_type": "Image"}, "_type": "Sequence"}
    assert set(features) == set(pq.read_schema(file).names)
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset("parquet", data_files={"train": str(file)}, cache_dir=str(tmp_path / "cache"))
    assert loaded["train"][0]["images"][0].size == (352, 800)


def test_pairs_survive_as_datasets_do(source: Path, tmp_path: Path) -> None:
    """Same bytes for any number of workers; a rerun is free, a change is refused, the input is safe."""
    made(source, tmp_path / "a")
    pairs.run(source, tmp_path / "b", 0, Running(workers=2))
    assert build.tree(tmp_path / "a") == build.tree(tmp_path / "b")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*")}
    made(source, tmp_path / "a")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*")}
    with pytest.raises(OutputError, match="found seed 1, expected 0"):
        made(source, tmp_path / "a", seed=1)
    assert build.tree(tmp_path / "a") != build.tree(Path(made(source, tmp_path / "c", seed=1).path))
    with pytest.raises(ConfigError, match="inside the input"):
        made(source, source / "pairs")
    with pytest.raises(InputError, match="found preference pairs, expected samples"):
        Dataset.open(tmp_path / "a")


def test_the_command_line(source: Path, tmp_path: Path) -> None:
    """One command writes both and tells of both; only the dataset is printed."""
    done = build.gdp("augment-errors", source, "-o", tmp_path / "out", "--pairs", tmp_path / "pairs", "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'out'}\n"
    assert f"pairs: {tmp_path / 'pairs'}" in done.stderr
    done = build.gdp("augment-errors", source, "-o", tmp_path / "out", "--pairs", tmp_path / "out" / "pairs")
    assert done.returncode == 2
    assert done.stderr.startswith("--pairs: found")
    again = build.gdp(
        "augment-errors", source, "-o", tmp_path / "out", "--pairs", tmp_path / "pairs", "--format", "json"
    )
    assert json.loads(again.stderr)["pairs"]["counts"]["samples"]["out"] > 20
