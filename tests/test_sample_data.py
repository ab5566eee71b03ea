"""The sample trajectories are what the documentation says, and recording them again gives the same bytes."""

import hashlib
import importlib.util
import json
import shutil
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from referencing import Registry, Resource

from pipeline.actions import Button, Click, Terminate, Type
from pipeline.records import Element, Trajectory

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "sample_data" / "trajectories"
FILES = sorted(FOLDER.glob("*/trajectory.json"))
PHONE, DESKTOP = (1080, 2400), (1280, 800)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TWICE = ("drive-zh-rename-invoice", "notes-en-desktop-onboarding")


def load(path: Path) -> Trajectory:
    """Read one trajectory strictly."""
    return msgspec.json.decode(path.read_bytes(), type=Trajectory)


ALL = [load(path) for path in FILES]
each = pytest.mark.parametrize("trajectory", ALL, ids=lambda t: t.trajectory_id)


def inside(point: tuple[float, float], box: tuple[float, float, float, float]) -> bool:
    """Say whether the point lies in the box."""
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Return the validator of trajectory records."""
    schemas = [json.loads(p.read_text(encoding="utf-8")) for p in sorted((ROOT / "schemas").glob("*.schema.json"))]
    registry: Any = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in schemas)
    record = next(s for s in schemas if s["title"] == "Trajectory")
    return Draft202012Validator(record, registry=registry)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.parent.name)
def test_the_record_follows_the_schema(path: Path, validator: Draft202012Validator) -> None:
    """The JSON validates and decodes strictly."""
    text = path.read_text(encoding="utf-8")
    validator.validate(json.loads(text))
    assert text.endswith("}\n")
    assert load(path).trajectory_id == path.parent.name


@each
def test_the_pictures_are_there_with_their_size_and_hash(trajectory: Trajectory) -> None:
    """Every picture named is there, and no other."""
    assert trajectory.final_observation is not None
    shots = [step.observation.image for step in trajectory.steps] + [trajectory.final_observation.image]
    folder = FOLDER / trajectory.trajectory_id
    assert {shot.path for shot in shots} == {path.name for path in folder.glob("*.png")}
    for shot in shots:
        data = (folder / shot.path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == shot.sha256
        with Image.open(folder / shot.path) as picture:
            assert picture.size == (shot.width, shot.height)
        assert (shot.width, shot.height) in {PHONE, DESKTOP}


@each
def test_the_steps_are_dense_explained_and_end(trajectory: Trajectory) -> None:
    """Indices are dense, every step has its texts in the language of the goal, and only the last one ends."""
    assert 4 <= len(trajectory.steps) <= 10
    assert [step.index for step in trajectory.steps] == list(range(len(trajectory.steps)))
    *before, last = [step.actions for step in trajectory.steps]
    assert isinstance(last[0], Terminate)
    assert last[0].status == trajectory.outcome.status
    assert not any(isinstance(action, Terminate) for actions in before for action in actions)
    assert trajectory.outcome.by == "env"
    for step in trajectory.steps:
        assert len(step.text.thought or "") >= 20
        assert step.text.instruction
        han = any("\u4e00" <= c <= "\u9fff" for c in step.text.thought or "")
        assert han == (trajectory.lang == "zh")


@each
def test_every_click_hits_what_it_aims_at(trajectory: Trajectory) -> None:
    """A click lies in a topmost, clickable, enabled element; only a labelled miss hits dead text."""
    for step in trajectory.steps:
        for action in step.actions:
            if not isinstance(action, Click):
                continue
            assert action.point is not None
            assert action.bbox is not None
            assert inside(action.point, action.bbox)
            (target,) = [e for e in step.observation.elements if e.bbox == action.bbox and e.clickable is not None][:1]
            assert target.topmost
            if step.label.error_kind == "no_effect":
                assert target.clickable is False
            else:
                assert target.clickable
                assert target.enabled


@each
def test_typing_goes_into_a_focused_field(trajectory: Trajectory) -> None:
    """Before typing, a field has the focus."""
    for step in trajectory.steps:
        if isinstance(step.actions[0], Type):
            assert [e for e in step.observation.elements if e.focused and e.editable]


@each
def test_the_elements_are_in_order_and_on_the_screen(trajectory: Trajectory) -> None:
    """Boxes are clipped to the screen and parents come first."""
    for step in trajectory.steps:
        elements = step.observation.elements
        assert len(elements) >= 5
        for index, element in enumerate(elements):
            x1, y1, x2, y2 = element.bbox
            assert 0 <= x1 < x2 <= 1
            assert 0 <= y1 < y2 <= 1
            assert element.parent is None or element.parent < index
            assert element.source == "dom"
            assert element.topmost is not None
        assert step.observation.overlay == any(e.role == "dialog" for e in elements)


def test_there_is_enough_of_everything() -> None:
    """Counts, languages, sizes and the total size are as documented."""
    sizes = [(t.steps[0].observation.image.width, t.steps[0].observation.image.height) for t in ALL]
    assert len(ALL) >= 14
    assert sizes.count(DESKTOP) == 2
    assert sum(t.lang == "zh" for t in ALL) >= 4
    assert sum(t.lang == "en" for t in ALL) >= 4
    assert [t.outcome.status for t in ALL].count("failure") == 1
    assert {app for t in ALL for app in t.apps} == {"Drive", "Notes", "云盘", "便签"}
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 20_000_000


def test_mistakes_are_labelled_and_repaired_by_the_next_step() -> None:
    """Each mistake is followed by the step that repairs it."""
    kinds = []
    for trajectory in ALL:
        for step, following in pairwise(trajectory.steps):
            if step.label.role == "error":
                kinds.append(step.label.error_kind)
                assert (step.label.correct, step.label.by) == (False, "human")
                assert following.label.role == "recovery"
                assert (following.label.correct, following.label.corrects_step) == (True, step.index)
            elif following.label.role == "recovery":
                pytest.fail(f"{trajectory.trajectory_id}: a repair without a mistake")
    assert len(kinds) >= 3
    assert set(kinds) == {"wrong_element", "no_effect"}


def test_a_tap_without_effect_leaves_the_screen_as_it_was() -> None:
    """A tap changes the screen unless it is labelled as a miss."""
    for trajectory in ALL:
        for step, following in pairwise(trajectory.steps):
            same = step.observation.image.sha256 == following.observation.image.sha256
            if isinstance(step.actions[0], Click):
                assert same == (step.label.error_kind == "no_effect")


def hashes(trajectory: Trajectory) -> list[str]:
    """Return the hash of every screen, the final one last."""
    assert trajectory.final_observation is not None
    shots = [step.observation.image for step in trajectory.steps] + [trajectory.final_observation.image]
    return [shot.sha256 or "" for shot in shots]


def test_back_restores_the_screen_exactly_and_others_pass_there() -> None:
    """Back edges return to the very bytes, and other trajectories walk the same way forward."""
    walked: dict[tuple[str, str], set[str]] = defaultdict(set)
    right: dict[tuple[str, str], set[str]] = defaultdict(set)
    returns: list[tuple[tuple[str, str], str]] = []
    for trajectory in ALL:
        for step, (before, after) in zip(trajectory.steps, pairwise(hashes(trajectory)), strict=True):
            if isinstance(step.actions[0], Click):
                walked[before, after].add(trajectory.trajectory_id)
                if step.label.role != "error":
                    right[before, after].add(trajectory.trajectory_id)
            elif step.actions[0] == Button(name="back"):
                returns.append(((after, before), trajectory.trajectory_id))
    exact = [(going, name) for going, name in returns if name in walked[going]]
    assert len({name for _, name in exact}) >= 3
    assert sum(len(right[going] - {name}) for going, name in exact) >= 5


def test_there_is_dead_text_away_from_everything_clickable() -> None:
    """Every first screen has dead text that no tap could confuse with a control."""
    for trajectory in ALL:
        elements = trajectory.steps[0].observation.elements
        image = trajectory.steps[0].observation.image
        scale = trajectory.device.scale if trajectory.device and trajectory.device.scale else 1
        dead = [
            e for e in elements if e.text and e.clickable is False and e.topmost and not under_clickable(e, elements)
        ]
        far = [e for e in dead if distance(e, elements, image.width / scale, image.height / scale) >= 16]
        assert len(far) >= 3, trajectory.trajectory_id


def under_clickable(element: Element, elements: tuple[Element, ...]) -> bool:
    """Say whether the element lies inside something that reacts to a tap."""
    while element.parent is not None:
        element = elements[element.parent]
        if element.clickable:
            return True
    return False


def distance(element: Element, elements: tuple[Element, ...], width: float, height: float) -> float:
    """Return how far, in CSS pixels, the box is from the next clickable one."""
    x1, y1, x2, y2 = element.bbox
    gaps = []
    for other in elements:
        if other.clickable:
            a1, b1, a2, b2 = other.bbox
            gaps.append(max(max(a1 - x2, x1 - a2) * width, max(b1 - y2, y1 - b2) * height))
    return min(gaps)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="Playwright is not installed")
def test_recording_again_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trajectories recorded again are what is committed."""
    monkeypatch.syspath_prepend(str(ROOT))
    from sample_data.recorder import chromium, record_all
    from sample_data.scripts import SCRIPTS

    scripts = [script for script in SCRIPTS if script.id in TWICE]
    assert len(scripts) == len(TWICE)
    with chromium(str(CHROMIUM)) as browser:
        version = f"Chromium {browser.version}"
    record_all(scripts, tmp_path / "first", str(CHROMIUM), print)
    committed = ALL[0].source
    assert committed is not None
    expected = FOLDER
    if committed.converter_version != version:  # another browser draws other pixels, but always the same ones
        expected = tmp_path / "second"
        record_all(scripts, expected, str(CHROMIUM), print)
    for name in TWICE:
        fresh = {path.name: path.read_bytes() for path in (tmp_path / "first" / name).iterdir()}
        assert fresh == {path.name: path.read_bytes() for path in (expected / name).iterdir()}
