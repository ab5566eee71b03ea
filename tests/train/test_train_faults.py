"""The world turns against a run: a full disk, a folder that somebody removes, files that are not ours."""

import contextlib
import resource
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pipeline.exceptions import OutputError
from train.config import DEMO, TrainConfig, load
from train.folder import checkpoints, rundir, unwritable
from train.outputs import merge
from train.report import TrainReport
from train.run import RunOptions, run

DEMO_SETTINGS = load(DEMO)


def often() -> TrainConfig:
    """Return settings that save at every step."""
    return replace(DEMO_SETTINGS, sft=replace(DEMO_SETTINGS.sft, save_steps=1.0, eval_steps=1.0))


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let every longer write of this process fail, as on a full disk; Python ignores the signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_the_run_goes_on(
    demo_run: tuple[Path, TrainReport], small: Path, tmp_path: Path
) -> None:
    """A checkpoint that cannot be written whole ends the run; with room again the same command goes on."""
    out, options = tmp_path / "run", RunOptions(model=str(demo_run[0] / "base"), max_steps=2, quiet=True)
    with files_of_at_most(300_000), pytest.raises(OutputError, match="found no way to write there") as caught:
        run(small, out, often(), options)
    assert "make room" in str(caught.value.hint)
    assert not (out / "adapter").exists()
    assert run(small, out, often(), options).exit_code == 0


@pytest.mark.parametrize("kind", ["safetensors", "torch", "python"])
def test_every_writer_says_that_the_disk_is_full(kind: str, tmp_path: Path) -> None:
    """Each library has an error of its own for it; what is no fault of writing has no reason."""

    def write() -> None:
        numbers = torch.zeros(100_000)
        if kind == "safetensors":
            save_file({"x": numbers}, tmp_path / "x")
        elif kind == "torch":
            torch.save(numbers, tmp_path / "x")
        else:
            (tmp_path / "x").write_bytes(bytes(400_000))

    with files_of_at_most(50_000), pytest.raises(Exception, match=r"[Ff]ile|enforce") as caught:
        write()
    assert unwritable.reason(caught.value)
    for other in (RuntimeError("shapes differ"), ValueError("x"), FileNotFoundError(2, "no such file")):
        assert unwritable.reason(other) is None


def test_a_folder_removed_while_it_trains_ends_the_run(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a run under its name would be taken for a whole one."""
    out, rotate = tmp_path / "run", checkpoints.rotate

    def rotated(*given: Any) -> None:
        rotate(*given)
        shutil.rmtree(out)

    monkeypatch.setattr(checkpoints, "rotate", rotated)
    with pytest.raises(OutputError, match="the folder is gone, expected it to stay while the model trains"):
        run(small, out, often(), RunOptions(max_steps=4, quiet=True))
    assert not out.exists()


def test_merging_again_removes_nothing_of_others(demo_run: tuple[Path, TrainReport], tmp_path: Path) -> None:
    """`--fresh` replaces what a merge wrote, and nothing beside it."""
    out = tmp_path / "merged"
    merge.run(demo_run[0], out, merge.MergeOptions(quiet=True))
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"found files that no merge wrote \(notes\.txt\)"):
        merge.run(demo_run[0], out, merge.MergeOptions(quiet=True, fresh=True))
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    assert not merge.run(demo_run[0], out, merge.MergeOptions(quiet=True, fresh=True)).reused


def test_an_unvalidated_dataset_is_said(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is trained on, and the run says what could have been asked first."""
    run(small, tmp_path / "run", DEMO_SETTINGS, RunOptions(max_steps=1))
    assert "train: the dataset was not validated" in capsys.readouterr().err
    assert (tmp_path / "run" / rundir.RESULT).exists()
