"""What the tests of the importers share: run an import, read what it left."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.importers import IMPORTERS
from pipeline.records import Trajectory
from pipeline.storage.place import Place
from pipeline.trajectories import find, load

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
"""Published recordings, where somebody has laid them beside the repository."""


def imported(name: str, source: Path, out: Path, *more: str) -> Result:
    """Run the command, with an answer to every question that the format asks."""
    options = [
        text
        for option in IMPORTERS[name].options
        if option.default is None and f"--{option.name.replace('_', '-')}" not in more
        for text in (f"--{option.name.replace('_', '-')}", option.choices[0])
    ]
    return CliRunner().invoke(main, ["import", name, str(source), "-o", str(out), *options, *more])


def rows(out: Path) -> list[dict[str, Any]]:
    """Return what was refused."""
    file = out / "rejected.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def report(out: Path) -> dict[str, Any]:
    """Return the report that the import left."""
    return json.loads((out / "import.json").read_text())  # type: ignore[no-any-return]


def trajectories(out: Path) -> list[Trajectory]:
    """Return every trajectory of an import, as `gdp slice` reads it."""
    if not list(out.glob("*/trajectory.json")):
        return []
    place = Place(str(out))
    loaded = [load(place, document) for document in find(place)]
    assert not any(each.problems for each in loaded)
    return [each.trajectory for each in loaded if each.trajectory is not None]
