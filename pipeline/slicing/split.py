"""Which trajectories stand on the same side of the split, and on which side.

Trajectories are grouped, and whole groups are drawn: by trajectory, by task (the same goal) or by app (the one in which
most steps are taken). Near-duplicates are one group in any case, so that no recording is measured on what is nearly
itself: trajectories whose sets of screenshots have a Jaccard index of at least 0.8 (equal files; a copy with another
goal, or with a step more or less), or which take the same actions in the same order for the same goal.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from pipeline import seeds
from pipeline.describe import same_goal
from pipeline.records import Split

from .glance import Glance

By = Literal["trajectory", "task", "app"]
BY: dict[By, str] = {"trajectory": "trajectories", "task": "tasks", "app": "apps"}
"""What may be kept together, and how reports call several of it."""

ALIKE = (4, 5)
"""Screenshots that near-duplicates have in common, of all that they show: a Jaccard index of 0.8."""


class Sides(Struct, frozen=True):
    """The split of each trajectory, in order, and what there was to draw from."""

    splits: tuple[Split, ...]
    groups: int
    near_duplicates: int
    """Trajectories that stand where they do because an earlier one is nearly the same."""


def draw(
    glances: Sequence[Glance], pictures: Sequence[frozenset[str]], by: By, val_fraction: float, seed: int
) -> Sides:
    """Return the side of each trajectory; `pictures` are the hashes of the screenshots of each.

    At least one group goes to `train`, and one to `val` if there are two and the fraction is not 0.
    """
    keys = [_key(seen, by) for seen in glances]
    alike = list(near_duplicates(glances, pictures))
    names = _joined(keys, alike)
    splits = draw_split([name for name in names if name is not None], val_fraction, seed)
    return Sides(
        splits=tuple("train" if name is None else splits[name] for name in names),
        groups=len(splits),
        near_duplicates=len({later for later, _ in alike}),
    )


def draw_split(names: Iterable[str], val_fraction: float, seed: int) -> dict[str, Split]:
    """Return the side of each group by its name."""
    different = sorted(set(names))
    n_val = round(len(different) * val_fraction)
    if val_fraction > 0:
        n_val = min(max(n_val, 1), len(different) - 1)
    drawn = sorted(different, key=lambda name: seeds.digest(seed, "split", name))
    return {name: "val" if rank < n_val else "train" for rank, name in enumerate(drawn)}


def near_duplicates(glances: Sequence[Glance], pictures: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Yield pairs of positions (later, earlier) of trajectories that are nearly the same; enough to join all that are.

    Not every pair is looked at: two sets with so much in common share one of their few rarest members ("prefix
    filtering", Chaudhuri et al. 2006), so a home screen that all recordings start from brings no two together.
    """
    first: dict[Hashable, int] = {}
    common = Counter(picture for shown in pictures for picture in shown)
    by_picture: dict[str, list[int]] = defaultdict(list)
    for position, (seen, shown) in enumerate(zip(glances, pictures, strict=True)):
        if seen.goal is None:
            continue
        if seen.actions is not None:
            known = first.setdefault((same_goal(seen.goal), seen.actions), position)
            if known != position:
                yield position, known
        known = first.setdefault(shown, position) if shown else position
        if known != position:
            yield position, known
            continue
        rarest = sorted(shown, key=lambda picture: (common[picture], picture))
        rarest = rarest[: len(shown) + len(shown) * -ALIKE[0] // ALIKE[1] + 1]
        for other in sorted({other for picture in rarest for other in by_picture[picture]}):
            if len(shown & pictures[other]) * ALIKE[1] >= len(shown | pictures[other]) * ALIKE[0]:
                yield position, other
        for picture in rarest:
            by_picture[picture].append(position)


def _key(seen: Glance, by: By) -> str | None:
    """Return the name of what the trajectory is kept together with, None where nothing of it can be used."""
    if seen.goal is None:
        return None
    match by:
        case "trajectory":
            return seen.trajectory_id or seen.document.where
        case "task":
            return same_goal(seen.goal)
        case "app":
            return same_goal(seen.goal) if seen.app is None else seen.app


def _joined(keys: Sequence[str | None], pairs: Iterable[tuple[int, int]]) -> list[str | None]:
    """Return the name of each position's group: the first, in alphabetical order, of the names that belong together."""
    parent: dict[str, str] = {key: key for key in keys if key is not None}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for one, other in pairs:
        a, b = keys[one], keys[other]
        if a is not None and b is not None:
            low, high = sorted((root(a), root(b)))
            parent[high] = low
    return [None if key is None else root(key) for key in keys]
