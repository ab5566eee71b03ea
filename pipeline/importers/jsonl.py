"""`jsonl`: our own canonical form, from wherever somebody's own converter wrote it; checked and copied.

A folder per trajectory with `trajectory.json`, or `*.jsonl` files with one trajectory a line, beside their pictures.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from pipeline.exceptions import InputError
from pipeline.records import Observation, Screenshot
from pipeline.trajectories import FILE_NAME, Loaded, find, load

from .album import Album
from .folder import SourceFolder
from .importer import Episode
from .refusal import Refusal, Refused


class Jsonl:
    """The format `jsonl`."""

    name = "jsonl"
    meaning = "gdp's own trajectories (trajectory.json or *.jsonl): checked, copied, screenshots turned upright"
    expects = f"{FILE_NAME} or *.jsonl files in gdp's own form"
    kept = "everything"
    lost = "nothing"
    tried_on = "sample_data"
    files = (FILE_NAME, "*.jsonl")
    options = ()

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield every trajectory with its pictures."""
        try:
            documents = find(source.place)
        except InputError as error:
            if "found no trajectory" in error.message:
                return
            raise
        for document in documents:
            if source.only in {None, document.path}:
                yield from _episode(source, load(source.place, document))


def _episode(source: SourceFolder, loaded: Loaded) -> Iterator[Episode | Refusal]:
    document, trajectory = loaded.document, loaded.trajectory
    line = None if document.line is None else f"line {document.line}"
    refusals = tuple(_refusals(loaded, line))
    if trajectory is None:
        yield from refusals
        return
    album = Album(source, document.path, document.folder)

    def stored(observation: Observation, place: str) -> Observation:
        return replace(observation, image=_picture(album, observation.image, " ".join(filter(None, (line, place)))))

    steps = tuple(
        replace(step, observation=stored(step.observation, f"$.steps[{step.index}]")) for step in trajectory.steps
    )
    final = trajectory.final_observation
    if final is not None:
        final = stored(final, "$.final_observation")
    yield Episode(
        file=document.path,
        record=line,
        trajectory=replace(trajectory, steps=steps, final_observation=final),
        album=album,
        refusals=refusals,
    )


def _picture(album: Album, image: Screenshot, place: str) -> Screenshot:
    recorded = (image.width, image.height)
    taken = album.find(image.path, place, recorded=recorded, marked=image.marked)
    if (taken.width, taken.height) != recorded:
        found, expected = f"{taken.width}x{taken.height}", f"{recorded[0]}x{recorded[1]} as recorded"
        album.refusals.append(Refused("size_mismatch", found, expected).at("screenshot", album.file, place))
        return replace(taken, width=recorded[0], height=recorded[1])  # `gdp slice` refuses it where it is shown
    return taken


def _refusals(loaded: Loaded, line: str | None) -> Iterator[Refusal]:
    if not loaded.problems:
        return
    file, first = loaded.document.path, loaded.problems[0]
    found, _, expected = first.message.removeprefix("found ").rpartition(", expected ")
    place = " ".join(filter(None, (line, first.where.partition(": ")[2]))) or None
    code = first.code if first.code in {"unreadable", "json_broken"} else "record"
    if loaded.trajectory is None:
        yield Refusal("trajectory", code, file, found, expected, place)
        return
    yield Refusal("step", code, file, found, expected, place)
    for index in range(len(loaded.trajectory.steps) + 1, loaded.n_steps):
        refused = Refused("history_broken", f"the refused step {place} in its history", "a whole one")
        yield refused.at("step", file, " ".join(filter(None, (line, f"$.steps[{index}]"))))
