"""Rows that are no records, and recordings that cannot be read."""

import json
from collections.abc import Callable
from typing import Any

from .planting import N, Planting
from .store import Row, Store, Tree, deep, taps


def column(name: str, value: Any) -> Callable[[Store], list[str]]:
    """Return what sets a column."""

    def plant(store: Store) -> list[str]:
        rows = store.pick(N)
        for row in rows:
            row[name] = value
        return [row["sample_id"] for row in rows]

    return plant


def turn(edit: Callable[[dict[str, Any]], None]) -> Callable[[Store], list[str]]:
    """Return what edits the trained turn, and the target with it."""

    def plant(store: Store) -> list[str]:
        rows = store.pick(N, taps)
        for row in rows:
            with Tree(row, "turns") as turns:
                edit(turns[-1])
                actions = turns[-1]["actions"]
            with Tree(row, "target") as target:
                target["actions"] = actions
        return [row["sample_id"] for row in rows]

    return plant


def cut_off(store: Store) -> list[str]:
    """JSON that was cut off."""
    rows = store.pick(N)
    for row in rows:
        row["turns"] = row["turns"][: len(row["turns"]) // 2]
    return [row["sample_id"] for row in rows]


def bad_hash(store: Store) -> list[str]:
    """A hash that is none."""
    rows = store.pick(N)
    for row in rows:
        row["images"][-1]["sha256"] = "sha256:" + row["images"][-1]["sha256"][:40]
    return [row["sample_id"] for row in rows]


def in_pixels(turn: dict[str, Any]) -> None:
    """Pixels where fractions belong."""
    turn["actions"][0]["point"] = [540, 1200]


def unknown_action(turn: dict[str, Any]) -> None:
    """An action of another space."""
    turn["actions"] = [{"type": "tap", "point": [0.5, 0.5]}]


def no_action(turn: dict[str, Any]) -> None:
    """A decision to do nothing."""
    turn["actions"] = []


def step_json(store: Store) -> list[str]:
    """A recorded step that is no JSON."""
    rows = store.pick(N, deep)
    for row in rows:
        store.step(row)["step"] = "{" + str(store.step(row)["step"])
    return [row["sample_id"] for row in rows]


def step_gone(store: Store) -> list[str]:
    """A recorded step that is missing."""
    rows = store.pick(N, lambda row: deep(row) and row["step_index"] >= 2)
    for row in rows:
        store.steps.remove(store.recording(row["trajectory_id"])[1])
    return [row["sample_id"] for row in rows]


def steps_gone(store: Store) -> list[str]:
    """A recording that has lost its last steps; all of them, for one of three."""
    rows = store.pick(N, lambda row: deep(row) and row["step_index"] >= 2)
    for number, row in enumerate(rows):
        for step in store.recording(row["trajectory_id"])[row["step_index"] if number else 0 :]:
            store.steps.remove(step)
    return [row["sample_id"] for row in rows]


def strangers(store: Store) -> list[str]:
    """The name of a trajectory that nobody recorded."""
    rows = store.pick(N)
    for row in rows:
        row["trajectory_id"] = f"{row['trajectory_id']}-nobody"
    return [row["sample_id"] for row in rows]


def step_observation(store: Store) -> list[str]:
    """An element whose box has three sides."""
    rows = store.pick(N, lambda row: bool(json.loads(store.step(row)["observation"]).get("elements")))
    for row in rows:
        with Tree(store.step(row), "observation") as observation:
            observation["elements"][0]["bbox"] = observation["elements"][0]["bbox"][:3]
    return [row["sample_id"] for row in rows]


def scalar(name: str, edit: Callable[[Row], Any]) -> Callable[[Store], list[str]]:
    """Return what sets a column to what `edit` makes of the row."""

    def plant(store: Store) -> list[str]:
        rows = store.pick(N)
        for row in rows:
            row[name] = edit(row)
        return [row["sample_id"] for row in rows]

    return plant


KINDS = {
    "a split of its own": Planting("schema", column("split", "test")),
    "a negative step": Planting("schema", scalar("step_index", lambda row: -1)),
    "JSON cut off": Planting("schema", cut_off),
    "no hash": Planting("schema", bad_hash),
    "pixels for fractions": Planting("schema", turn(in_pixels)),
    "an action of another space": Planting("schema", turn(unknown_action)),
    "no action": Planting("schema", turn(no_action)),
    "a step that is no JSON": Planting("recording", step_json),
    "a step gone": Planting("recording", step_gone),
    "steps lost at the end": Planting("recording", steps_gone),
    "a trajectory of nobody": Planting("recording", strangers),
    "a box of three sides": Planting("recording", step_observation),
}
