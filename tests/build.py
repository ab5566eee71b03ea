"""Small trajectories for tests: real pictures, drawn here; every value can be replaced by the test that needs another.

Below them: the stages without worker processes, the command line, and datasets with edited rows.
"""

import contextlib
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from PIL import Image, ImageDraw

from pipeline import augment_errors, layouts, normalize, validate
from pipeline import slice as slice_stage
from pipeline.augment_errors import AugmentConfig
from pipeline.checks import Context
from pipeline.checks.gather import gather
from pipeline.checks.pictures import Pictures
from pipeline.executors.local import LocalExecutor
from pipeline.normalize import NormalizeConfig
from pipeline.records import Sample
from pipeline.report import StageReport
from pipeline.slice import SliceConfig
from pipeline.slicing.token_count import CONTROL
from pipeline.stage import Running
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import MANIFEST, Shard
from pipeline.storage.place import Place
from pipeline.storage.shards import ShardWriter
from pipeline.storage.tables import sample_row
from pipeline.validate import ValidateConfig

WIDTH, HEIGHT = 360, 800


def screen(number: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Return a picture that differs from number to number."""
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width, height // 12), fill=(40, 80 + number * 7 % 150, 160))
    for row in range(6):
        top = height // 6 + row * height // 8
        draw.rectangle((10, top, width - 10, top + height // 10), outline="grey", fill=(240, 240 - number % 40, 245))
        draw.text((20, top + 10), f"screen {number} row {row}", fill="black")
    return picture


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the picture's file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def elements(number: int) -> list[dict[str, Any]]:
    """Return the elements of a screen: a dead heading, a dead note, a button, a row with a dead text inside."""
    return [
        {"bbox": [0.1, 0.02, 0.6, 0.06], "text": f"Heading {number}", "role": "heading", "source": "dom",
         "clickable": False, "enabled": True, "topmost": True},
        {"bbox": [0.1, 0.9, 0.6, 0.94], "text": f"Last synced {number} minutes ago", "role": "text", "source": "dom",
         "clickable": False, "enabled": True, "topmost": True},
        {"bbox": [0.3, 0.4, 0.7, 0.5], "text": f"Open {number}", "role": "button", "source": "dom",
         "clickable": True, "enabled": True, "topmost": True},
        {"bbox": [0.05, 0.6, 0.95, 0.7], "role": "listitem", "source": "dom", "clickable": True, "enabled": True,
         "topmost": True},
        {"bbox": [0.1, 0.62, 0.5, 0.66], "text": f"Row {number}", "role": "text", "source": "dom", "parent": 3,
         "clickable": False, "enabled": True, "topmost": True},
    ]  # fmt: skip


def step(index: int, screen_number: int, **changes: Any) -> dict[str, Any]:
    """Return a step that taps the button of its screen."""
    return {
        "index": index,
        "observation": {
            "image": {"path": f"{screen_number}.png", "width": WIDTH, "height": HEIGHT},
            "elements": elements(screen_number),
            "app": "Test",
            "keyboard": False,
            "overlay": False,
        },
        "actions": [{"type": "click", "point": [0.5, 0.45], "bbox": [0.3, 0.4, 0.7, 0.5]}],
        "text": {"thought": f"Screen {screen_number} has the button I need, so I tap it.", "instruction": "Tap it"},
        **changes,
    }


def trajectory(name: str, n_steps: int = 4, first_screen: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a trajectory whose last step terminates."""
    steps = [step(index, first_screen + index) for index in range(n_steps)]
    steps[-1]["actions"] = [{"type": "terminate", "status": "success"}]
    steps[-1]["text"] = {"thought": "Everything is done.", "instruction": "Finish"}
    return {
        "schema": "gdp.traj/1",
        "trajectory_id": name,
        "goal": f"Do the task of {name}",
        "platform": "web",
        "lang": "en",
        "outcome": {"status": "success", "by": "env"},
        "device": {"width": WIDTH, "height": HEIGHT, "scale": 1},
        "steps": steps,
        **changes,
    }


def write(root: Path, document: dict[str, Any]) -> Path:
    """Write the trajectory and the pictures that it names; return its folder."""
    folder = root / document["trajectory_id"].replace("/", "_")
    folder.mkdir(parents=True)
    (folder / "trajectory.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    for each in document["steps"]:
        image = each["observation"]["image"]
        path = folder / image["path"]
        if not path.exists() and path.stem.isdigit():
            screen(int(path.stem), image["width"], image["height"]).save(path)
    return folder


def corpus(root: Path, n: int = 6, n_steps: int = 4) -> Path:
    """Write `n` trajectories with different screens and return their folder."""
    for number in range(n):
        write(root, trajectory(f"t{number}", n_steps, first_screen=number * 10))
    return root


def back_corpus(root: Path) -> Path:
    """Write trajectories that each go in, come back and go in again: recorded proof of Back between two screens."""
    for number in range(3):
        first = number * 10
        document = trajectory(f"b{number}", 6, first_screen=first)
        for index, screen_number in enumerate((0, 1, 0, 1, 2, 3)):
            document["steps"][index]["observation"] = step(0, first + screen_number)["observation"]
        document["steps"][1]["actions"] = [{"type": "button", "name": "back"}]
        document["steps"][1]["text"] = {"thought": "I have seen enough here.", "instruction": "Go back"}
        write(root, document)
    return root


def byte_tokenizer(folder: Path) -> Path:
    """Write a tokenizer in which each byte is a token, with the control tokens of the Qwen families."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens([AddedToken(token, special=True) for token in CONTROL])
    made.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def rows(dataset: Dataset, table: str) -> list[dict[str, Any]]:
    """Return all rows of a table, in order."""
    return [row for number in dataset.manifest.shard_numbers() for row in dataset.rows(table, number)]


def tree(folder: Path) -> dict[str, str]:
    """Return the hash of every file under the folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextlib.contextmanager
def in_process() -> Iterator[None]:
    """Run tasks here instead of in worker processes, which take most of a second to start."""

    def run(self: LocalExecutor, fn: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for task in tasks:
            try:
                yield task, fn(task)
            except Exception as error:
                yield task, error

    with mock.patch.object(LocalExecutor, "run", run):
        yield


def sliced(source: Path, out: Path, **config: Any) -> Dataset:
    """Run `gdp slice` and open what it wrote."""
    with in_process():
        slice_stage.run(source, out, SliceConfig(**config), Running())
    return Dataset.open(out)


def normalized(source: Path, out: Path, **config: Any) -> Dataset:
    """Run `gdp normalize` and open what it wrote."""
    with in_process():
        normalize.run(source, out, NormalizeConfig(**config), Running())
    return Dataset.open(out)


def augmented(source: Path, out: Path, **config: Any) -> Dataset:
    """Run `gdp augment-errors` and open what it wrote."""
    with in_process():
        augment_errors.run(source, out, AugmentConfig(**config), Running())
    return Dataset.open(out)


def validated(source: Path, out: Path | None = None, **config: Any) -> StageReport:
    """Run `gdp validate` and return its report."""
    with in_process():
        return validate.run(source, out, ValidateConfig(**config), Running())


def checking(dataset: Dataset) -> Context:
    """Return what checks may look at of a dataset of one shard."""
    layout = layouts.get(dataset.manifest.contract.layout)
    return Context(dataset, layout, 0, gather(dataset), Pictures(dataset), pixels=False)


def gdp(*arguments: object, stdin: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line as its users do."""
    command = [str(Path(sys.executable).with_name("gdp")), *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120, **options)


def sliced_by_command(source: Path) -> Path:
    """Slice through the command line, into a folder beside the source, and return it."""
    out = source.parent / "d"
    done = gdp("slice", source, "-o", out, "-q")
    assert (done.returncode, done.stderr) == (0, "")
    return out


def refusal(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """Return what a refused command says: one finding, perhaps a hint, nothing on stdout."""
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    first, *rest = done.stderr.rstrip("\n").split("\n")
    assert "found " in first
    assert ", expected " in first
    assert ": " in first
    assert len(rest) <= 1
    assert all(line.startswith("hint: ") for line in rest)
    return done.stderr


def edited(
    dataset: Dataset,
    out: Path,
    edit: Callable[[list[Sample]], Iterable[Sample | dict[str, Any]]],
    *,
    images: Callable[[list[dict[str, Any]]], Iterable[dict[str, Any]]] | None = None,
    **manifest: Any,
) -> Dataset:
    """Write a copy of a dataset of one shard with other samples (records, or rows as they are) and other images."""
    samples = [row if isinstance(row, dict) else sample_row(row) for row in edit(list(dataset.samples()))]
    content = {"steps": rows(dataset, "steps"), "images": rows(dataset, "images"), "samples": samples,
               "rejected": rows(dataset, "rejected")}  # fmt: skip
    if images is not None:
        content["images"] = list(images(content["images"]))
    shards = write_shard(out, content)
    Place(str(out)).write(MANIFEST, msgspec.structs.replace(dataset.manifest, shards=shards, **manifest).to_json(), "m")
    return Dataset.open(out)


def write_shard(out: Path, content: dict[str, list[dict[str, Any]]]) -> tuple[Shard, ...]:
    """Write shard 0 of each table and return the manifest's entries."""
    with ShardWriter(Place(str(out)), 0, tuple(content), {}) as writer:
        for table, each in content.items():
            for row in each:
                writer.write(table, row)
        return tuple(sorted(writer.commit(), key=lambda shard: shard.name))
