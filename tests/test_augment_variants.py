"""`gdp augment-variants`: another way to the goal only where every step of it is proved, in both directions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import build
import pytest

from pipeline import augment_variants
from pipeline.records import Sample
from pipeline.stage import Running
from pipeline.storage.dataset import Dataset

Change = Callable[[dict[str, dict[str, Any]]], None]
BACK = {"type": "button", "name": "back"}
END = {"type": "terminate", "status": "success"}


def walk(name: str, screens: list[int], *, back: bool = False, goal: str = "Open the report") -> dict[str, Any]:
    """Return a recording that passes these screens by taps, or by Back, and then ends."""
    document = build.trajectory(name, len(screens), goal=goal)
    for index, screen in enumerate(screens):
        observation = build.step(0, screen)["observation"]
        document["steps"][index]["observation"] = observation
        document["steps"][index]["text"] = {
            "thought": f"From screen {screen} I go on.",
            "instruction": f"Step {screen}",
        }
        if back and index < len(screens) - 1:
            document["steps"][index]["actions"] = [BACK]
    return document


def recordings() -> dict[str, dict[str, Any]]:
    """Return two ways from screen 0 by 1 or by 2 to 3 and on to 4, and proofs of every way back."""
    return {
        "host": walk("host", [0, 1, 3, 4]),
        "donor": walk("donor", [0, 2, 3, 4]),
        "back1": walk("back1", [3, 1, 0], back=True, goal="Go home"),
        "back2": walk("back2", [3, 2, 0], back=True, goal="Go home again"),
    }


def run(tmp_path: Path, change: Change = lambda documents: None, **config: Any) -> Dataset:
    """Slice the recordings, one a shard, and add what other ways there are."""
    documents = recordings()
    change(documents)
    for document in documents.values():
        build.write(tmp_path / "in", document)
    build.sliced(
        tmp_path / "in", tmp_path / "d", **{"shard_size": 1, "val_fraction": 0.0, "max_pixels": 131_072, **config}
    )
    with build.in_process():
        augment_variants.run(tmp_path / "d", tmp_path / "out", Running())
    return Dataset.open(tmp_path / "out")


def made(dataset: Dataset) -> list[Sample]:
    """Return the samples of other ways."""
    return [sample for sample in dataset.samples() if "donor" in sample.provenance]


def test_one_recording_goes_on_as_the_other_did(tmp_path: Path) -> None:
    """In both directions; the donor's decision and the one after it are learned, and every check passes."""
    dataset = run(tmp_path)
    found = {sample.sample_id: sample for sample in made(dataset)}
    assert sorted(found) == [
        f"{a}~{b}/0000-0000/{n:04d}" for a, b in (("donor", "host"), ("host", "donor")) for n in range(3)
    ]
    sample = found["host~donor/0000-0000/0002"]
    assert [turn.thought for turn in sample.turns] == [f"From screen {n} I go on." for n in (0, 2, 3)]
    recorded = {
        (row["trajectory_id"], row["step_index"]): row["image"]["sha256"] for row in build.rows(dataset, "steps")
    }
    assert [image.sha256 for image in sample.images] == [
        recorded["donor", 0],
        recorded["donor", 1],
        recorded["host", 2],
    ]
    assert [turn.step_index for turn in sample.turns] == [0, 1, 2]
    assert sample.turns[-1].loss_weight == 1
    assert {image.shard for image in sample.images} == {0, 3} or len({image.shard for image in sample.images}) == 2
    flow = dataset.manifest.counts["samples"]
    assert (flow.into, flow.added, flow.out) == (14, 6, 20)
    assert dataset.manifest.details["other ways"] == {"considered": 2, "made": 2, "truthful": 2}
    assert build.validated(tmp_path / "out").findings == 0


def _label(name: str, step: int, **label: Any) -> Change:
    return lambda documents: documents[name]["steps"][step].update(label=label)


def _act(name: str, step: int, action: dict[str, Any]) -> Change:
    return lambda documents: documents[name]["steps"][step].update(actions=[action])


def _element(name: str, step: int, **facts: Any) -> Change:
    return lambda documents: documents[name]["steps"][step]["observation"]["elements"][2].update(facts)


