"""Trajectories are found in any nesting; of a broken one the good beginning is kept and the rest has a reason."""

import copy
import json
import os
import shutil
from pathlib import Path
from typing import Any

import build
import pytest

from pipeline.exceptions import InputError
from pipeline.slicing.glance import glance
from pipeline.storage.place import Place
from pipeline.trajectories import Document, Loaded, find, load


def loaded(tmp_path: Path, text: bytes | str) -> Loaded:
    """Load one trajectory file with this content."""
    (tmp_path / "trajectory.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(Place(str(tmp_path)), Document("trajectory.json"))


def spoiled(tmp_path: Path, path: str, value: Any, n_steps: int = 4) -> Loaded:
    """Load a good trajectory in which one value, named by a path with slashes, is another."""
    document = build.trajectory("t", n_steps)
    place: Any = document
    *keys, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    for key in keys:
        place = place[key]
    place[last] = value
    return loaded(tmp_path, json.dumps(document))


def test_files_are_found_at_any_depth_in_one_order(tmp_path: Path) -> None:
    """Folders and lines, sorted by their path; hidden folders and other files are none of ours."""
    for name in (
        "b/trajectory.json",
        "a/x/y/trajectory.json",
        ".git/trajectory.json",
        "a/.z/trajectory.json",
        "a/o.json",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    (tmp_path / "a" / "many.jsonl").write_bytes(b'{"n": 1}\n\n  \r\n{"n": 2}\r\n{"n": 3}')
    documents = find(Place(str(tmp_path)))
    assert [d.where for d in documents] == [
        "a/many.jsonl:1", "a/many.jsonl:4", "a/many.jsonl:5", "a/x/y/trajectory.json", "b/trajectory.json",
    ]  # fmt: skip
    assert [json.loads(d.read(Place(str(tmp_path)))) for d in documents[:3]] == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert documents[0].folder == "a"


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    """A missing folder, a file, an empty folder, a dataset."""
    for path, found in ((tmp_path / "no", "found nothing there"), (tmp_path, "found no trajectory")):
        with pytest.raises(InputError, match=f"{found}, expected"):
            find(Place(str(path)))
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="hint: this is a dataset"):
        find(Place(str(tmp_path)))
    with pytest.raises(InputError, match="found a file, expected a folder"):
        find(Place(str(tmp_path / "manifest.json")))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", "found an empty file"),
        (b" \n", "found an empty file"),
        (b'{"a": ', "found broken JSON"),
        (b'{"schema": 5, "steps": [', "found broken JSON"),  # a wrong type before the place where it breaks
        (b'{"schema": "gdp.traj/1", "x": ' + b"[" * 200_000, "found broken JSON"),
        (b'{"a": "\xff"}', "found byte 7 that is no UTF-8"),
        (b"\xef\xbb\xbf{}", "found a byte order mark"),
        (b'{"a": NaN}', "found broken JSON"),
        (b"{} {}", "found broken JSON"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_text_that_is_no_json(tmp_path: Path, text: bytes, found: str) -> None:
    """Planning and loading both survive it, and the reason names the file."""
    seen = loaded(tmp_path, text)
    assert seen.trajectory is None
    assert [p.code for p in seen.problems] == ["json_broken"]
    assert seen.problems[0].where == "trajectory.json"
    assert seen.problems[0].message.startswith(found)
    assert ", expected " in seen.problems[0].message
    assert glance(Place(str(tmp_path)), Document("trajectory.json")).trajectory_id is None


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A link that leads nowhere is one refused trajectory, not the end of the run."""
    for name in ("trajectory.json", "more.jsonl"):
        (tmp_path / name).symlink_to("nowhere")
    place = Place(str(tmp_path))
    documents = find(place)
    assert [document.where for document in documents] == ["more.jsonl", "trajectory.json"]
    for document in documents:
        assert glance(place, document).goal is None
        assert [(p.code, p.where) for p in load(place, document).problems] == [("unreadable", document.where)]


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        ("steps/2/actions/0/point", [0.5, 1.5], "$.steps[2].actions[0].point[1]", "found 1.5, expected at most 1"),
        ("steps/2/actions/0/type", "fly", "$.steps[2].actions[0].type",
         'found "fly", expected one of click, long_press'),
        ("steps/2/actions", [], "$.steps[2].actions", "found 0 items, expected at least 1"),
        ("steps/2/text", {"thoughts": "x"}, "$.steps[2].text",
         "found unknown \"thoughts\", expected 'thought'? or only expected,"),
        ("steps/2/observation", {}, "$.steps[2].observation", "found no 'image', expected one"),
        ("steps/2/index", 7, "$.steps[2].index", "found 7, expected 2"),
        ("steps/2/label", {"corrects_step": 2}, "$.steps[2].label.corrects_step", "found 2, expected an earlier step"),
        ("steps/2/observation/elements/1/bbox", [0.5, 0.1, 0.4, 0.2], "$.steps[2].observation.elements[1].bbox",
         "found [0.5, 0.1, 0.4, 0.2], expected [x1, y1, x2, y2]"),
        ("steps/2/observation/elements/4/parent", 5, "$.steps[2].observation.elements[4].parent",
         "found 5, expected an index below 5"),
        ("steps/2/actions/0/bbox", [0.5, 0.9, 0.6, 0.2], "$.steps[2].actions[0].bbox", "found [0.5, 0.9, 0.6, 0.2]"),
    ],
)  # fmt: skip
def test_the_steps_before_a_broken_one_are_kept(
    tmp_path: Path, path: str, value: Any, where: str, message: str
) -> None:
    """Later ones would show the broken one as their history."""
    seen = spoiled(tmp_path, path, value)
    assert seen.trajectory is not None
    assert len(seen.trajectory.steps) == 2
    assert seen.trajectory.final_observation is None
    assert seen.n_steps == 4
    assert seen.problems[0].where == f"trajectory.json: {where}"
    assert seen.problems[0].message.startswith(message)
    assert seen.problems[0].step_index == 2


@pytest.mark.parametrize(
    ("path", "value"),
    [("steps/0/index", "0"), ("goal", ""), ("lang", "fr"), ("steps/0/index", 1), ("extra_key", 1), ("steps", [])],
)
def test_what_concerns_the_whole_refuses_the_whole(tmp_path: Path, path: str, value: Any) -> None:
    """A broken header, or nothing before the broken step."""
    seen = spoiled(tmp_path, path, value)
    assert seen.trajectory is None
    assert seen.problems


def test_a_deeper_break_in_an_earlier_step_wins(tmp_path: Path) -> None:
    """Step 3 breaks the schema, step 1 only its order: what is kept ends before step 1."""
    document = build.trajectory("t", 5)
    document["steps"][3]["actions"] = []
    document["steps"][1]["index"] = 9
    seen = loaded(tmp_path, json.dumps(document))
    assert seen.trajectory is not None
    assert len(seen.trajectory.steps) == 1
    assert [problem.step_index for problem in seen.problems] == [1, 3]


def test_every_missing_key_is_named(tmp_path: Path) -> None:
    """Once, all of them."""
    seen = loaded(tmp_path, "{}")
    assert [p.message for p in seen.problems] == [
        "found no 'schema', 'trajectory_id', 'goal', 'steps', expected them"
    ]  # fmt: skip


def test_whole_numbers_may_be_written_as_floats(tmp_path: Path) -> None:
    """The schema takes 360.0 for an integer, so its readers may write it; 360.5 is none."""
    seen = spoiled(tmp_path, "steps/1/observation/image/width", 360.0)
    assert seen.problems == ()
    assert seen.trajectory is not None
    assert seen.trajectory.steps[1].observation.image.width == 360
    assert type(seen.trajectory.steps[1].observation.image.width) is int
    half = spoiled(tmp_path, "steps/1/observation/image/width", 360.5)
    assert half.trajectory is not None
    assert len(half.trajectory.steps) == 1


def test_a_glance_at_a_broken_trajectory_still_sees_its_goal(tmp_path: Path) -> None:
    """Its first steps will be used, so its goal takes part in the split and its id in the search for repeated ones."""
    document = build.trajectory("t", 3)
    broken = copy.deepcopy(document)
    broken["steps"][2] = {"index": 2}
    for each in (document, broken):
        loaded(tmp_path, json.dumps(each))
        seen = glance(Place(str(tmp_path)), Document("trajectory.json"))
        assert (seen.trajectory_id, seen.goal) == ("t", "Do the task of t")
        assert seen.images[:2] == ("0.png", "1.png")


def test_only_plain_files_below_the_source_are_opened(tmp_path: Path) -> None:
    """A pipe would hang, a device never ends, a link may lead out or to itself: each is refused."""
    build.write(tmp_path / "in", build.trajectory("good"))
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps(build.trajectory("outside")))
    for name in ("pipe", "device", "link", "loop", "lines"):
        (tmp_path / "in" / name).mkdir()
    os.mkfifo(tmp_path / "in" / "pipe" / "trajectory.json")
    os.mkfifo(tmp_path / "in" / "lines" / "all.jsonl")
    (tmp_path / "in" / "device" / "trajectory.json").symlink_to("/dev/zero")
    (tmp_path / "in" / "link" / "trajectory.json").symlink_to(outside)
    (tmp_path / "in" / "loop" / "trajectory.json").symlink_to("trajectory.json")
    source = Place(str(tmp_path / "in"))
    seen = {document.path: load(source, document) for document in find(source)}
    assert [path for path, loaded in seen.items() if loaded.trajectory] == ["good/trajectory.json"]
    refused = [loaded.problems[0] for loaded in seen.values() if loaded.problems]
    assert [problem.code for problem in refused] == ["unreadable"] * 5
    assert [glance(source, document).trajectory_id for document in find(source)].count(None) == 5


def test_a_folder_behind_a_link_is_refused_not_passed_over(tmp_path: Path) -> None:
    """Links are not followed out of the source; one that stays inside names what is found anyway."""
    source, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    build.write(source, build.trajectory("a", 1))
    build.write(elsewhere, build.trajectory("b", 1))
    (source / "linked").symlink_to(elsewhere)
    (source / "again").symlink_to(source / "a")
    documents = find(Place(str(source)))
    assert [document.path for document in documents] == ["a/trajectory.json", "linked"]
    [problem] = load(Place(str(source)), documents[1]).problems
    assert (problem.code, problem.where) == ("unreadable", "linked")
    assert "a link that leads out of the source folder" in problem.message


def test_a_name_that_is_no_text_is_refused_not_fatal(tmp_path: Path) -> None:
    """Its bytes are shown escaped; the other trajectories are read."""
    build.write(tmp_path / "in", build.trajectory("good"))
    folder = os.fsencode(tmp_path / "in") + b"/\xff\xfe"
    os.mkdir(folder)  # noqa: PTH102 - a name that pathlib would have to be given as text
    shutil.copy(tmp_path / "in" / "good" / "trajectory.json", folder + b"/trajectory.json")
    report = build.sliced(tmp_path / "in", tmp_path / "d")
    (refused,) = [row for row in build.rows(report, "rejected") if row["scope"] == "trajectory"]
    assert (refused["code"], r"\udcff" in refused["where"]) == ("unreadable", True)
    assert "no UTF-8" in refused["message"]
