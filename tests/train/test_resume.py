"""A run that was killed or stopped at any moment ends as if it had not been: the same losses, the same adapter."""

import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training import apart

from pipeline.exceptions import OutputError
from pipeline.storage.dataset import Dataset
from train import config as settings
from train.config import TrainConfig, load
from train.folder import checkpoints, rundir
from train.quiet import quietly
from train.report import TrainReport
from train.run import RunOptions, run

DEMO = load(settings.DEMO)
STEPS = RunOptions(max_steps=7, quiet=True)
"""Of a split of 12 samples: two passes, the second one cut short."""

HARD = replace(
    DEMO,
    sft=replace(
        DEMO.sft,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=2,
        eval_steps=4.0,
        save_steps=3.0,
        logging_steps=5,
        dataloader_num_workers=1,
    ),
    lora=replace(DEMO.lora, dropout=0.2),
)
"""Accumulation, dropout, a worker process, and logging, evaluation and checkpoints each at its own pace."""


def files(out: Path) -> dict[str, Any]:
    """Return what a run wrote, without what a clock decides."""
    found: dict[str, Any] = {}
    for path in sorted(each for each in out.rglob("*") if each.is_file()):
        found[str(path.relative_to(out))] = path.read_bytes()
    lines = [json.loads(line) for line in (out / "training_log.jsonl").read_text().splitlines()]
    found["training_log.jsonl"] = [{key: line[key] for key in line if key != "timing"} for line in lines]
    result = json.loads((out / "run.json").read_text())
    found["run.json"] = {key: result[key] for key in result if key != "timing"}
    return found


