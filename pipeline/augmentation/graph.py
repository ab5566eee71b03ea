"""The transition graph of the recorded apps: what leads from which screen to which.

Nodes are states (screens that `pipeline.screens.states` calls equal), edges are recorded actions. Planning walks all
steps once, shard by shard, and keeps of each edge only what an error kind may need; both are capped, so memory is
bounded however long the recordings are. A shard's task gets the `Surrounding` of each of its steps: the few routes that
come back to the recorded path. A route may show a screenshot of another shard; that is what `ImageRef.shard` is for.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec import Struct

from pipeline.actions import Action, Browser, Button, Click, LongPress, Scroll, Swipe
from pipeline.records import Element, ImageRef, Observation, Split
from pipeline.screens.fingerprint import Fingerprint
from pipeline.screens.screen import label, target_element
from pipeline.screens.states import States, digest, mask, same_screen
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import UNREADABLE

MAX_ACTIONS = 32
"""Different actions on one state that are remembered, the first ones recorded."""
MAX_ROUTES = 8
"""Routes that a step is told of."""


class Edge(Struct, frozen=True):
    """A recorded action and the screen that it led to."""

    action: Action
    name: str | None
    """What the element is called that it landed on."""
    state: int
    """The state that it led to."""
    image: ImageRef
    """The screen that it led to."""
    split: Split
    overlay: bool | None
    keyboard: bool | None


class Route(Struct, frozen=True):
    """An edge from a screen equal to this one."""

    edge: Edge
    returns: tuple[Edge, ...]
    """From the screen that it led to, recorded actions to a state equal to this one."""
    onward: tuple[Edge, ...]
    """The same, to a state equal to the one that the recording goes on to."""


class Surrounding(Struct, frozen=True):
    """What all recordings together know of the screen of one step."""

    state: int = -1
    """-1 where the app is not known or the screenshot was refused."""
    unchanged: bool = False
    """Whether the screen is the same as before the step before."""
    acted: int = 0
    """Different recorded actions on equal screens."""
    routes: tuple[Route, ...] = ()
    """Those that come back to the recorded path."""


NOTHING = Surrounding()


class Walk(Struct):
    """The states that a trajectory passes, in order, and its side of the split."""

    split: Split
    states: "array[int]"
    unchanged: bytearray

    def note(self, state: int, *, unchanged: bool) -> None:
        """Add the next screen."""
        self.states.append(state)
        self.unchanged.append(unchanged)


class _Step(Struct):
    actions: tuple[Action, ...] = ()


class _Header(Struct):
    platform: str | None = None


class Graph:
    """All states and edges of a dataset."""

    def __init__(self) -> None:
        self.states = States()
        self.walks: dict[int, dict[str, Walk]] = {}
        self.coverage: Counter[str] = Counter()
        self._edges: dict[int, dict[int, list[Edge]]] = {}
        self._seen: dict[int, set[bytes]] = {}
        self._routes: dict[tuple[int, int, int, Split], tuple[Route, ...]] = {}

    @classmethod
    def of(cls, dataset: Dataset) -> "Graph":
        """Walk every trajectory of the dataset."""
        graph = cls()
        for number in dataset.manifest.shard_numbers():
            graph._walk(dataset, number)
        return graph

    def counts(self) -> dict[str, int]:
        """Return what the graph covers, for the report."""
        known = {f"{what.replace('_', ' ')}": n for what, n in self.states.counts.items() if n}
        return {**{what: n for what, n in self.coverage.items() if n}, **known}

    def leads(self, before: int, after: int) -> bool:
        """Tell whether some recording goes in one action from the one state to the other."""
        return bool(self._edges.get(before, {}).get(after))

    def surroundings(self, number: int) -> dict[str, tuple[Surrounding, ...]]:
        """Return, for each trajectory of a shard, what is known of its steps and of its final screen."""
        return {
            name: tuple(self._around(walk, index) for index in range(len(walk.states)))
            for name, walk in self.walks.get(number, {}).items()
        }

    def _around(self, walk: Walk, index: int) -> Surrounding:
        here = walk.states[index]
        if here < 0:
            return Surrounding(unchanged=bool(walk.unchanged[index]))
        before = walk.states[index - 1] if index else -1
        after = walk.states[index + 1] if index + 1 < len(walk.states) else -1
        key = (before, here, after, walk.split)
        routes = self._routes.get(key)
        if routes is None:
            routes = self._routes[key] = _routes(self._edges, *key) if here in self._edges else ()
        return Surrounding(here, bool(walk.unchanged[index]), len(self._seen.get(here, ())), routes)

    def _walk(self, dataset: Dataset, number: int) -> None:
        pictures = _pictures(dataset, number)
        walks = self.walks[number] = {}
        columns = ["trajectory_id", "split", "image", "observation", "step", "scale", "trajectory"]
        before: tuple[str, int, Observation, Fingerprint, tuple[Action, ...]] | None = None
        for index, row in enumerate(dataset.rows("steps", number, columns)):
            name = row["trajectory_id"]
            walk = walks.get(name)
            if walk is None:
                walk = walks[name] = Walk(row["split"], array("i"), bytearray())
            try:
                observation = _observations.decode(row["observation"])
                actions = _steps.decode(row["step"]).actions if row["step"] else ()
            except UNREADABLE as error:
                raise dataset.no_step(number, index, row, error) from error
            image = None if row["image"] is None else ImageRef(**row["image"])
            if image is None:
                walk.note(-1, unchanged=False)
                before = None
                continue
            picture = pictures[image.row]
            masks = mask(observation, _platform(row["trajectory"]), row["scale"])
            state = self.states.place(observation, picture, masks)
            self.coverage["screens"] += 1
            self.coverage["without elements"] += not observation.elements
            unchanged = False
            if before is not None and before[0] == name:
                unchanged = same_screen(before[3], picture, masks)
                self._add(before[1], before[2], before[4], state, observation, image, walk.split)
            walk.note(state, unchanged=unchanged)
            before = (name, state, observation, picture, actions)

    def _add(
        self,
        source: int,
        seen: Observation,
        actions: Sequence[Action],
        state: int,
        observation: Observation,
        image: ImageRef,
        split: Split,
    ) -> None:
        if source < 0 or state < 0 or len(actions) != 1 or observation.app != seen.app:
            return
        action = actions[0]
        if not isinstance(action, Click | LongPress | Button | Browser | Scroll | Swipe):
            return
        known = self._seen.setdefault(source, set())
        if len(known) >= MAX_ACTIONS:
            return
        element = target_element(seen.elements, action)
        key = _key(action, element, state, split)
        if key in known:
            return
        known.add(key)
        name = None if element is None else label(seen.elements, element)
        bare = msgspec.structs.replace(action, src=None)
        edge = Edge(bare, name, state, image, split, observation.overlay, observation.keyboard)
        self._edges.setdefault(source, {}).setdefault(state, []).append(edge)
        self.coverage["edges"] += 1


def _routes(
    edges: dict[int, dict[int, list[Edge]]], before: int, here: int, after: int, split: Split
) -> tuple[Route, ...]:
    """Return the routes from a state that come back to it, or to the states beside it on the recorded path."""
    found: list[Route] = []
    for state, group in edges[here].items():
        from_there = edges.get(state, {})
        returns = tuple(from_there.get(here, ()))[:MAX_ROUTES]
        onward = tuple(from_there.get(after, ()))[:MAX_ROUTES] if after >= 0 else ()
        if state == before or returns or onward:
            found += [Route(edge, returns, onward) for edge in group]
    found.sort(key=lambda route: route.edge.split != split)  # those whose screen may be shown first
    return tuple(found[:MAX_ROUTES])


def _key(action: Action, element: Element | None, state: int, split: Split) -> bytes:
    """Return what makes two actions on equal screens the same: a tap is its element, not its point."""
    plain = msgspec.structs.replace(action, src=None, frame=None)
    if element is not None and isinstance(plain, Click | LongPress):
        plain = msgspec.structs.replace(plain, point=element.bbox[:2])
    return digest(plain, state, split)


def _pictures(dataset: Dataset, number: int) -> list[Fingerprint]:
    """Return the fingerprints of the shard's screenshots, in order."""
    columns = ["width", "height", "phash", "tiles"]
    return [Fingerprint(**row) for row in dataset.rows("images", number, columns)]


@lru_cache(maxsize=64)
def _platform(header: str) -> str | None:
    return msgspec.json.decode(header, type=_Header).platform


_observations = msgspec.json.Decoder(Observation)
_steps = msgspec.json.Decoder(_Step)
