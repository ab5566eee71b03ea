"""The typed records, the JSON Schemas and the Arrow tables say the same of every field."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import build
import msgspec
import pyarrow as pa
import pytest

import schemas
from pipeline import actions, records
from pipeline.schema_errors import validator
from pipeline.storage.manifest import Manifest
from pipeline.storage.tables import SAMPLES, SCHEMAS

POINT, BOX = [0.25, 0.5], [0.1, 0.2, 0.3, 0.4]
COMMON = {"src": "{}", "frame": {"kind": "px", "size": [3, 4], "scale": 999, "axes": "yx"}, "synth": True}
ACTIONS: list[dict[str, Any]] = [
    {"type": "click", "point": POINT, "bbox": BOX, "button": "right", "count": 2, "modifiers": ["ctrl", "alt"]},
    {"type": "long_press", "point": POINT, "duration": 0.5},
    {"type": "hover", "point": POINT},
    {"type": "drag", "path": [POINT, POINT], "from_cursor": True, "button": "left", "duration": 1.5},
    {"type": "swipe", "start": POINT, "end": POINT, "direction": "up", "distance": 0.5, "path": [POINT], "duration": 1},
    {"type": "scroll", "point": POINT, "direction": "down", "dx": -3.5, "dy": 2, "unit": "px", "modifiers": ["shift"]},
    {"type": "type", "text": "x", "point": POINT, "bbox": BOX, "clear": True, "submit": False},
    {"type": "key", "keys": ["a", "b"], "mode": "sequence", "presses": 2, "hold": 0.5},
    {"type": "key_down", "key": "a"},
    {"type": "key_up", "key": "a"},
    {"type": "mouse_down", "button": "middle"},
    {"type": "mouse_up", "button": "left"},
    {"type": "button", "name": "volume_up"},
    {"type": "open_app", "name": "x"},
    {"type": "open_url", "url": "x"},
    {"type": "browser", "op": "focus_tab", "index": -1},
    {"type": "select_option", "value": "x", "point": POINT, "bbox": BOX},
    {"type": "select_text", "start": POINT, "end": POINT},
    {"type": "copy", "text": "x"},
    {"type": "wait", "seconds": 2.5},
    {"type": "answer", "text": "x"},
    {"type": "ask_user", "text": "x"},
    {"type": "takeover", "text": "x"},
    {"type": "memorize", "text": "x"},
    {"type": "call_tool", "name": "x", "arguments": "{}"},
    {"type": "screenshot"},
    {"type": "terminate", "status": "already_done", "text": "x"},
    {"type": "unknown"},
]
ELEMENT = {
    "bbox": BOX, "text": "x", "role": "button", "source": "dom", "parent": 0, "clickable": True, "enabled": True,
    "editable": False, "focused": None, "checked": True, "topmost": True,
    "scroll": {"x": 1, "y": 2.5, "max_x": 3, "max_y": 4, "exact": True, "refresh": False, "endless": None},
    "long_clickable": True, "wired": False, "notifies": None, "radius": 2.5,
}  # fmt: skip
OBSERVATION = {
    "image": {"path": "0.png", "width": 3, "height": 4, "sha256": "x", "mime": "image/png", "marked": True},
    "elements": [ELEMENT], "text": "x", "app": "x", "activity": "x", "url": "x", "keyboard": False, "overlay": None,
    "settled": True, "shortcuts": False, "touch_radius": 2.5, "dynamic": [BOX], "timestamp": 1.5,
}  # fmt: skip
INBOUND = {"kind": "tool_response", "text": "x", "tool": "y"}
TRAJECTORY: dict[str, Any] = {
    "schema": "gdp.traj/1", "trajectory_id": "a", "goal": "b", "platform": "ios", "lang": "zh",
    "outcome": {"status": "success", "by": "human", "reward": 1.5, "reason": "x"},
    "final_observation": {"image": {"path": "0.png", "width": 3, "height": 4}},
    "source": {"dataset": "x", "original_id": "x", "split": "x", "licence": "x", "converter": "x",
               "converter_version": "x"},
    "device": {"name": "x", "width": 3, "height": 4, "scale": 1.5},
    "goals": [{"kind": "user", "text": "x"}], "apps": ["x"], "tools": ["{}"], "extra": "x",
    "steps": [{
        "index": 0, "observation": OBSERVATION, "actions": [{"type": "wait"}],
        "text": dict.fromkeys(records.StepText.__struct_fields__, "x"),
        "inbound": [INBOUND], "response": {"raw": "x", "format": "y"}, "alternatives": [[{"type": "wait"}], []],
        "execution": {"status": "ok", "error": "x", "reward": 1.5},
        "label": {"role": "recovery", "correct": True, "redundant": False, "error_kind": "x", "by": "judge",
                  "corrects_step": 0},
        "subgoal": "x", "milestone": True, "extra": "x",
    }],
}  # fmt: skip
SAMPLE: dict[str, Any] = {
    "sample_id": "a/0", "trajectory_id": "a", "step_index": 0, "split": "val", "origin": "error_correction",
    "error_kind": "x", "layout": "x", "goal": "x", "lang": "en",
    "messages": [{"role": "user", "content": [{"type": "image", "image": 0, "text": "x"}], "loss_weight": 0.5}],
    "images": [{"sha256": "0" * 64, "shard": 0, "row": 0, "width": 3, "height": 4}],
    "turns": [{"step_index": 0, "actions": [{"type": "wait"}], "image": 0, "size": [3, 4], "thought": "x",
               "instruction": "x", "inbound": [INBOUND], "role": "error", "loss_weight": -0.5}],
    "target": {"step_index": 0, "actions": [{"type": "wait"}], "bbox": BOX},
    "earlier_targets": [{"step_index": 0, "actions": [{"type": "wait"}], "bbox": BOX}],
    "text_tokens_estimate": 0, "image_tokens": 0, "provenance": {"file": "x"},
}  # fmt: skip
MANIFEST: dict[str, Any] = {
    "schema": "gdp.dataset/1", "stage": "slice", "version": "x", "seed": -1, "config": {"x": 1},
    "input": {"kind": "x", "fingerprint": "y"},
    "contract": {"layout": "x", "family": "x", "coordinates": "grid", "scale": 999, "factor": 32, "min_pixels": 1,
                 "max_pixels": 2, "max_dim": 520,
                 "history": {"image_window": 3, "older": "user_text", "keep_thought": "all",
                             "instruction_at": "own_turn", "order": "image_first", "summary_source": "action_json"}},
    "slicing": {"mode": "window", "window": 4, "stride": 2, "min_history": 1, "max_history": 5, "max_tokens": 9,
                "tokenizer": "x", "split_by": "app"},
    "prompts": {"system": None, "user": "x", "apps": ["x"]}, "image": {"x": 1},
    "counts": {"samples": {"in": 1, "added": 0, "out": 1, "rejected": 0}},
    "rejected": {"x": 1}, "splits": {"val": 1}, "details": {"x": 1},
    "shards": [{"name": "steps/00000.parquet", "rows": 0, "bytes": 0, "sha256": "0" * 64}],
}  # fmt: skip

VALUES: list[Any] = [
    None, True, -1, 0, 1, 2, 998, 0.5, 1.5, -0.5, 10**12, "", "x", "en", "left", "2026-01-01", "0" * 65, [], [1],
    [0.5, 0.5], [0.5, 1.5], [0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, "1"], [None], ["x"], [[]], {}, {"x": 1}, {"x": "y"},
    {"type": "wait"}, [{"type": "wait"}], [{}],
]  # fmt: skip


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value inside a document, the document's own first."""
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from paths(value[key], (*path, key))


