"""Where taps land in the live app: points that `--jitter` draws, and points that are said to be beside the target."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from claims import Recording
from replaying import Replayer, same

from pipeline import layouts
from pipeline.actions import Box, Click, Point
from pipeline.augmentation.negatives import NEGATIVES, Case, Negative
from pipeline.augmentation.safe_zone import Unmovable, safe_zone
from pipeline.augmentation.survey import episodes
from pipeline.records import Element
from pipeline.screens.geometry import centre, from_grid, to_grid
from pipeline.storage.dataset import Dataset
from sample_data.driver import Driver

POINTS = 1000
SCALE = layouts.get("mai-ui").scale
OWNERS = """(groups) => groups.map(([centre, points]) => {
  const owner = ([x, y]) => {
    const hit = document.elementFromPoint(x, y);
    return hit && hit.closest("button, input, textarea, label[for], [data-act]");
  };
  const target = owner(centre);
  return target === null ? -1 : points.filter((point) => owner(point) === target).length;
})"""
"""For each element, how many of the points land on what its centre belongs to."""


@dataclass(frozen=True)
class Aimed:
    """Points for one element of a screen, and how many of them landed on it."""

    where: str
    points: int
    hits: int


def screens(replayer: Replayer, recording: Recording) -> Iterator[tuple[Driver, int]]:
    """Bring the app to each step of a recording, one after the other."""
    driver = replayer.driver(recording.device, recording.lang)
    driver.open(recording.address)
    for step in recording.trajectory.steps:
        if step.index in recording.events:
            driver.page.evaluate("(name) => App.event(name)", recording.events[step.index])
        assert same(driver.picture(), recording.screen(step.index)), (recording.trajectory.trajectory_id, step.index)
        yield driver, step.index
        for action in step.actions:
            driver.act(action)


def jittered(replayer: Replayer, recording: Recording, seen: set[str | None]) -> Iterator[Aimed]:
    """Draw many points for every control of every screen that was not seen before, and tap none of them: ask."""
    for driver, index in screens(replayer, recording):
        observation = recording.seen(index)
        if observation.image.sha256 in seen:
            continue
        seen.add(observation.image.sha256)
        groups = []
        for number, element in enumerate(observation.elements):
            if element.clickable and element.topmost:
                name = f"{recording.trajectory.trajectory_id}/{index}: {element.text}"
                groups.append((name, element, _draw(observation.elements, number, driver.size, name)))
        found = hits(driver, [(element.bbox, points) for _, element, points in groups])
        yield from (Aimed(name, len(points), n) for (name, _, points), n in zip(groups, found, strict=True))


def _draw(elements: Sequence[Element], number: int, size: tuple[int, int], name: str) -> list[Point]:
    zone = safe_zone(elements, number, *size)
    if isinstance(zone, Unmovable):
        return []
    drawn = (zone.draw(name, n, rounded=on_grid) for n in range(POINTS))
    return [on_grid(point) for point in drawn if point is not None]


def on_grid(point: Point) -> Point:
    """Return the point as the model reads it."""
    x, y = to_grid(point, SCALE)
    return from_grid(x, y, SCALE)


def beside(replayer: Replayer, recording: Recording, dataset: Dataset, seeds: Sequence[int]) -> Iterator[Aimed]:
    """Ask for the rejected points of preference pairs, which are to miss the target of the recorded tap."""
    name = recording.trajectory.trajectory_id
    points: dict[int, list[Point]] = {}
    for seed in seeds:
        for episode in episodes(dataset, 0, seed, {}, {name}):
            for index in range(len(episode.steps)):
                found = NEGATIVES["off_target"](Case(episode, index, seed))
                if isinstance(found, Negative) and isinstance(found.action, Click) and found.action.point is not None:
                    points.setdefault(index, []).append(on_grid(found.action.point))
    for driver, index in screens(replayer, recording):
        action = recording.trajectory.steps[index].actions[0]
        if index in points and isinstance(action, Click) and action.bbox is not None:
            (n,) = hits(driver, [(action.bbox, points[index])])
            yield Aimed(f"{name}/{index}", len(points[index]), n)


def hits(driver: Driver, groups: Sequence[tuple[Box, Sequence[Point]]]) -> list[int]:
    """Return for each element how many points land on it."""
    asked = [(driver.pixels(centre(box)), [driver.pixels(point) for point in points]) for box, points in groups]
    found: list[int] = driver.page.evaluate(OWNERS, asked)
    return found
