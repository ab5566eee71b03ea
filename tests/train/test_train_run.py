"""A whole run: it learns, at the rates of its schedule, with other settings, and repeats to the byte."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.exceptions import OutputError
from pipeline.storage.dataset import Dataset
from train import config as settings
from train.config import LoraConfig, SftConfig, TrainConfig, load
from train.outputs import verify
from train.report import TrainReport
from train.run import RunOptions, run

FILES = (
    "adapter/adapter_model.safetensors",
    "adapter/adapter_config.json",
    "training_log.jsonl",
    "loss.png",
    "run.json",
)
DEMO = load(settings.DEMO)
SHORT = RunOptions(max_steps=2, quiet=True)


def decisive(path: Path) -> Any:
    """Return what equal runs must share: a file's bytes, a log's lines without what the clock says."""
    if path.suffix != ".jsonl":
        return path.read_bytes()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert any("timing" in line for line in lines)
    return [{key: line[key] for key in line if key != "timing"} for line in lines]


def test_it_learns(demo_run: tuple[Path, TrainReport]) -> None:
    """Train and eval loss end lower than they began, and the best checkpoint is what is kept."""
    losses = demo_run[1].losses
    assert losses.eval_best < losses.eval_start - 1
    assert losses.eval_best <= losses.eval_final
    assert losses.train_start is not None
    assert losses.train_final is not None
    assert losses.train_final < losses.train_start - 0.5
    assert demo_run[1].exit_code == 0


def test_the_folder_is_complete(demo_run: tuple[Path, TrainReport], dataset: Dataset) -> None:
    """The run's folder holds what the report speaks of, and no leftovers, times or paths of this machine."""
    out, report = demo_run
    assert sorted(path.name for path in out.iterdir()) == [
        "adapter",
        "base",
        "loss.png",
        "run.json",
        "training_log.jsonl",
    ]
    written = json.loads((out / "run.json").read_text())
    assert dataset.manifest.fingerprint == written["dataset"]
    assert report.losses.eval_best == written["losses"]["eval_best"]
    assert len(written["targets"]["matches"]["llm"]) == 21
    assert written["verified"]["reloaded_from_trained"] == 0
    assert written["verified"]["inverted_pixels_from_true"] > 0
    assert {"torch", "transformers", "peft", "python"} <= set(written["versions"])
    for path in out.rglob("*"):
        if path.suffix in {".json", ".md", ".jsonl"}:
            assert str(out) not in path.read_text()
            assert "/tmp" not in path.read_text()  # noqa: S108  that no such path is there
    steps = [json.loads(line)["step"] for line in (out / "training_log.jsonl").read_text().splitlines()]
    assert steps[0] == 0
    assert steps[-1] == 14
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_report_reads_well(demo_run: tuple[Path, TrainReport]) -> None:
    """It says that this is a demonstration, and what was verified; JSON holds the same."""
    text = demo_run[1].render_text()
    assert "random weights" in text
    assert "verified  read back from disk: same as trained; differs from the base; sees the pictures\n" in text
    assert "14 steps, " in text
    assert demo_run[1].losses.eval_best == json.loads(json.dumps(demo_run[1].to_dict()))["losses"]["eval_best"]


def test_equal_seeds_give_equal_files(dataset_folder: Path, tmp_path: Path) -> None:
    """Two runs with one seed write the same bytes, wherever they write; another seed gives another adapter."""
    for name, seed in (("a", 3), ("elsewhere/b", 3), ("c", 4)):
        run(dataset_folder, tmp_path / name, DEMO, replace(SHORT, seed=seed))
    for name in FILES:
        assert decisive(tmp_path / "a" / name) == decisive(tmp_path / "elsewhere/b" / name), name
    assert (tmp_path / "a" / FILES[0]).read_bytes() != (tmp_path / "c" / FILES[0]).read_bytes()
    base = "base/model.safetensors"
    assert (tmp_path / "a" / base).read_bytes() == (tmp_path / "c" / base).read_bytes()


def test_the_same_command_again_trains_nothing(demo_run: tuple[Path, TrainReport], dataset_folder: Path) -> None:
    """A finished run is recognised; another one in its folder is refused."""
    out, first = demo_run
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = run(dataset_folder, out, DEMO, RunOptions(max_steps=14, quiet=True))
    assert again.reused
    assert first.losses == again.losses
    with pytest.raises(OutputError, match="found a run with another seed, expected a new folder"):
        run(dataset_folder, out, DEMO, RunOptions(max_steps=14, quiet=True, seed=1))
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}