def mutants(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield the document with one thing changed at a time: a key gone, added or renamed, a value replaced."""
    for path in paths(document):
        where = "/".join(map(str, path))
        for value in VALUES:
            yield (
                f"{where} = {value!r}",
                changed(document, path, lambda parent, key, value=value: {**parent, key: value}),
            )
        if path and isinstance(path[-1], str):
            yield f"{where} gone", changed(document, path, lambda p, key: {k: v for k, v in p.items() if k != key})
            yield (
                f"{where} renamed",
                changed(document, path, lambda p, key: {k + "_" * (k == key): v for k, v in p.items()}),
            )
        found = at(document, path)
        if isinstance(found, dict):
            yield f"{where} + x", changed(document, (*path, "x_"), lambda parent, key: {**parent, key: 1})
        if isinstance(found, list) and found:
            yield f"{where} twice", changed(document, path, lambda p, key, found=found: {**p, key: found * 2})
            yield f"{where} less", changed(document, path, lambda p, key, found=found: {**p, key: found[:-1]})


def at(document: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at the path."""
    for key in path:
        document = document[key]
    return document


def changed(document: Any, path: tuple[str | int, ...], change: Any) -> Any:
    """Return a copy in which the parent of the path went through `change(parent, key)`."""
    whole = {"": copy.deepcopy(document)}
    full = ("", *path)
    parent = at(whole, full[:-1])
    if isinstance(parent, list):
        parent[full[-1]] = change({full[-1]: parent[full[-1]]}, full[-1])[full[-1]]
        return whole[""]
    new = change(parent, full[-1])
    parent.clear()
    parent.update(new)
    return whole.get("")


def disagreements(name: str, kind: Any, document: Any) -> tuple[int, list[str]]:
    """Return how many mutants were tried, and those that one side accepts and the other refuses."""
    check, decoder = validator(name), msgspec.json.Decoder(kind)
    tried, found = 0, []
    for what, mutant in mutants(document):
        try:
            decoder.decode(json.dumps(mutant).encode())
            typed = True
        except msgspec.ValidationError:
            typed = False
        if typed is not check.is_valid(mutant):
            found.append(f"{what}: {'decoder' if typed else 'schema'} alone accepts it")
        tried += 1
    return tried, found


@pytest.mark.parametrize("document", ACTIONS, ids=lambda each: each["type"])
def test_actions_agree(document: dict[str, Any]) -> None:
    """Decoder and schema accept the same actions, and every mutant finds them of one mind."""
    full = document | COMMON
    record = msgspec.json.decode(json.dumps(full), type=actions.Action)
    assert set(full) == {*type(record).__struct_fields__, "type"}, "the document exercises every field"
    tried, found = disagreements("action", actions.Action, full)
    assert tried > 100
    assert found == []


@pytest.mark.parametrize(
    ("name", "kind", "document"),
    [
        ("trajectory", records.Trajectory, TRAJECTORY),
        ("sample", records.Sample, SAMPLE),
        ("manifest", Manifest, MANIFEST),
    ],
)
def test_documents_agree(name: str, kind: Any, document: Any) -> None:
    """Decoder and schema accept the same documents, and every mutant finds them of one mind."""
    assert msgspec.to_builtins(msgspec.json.decode(json.dumps(document), type=kind)).keys() == document.keys()
    tried, found = disagreements(name, kind, document)
    assert tried > 1000
    assert found == []


def fields(name: str, definition: str) -> set[str]:
    """Return the field names of an object in one of the schemas."""
    schema = schemas.load(name)
    return set((schema["$defs"][definition] if definition else schema)["properties"])


@pytest.mark.parametrize(
    ("name", "definition", "record"),
    [
        ("trajectory", "", records.Trajectory), ("trajectory", "step", records.Step),
        ("trajectory", "observation", records.Observation), ("trajectory", "element", records.Element),
        ("trajectory", "screenshot", records.Screenshot), ("trajectory", "scroll_state", records.ScrollState),
        ("trajectory", "inbound", records.Inbound), ("trajectory", "step_text", records.StepText),
        ("trajectory", "response", records.Response), ("trajectory", "execution", records.Execution),
        ("trajectory", "label", records.Label), ("trajectory", "source", records.Source),
        ("trajectory", "device", records.Device), ("trajectory", "goal", records.Goal),
        ("trajectory", "outcome", records.Outcome), ("sample", "", records.Sample), ("sample", "turn", records.Turn),
        ("sample", "message", records.Message), ("sample", "part", records.Part), ("sample", "image", records.ImageRef),
        ("sample", "target", records.Target), ("manifest", "", Manifest),
    ],
)  # fmt: skip
def test_fields_have_the_same_names(name: str, definition: str, record: type[msgspec.Struct]) -> None:
    """No field stands on one side only, exercised by a document here or not."""
    assert set(record.__struct_encode_fields__) == fields(name, definition)


def test_the_samples_table_has_the_columns_of_the_schema() -> None:
    """Same names; a column may be null exactly where the schema allows null."""
    schema = schemas.load("sample")
    assert set(SAMPLES.names) == set(schema["properties"])
    for field in SAMPLES:
        kinds = schema["properties"][field.name].get("type", [])
        assert field.nullable is ("null" in kinds), field.name


@pytest.mark.parametrize(("column", "definition"), [("messages", "message"), ("images", "image")])
def test_nested_columns_have_the_fields_of_the_schema(column: str, definition: str) -> None:
    """The structs inside the lists, and the parts inside the messages."""

    def compare(kind: pa.StructType, definition: str) -> None:
        properties = schemas.load("sample")["$defs"][definition]["properties"]
        assert {field.name for field in kind} == set(properties)
        for field in kind:
            assert field.nullable is ("null" in properties[field.name].get("type", [])), field.name

    kind = SAMPLES.field(column).type.value_type
    compare(kind, definition)
    if column == "messages":
        compare(kind.field("content").type.value_type, "part")


def test_tables_refuse_what_is_missing(tmp_path: Any) -> None:
    """A row without one of its columns, or of another type, never reaches a file."""
    source = build.corpus(tmp_path / "in", 1, 2)
    row = build.rows(build.sliced(source, tmp_path / "out"), "samples")[0]
    for name in SCHEMAS["samples"].names:
        with pytest.raises((KeyError, pa.ArrowInvalid, pa.ArrowTypeError)):
            build.write_shard(tmp_path / name, {"samples": [{k: v for k, v in row.items() if k != name}]})
        with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
            build.write_shard(tmp_path / name, {"samples": [{**row, name: object()}]})
        assert build.tree(tmp_path / name) == {}
