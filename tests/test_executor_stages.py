"""Whole stages in processes on this machine: the same bytes, however many work and whatever stops them."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import build
import pytest
from stages import ROOT, SHARDS, check_stopped, command, interrupt_group, sliced, terminate, terminate_group, under_way
from watched import alive, children, until


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write trajectories that make many small shards."""
    return build.corpus(tmp_path_factory.mktemp("corpus"), n=SHARDS, n_steps=3)


@pytest.fixture(scope="module")
def golden(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the hashes of an undisturbed run with one worker."""
    return sliced(corpus, tmp_path_factory.mktemp("golden") / "out", "--workers", "1")


def test_workers_change_only_the_time(corpus: Path, golden: dict[str, str], tmp_path: Path) -> None:
    """Byte-identical with two and with five workers."""
    assert sliced(corpus, tmp_path / "two", "--workers", "2") == golden
    assert sliced(corpus, tmp_path / "five", "--workers", "5") == golden


def test_progress_is_no_output_of_the_stage(corpus: Path, tmp_path: Path) -> None:
    """In a chain on a terminal, stderr is the terminal and stdout the pipe to the next stage."""
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        out = tmp_path / "out"
        with subprocess.Popen(
            command(corpus, out), cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, text=True
        ) as stage:
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
                while chunk := terminal.read(4096):
                    shown += chunk
            assert stage.stdout is not None
            assert stage.stdout.read() == f"{out}\n"
        assert b"100%" in shown


STOPS = [interrupt_group, terminate, terminate_group]


@pytest.mark.parametrize("stop", STOPS)
def test_a_stopped_stage_goes_on(
    stop: Callable[[subprocess.Popen[str]], None], corpus: Path, golden: dict[str, str], tmp_path: Path
) -> None:
    """No traceback, no orphan, no file that is not whole, temporary ones included; then byte-identical."""
    out = tmp_path / "out"
    with under_way(command(corpus, out, "--workers", "2"), out) as stage:
        workers = children(stage.pid)
        assert len(workers) == 2
        stop(stage)
        assert len(check_stopped(stage, out, golden)) == 1
        assert not any(map(alive, workers))
    assert sliced(corpus, out, "--workers", "2") == golden


def test_a_stage_survives_its_workers(corpus: Path, golden: dict[str, str], tmp_path: Path) -> None:
    """SIGKILL of one worker, and of another: exit 0, byte-identical."""
    out = tmp_path / "out"
    with under_way(command(corpus, out, "--workers", "2"), out) as stage:
        for _ in range(2):
            os.kill(until(lambda: children(stage.pid))[0], signal.SIGKILL)
            time.sleep(0.3)
        _, stderr = stage.communicate(timeout=60)
        assert stage.returncode == 0, stderr
    assert build.tree(out) == golden


def test_a_stage_that_hangs_says_where(corpus: Path, tmp_path: Path) -> None:
    """No shard can be made in a millisecond."""
    done = subprocess.run(
        command(corpus, tmp_path / "out", "--workers", "1", "--task-timeout", "0.001"),
        check=False, capture_output=True, text=True, timeout=120, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("task slice 00000: its worker ran longer than 0.001 s 3 times")
