"""Kill stages, starve them, and compare what is left with an undisturbed run."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import build

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("steps", "images", "samples", "rejected")
STAGES = ("slice", "augment-errors", "normalize", "validate")


def tree(folder: Path) -> dict[str, str]:
    """Return the hash of every file below, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@dataclass(frozen=True)
class World:
    """A small corpus, and the undisturbed output of every stage on it."""

    root: Path
    package: Path = ROOT
    """Where the code under test lies; a mutated copy of it elsewhere."""

    @classmethod
    def make(cls, root: Path) -> "World":
        """Write the corpus and run the stages."""
        build.corpus(root / "trajectories", n=4, n_steps=4)
        world = cls(root)
        for stage in STAGES:
            done = world.run(stage, root / "golden" / stage)
            assert done.returncode == 0, done.stderr
        return world

    def command(self, stage: str, out: Path | str, *options: str) -> list[str]:
        """Return the command that runs a stage on the golden output of the stage before."""
        before = {"slice": self.root / "trajectories", "augment-errors": self.root / "golden" / "slice",
                  "normalize": self.root / "golden" / "augment-errors",
                  "validate": self.root / "golden" / "augment-errors"}[stage]  # fmt: skip
        own = {"slice": ("--shard-size", "2"), "normalize": ("--max-dim", "520")}.get(stage, ())
        return [sys.executable, "-m", "pipeline", stage, str(before), "-o", str(out), "--workers", "1", *own, *options]

    def environment(self, **extra: str) -> dict[str, str]:
        """Return the environment in which the package under test is found first."""
        return {**os.environ, "PYTHONPATH": str(self.package), **extra}

    def run(self, stage: str, out: Path | str, *options: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a stage in a process group of its own."""
        return subprocess.run(
            self.command(stage, out, *options),
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.root,  # not the checkout: `python -m` would find its package first
            start_new_session=True,
        )

    def golden(self, stage: str) -> dict[str, str]:
        """Return the hashes of the undisturbed output."""
        return tree(self.root / "golden" / stage)

    def violations(self, stage: str, out: Path) -> list[str]:
        """Return what a killed run left that a reader could mistake for finished."""
        golden = self.golden(stage)
        there = {name: digest for name, digest in tree(out).items() if not Path(name).name.startswith(".")}
        there = {name: digest for name, digest in there.items() if not name.startswith(".gdp/")}
        wrong = [f"{name} is not the finished file" for name, digest in there.items() if golden.get(name) != digest]
        missing = sorted(set(golden) - set(there))
        if "manifest.json" in there and missing:
            wrong.append(f"the manifest is there before {missing[0]}")
        return wrong


def points(stage: str) -> list[str]:
    """Return the fault points of a stage, in an order in which each is reached by a run that resumes."""
    steps = ("written", "synced", "renamed", "folder_synced")
    written = {"slice": TABLES, "augment-errors": ("samples",), "normalize": TABLES,
               "validate": ("samples", "rejected")}[stage]  # fmt: skip
    opened = [f"{table}.opened" for table in written]
    ordered = (*written, *(table for table in TABLES if table not in written))
    return [
        *opened,
        *(f"{table}.{step}" for table in ordered for step in steps),
        *(f"{kind}.{step}" for kind in ("journal", "manifest") for step in steps),
    ]


def mutated(target: Path, module: str, old: str, new: str) -> Path:
    """Copy the package and change one place of it; return the folder to import it from."""
    for name in ("pipeline", "schemas"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    file = target / "pipeline" / module
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{module} has changed: {old!r} is there {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")
    return target


def killed(done: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether the process died of SIGKILL."""
    return done.returncode == -signal.SIGKILL
