"""What only a whole dataset shows: the same thing on both sides of the split."""

from collections.abc import Iterator
from typing import Any

from pipeline.describe import same_goal
from pipeline.slicing.glance import host, main_app
from pipeline.storage.dataset import Dataset


def across(dataset: Dataset, sides: set[tuple[str, str]], goals: dict[str, str]) -> dict[str, str]:
    """Return, by trajectory, what of it stands in train and val although the split keeps it together.

    That is the trajectory itself, and its goal or its app where the dataset was split by those. `sides` are the
    trajectories and splits of the samples, `goals` are the samples' by trajectory.
    """
    slicing, pairs = dataset.manifest.slicing, sorted(sides)
    groups = [("trajectory", {name: name for name, _ in pairs})]
    if slicing.split_by == "task":  # samples of sub-tasks have goals of their own, the recorded steps know the whole's
        known = dict(_rows(dataset, "trajectory_id", "goal")) if slicing.mode == "subtask" else goals
        groups.append(("goal", known))
    elif slicing.split_by == "app":
        groups.append(("app", _apps(dataset)))
    leaking: dict[str, str] = {}
    for what, group_of in groups:
        on: dict[str, set[str]] = {}
        for trajectory_id, split in pairs:
            if (group := group_of.get(trajectory_id)) is not None:
                on.setdefault(_key(what, group), set()).add(split)
        for trajectory_id, _ in pairs:
            group = group_of.get(trajectory_id)
            if group is not None and len(on[_key(what, group)]) > 1:
                leaking.setdefault(trajectory_id, f"{what} {group!r}")
    return leaking


def _key(what: str, group: str) -> str:
    return same_goal(group) if what == "goal" else group


def _rows(dataset: Dataset, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Yield columns of all recorded steps, row by row."""
    for _, part in dataset.tables("steps", list(columns)):
        yield from zip(*(part.column(name).to_pylist() for name in columns), strict=True)


def _apps(dataset: Dataset) -> dict[str, str]:
    """Return the app of each trajectory, as it was split by."""
    names: dict[str, list[str | None]] = {}
    for trajectory_id, app, url in _rows(dataset, "trajectory_id", "app", "url"):
        names.setdefault(trajectory_id, []).append(app or host(url))
    return {trajectory_id: app for trajectory_id, apps in names.items() if (app := main_app(apps)) is not None}