def test_one_step_is_a_run(dataset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first step learns, warm-up or not; each evaluation is one line with its step, whatever the clock says."""
    report = run(dataset_folder, tmp_path / "run", load(None), RunOptions(max_steps=1))
    assert report.losses.eval_final != report.losses.eval_start
    told = [line.rsplit("  ", 1)[0] for line in capsys.readouterr().err.splitlines() if "eval loss" in line]
    assert told == [
        f"train: step 0 of 1  eval loss {report.losses.eval_start:.4f}",
        f"train: step 1 of 1  eval loss {report.losses.eval_final:.4f}",
    ]
    assert f"  train loss {report.losses.train_start:.4f}\n" in report.render_text()
    assert "  1 step, " in report.render_text()


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant", "constant_with_warmup"])
def test_every_step_has_a_learning_rate(kind: str) -> None:
    """However short the run and long the warm-up: above 0 in each step, rising to the peak, falling after it."""
    from train.trainer import rate

    for steps in (1, 2, 3, 10, 33, 100):
        for ratio in (0.0, 0.03, 0.1, 0.5, 0.999):
            warmup = int(steps * ratio)
            rates = [rate(step, steps=steps, warmup=warmup, kind=kind) for step in range(steps)]
            assert min(rates) > 0
            assert rates[0 if kind == "constant" else warmup] == max(rates) == 1
            assert rates[warmup:] == sorted(rates[warmup:], reverse=True)


def test_the_schedule_is_what_trains(demo_run: tuple[Path, TrainReport]) -> None:
    """The rates of the log are the schedule's; the first of them is of a step that has one."""
    from train.trainer import rate

    lines = [json.loads(line) for line in (demo_run[0] / "training_log.jsonl").read_text().splitlines()]
    logged = {line["step"]: line["learning_rate"] for line in lines if "learning_rate" in line}
    expected = {step: 5e-3 * rate(step - 1, steps=14, warmup=0, kind="cosine") for step in logged}
    assert logged == pytest.approx(expected)
    assert len(logged) >= 3


@pytest.mark.parametrize(
    "sft",
    [
        {"use_4bit": True, "optim": "paged_adamw_8bit", "gradient_checkpointing": True},
        {"precision": "bf16", "gradient_accumulation_steps": 2, "max_grad_norm": 0.0, "warmup_ratio": 0.5},
        {"optim": "adafactor", "dataloader_num_workers": 1, "cache_vision": "disk", "eval_steps": 5.0},
    ],
    ids=["4-bit", "bf16", "workers"],
)
def test_other_settings_run_to_the_end(
    dataset_folder: Path, demo_run: tuple[Path, TrainReport], tmp_path: Path, sft: dict[str, Any]
) -> None:
    """4-bit with a paged optimizer, bf16 with accumulation, workers and kept features: trained, saved, verified."""
    config = TrainConfig(replace(DEMO.sft, **sft), LoraConfig(use_rslora=True))
    options = replace(SHORT, model=str(demo_run[0] / "base"))
    report = run(dataset_folder, tmp_path / "run", config, options)
    assert not report.demo
    assert report.steps == 2
    adapter = json.loads((tmp_path / "run/adapter/adapter_config.json").read_text())
    assert str(demo_run[0] / "base") == adapter["base_model_name_or_path"]


def test_4bit_takes_any_matrix_size(base: Any, examples: Any, encoder: Any, tmp_path: Path) -> None:
    """Sides that are no multiples of 64 work, too, and saving weights does not change them."""
    from copy import deepcopy

    from transformers import Qwen3VLForConditionalGeneration

    from train.encoding.data import Collator
    from train.models import model

    odd = deepcopy(base.config)
    odd.text_config.intermediate_size = 96
    Qwen3VLForConditionalGeneration(odd).save_pretrained(tmp_path)
    loaded = model.load(replace(base, source=str(tmp_path), config=odd), SftConfig(use_4bit=True))
    batch = Collator(base.processor, encoder.chatml)([examples[0]])
    before = verify.logits(loaded, batch)
    loaded.state_dict()
    assert torch.equal(verify.logits(loaded, batch), before)


def test_a_killed_run_ends_as_if_it_had_not_been(
    demo_run: tuple[Path, TrainReport], dataset_folder: Path, tmp_path: Path
) -> None:
    """SIGKILL in the middle, then the same command again: the very files of a run that nobody killed."""
    out = tmp_path / "run"
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "train", str(dataset_folder)]
    command += ["-o", str(out), "--max-steps", "14", "-q"]
    first = subprocess.Popen(command)
    while not list(out.glob("checkpoints/checkpoint-*")):
        assert first.poll() is None
        time.sleep(0.1)
    first.kill()
    first.wait()
    assert not (out / "run.json").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == f"{out}\n"
    assert again.stderr == ""
    files = sorted(path.relative_to(out) for path in out.rglob("*"))
    assert files == sorted(path.relative_to(demo_run[0]) for path in demo_run[0].rglob("*"))
    for path in files:
        if (out / path).is_file():
            assert decisive(out / path) == decisive(demo_run[0] / path), path
