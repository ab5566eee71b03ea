"""A dataset as it is stored, to be spoiled by hand: rows as Parquet holds them, trees as JSON text, pictures as bytes.

Nothing here goes through the program's own records or renderer: a planting edits texts, numbers and bytes.
"""

import copy
import hashlib
import io
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import MANIFEST, Shard
from pipeline.storage.tables import SCHEMAS

Row = dict[str, Any]
TABLES = ("steps", "images", "samples", "rejected")


class Store:
    """The rows of a dataset of one shard; `samples` and `steps` are copies that may be changed."""

    def __init__(self, dataset: Dataset, seed: str) -> None:
        self.dataset = dataset
        self.rng = random.Random(seed)  # noqa: S311 - where to plant, and always the same
        self.samples: list[Row] = list(dataset.rows("samples", 0))
        self.steps: list[Row] = list(dataset.rows("steps", 0))
        self.images: list[Row] | None = None
        """Read when a planting asks for them: most do not."""
        self.manifest: dict[str, Any] = {}
        """Fields of the manifest that are other than the dataset's."""

    def pictures(self) -> list[Row]:
        """Return the rows of the screenshots, to be changed."""
        if self.images is None:
            self.images = list(self.dataset.rows("images", 0))
        return self.images

    def pick(self, n: int, wanted: Callable[[Row], bool] = lambda row: True, *, apart: bool = True) -> list[Row]:
        """Return `n` clean samples that are as wanted, of recordings of their own if `apart`."""
        fine = [row for row in self.samples if row["origin"] == "clean" and wanted(row)]
        return self._some(n, fine, apart=apart)

    def corrections(self, n: int, wanted: Callable[[Row], bool] = lambda row: True) -> list[Row]:
        """Return `n` error-correction samples that are as wanted."""
        return self._some(n, [row for row in self.samples if row["origin"] != "clean" and wanted(row)], apart=False)

    def _some(self, n: int, rows: list[Row], *, apart: bool) -> list[Row]:
        chosen: list[Row] = []
        for row in self.rng.sample(rows, len(rows)):
            if len(chosen) < n and not (apart and row["trajectory_id"] in {each["trajectory_id"] for each in chosen}):
                chosen.append(row)
        assert len(chosen) == n, f"only {len(chosen)} of {n} places to plant at"
        return chosen

    def of(self, trajectory_id: str) -> list[Row]:
        """Return the samples of a recording."""
        return [row for row in self.samples if row["trajectory_id"] == trajectory_id]

    def recording(self, trajectory_id: str) -> list[Row]:
        """Return the rows of `steps/` of a recording."""
        return [row for row in self.steps if row["trajectory_id"] == trajectory_id]

    def step(self, row: Row) -> Row:
        """Return the recorded step of a sample's decision."""
        return self.recording(row["trajectory_id"])[row["step_index"]]

    def recordings(self, n: int, wanted: Callable[[list[Row]], bool] = lambda rows: True) -> list[str]:
        """Return `n` recordings that are as wanted."""
        names = list(dict.fromkeys(row["trajectory_id"] for row in self.steps))
        fine = [name for name in names if self.of(name) and wanted(self.recording(name))]
        return self.rng.sample(fine, n)

    def write(self, out: Path) -> Dataset:
        """Write what became of it, unchanged tables as links."""
        tables = {"samples": self.samples, "steps": self.steps, "images": self.images}
        shards = []
        for table in TABLES:
            name = f"{table}/00000.parquet"
            shard, rows = self.dataset.shard(table, 0), tables.get(table)
            if shard is None:
                continue
            (out / table).mkdir(parents=True)
            if rows is None:
                os.link(Path(self.dataset.path) / name, out / name)
                shards.append(shard)
                continue
            content = pa.Table.from_pylist(rows, schema=SCHEMAS[table])
            pq.write_table(content, out / name, write_page_checksum=True)
            data = (out / name).read_bytes()
            shards.append(Shard(name, len(rows), len(data), hashlib.sha256(data).hexdigest()))
        manifest = msgspec.structs.replace(self.dataset.manifest, shards=tuple(shards), **self.manifest)
        (out / MANIFEST).write_bytes(manifest.to_json())
        return Dataset.open(out)


