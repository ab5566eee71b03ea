"""States and the transition graph: which screens are equal, what leads where, screens of other shards."""

import json
from pathlib import Path
from typing import Any

import build
import msgspec
import pytest
from episodes import BUTTON, DEAD, OBSERVATION, element
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.augmentation.graph import MAX_ACTIONS, MAX_ROUTES, Graph
from pipeline.errors import KINDS
from pipeline.records import Observation, Sample
from pipeline.screens.fingerprint import Fingerprint, fingerprint
from pipeline.screens.states import States, mask, same_screen
from pipeline.storage.dataset import Dataset


def printed(picture: Image.Image) -> Fingerprint:
    """Return the fingerprint of a picture."""
    return fingerprint(picture.convert("RGBX"))


def seen(**changes: Any) -> Observation:
    """Return the plain screen with other facts."""
    return msgspec.structs.replace(OBSERVATION, **changes)


def states(*screens: tuple[Observation, Image.Image], masks: tuple[Any, ...] = ()) -> list[int]:
    """Return the states of the screens."""
    book = States()
    return [book.place(observation, printed(picture), masks) for observation, picture in screens]


def changed(box: tuple[int, int, int, int], number: int = 1) -> Image.Image:
    """Return a screen with something else in the box."""
    picture = build.screen(number)
    picture.paste("black", box)
    return picture


PICTURE = build.screen(1)


def test_equal_pixels_are_one_state() -> None:
    """Of one page of one app; without an app nothing is known."""
    one = (seen(), PICTURE)
    assert states(one, one) == [0, 0]
    for change in ({"activity": "Other"}, {"url": "x"}, {"app": "Other"}, {"keyboard": True}, {"overlay": True}):
        assert states(one, (seen(**change), PICTURE)) == [0, 1]
    assert states((seen(app=None), PICTURE)) == [-1]


@pytest.mark.parametrize(
    "elements",
    [
        (BUTTON,),
        (BUTTON, element(DEAD, text="Another heading")),
        (BUTTON, element(DEAD, role="button")),
        (element(BUTTON, bbox=(0.3, 0.45, 0.7, 0.55)), DEAD),
        (element(BUTTON, checked=True), DEAD),
        (element(BUTTON, focused=True), DEAD),
        (element(BUTTON, enabled=False), DEAD),
        (BUTTON, DEAD, DEAD),
    ],
)
def test_other_elements_are_another_state(elements: Any) -> None:
    """However alike the pictures are: one pixel differs here."""
    nearly = changed((100, 700, 101, 701))
    assert states((seen(), PICTURE), (seen(elements=elements), nearly)) == [0, 1]


def test_equal_elements_on_a_picture_that_looks_alike() -> None:
    """Order and a few pixels of a box make no difference; a picture that is another does."""
    nearly = changed((100, 700, 101, 701))
    swapped = seen(elements=(element(DEAD, bbox=(0.1, 0.0201, 0.6, 0.0601)), BUTTON))
    assert states((seen(), PICTURE), (swapped, nearly)) == [0, 0]
    assert states((seen(), PICTURE), (seen(), changed((0, 300, 360, 800)))) == [0, 1]
    assert states((seen(), PICTURE), (seen(), build.screen(90))) == [0, 1]


def test_elements_found_in_the_picture_prove_nothing() -> None:
    """Then only equal pixels count."""
    read = seen(elements=(element(BUTTON, source="ocr"),))
    assert states((read, PICTURE), (read, changed((100, 700, 103, 703)))) == [0, 1]
    assert states((read, PICTURE), (read, PICTURE)) == [0, 0]
    bare = seen(elements=())
    assert states((bare, PICTURE), (bare, changed((100, 700, 103, 703)))) == [0, 1]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 359), min_size=2, max_size=2, unique=True), st.integers(0, 799))
