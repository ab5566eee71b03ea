"""What only a whole dataset shows: the same thing on both sides of the split, an id that repeats."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pipeline.describe import same_goal
from pipeline.slicing.glance import host, main_app
from pipeline.storage.dataset import Dataset


def across(dataset: Dataset) -> tuple[dict[str, str], frozenset[str]]:
    """Return, by trajectory, what of it stands in train and val although the split keeps it together; repeated ids.

    That is the trajectory itself, and its goal or its app where the dataset was split by those.
    """
    split_by = dataset.manifest.slicing.split_by
    pairs = sorted(set(_rows(dataset, "samples", "trajectory_id", "split")))
    groups = [("trajectory", {name: name for name, _ in pairs})]
    if split_by == "task":
        groups.append(("goal", _goals(dataset)))
    elif split_by == "app":
        groups.append(("app", _apps(dataset)))
    leaking: dict[str, str] = {}
    for what, group_of in groups:
        sides: dict[str, set[str]] = {}
        for trajectory_id, split in pairs:
            if (group := group_of.get(trajectory_id)) is not None:
                sides.setdefault(_key(what, group), set()).add(split)
        for trajectory_id, _ in pairs:
            group = group_of.get(trajectory_id)
            if group is not None and len(sides[_key(what, group)]) > 1:
                leaking.setdefault(trajectory_id, f"{what} {group!r}")
    ids = Counter(name for (name,) in _rows(dataset, "samples", "sample_id"))
    return leaking, frozenset(name for name, times in ids.items() if times > 1)


def _key(what: str, group: str) -> str:
    return same_goal(group) if what == "goal" else group


def _rows(dataset: Dataset, table: str, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Yield columns of a whole table, row by row."""
    for _, part in dataset.tables(table, list(columns)):
        yield from zip(*(part.column(name).to_pylist() for name in columns), strict=True)


def _goals(dataset: Dataset) -> dict[str, str]:
    """Return the goal of each trajectory; samples of sub-tasks have goals of their own, the recorded steps know it."""
    table = "steps" if dataset.manifest.slicing.mode == "subtask" else "samples"
    return dict(_rows(dataset, table, "trajectory_id", "goal"))


def _apps(dataset: Dataset) -> dict[str, str]:
    """Return the app of each trajectory, as it was split by."""
    names: dict[str, list[str | None]] = {}
    for trajectory_id, app, url in _rows(dataset, "steps", "trajectory_id", "app", "url"):
        names.setdefault(trajectory_id, []).append(app or host(url))
    return {trajectory_id: app for trajectory_id, apps in names.items() if (app := main_app(apps)) is not None}
