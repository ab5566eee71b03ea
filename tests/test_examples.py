"""Each file in tests/examples is something that a check must find or leave alone; examples/README.md has their form."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import build
import pytest
from planted import corpus
from planted.store import Row, Store, painted, repaint
from planted.wholes import again

from pipeline.checks import CHECKS, Thresholds
from pipeline.storage.dataset import Dataset

HERE = Path(__file__).parent / "examples"
FILES = sorted(HERE.glob("*/*/*.json"))
TREES = {"turns", "target", "earlier_targets", "provenance", "observation", "step", "trajectory"}
"""Columns that hold JSON text."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """The datasets that examples start from."""
    return corpus.bases(tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a tokenizer."""
    return str(build.byte_tokenizer(tmp_path_factory.mktemp("tokenizer")))


@pytest.mark.parametrize("file", FILES, ids=lambda file: "/".join(file.parts[-3:]).removesuffix(".json"))
def test_an_example(file: Path, clean: dict[str, Dataset], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """An invalid one is found by the check, a valid one is not."""
    example, check = json.loads(file.read_text(encoding="utf-8")), file.parent.name
    store = Store(clean[example.get("base", "step")], str(file.name))
    row: Row = {}
    for edit in ({"find": example["sample"]}, *example["edits"]):
        row = row or next((each for each in store.samples if each["sample_id"] == example["sample"]), {})
        apply(store, row, edit)
    name = row.get("sample_id", example["sample"])
    options: dict[str, Any] = {"thresholds": Thresholds(**example.get("thresholds", {}))}
    if "max_tokens" in example:
        options |= {"max_tokens": example["max_tokens"], "tokenizer": request.getfixturevalue("tokenizer")}
    found = corpus.complaints(store.write(tmp_path / "d"), check, **options)
    assert (name in found) is (file.parts[-3] == "invalid"), found


def test_every_check_has_an_example_of_each() -> None:
    """And there is no example of a check that is not there."""
    for kind in ("valid", "invalid"):
        assert {file.parent.name for file in FILES if file.parts[-3] == kind} == CHECKS.keys()


def apply(store: Store, row: Row, edit: dict[str, Any]) -> None:
    """Do one edit."""
    match edit:
        case {"find": _}:
            pass
        case {"copy": name, "as": new}:
            again(store, name, new)
        case {"same": [number, other]}:
            steps = store.recording(row["trajectory_id"])
            for column in ("image", "observation", "step"):
                steps[number][column] = steps[other][column]
        case {"paint": [red, green, blue]}:
            number = row["images"][-1]["row"]
            picture = store.pictures()[number]
            repaint(store, number, painted(picture["width"], picture["height"], (red, green, blue)))
        case {"cut": size}:
            number = row["images"][-1]["row"]
            repaint(store, number, store.pictures()[number]["bytes"][:size])
        case {"set": path, "from": other}:
            values: list[Any] = []
            walk(store, row, other, lambda at, key: values.append(at[key]))
            walk(store, row, path, lambda at, key: at.__setitem__(key, values[0]))
        case {"set": path, "to": value}:
            walk(store, row, path, lambda at, key: at.__setitem__(key, value))
        case {"add": path, "value": value}:
            walk(store, row, path, lambda at, key: at[key].append(value))
        case {"remove": path}:
            walk(store, row, path, lambda at, key: at.__delitem__(key))
        case {"replace": path, "this": this, "by": by}:
            walk(store, row, path, lambda at, key: at.__setitem__(key, _replaced(at[key], this, by)))
        case _:
            raise AssertionError(f"found the edit {edit}, expected one of examples/README.md")


def walk(store: Store, row: Row, path: str, do: Any) -> None:
    """Call `do` with what holds the path's last key, and that key, in each row that the path starts at."""
    for start, keys in _starts(store, row, path.split(".")):
        column, *rest = keys
        tree = {column: json.loads(start[column]) if column in TREES and rest else start[column]}
        at: Any = tree
        for key in [column, *rest][:-1]:
            at = at[_key(at, key)]
        do(at, _key(at, keys[-1]))
        if column in tree:
            value = tree[column]
            start[column] = json.dumps(value, ensure_ascii=False) if column in TREES and rest else value


def _starts(store: Store, row: Row, keys: list[str]) -> Iterator[tuple[Row, list[str]]]:
    first, *rest = keys
    if first == "all_steps":
        yield from ((step, rest) for step in store.steps if step["step"])
    elif first == "every_step":
        yield from ((step, rest) for step in store.recording(row["trajectory_id"]))
    elif first.startswith("step:"):
        yield store.recording(row["trajectory_id"])[int(first[5:])], rest
    else:
        yield row, keys


def _key(at: Any, key: str) -> Any:
    return int(key) if isinstance(at, list) else key


def _replaced(text: str, this: str, by: str) -> str:
    assert this in text, f"{this!r} does not stand in {text!r}"
    return text.replace(this, by)


def test_examples_use_the_program(clean: dict[str, Dataset]) -> None:
    """The datasets that they start from are fine."""
    assert build.validated(Path(clean["step"].path), pixels=False).findings == 0