def test_what_changes_by_itself_is_masked(xs: list[int], y: int) -> None:
    """A status bar, a clock, a declared region: only outside of them must pixels be equal."""
    left, right = sorted(xs)
    box = (left / 360, y / 800, right / 360, min(y + 3, 800) / 800)
    after = changed((left, y, right, min(y + 3, 800)))
    masks = mask(seen(dynamic=(box,)), None, None)
    assert same_screen(printed(PICTURE), printed(after), masks)
    assert not same_screen(printed(PICTURE), printed(after), ()) or PICTURE.tobytes() == after.tobytes()


def test_masks_follow_the_platform() -> None:
    """24 dp at the top of an Android screen, none in the web; clocks wherever they are."""
    assert mask(seen(), "web", 1.0) == ()
    assert mask(seen(), "android", 1.0) == ((0.0, 0.0, 1.0, 24 / 800),)
    clock = element(DEAD, role="android.widget.TextClock")
    assert mask(seen(elements=(clock,)), None, None) == (DEAD.bbox,)
    bar = changed((300, 2, 340, 14))
    assert same_screen(printed(PICTURE), printed(bar), mask(seen(), "android", 1.0))
    assert not same_screen(printed(PICTURE), printed(bar), mask(seen(), "web", 1.0))


def test_a_screen_that_changes_as_a_whole_is_told_by_its_elements() -> None:
    """Under a video that fills the screen no pixel is left to compare: all pages would be equal."""
    video: dict[str, Any] = {"dynamic": ((0.0, 0.0, 1.0, 1.0),)}
    masks, other = mask(seen(**video), None, None), build.screen(90)
    assert states((seen(**video), PICTURE), (seen(**video, elements=(BUTTON,)), other), masks=masks) == [0, 1]
    assert states((seen(**video), PICTURE), (seen(**video), changed((9, 9, 12, 12))), masks=masks) == [0, 0]
    bare = seen(**video, elements=())
    assert states((bare, PICTURE), (bare, other), masks=masks) == [-1, -1]


def hub(root: Path, n: int = 3, **goals: str) -> Path:
    """Write pairs of trajectories that pass one screen: one goes right on, one looks into a row and comes back."""
    for number in range(n):
        right = build.trajectory(f"a{number}", 4, first_screen=100 + 10 * number)
        astray = build.trajectory(f"b{number}", 6, first_screen=200 + 10 * number)
        for document, path in ((right, (0, 1)), (astray, (0, 2, 0, 1))):
            for index, screen in enumerate(path, start=1):
                document["steps"][index]["observation"] = build.step(0, screen)["observation"]
        astray["steps"][1]["actions"] = [{"type": "click", "point": [0.5, 0.66]}]
        astray["steps"][2]["actions"] = [{"type": "button", "name": "back"}]
        for document in (right, astray):
            document["goal"] = goals.get(document["trajectory_id"], document["goal"])
            build.write(root, document)
    return root


