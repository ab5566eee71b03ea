"""The split: groups on one side, near-duplicates with them, the same sides for the same data in any order."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import build
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks.gather import gather
from pipeline.describe import same_goal
from pipeline.exceptions import ConfigError
from pipeline.slice import SliceConfig
from pipeline.slicing.glance import Glance, glance, main_app
from pipeline.slicing.split import BY, By, draw, near_duplicates
from pipeline.storage.place import Place
from pipeline.trajectories import Document, find

GOALS = ("Open the mail", "open  THE mail", "Close the mail", "Send it")
PICTURES = [f"{n:02d}" for n in range(12)]

# Most are one of two recordings with little taken away or added, so that many are near the limit.
edits = st.frozensets(st.sampled_from(PICTURES), max_size=2)
pictures = st.one_of(
    st.frozensets(st.sampled_from(PICTURES), max_size=10),
    st.builds(
        lambda base, edit: base ^ edit, st.sampled_from((frozenset(PICTURES[:5]), frozenset(PICTURES[3:]))), edits
    ),
)
glances = st.builds(
    Glance,
    document=st.builds(Document, st.uuids().map(str)),
    trajectory_id=st.uuids().map(str),
    goal=st.sampled_from((*GOALS, None)),
    images=st.just(()),
    sha256=st.just(""),
    app=st.sampled_from(("mail", "clock", None)),
    actions=st.sampled_from(("a", "b", "c", None)),
)
corpora = st.lists(st.tuples(glances, pictures), max_size=14)


def alike(one: tuple[Glance, frozenset[str]], other: tuple[Glance, frozenset[str]]) -> bool:
    """Tell by the definition whether two trajectories are near-duplicates."""
    (a, shown_a), (b, shown_b) = one, other
    if a.goal is None or b.goal is None:
        return False
    same = a.actions is not None and a.actions == b.actions and same_goal(a.goal) == same_goal(b.goal)
    return same or (bool(shown_a) and len(shown_a & shown_b) / len(shown_a | shown_b) >= 0.8)


def components(n: int, pairs: Sequence[tuple[int, int]]) -> set[frozenset[int]]:
    """Return what the pairs connect."""
    of = {position: {position} for position in range(n)}
    for one, other in pairs:
        of[one] |= of[other]
        for each in of[one]:
            of[each] = of[one]
    return {frozenset(group) for group in of.values()}


@given(corpora)
def test_near_duplicates_are_what_every_pair_would_show(corpus: list[tuple[Glance, frozenset[str]]]) -> None:
    """The index overlooks none, and joins no others."""
    every = [(a, b) for a in range(len(corpus)) for b in range(a) if alike(corpus[a], corpus[b])]
    found = list(near_duplicates([seen for seen, _ in corpus], [shown for _, shown in corpus]))
    assert all(later > earlier for later, earlier in found)
    assert all(alike(corpus[a], corpus[b]) for a, b in found)
    assert components(len(corpus), found) == components(len(corpus), every)


@given(corpora, st.sampled_from(list(BY)), st.sampled_from((0.0, 0.2, 0.5, 0.9)), st.integers(0, 3), st.randoms())
def test_sides(corpus: list[tuple[Glance, frozenset[str]]], by: By, fraction: float, seed: int, rng: object) -> None:
    """What belongs together stands together, whatever the order of the files; both sides have something if they can."""
    sides = draw([seen for seen, _ in corpus], [shown for _, shown in corpus], by, fraction, seed)
    of = {seen.trajectory_id: side for (seen, _), side in zip(corpus, sides.splits, strict=True)}
    usable = [(seen, shown) for seen, shown in corpus if seen.goal is not None]
    for a, shown_a in usable:
        for b, shown_b in usable:
            same = {"trajectory": a is b, "task": same_goal(a.goal or "") == same_goal(b.goal or ""),
                    "app": a.app == b.app and a.app is not None}[by]  # fmt: skip
            if same or alike((a, shown_a), (b, shown_b)):
                assert of[a.trajectory_id] == of[b.trajectory_id]
    assert {of[seen.trajectory_id] for seen, _ in usable} == (
        {"train", "val"} if sides.groups > 1 and fraction else {"train"} if sides.groups else set()
    )
    assert {side for (seen, _), side in zip(corpus, sides.splits, strict=True) if seen.goal is None} <= {"train"}
    shuffled = list(corpus)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    again = draw([seen for seen, _ in shuffled], [shown for _, shown in shuffled], by, fraction, seed)
    assert {s.trajectory_id: side for (s, _), side in zip(shuffled, again.splits, strict=True)} == of
    assert again.groups == sides.groups


def test_a_copy_stands_beside_its_original(tmp_path: Path) -> None:
    """Under another id and with another goal, a step shorter; and it is counted."""
    build.corpus(tmp_path / "in", n=6, n_steps=6)
    folder = tmp_path / "in" / "copy"
    shutil.copytree(tmp_path / "in" / "t3", folder)
    document = json.loads((folder / "trajectory.json").read_text())
    document.update(trajectory_id="copy", goal="In quite other words", steps=document["steps"][:5])
    (folder / "trajectory.json").write_text(json.dumps(document))
    for seed in range(8):
        dataset = build.sliced(tmp_path / "in", tmp_path / f"{seed}", val_fraction=0.5, seed=seed)
        split = {sample.trajectory_id: sample.split for sample in dataset.samples()}
        assert split["copy"] == split["t3"]
        assert dataset.manifest.details["grouped"] == {"tasks": 6, "near-duplicates": 1}


def test_apps_and_single_trajectories(tmp_path: Path) -> None:
    """Whole apps go to one side; by trajectory one goal may stand on both, which validate then does not call a leak."""
    for number in range(8):
        document = build.trajectory(f"t{number}", 3, first_screen=number * 10, goal="The same")
        for step in document["steps"]:
            step["observation"]["app"] = f"App {number % 4}"
            if "point" in step["actions"][0]:
                step["actions"][0]["point"] = [0.5, 0.41 + number / 100]
        build.write(tmp_path / "in", document)
    by_app = build.sliced(tmp_path / "in", tmp_path / "app", split_by="app", val_fraction=0.5)
    sides = {(int(sample.trajectory_id[1:]) % 4, sample.split) for sample in by_app.samples()}
    assert sorted(side for _, side in sides) == ["train", "train", "val", "val"]
    assert by_app.manifest.slicing.split_by == "app"
    by_trajectory = build.sliced(tmp_path / "in", tmp_path / "one", split_by="trajectory", val_fraction=0.5)
    assert {sample.split for sample in by_trajectory.samples()} == {"train", "val"}
    for dataset in (by_app, by_trajectory):
        facts = gather(dataset)
        assert (facts.leaking, facts.repeated) == ({}, frozenset())
        assert build.validated(Path(dataset.path)).findings == 0
    with pytest.raises(ConfigError, match="--split-by: found 'goal', expected one of trajectory, task, app"):
        SliceConfig(split_by="goal")  # type: ignore[arg-type]


def test_an_app_on_both_sides_is_a_leak(tmp_path: Path) -> None:
    """Validate refuses the val side of it."""
    for number, app in enumerate(("One", "Two")):
        document = build.trajectory(f"t{number}", 2, first_screen=number * 10)
        for step in document["steps"]:
            step["observation"]["app"] = app
        build.write(tmp_path / "in", document)
    good = build.sliced(tmp_path / "in", tmp_path / "good", split_by="app", val_fraction=0.5)
    shard = build.rows(good, "steps")
    for row in shard:
        row["app"] = "One"
    shards = build.write_shard(tmp_path / "leak", {
        "steps": shard, "images": build.rows(good, "images"), "samples": build.rows(good, "samples"),
        "rejected": [],
    })  # fmt: skip
    assert build.validated(Path(good.path)).findings == 0
    manifest = msgspec.structs.replace(good.manifest, shards=shards)
    Place(str(tmp_path / "leak")).write("manifest.json", manifest.to_json(), "m")
    report = build.validated(tmp_path / "leak")
    assert {row["message"] for row in report.refused} == {"found app 'One' in train and val, expected one side"}
    assert report.manifest.rejected == {"split": 2}


def test_the_app_of_a_trajectory(tmp_path: Path) -> None:
    """Is that of most steps; a page's host where no app is recorded, else what the trajectory declares."""
    assert main_app(["a", "b", "b", None], ["c"]) == "b"
    assert main_app(["b", "a"]) == "b"
    assert main_app([None], ["c", "d"]) == "c"
    assert main_app([]) is None
    document = build.trajectory("t", 3)
    for step in document["steps"]:
        del step["observation"]["app"]
        step["observation"]["url"] = "https://mail.example:8443/inbox?q=1"
    document["steps"][2]["observation"]["url"] = "http://[broken"
    build.write(tmp_path, document)
    source = Place(str(tmp_path))
    assert [glance(source, each).app for each in find(source)] == ["mail.example"]
    document["steps"][1]["actions"] = 3  # of another shape: its first step may still be used
    (tmp_path / "t" / "trajectory.json").write_text(json.dumps(document))
    assert [glance(source, each).app for each in find(source)] == ["mail.example"]


def test_the_same_actions_written_differently_are_near_duplicates(tmp_path: Path) -> None:
    """Other pictures, other words of the source for the actions: the actions and the goal are the same."""
    for number in range(6):
        document = build.trajectory(f"t{number}", 3, first_screen=number * 10, goal="The same")
        for step in document["steps"]:
            step["actions"][0]["src"] = f"tap {number}"
        build.write(tmp_path / "in", document)
    dataset = build.sliced(tmp_path / "in", tmp_path / "out", split_by="trajectory", val_fraction=0.5)
    assert len({sample.split for sample in dataset.samples()}) == 1
    assert dataset.manifest.details["grouped"]["near-duplicates"] > 0
