"""What is installed works away from the checkout, and the light install needs nothing of the trainer."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import build as corpus_build
import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "matplotlib")

BLOCKER = f"""
import importlib.machinery, sys
class Without(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in {HEAVY!r} else super().find_spec(name, path, target)
sys.meta_path[:] = [Without if each is importlib.machinery.PathFinder else each for each in sys.meta_path]
"""
"""A Python in which the heavy packages are not installed."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked where nothing else is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(
    installed: Path, folder: Path, *arguments: str, blocked: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `gdp` from the unpacked wheel in an empty folder."""
    paths = [str(path) for path in (blocked, installed) if path is not None]
    code = (
        f"import pipeline; assert pipeline.__file__.startswith({str(installed)!r});"
        "from pipeline.cli import main; main(prog_name='gdp')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_wheel_holds_the_packages_and_nothing_else(installed: Path) -> None:
    """The three packages with the schemas and the recipes; no tests, no sample data."""
    top = {path.name for path in installed.iterdir()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"pipeline", "train", "schemas"}
    assert sorted(path.name for path in (installed / "schemas").glob("*.json")) == sorted(
        path.name for path in (ROOT / "schemas").glob("*.json")
    )
    assert list((installed / "train" / "recipes").glob("*.yaml"))


def test_the_chain_runs_from_the_wheel_without_the_trainer(installed: Path, tmp_path: Path) -> None:
    """Slice, augment-errors and validate work where torch, transformers and the rest are absent."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(BLOCKER)
    corpus_build.corpus(tmp_path / "in", n=3)
    for stage, source, out in (("slice", "in", "a"), ("augment-errors", "a", "b"), ("validate", "b", "c")):
        done = run(installed, tmp_path, stage, source, "-o", out, blocked=blocked)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{out}\n"


def test_train_without_its_packages_names_the_command_to_run(installed: Path, tmp_path: Path) -> None:
    """One line, wrong-usage exit code, no traceback."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(BLOCKER)
    done = run(installed, tmp_path, "train", "nowhere", "-o", "run", blocked=blocked)
    assert done.returncode == 2
    assert "pip install" in done.stderr
    assert "[train]" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_starts_without_the_heavy_packages(installed: Path, tmp_path: Path) -> None:
    """`gdp --help` shows the commands in the order of the pipeline and imports none of the big libraries."""
    code = (
        "import sys\nfrom pipeline.cli import main\n"
        "try:\n    main(['--help'], prog_name='gdp')\n"
        "except SystemExit:\n    pass\n"
        f"print(sorted(set(sys.modules) & {set(HEAVY) | {'polars', 'pyarrow', 'PIL', 'msgspec', 'numpy'}!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip().endswith("[]"), done.stdout
    places = [done.stdout.index(f"\n  {name} ") for name in ("slice", "augment-errors", "validate", "train")]
    assert places == sorted(places)
    assert "gdp slice TRAJECTORIES -o sliced | gdp augment-errors - -o augmented" in done.stdout
