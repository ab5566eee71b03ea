"""Two processes train one model: the same losses as one process, one folder, one voice, one end."""

import json
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from accelerate.utils import DeepSpeedPlugin
from click.testing import CliRunner
from training import apart, together

from pipeline.cli import main
from pipeline.exceptions import ConfigError
from train import config as settings
from train import plan
from train.config import load
from train.encoding.data import Item
from train.evaluation.evalconfig import EvalConfig
from train.folder import checkpoints, processes
from train.run import RunOptions

DEMO = load(settings.DEMO)
ALONE = replace(
    DEMO,
    sft=replace(
        DEMO.sft,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=4,
        eval_steps=2.0,
        save_steps=1.0,
        logging_steps=1,
    ),
)
"""Four samples a step in one process."""

SHARED = replace(ALONE, sft=replace(ALONE.sft, gradient_accumulation_steps=2))
"""Four samples a step in two."""

STEPS = RunOptions(max_steps=5, quiet=True)


def recipe(name: str) -> dict[str, str]:
    """Return the environment that `accelerate launch` makes of a recipe."""
    from accelerate.commands import launch
    from accelerate.utils.launch import prepare_multi_gpu_env

    arguments = launch.launch_command_parser().parse_args(
        ["--config_file", str(settings.RECIPES / "accelerate" / name), "-m", "pipeline"]
    )
    arguments, _, _ = launch._validate_launch_command(arguments)
    made = prepare_multi_gpu_env(arguments)
    return {key: value for key, value in made.items() if key.startswith(("ACCELERATE_", "FSDP_"))}


def losses(out: Path) -> list[tuple[int, float]]:
    """Return every loss of the log."""
    lines = [json.loads(line) for line in (out / "training_log.jsonl").read_text().splitlines()]
    return [(line["step"], line[key]) for line in lines for key in ("loss", "eval_loss") if key in line]