def errors(dataset: Dataset, kind: str) -> list[Sample]:
    """Return the samples of a kind."""
    return [sample for sample in dataset.samples() if sample.error_kind == kind]


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slice the hub, each trajectory into a shard of its own."""
    root = tmp_path_factory.mktemp("hub")
    build.sliced(hub(root / "in"), root / "d", shard_size=1, val_fraction=0)
    return root / "d"


def test_a_screen_of_another_shard_is_shown(sharded: Path, tmp_path: Path) -> None:
    """It is where the reference says, in the copy too; rows are conserved, and validate reads every pixel."""
    dataset = build.augmented(sharded, tmp_path / "out", rate=0.5, kinds=("wrong_element",))
    found = [sample for sample in errors(dataset, "wrong_element") if sample.trajectory_id.startswith("a")]
    assert {sample.sample_id for sample in found} >= {"a0/0001+wrong_element-escape", "a0/0001+wrong_element-retry"}
    borrowed = 0
    for sample in found:
        own = sample.images[0].shard
        borrowed += any(image.shard != own for image in sample.images)
        for image in sample.images:
            assert dataset.image(image) == Dataset.open(sharded).image(image)
    assert borrowed == len(found)
    assert all(flow.balanced for flow in dataset.manifest.counts.values())
    assert build.validated(tmp_path / "out").findings == 0
    for number in dataset.manifest.shard_numbers():
        name = f"images/{number:05d}.parquet"
        assert (sharded / name).stat().st_ino == (tmp_path / "out" / name).stat().st_ino


def test_the_trainer_reads_screens_of_other_shards(sharded: Path, tmp_path: Path) -> None:
    """By their references, as all others."""
    pytest.importorskip("torch")
    from train.encoding.data import decode

    dataset = build.augmented(sharded, tmp_path / "out", rate=0.5, kinds=("wrong_element",))
    for sample in errors(dataset, "wrong_element"):
        assert all(decode(dataset, image).size == (image.width, image.height) for image in sample.images)


@pytest.mark.parametrize("borrower", ["train", "val"])
def test_nothing_is_borrowed_across_the_split(tmp_path: Path, borrower: str) -> None:
    """One pair, one of them on each side: the screen is there, and may not be shown."""
    build.sliced(hub(tmp_path / "in", 1), tmp_path / "d", val_fraction=0.5, seed=0 if borrower == "train" else 3)
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0.5, kinds=("wrong_element",))
    assert dataset.manifest.splits.keys() == {"train", "val"}
    sides = {(row["image"]["shard"], row["image"]["row"]): set() for row in build.rows(dataset, "steps")}  # type: ignore[var-annotated]
    for row in build.rows(dataset, "steps"):
        sides[row["image"]["shard"], row["image"]["row"]].add(row["split"])
    for sample in dataset.samples():
        assert all(sample.split in sides[image.shard, image.row] for image in sample.images)
    assert not [s for s in errors(dataset, "wrong_element") if s.trajectory_id == "a0"]
    assert dataset.manifest.details["wrong_element"]["refused: other_side"] >= 1


def test_the_same_bytes_whatever_the_workers(sharded: Path, tmp_path: Path) -> None:
    """Planned by one, surveyed and made by several."""
    for workers in (1, 2):
        done = build.gdp("augment-errors", sharded, "-o", tmp_path / str(workers), "--workers", workers, "-q")
        assert done.returncode == 0, done.stderr
    assert build.tree(tmp_path / "1") == build.tree(tmp_path / "2")


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    """Of a screen that everybody passes, so many actions, and of those a step is told of so many."""
    document = build.trajectory("t", 81, first_screen=0)
    for index in range(80):
        screen = 0 if index % 2 == 0 else index
        document["steps"][index]["observation"] = build.step(0, screen)["observation"]
        document["steps"][index]["actions"] = [{"type": "button", "name": "back"}]
        if index % 2 == 0:
            document["steps"][index]["actions"] = [{"type": "click", "point": [0.9, round(0.01 + index / 100, 3)]}]
    build.write(tmp_path / "in", document)
    dataset = build.sliced(tmp_path / "in", tmp_path / "d")
    graph = Graph.of(dataset)
    around = graph.surroundings(0)["t"]
    assert max(each.acted for each in around) == MAX_ACTIONS
    assert max(len(each.routes) for each in around) == MAX_ROUTES
    assert len(around) == 81


def test_the_manifest_says_how_screens_were_compared(sharded: Path, tmp_path: Path) -> None:
    """Thresholds, masks, and how many screens each rule covered."""
    manifest = build.augmented(sharded, tmp_path / "out").manifest
    assert manifest.config["screens"]["phash_bits"] == 12
    assert manifest.config["screens"]["grid_px"] == 8
    covered = manifest.details["screens"]
    assert covered["screens"] == covered["new"] + covered.get("equal pixels", 0) + covered.get("equal elements", 0)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["config"]["weights"]["wrong_element"] == 3.0
    assert set(manifest.config["kinds"]) == set(KINDS)