@pytest.fixture(scope="module")
def whole(small: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a run wrote that nobody stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(small, out, HARD, STEPS)
    return files(out)


KILLS = (
    "checkpoint.written",
    "step.4",
    "checkpoint.synced",
    "evaluation.7",
    "adapter.saved",
    "run.checkpoints",
)
"""In a step, around the name of a checkpoint, in an evaluation, after the last step."""


def test_killed_again_and_again(small: Path, whole: dict[str, Any], tmp_path: Path) -> None:
    """SIGKILL at one moment after the other, the same command each time: in the end, the very files."""
    out = tmp_path / "run"
    for fault in KILLS:
        assert apart(small, out, HARD, STEPS, fault) == -signal.SIGKILL, fault
    assert apart(small, out, HARD, STEPS) == 0
    assert files(out) == whole
    assert not (out / checkpoints.FOLDER).exists()


class Counting(Dataset):
    """A dataset that notes whose screenshots were decoded, and can ask the run to stop at one of them."""

    def __init__(self, dataset: Dataset, stop_at: int | None = None) -> None:
        super().__init__(dataset.place, dataset.manifest)
        self.decoded: list[str] = []
        self._stop_at = stop_at

    def image(self, ref: Any) -> bytes:
        """Return the picture."""
        self.decoded.append(f"{ref.shard}/{ref.row}")
        if len(self.decoded) == self._stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().image(ref)


def train_on(dataset: Any, out: Path, config: TrainConfig, **options: Any) -> TrainReport:
    """Train on an opened dataset in this process."""
    from train import loop

    with quietly():
        return loop.train(dataset, out, config, replace(STEPS, **options))


ALONE = replace(HARD, sft=replace(HARD.sft, dataloader_num_workers=0))


@pytest.fixture(scope="module")
def alone(
    small: Path, whole: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Counting, dict[str, Any]]:
    """Return a run without worker processes: the dataset with what was decoded, and what the run wrote."""
    dataset, out = Counting(Dataset.open(small)), tmp_path_factory.mktemp("alone") / "run"
    train_on(dataset, out, ALONE)
    wrote = files(out)
    assert {**wrote, "run.json": None} == {**whole, "run.json": None}  # workers change nothing else
    return dataset, wrote


AHEAD = 3
"""Samples that are decoded before the step that needs them: those of one step, and one more."""


@pytest.mark.parametrize("share", [0.5, 0.92], ids=["in a step", "in the last evaluation"])
def test_asked_to_stop(small: Path, alone: tuple[Counting, dict[str, Any]], tmp_path: Path, share: float) -> None:
    """SIGTERM at any moment saves what was trained, and going on decodes nothing again that was trained on."""
    before = signal.getsignal(signal.SIGTERM)  # another test of this process may have set one
    reference, whole = alone
    out, opened = tmp_path / "run", Dataset.open(small)
    stopped, after = Counting(opened, int(share * len(reference.decoded))), Counting(opened)
    with pytest.raises(KeyboardInterrupt):
        train_on(stopped, out, ALONE)
    assert signal.getsignal(signal.SIGTERM) is before
    train_on(after, out, ALONE)
    assert files(out) == whole
    trained = [sample.images for sample in opened.samples("train")]
    known = {f"{ref.shard}/{ref.row}" for images in trained for ref in images}
    twice = len([each for each in stopped.decoded + after.decoded if each in known]) - len(
        [each for each in reference.decoded if each in known]
    )
    assert 0 <= twice <= AHEAD * max(map(len, trained))


@pytest.fixture
def stopped(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a run that was killed after three checkpoints, and the run's identity."""
    out, who = tmp_path / "run", rundir.identity(seed=1)
    out.mkdir()
    rundir.write(out, rundir.MARKER, who)
    (out / rundir.LOG).write_text("{}\n")
    for step in (3, 6, 9):
        folder = checkpoints.scratch(out / checkpoints.FOLDER, step)
        folder.mkdir(parents=True)
        (folder / "adapter_model.safetensors").write_bytes(bytes([step]) * 100)
        (folder / "optimizer.pt").write_bytes(bytes([step]) * 50)
        checkpoints.commit(out / checkpoints.FOLDER, step)
    return out, who


def earlier(stopped: tuple[Path, dict[str, Any]], **options: bool) -> rundir.Earlier:
    """Return what the folder is found to hold."""
    with rundir.taken(*stopped, **{"fresh": False, **options}) as found:
        return found


def flip(file: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


DAMAGES: dict[str, Any] = {
    r"the checksum of adapter_model.safetensors differs": lambda at: flip(at / "adapter_model.safetensors"),
    r"optimizer.pt has 25 bytes, expected 50": lambda at: os.truncate(at / "optimizer.pt", 25),
    r"optimizer.pt is missing": lambda at: (at / "optimizer.pt").unlink(),
    r"checkpoint.json is missing or broken": lambda at: os.truncate(at / "checkpoint.json", 30),
}


@pytest.mark.parametrize("message", DAMAGES, ids=["a bit", "cut", "gone", "manifest"])
def test_a_damaged_checkpoint_is_passed_over(stopped: tuple[Path, dict[str, Any]], message: str) -> None:
    """The one before it is used and the damage is told; without a whole one nothing is trained, and nothing removed."""
    folder = stopped[0] / checkpoints.FOLDER
    assert earlier(stopped) == rundir.Earlier(checkpoint=folder / "checkpoint-9")
    DAMAGES[message](folder / "checkpoint-9")
    found = earlier(stopped, resume=True)
    assert found.checkpoint == folder / "checkpoint-6"
    assert [re.search(message, line) is not None for line in found.damaged] == [True]
    for step in (3, 6):
        flip(folder / f"checkpoint-{step}" / "optimizer.pt")
    with pytest.raises(
        OutputError, match=r"found no whole checkpoint, .*checkpoint-9 .*checkpoint-3 is damaged .*\n.*--fresh"
    ):
        earlier(stopped)
    assert sorted(each.name for each in folder.iterdir()) == ["checkpoint-3", "checkpoint-6", "checkpoint-9"]
    assert earlier(stopped, fresh=True) == rundir.Earlier()
    assert not folder.exists()


def test_resume_insists(stopped: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """`--resume` starts nothing; what another command left is refused as ever."""
    assert earlier(stopped, resume=True).checkpoint is not None
    with (
        pytest.raises(OutputError, match="found no run to go on with"),
        rundir.taken(tmp_path / "new", stopped[1], fresh=False, resume=True),
    ):
        pass
    assert not (tmp_path / "new").exists()
    with pytest.raises(OutputError, match="found a run with another seed"):
        earlier((stopped[0], rundir.identity(seed=2)), resume=True)


def test_old_checkpoints_go(stopped: tuple[Path, dict[str, Any]]) -> None:
    """The newest stay, and the best however old."""
    folder = stopped[0] / checkpoints.FOLDER
    checkpoints.rotate(folder, 2, 3)
    assert sorted(each.name for each in folder.iterdir()) == ["checkpoint-3", "checkpoint-9"]
    checkpoints.rotate(folder, 1, None)
    assert [each.name for each in folder.iterdir()] == ["checkpoint-9"]
