"""What only a whole dataset shows: the same thing on both sides of the split, an id that repeats."""

from typing import TYPE_CHECKING

from .dataset import Dataset
from .describe import same_goal
from .glance import host, main_app

if TYPE_CHECKING:
    import polars as pl


def across(dataset: Dataset) -> tuple[dict[str, str], frozenset[str]]:
    """Return, by trajectory, what of it stands in train and val although the split keeps it together; repeated ids.

    That is the trajectory itself, and its goal or its app where the dataset was split by those.
    """
    samples = dataset.frame("samples", ["sample_id", "trajectory_id", "goal", "split"])
    split_by = dataset.manifest.slicing.split_by
    pairs = sorted(set(zip(samples["trajectory_id"], samples["split"], strict=True)))
    groups = [("trajectory", {name: name for name, _ in pairs})]
    if split_by == "task":
        groups.append(("goal", _goals(dataset, samples)))
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
    return leaking, frozenset(samples["sample_id"].filter(samples["sample_id"].is_duplicated()))


def _key(what: str, group: str) -> str:
    return same_goal(group) if what == "goal" else group


def _goals(dataset: Dataset, samples: "pl.DataFrame") -> dict[str, str]:
    """Return the goal of each trajectory; samples of sub-tasks have goals of their own, the recorded steps know it."""
    if dataset.manifest.slicing.mode == "subtask":
        samples = dataset.frame("steps", ["trajectory_id", "goal"])
    return dict(zip(samples["trajectory_id"], samples["goal"], strict=True))


def _apps(dataset: Dataset) -> dict[str, str]:
    """Return the app of each trajectory, as it was split by."""
    steps = dataset.frame("steps", ["trajectory_id", "app", "url"])
    names: dict[str, list[str | None]] = {}
    for trajectory_id, app, url in zip(steps["trajectory_id"], steps["app"], steps["url"], strict=True):
        names.setdefault(trajectory_id, []).append(app or host(url))
    return {trajectory_id: app for trajectory_id, apps in names.items() if (app := main_app(apps)) is not None}
