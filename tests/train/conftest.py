"""A small recorded world, sliced by the real pipeline: what every test of the trainer trains on."""

import functools
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from pipeline import slice as slice_stage
from pipeline.stage import Running
from pipeline.storage.dataset import Dataset
from train.config import load
from train.quiet import quietly
from train.report import TrainReport
from train.run import RunOptions, run

COLOURS = {"red": (200, 40, 40), "green": (30, 150, 60), "blue": (40, 70, 200), "black": (20, 20, 20)}
PLACES = ((0.25, 0.3), (0.75, 0.3), (0.25, 0.7), (0.75, 0.7))


def screen(path: Path, rng: random.Random, page: int) -> dict[str, tuple[float, float]]:
    """Draw a screen of 540x1200 pixels with four coloured buttons; return where each is."""
    picture = Image.new("RGB", (540, 1200), (235 - 25 * page, 240, 225 + 10 * page))
    draw = ImageDraw.Draw(picture)
    places = dict(zip(COLOURS, rng.sample(PLACES, len(PLACES)), strict=True))
    for colour, (x, y) in places.items():
        draw.rectangle((540 * x - 80, 1200 * y - 60, 540 * x + 80, 1200 * y + 60), fill=COLOURS[colour])
    draw.text((20, 20), f"page {page}", fill=(0, 0, 0))
    picture.save(path)
    return places


def write_trajectories(folder: Path, count: int, seed: int = 0) -> Path:
    """Write `count` trajectories of four steps: press three buttons that the goal names, then say that it is done."""
    rng = random.Random(seed)  # noqa: S311  pictures, no secrets
    for number in range(count):
        home = folder / f"t{number:03d}"
        home.mkdir(parents=True)
        wanted = rng.sample(sorted(COLOURS), 3)
        steps = []
        for index in range(4):
            places = screen(home / f"{index}.png", rng, index)
            action: dict[str, object] = {"type": "terminate", "status": "success"}
            thought = "Every button that the task names was pressed."
            if index < 3:
                action = {"type": "click", "point": list(places[wanted[index]])}
                thought = f"The next button is the {wanted[index]} one."
            image = {"path": f"{index}.png", "width": 540, "height": 1200}
            steps.append(
                {"index": index, "observation": {"image": image}, "actions": [action], "text": {"thought": thought}}
            )
        goal = f"Task {number}: press the {wanted[0]}, then the {wanted[1]}, then the {wanted[2]} button."
        document = {"schema": "gdp.traj/1", "trajectory_id": f"t{number:03d}", "goal": goal, "steps": steps}
        (home / "trajectory.json").write_text(json.dumps(document))
    return folder


def make_dataset(folder: Path, count: int, **settings: object) -> Path:
    """Write trajectories and slice them at 128 image tokens at most a screenshot; return the dataset's folder."""
    source = write_trajectories(folder / "trajectories", count)
    config = slice_stage.SliceConfig(**{"max_pixels": 128 * 1024, **settings})  # type: ignore[arg-type]
    slice_stage.run(source, folder / "sliced", config, Running())
    return folder / "sliced"


@pytest.fixture
def sliced(tmp_path: Path) -> Callable[..., Path]:
    """Return what makes another dataset: of so many trajectories, with settings of `gdp slice`."""
    return functools.partial(make_dataset, tmp_path)


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of 32 samples, 24 of them for training."""
    return make_dataset(tmp_path_factory.mktemp("world"), 8, val_fraction=0.25)


@pytest.fixture(scope="session")
def alternating(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of 12 samples whose turns alternate, as every family's chat template takes them."""
    return make_dataset(tmp_path_factory.mktemp("alternating"), 3, layout="qwen3-vl", val_fraction=0.34)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of 16 samples, 12 of them for training."""
    return make_dataset(tmp_path_factory.mktemp("small"), 4, val_fraction=0.25)


@pytest.fixture(autouse=True)
def quiet_libraries() -> Iterator[None]:
    """Run every test as the command does: with the training libraries' deprecations silenced."""
    with quietly():
        yield


@pytest.fixture(scope="session")
def dataset(dataset_folder: Path) -> Dataset:
    """Return the opened dataset."""
    return Dataset.open(dataset_folder)


@pytest.fixture(scope="session")
def demo_run(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainReport]:
    """Return a run of the built-in model of 14 steps, and its report."""
    out = tmp_path_factory.mktemp("run") / "run"
    return out, run(dataset_folder, out, load(None), RunOptions(max_steps=14, quiet=True))


@pytest.fixture(scope="session")
def base(demo_run: tuple[Path, TrainReport], dataset: Dataset) -> Any:
    """Return the built-in model as a model folder like any other."""
    from train.models import model

    with quietly():
        return model.find(str(demo_run[0] / "base"), dataset, demo_run[0])


@pytest.fixture(scope="session")
def encoder(base: Any, dataset: Dataset) -> Any:
    """Return what turns samples into tokens for the built-in model."""
    from train.encoding.data import Encoder

    return Encoder(base.processor, dataset.manifest.contract, "tiny")


@pytest.fixture(scope="session")
def examples(dataset: Dataset, encoder: Any) -> Any:
    """Return the train split, ready for batches."""
    from train.encoding.data import Examples, select

    items, _ = select(dataset.samples("train"), encoder, max_images=8, max_tokens=10_000)
    return Examples(dataset, encoder, items)
