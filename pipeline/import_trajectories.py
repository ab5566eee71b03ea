"""Turn recordings in other formats into trajectories: `gdp import`.

An importer (`pipeline.importers`) reads; this module checks what it yields as `gdp slice` will, tells repeated ids
apart, writes each trajectory with its pictures, and counts what got lost or was refused.
"""

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import click
import msgspec

from . import __version__
from .exceptions import ConfigError, InputError
from .import_report import ImportReport, Tally
from .importers import IMPORTERS, Episode, Importer, Refusal, Refused, SourceFolder
from .importers.output import ImportFolder, folder_name
from .records import Trajectory
from .storage.apart import keep_apart
from .storage.place import Place, Where
from .trajectories import FILE_NAME, Document, Loaded, check


@dataclass(frozen=True)
class ImportConfig:
    """What `gdp import` makes; every field changes the result."""

    format: str
    """One of `IMPORTERS`."""
    options: Mapping[str, str]
    """What the user decided, by option name; see `Importer.options`."""

    def importer(self) -> Importer:
        """Return the importer; raises ConfigError for an unknown format."""
        try:
            return IMPORTERS[self.format]
        except KeyError:
            known = ", ".join(IMPORTERS)
            hint = "gdp import --list"
            raise ConfigError("FORMAT", f"found {self.format!r}, expected one of {known}", hint) from None

    def settings(self) -> dict[str, str]:
        """Return a value for each option of the format.

        Raises ConfigError for an option that the format has no use for, a value that it does not know, or none where
        one must be given.
        """
        options = {option.name: option for option in self.importer().options}
        settings = {}
        for name in self.options.keys() - options.keys():
            message = f"found it with {self.format}, expected " + (
                f"only {_flags(options)}" if options else "no option of a format"
            )
            raise ConfigError(_flag(name), message)
        for name, option in options.items():
            value = self.options.get(name, option.default)
            if value is None:
                message = f"found none, expected one of {', '.join(option.choices)}: {option.meaning}"
                raise ConfigError(_flag(name), message, f"{self.format} does not say; look at the data and decide")
            if option.choices and value not in option.choices:
                raise ConfigError(_flag(name), f"found {value!r}, expected one of {', '.join(option.choices)}")
            settings[name] = value
        return settings


def run(
    source: Where, out: Where, config: ImportConfig, *, fresh: bool = False, progress: bool = False
) -> ImportReport:
    """Import everything under `source` into the folder `out`."""
    importer, settings = config.importer(), config.settings()
    source, out = Place.of(source), Place.of(out)
    folder = SourceFolder(source)
    keep_apart(source, out)
    items = chain(importer.read(folder, settings), folder.passed_over(*importer.files))
    first = next(items, None)
    if first is None:
        raise InputError(folder.shown, f"found nothing to import, expected {importer.expects}", "gdp import --list")
    identity = {"format": config.format, "options": settings, "version": __version__}
    tally, names = Tally(), _Names()
    with (
        ImportFolder.open(out, identity, fresh=fresh) as target,
        click.progressbar(chain([first], items), label="import", hidden=not progress, file=sys.stderr) as bar,
    ):
        for item in bar:
            if isinstance(item, Refusal):
                tally.refuse(item)
            else:
                _add(item, names, target, tally)
        report = ImportReport(str(out), identity, tally)
        target.finish(tally.refusals, report.summary())
    return report


def listing() -> str:
    """Return the formats, a line each, and under it the options that it has."""
    width = max(map(len, IMPORTERS))
    lines = []
    for name, importer in IMPORTERS.items():
        lines.append(f"{name:<{width}}  {importer.meaning}")
        for option in importer.options:
            default = "required" if option.default is None else f"default {option.default or 'none'}"
            choices = "|".join(option.choices) or "TEXT"
            lines.append(f"{'':<{width}}    {_flag(option.name)} {choices} ({default}): {option.meaning}")
    return "\n".join(lines)


def _add(episode: Episode, names: "_Names", target: ImportFolder, tally: Tally) -> None:
    """Write an episode, or as much of it as `gdp slice` would take."""
    for refusal in (*episode.refusals, *episode.album.refusals):
        tally.refuse(refusal)
    try:
        if not episode.trajectory.steps:
            raise Refused("no_steps", "no step that could be taken", "at least one")
        trajectory, renamed = names.own(episode.trajectory)
    except Refused as refused:
        tally.refuse(refused.at("trajectory", episode.file, episode.record))
        return
    text = msgspec.json.encode(trajectory)
    loaded = check(Document(f"{folder_name(trajectory.trajectory_id)}/{FILE_NAME}"), text)
    for refusal in _broken(episode, loaded):
        tally.refuse(refusal)
    if loaded.trajectory is None:
        return
    if loaded.problems:
        trajectory = loaded.trajectory
        text = msgspec.json.encode(trajectory)
    target.put(trajectory.trajectory_id, text, episode.album.pictures)
    tally.take(trajectory, episode.notes + episode.album.notes + renamed, len(episode.album.pictures))


def _broken(episode: Episode, loaded: Loaded) -> Iterator[Refusal]:
    """Yield what `gdp slice` would refuse: the whole, or the first broken step and all after it."""
    if not loaded.problems:
        return
    first = loaded.problems[0]
    found, _, expected = first.message.removeprefix("found ").rpartition(", expected ")
    place = " ".join(filter(None, (episode.record, first.where.partition(": ")[2])))
    if loaded.trajectory is None:
        yield Refusal("trajectory", "record", episode.file, found, expected, place)
        return
    yield Refusal("step", "record", episode.file, found, expected, place)
    for index in range(len(loaded.trajectory.steps) + 1, loaded.n_steps):
        record = " ".join(filter(None, (episode.record, f"$.steps[{index}]")))
        yield Refusal("step", "history_broken", episode.file, f"the refused step {place} in its history",
                      "a whole one", record)  # fmt: skip


class _Names:
    """Ids that were given: the same episode twice is refused, another one under the same id is told apart."""

    def __init__(self) -> None:
        self._seen: dict[str, list[str]] = {}

    def own(self, trajectory: Trajectory) -> tuple[Trajectory, Counter[str]]:
        """Return the trajectory under an id of its own; raises Refused if it was there before."""
        content = msgspec.structs.replace(trajectory, source=None)
        digest = hashlib.sha256(msgspec.json.encode(content)).hexdigest()
        before = self._seen.setdefault(trajectory.trajectory_id, [])
        if digest in before:
            found = f"trajectory_id {trajectory.trajectory_id!r} with the same content again"
            raise Refused("duplicate", found, "each episode once")
        before.append(digest)
        if len(before) == 1:
            return trajectory, Counter()
        name = f"{trajectory.trajectory_id}~{len(before)}"
        return msgspec.structs.replace(trajectory, trajectory_id=name), Counter({"repeated id told apart": 1})


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _flags(names: Mapping[str, object]) -> str:
    return ", ".join(map(_flag, names))
