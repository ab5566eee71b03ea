"""The benchmark runs, and what it switches off only saves work: with it or without it the losses are the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of drawn screens, as `benchmarks/train.py` makes them."""
    folder = tmp_path_factory.mktemp("benchmark")
    draw = "import sys, pathlib, screens; print(screens.corpus(pathlib.Path(sys.argv[1]), 1, 2, 'jpeg'))"
    source = python(ROOT / "benchmarks", "-c", draw, folder).strip()
    sizes = ("--history-images", 2, "--max-pixels", 128 * 1024, "--val-fraction", 0)
    python(ROOT, "-m", "pipeline", "slice", source, "-o", folder / "short", "-q", *sizes)
    return folder / "short"


def python(folder: Path, *arguments: object) -> str:
    """Run Python in a folder; return what it prints."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(data: Path, **options: object) -> dict[str, Any]:
    """Run one contender on one core, and return what it measured."""
    job = {"who": "gdp", "model": "tiny", "data": str(data), "work": str(data.parent), "samples": 2, "batch": 1,
           "measured": 1, "order": "rows", **options}  # fmt: skip
    printed = python(ROOT, "-P", "benchmarks/contender.py", json.dumps(job))
    return dict(json.loads(printed.split("MEASURED ")[1]))


def test_tricks_change_no_loss(short: Path) -> None:
    """Of the model before it learned anything, and after a step."""
    quick = measured(short, workers=1)
    assert quick["losses"][0] != quick["losses"][1]
    assert measured(short, without="positions")["losses"] == pytest.approx(quick["losses"], rel=1e-5)