@pytest.fixture(scope="module")
def alone(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    assert apart(small, out, ALONE, STEPS) == 0
    return out


@pytest.mark.parametrize("name", ["ddp.yaml", "fsdp.yaml", "zero3.yaml"])
def test_two_are_as_one(small: Path, alone: Path, tmp_path: Path, name: str) -> None:
    """The same global batch gives the same losses, and one adapter, verified; the launcher's precision is not asked."""
    if name == "zero3.yaml":
        pytest.importorskip("deepspeed")
    out = tmp_path / "run"
    launched = recipe(name) | {"ACCELERATE_MIXED_PRECISION": "bf16"}
    assert together(2, small, out, SHARED, STEPS, **launched) == [0, 0], (tmp_path / "stderr.0").read_text()
    one, two = losses(alone), losses(out)
    assert [step for step, _ in one] == [step for step, _ in two]
    assert [loss for _, loss in one] == pytest.approx([loss for _, loss in two], rel=1e-5)
    result = json.loads((out / "run.json").read_text())
    assert result["verified"]["reloaded_from_trained"] < 1e-4
    assert result["verified"]["adapter_from_base"] > 0.01
    assert not (out / ".lock").exists()
    assert (tmp_path / "stderr.1").read_text() == ""


def test_the_dry_run_of_two_is_their_run(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a launcher the first process tells the steps and the batch of all of them; the others say nothing."""
    out = tmp_path / "run"
    once = replace(SHARED, sft=replace(SHARED.sft, eval_steps=100.0), eval=EvalConfig(samples=0))
    assert together(2, small, out, once, RunOptions(quiet=True)) == [0, 0]
    line = ["train", str(small), "--dry-run", "--config", str(tmp_path / "config.yaml")]
    (tmp_path / "config.yaml").write_text(json.dumps({"training": once.to_dict()["training"]}))
    alone = CliRunner().invoke(main, [*line, "--format", "json"])
    monkeypatch.setenv("WORLD_SIZE", "2")
    first = CliRunner().invoke(main, [*line, "--format", "json"])
    assert (first.exit_code, first.stdout) == (0, "")
    found, single = json.loads(first.stderr), json.loads(alone.stderr)
    assert found["steps"]["total"] == json.loads((out / "run.json").read_text())["steps"]
    assert found["steps"]["total"] < single["steps"]["total"]
    assert found["batch"] == {"samples": 1, "passes": 2, "processes": 2}
    learned = found["memory"]["as configured"]["learning"] - single["memory"]["as configured"]["learning"]
    assert learned == 4 * found["trainable"]
    assert "4 samples a step: 2 x 1 in each of 2 processes" in CliRunner().invoke(main, line).stderr
    monkeypatch.setenv("RANK", "1")
    second = CliRunner().invoke(main, line)
    assert (second.exit_code, second.output) == (0, "")


def told(out: Path) -> str:
    """Return what all processes of a run said."""
    return "".join(path.read_text() for path in sorted(out.parent.glob("stderr.*")))


def test_one_dies_and_the_same_command_goes_on(small: Path, alone: Path, tmp_path: Path) -> None:
    """SIGKILL of one ends the other with one line; from the checkpoint on, the losses are those of one process."""
    out = tmp_path / "run"
    died = {"GDP_FAULT": "step.5", "GDP_FAULT_ONCE": str(tmp_path / "died")}
    assert together(2, small, out, SHARED, STEPS, last=died, **recipe("ddp.yaml")) == [1, -signal.SIGKILL]
    assert re.fullmatch(r"gdp train: lost another process of this run \(.*\)\nhint: .* last checkpoint\n", told(out))
    assert checkpoints.newest(out / checkpoints.FOLDER)[0] == out / checkpoints.FOLDER / "checkpoint-4"
    assert together(2, small, out, SHARED, STEPS, **recipe("ddp.yaml")) == [0, 0]
    assert [loss for _, loss in losses(out)] == pytest.approx([loss for _, loss in losses(alone)], rel=1e-5)


def test_one_refuses_for_all(small: Path, tmp_path: Path) -> None:
    """What the first process finds wrong with the folder ends all of them, with its line alone."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "thesis.txt").touch()
    assert together(2, small, out, SHARED, STEPS, **recipe("ddp.yaml")) == [1, 1]
    assert told(out).count("\n") == 2
    assert "found other files (thesis.txt)" in told(out)


def test_a_process_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process does not take several GPUs, and none goes without."""
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    processes.check_gpus(1)
    with pytest.raises(ConfigError, match=r"found 4 GPUs and one process.*\n.*torchrun --nproc-per-node 4 -m pipeline"):
        processes.check_gpus(4)
    monkeypatch.setenv("LOCAL_RANK", "1")
    processes.check_gpus(4)
    with pytest.raises(ConfigError, match="found 1 GPU for process 2 of this machine, expected one for each"):
        processes.check_gpus(1)


def test_zero3_is_what_accelerate_reads() -> None:
    """Its keys arrive as the settings that DeepSpeed is given."""
    from accelerate.commands.config.config_args import load_config_from_file

    read = load_config_from_file(str(settings.RECIPES / "accelerate" / "zero3.yaml"))
    assert read.distributed_type == "DEEPSPEED"
    assert read.deepspeed_config["zero_stage"] == 3
    assert read.deepspeed_config["zero3_init_flag"] is True
    known = DeepSpeedPlugin.__dataclass_fields__.keys() | {
        "offload_optimizer_device",
        "offload_param_device",
        "zero3_save_16bit_model",
    }
    assert read.deepspeed_config.keys() <= known


def test_a_sharded_model_needs_screenshots(dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample without one would make a process wait for ever, so it is refused before anything is loaded."""
    item = Item("t000/0001", (), ())
    plan._check_pictures(dataset, {"train": [item]})
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match="t000/0001 shows no screenshot, expected one in each sample"):
        plan._check_pictures(dataset, {"train": [item]})