def _drop(name: str) -> Change:
    return lambda documents: documents.pop(name)


def _goal(documents: dict[str, dict[str, Any]]) -> None:
    documents["donor"]["goal"] = "Open another report"


def _other_end(documents: dict[str, dict[str, Any]]) -> None:
    documents["donor"]["steps"][-1]["observation"] = build.step(0, 9)["observation"]


DOUBTS: list[tuple[str, Change]] = [
    ("one_way", _drop("back1")),
    ("one_way", _drop("back2")),
    ("other_end", _other_end),
    ("other_end", _act("donor", 3, {"type": "terminate", "status": "failure"})),
    ("other_end", _act("host", 3, {"type": "click", "point": [0.5, 0.45]})),
    ("labelled_step", _label("donor", 1, role="recovery")),
    ("labelled_step", _label("host", 1, correct=False)),
    ("not_navigation", _act("donor", 1, {"type": "type", "text": "x"})),
    ("not_navigation", _act("host", 0, {"type": "long_press", "point": [0.5, 0.45]})),
    ("not_navigation", _act("donor", 0, {"type": "click", "point": [0.5, 0.45], "count": 2})),
    ("not_navigation", _element("donor", 1, text="Delete it")),
    ("not_navigation", _element("donor", 1, checked=False)),
    ("not_navigation", lambda documents: documents["donor"]["steps"][1].update(
        inbound=[{"kind": "user_reply", "text": "Yes"}])),
]  # fmt: skip


@pytest.mark.parametrize(("doubt", "change"), DOUBTS)
def test_one_fact_unproves_a_way(tmp_path: Path, doubt: str, change: Change) -> None:
    """And the report counts it."""
    dataset = run(tmp_path, change)
    ways = dataset.manifest.details["other ways"]
    assert ways[f"refused: {doubt}"] == ways["considered"] == 2
    assert made(dataset) == []


@pytest.mark.parametrize("change", [_goal, _drop("donor")])
def test_only_recordings_of_one_goal_are_paired(tmp_path: Path, change: Change) -> None:
    """Thoughts of another goal would be false."""
    dataset = run(tmp_path, change)
    assert dataset.manifest.details["pairs of recordings"] == 0
    assert list(dataset.samples()) == list(Dataset.open(tmp_path / "d").samples())


def test_recordings_that_never_meet_again_have_no_other_way(tmp_path: Path) -> None:
    """Nothing is even considered."""

    def apart(documents: dict[str, dict[str, Any]]) -> None:
        documents["donor"] = walk("donor", [0, 2, 8, 7])

    assert run(tmp_path, apart).manifest.details["other ways"]["considered"] == 0


def test_the_same_for_any_workers_and_not_twice(tmp_path: Path) -> None:
    """A rerun on its own output adds nothing."""
    run(tmp_path)
    augment_variants.run(tmp_path / "d", tmp_path / "two", Running(workers=2))
    assert build.tree(tmp_path / "out") == build.tree(tmp_path / "two")
    with build.in_process():
        augment_variants.run(tmp_path / "out", tmp_path / "again", Running())
    assert list(Dataset.open(tmp_path / "again").samples()) == list(Dataset.open(tmp_path / "out").samples())


def test_errors_and_crops_leave_them_alone(tmp_path: Path) -> None:
    """They belong to no one recording."""
    run(tmp_path, layout="qwen3-vl")
    before = made(Dataset.open(tmp_path / "out"))
    dataset = build.augmented(tmp_path / "out", tmp_path / "more", rate=0.3, jitter=1.0, crop=1.0)
    assert [sample for sample in made(dataset) if not sample.sample_id.endswith("+crop")] == before
    assert build.validated(tmp_path / "more").findings == 0


def test_the_command_line(tmp_path: Path) -> None:
    """It is a stage like the others."""
    run(tmp_path)
    done = build.gdp("augment-variants", tmp_path / "d", "-o", tmp_path / "cli", "--workers", 1)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'cli'}\n")
    assert "other ways      2 considered, 2 possible, 2 made" in done.stderr
