"""What a shard of `gdp slice` is made from: each trajectory, then its screenshots, read, checked and resized."""

import hashlib
from collections.abc import Container, Iterator, Mapping, Sequence

from msgspec import Struct

from pipeline.records import Observation, Trajectory
from pipeline.screens.images import ImageProblem, Plan, Resized, read, resize
from pipeline.storage.place import Place
from pipeline.trajectories import Document, Loaded, Problem, load

Key = tuple[str, int, int]
"""A screenshot's hash, and the size that the recording says."""


class Looked(Struct, frozen=True):
    """A screenshot of the recording."""

    key: Key | None
    """None if it cannot be read."""
    outcome: Resized | ImageProblem | None
    """Its pixels, or why it is refused; None if its key was there before."""


def inputs(
    source: Place, documents: Sequence[Document], repeated: Mapping[int, str], plan: Plan
) -> Iterator[Loaded | Looked]:
    """Yield each trajectory, then one `Looked` for each of its `observations`; nothing is decoded twice.

    `repeated` has the positions of documents whose id was there before, and the place of the first one.
    """
    known: set[Key] = set()
    for position, document in enumerate(documents):
        loaded = load(source, document)
        if (first := repeated.get(position)) is not None:
            found = f"found trajectory_id {loaded.trajectory.trajectory_id!r}" if loaded.trajectory else "found an id"
            message = f"{found} that {first} has already, expected one of its own"
            loaded = Loaded(document, None, (Problem("duplicate_id", document.where, message),))
        yield loaded
        for observation in observations(loaded.trajectory) if loaded.trajectory else ():
            looked = _look(source, document, observation, plan, known)
            yield looked
            if looked.key is not None:
                known.add(looked.key)


def observations(trajectory: Trajectory) -> list[Observation]:
    """Return the trajectory's observations, that after its last step included."""
    final = [] if trajectory.final_observation is None else [trajectory.final_observation]
    return [*(step.observation for step in trajectory.steps), *final]


def _look(source: Place, document: Document, observation: Observation, plan: Plan, known: Container[Key]) -> Looked:
    image, key = observation.image, None
    try:
        data = read(source, document.folder, image.path)
        key = (hashlib.sha256(data).hexdigest(), image.width, image.height)
        return Looked(key, None if key in known else resize(data, image.width, image.height, plan, key[0]))
    except ImageProblem as problem:
        return Looked(key, problem)