class Tree:
    """A column that holds JSON text, opened to be changed: `with Tree(row, "turns") as turns: …`."""

    def __init__(self, row: Row, column: str) -> None:
        self.row, self.column = row, column

    def __enter__(self) -> Any:
        self.tree = json.loads(self.row[self.column])
        return self.tree

    def __exit__(self, *error: object) -> None:
        self.row[self.column] = json.dumps(self.tree, ensure_ascii=False)


def turns(row: Row) -> list[dict[str, Any]]:
    """Return a sample's turns to read."""
    return list(json.loads(row["turns"]))


def action(row: Row) -> dict[str, Any]:
    """Return the trained action to read."""
    return dict(turns(row)[-1]["actions"][0])


def taps(row: Row) -> bool:
    """Tell whether the decision is a tap whose target's box is known."""
    return action(row)["type"] == "click" and "bbox" in json.loads(row["target"]) and len(turns(row)) >= 2


def deep(row: Row) -> bool:
    """Tell whether the decision has two steps before it at least."""
    return len(turns(row)) >= 3


def thinks(row: Row) -> bool:
    """Tell whether the decision has a thought, as all of ours have."""
    return bool(turns(row)[-1].get("thought"))


def said(row: Row, number: int = -1) -> dict[str, Any]:
    """Return the text part of a message, to be changed."""
    return next(part for part in row["messages"][number]["content"] if part["type"] == "text")


def resay(row: Row, edit: Callable[[str], str], number: int = -1) -> None:
    """Change the text of a message."""
    part = said(row, number)
    changed = edit(part["text"])
    assert changed != part["text"], "nothing to change there"
    part["text"] = changed


def retap(row: Row, x: float, y: float) -> None:
    """Move the trained tap, in turn, target and answer (whose grid is 0 to 999) alike."""
    for column, at in (("turns", lambda tree: tree[-1]), ("target", lambda tree: tree)):
        with Tree(row, column) as tree:
            at(tree)["actions"][0]["point"] = [x, y]
    resay(row, lambda text: re.sub(r'"coordinate": \[\d+, \d+\]', f'"coordinate": [{round(x * 999)}, {round(y * 999)}]',
                                   text))  # fmt: skip


def rebox(row: Row, box: list[float]) -> None:
    """Give the target another box."""
    with Tree(row, "target") as target:
        target["bbox"] = box


def react(row: Row, done: dict[str, Any], call: str, instruction: str | None = None) -> None:
    """Replace the trained action, in turn, target and answer alike; `call` is its JSON in the answer."""
    with Tree(row, "turns") as tree:
        tree[-1]["actions"] = [done]
        if instruction is not None:
            tree[-1]["instruction"] = instruction
    with Tree(row, "target") as target:
        target["actions"] = [done]
        target.pop("bbox", None)
    resay(row, lambda text: re.sub(r'"arguments": \{.*\}\}', lambda _: f'"arguments": {call}}}', text))


def rethink(row: Row, thought: str) -> None:
    """Replace the trained thought, in turn and answer alike."""
    with Tree(row, "turns") as tree:
        tree[-1]["thought"] = thought
    resay(row, lambda text: re.sub(r"<thinking>\n.*?\n</thinking>", lambda _: f"<thinking>\n{thought}\n</thinking>",
                                   text, flags=re.DOTALL))  # fmt: skip


def repaint(store: Store, number: int, data: bytes, *, hashed: bool = True) -> list[str]:
    """Give a stored screenshot other bytes, and its hash to all who name it; return the samples that show it."""
    pictures = store.pictures()
    old, new = pictures[number]["sha256"], hashlib.sha256(data).hexdigest()
    pictures[number]["bytes"] = data
    if hashed:
        pictures[number]["sha256"] = new
        for ref in references(store, old):
            ref["sha256"] = new
    return [row["sample_id"] for row in store.samples if any(ref["row"] == number for ref in row["images"])]


def references(store: Store, sha256: str) -> Iterator[Row]:
    """Yield every reference to a screenshot, of samples and of steps."""
    for row in store.samples:
        yield from (ref for ref in row["images"] if ref["sha256"] == sha256)
    for row in store.steps:
        if row["image"] and row["image"]["sha256"] == sha256:
            yield row["image"]


def painted(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """Return a JPEG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def copied(rows: list[Row], **changes: Any) -> list[Row]:
    """Return copies of rows with other columns."""
    return [{**copy.deepcopy(row), **changes} for row in rows]
