"""`gdp slice` in processes of its own, with a shard for each trajectory: run whole, and stopped on its way."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import build
from watched import until

ROOT = Path(__file__).parent.parent
SHARDS = 40


def command(corpus: Path, out: Path, *options: str) -> list[str]:
    """Return a slice command with a shard for each trajectory."""
    return [sys.executable, "-m", "pipeline", "slice", str(corpus), "-o", str(out), "--shard-size", "1", *options]


def sliced(corpus: Path, out: Path, *options: str, **environment: str) -> dict[str, str]:
    """Run slice to its end; return the hashes of what it wrote."""
    done = subprocess.run(
        command(corpus, out, *options), check=False, capture_output=True, text=True, timeout=120,
        cwd=ROOT, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}\n"
    return build.tree(out)


@contextlib.contextmanager
def under_way(command: list[str], out: Path, finished: int = 3) -> Iterator[subprocess.Popen[str]]:
    """Start a stage in a process group of its own; wait until that many shards are finished."""
    stage = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        until(lambda: len(list(out.glob(".gdp/0*.json"))) >= finished, 60)
        yield stage
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(stage.pid, signal.SIGKILL)
        stage.communicate()


def interrupt_group(stage: subprocess.Popen[str]) -> None:
    """Do what Ctrl-C in a terminal does."""
    os.killpg(stage.pid, signal.SIGINT)


def terminate(stage: subprocess.Popen[str]) -> None:
    """Do what a scheduler does that addresses one process."""
    stage.terminate()


def terminate_group(stage: subprocess.Popen[str]) -> None:
    """Do what a scheduler does that addresses all of them."""
    os.killpg(stage.pid, signal.SIGTERM)


def check_stopped(stage: subprocess.Popen[str], out: Path, golden: dict[str, str]) -> list[str]:
    """Check that a stopped stage says so and leaves nothing half-written; return all that it says."""
    stdout, stderr = stage.communicate(timeout=30)
    assert stage.returncode == 130, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert stderr.endswith("stopped; the same command goes on from here\n")
    assert not (out / "manifest.json").exists()
    there = {name: digest for name, digest in build.tree(out).items() if not name.startswith(".gdp/")}
    assert there
    assert not there.items() - golden.items()
    return stderr.splitlines()
