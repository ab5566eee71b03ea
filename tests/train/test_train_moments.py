"""SIGINT and SIGTERM to a run's whole process group at the moments that are no training step, and then `--resume`."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from training import Moment, stopped
from transformers import Trainer

from train.encoding.data import Encoder
from train.evaluation.generate import Generator

CONFIG = {
    "sft": {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 1, "learning_rate": 5e-3, "eval_steps": 2,
            "gradient_checkpointing": False, "logging_steps": 3, "dataloader_num_workers": 1},
    "lora": {"r": 4, "dropout": 0.1},
    "eval": {"samples": 2, "batch_size": 1, "max_new_tokens": 20},
}  # fmt: skip
"""Of 4 val samples: an evaluation has 4 passes and 2 answers; evaluations at steps 0, 2 and 4."""

ASKED = "train: asked to stop; what is trained will be saved (again to stop at once)"
STOPPED = "stopped; the same command goes on from here"
BEGINS = "train: stopped before its first checkpoint, so it begins again"
EMPTY = "train: stopped before a step of this run, there is nothing to save"
TERM, INT = signal.SIGTERM, signal.SIGINT

MOMENTS: dict[str, tuple[Moment, list[int], str | None, list[str]]] = {
    "while samples are encoded": (Moment(Encoder, "tokens", 5), [INT], None, [STOPPED]),
    "first evaluation": (Moment(Trainer, "prediction_step", 2), [TERM], BEGINS, [ASKED, EMPTY, STOPPED]),
    "first answers": (Moment(Generator, "_batch", 1), [INT], BEGINS, [ASKED, EMPTY, STOPPED]),
    "second evaluation": (
        Moment(Trainer, "prediction_step", 6), [INT], BEGINS, [ASKED, "train: saved at step 2", STOPPED],
    ),
    "made up for": (
        Moment(Trainer, "prediction_step", 3), [TERM], "train: going on from checkpoint-2",
        [ASKED, "train: stopped before a step of this run, checkpoint-2 stays", STOPPED],
    ),
    "its answers, twice": (
        Moment(Generator, "_batch", 2), [INT, TERM], "train: going on from checkpoint-2", [ASKED, STOPPED],
    ),
    "while samples are encoded anew": (Moment(Encoder, "tokens", 3), [TERM], None, [STOPPED]),
    "last answers": (
        Moment(Generator, "_batch", 3), [TERM], "train: going on from checkpoint-2",
        [ASKED, "train: saved at step 4", STOPPED],
    ),
}  # fmt: skip
"""In this order in one folder: when, what arrives, what is said of the stop before, and the last words."""


@pytest.fixture(scope="module")
def command(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Return what makes the command line of a run in a folder."""
    config = tmp_path_factory.mktemp("config") / "config.yaml"
    config.write_text(json.dumps({"training": CONFIG}))

    def line(out: Path, *options: str) -> list[str]:
        return ["train", str(small), "-o", str(out), "--config", str(config), "--max-steps", "4", *options]

    return line


def log(out: Path) -> list[dict[str, Any]]:
    """Return the log without what a clock decides."""
    lines = map(json.loads, (out / "training_log.jsonl").read_text().splitlines())
    return [{key: line[key] for key in line if key != "timing"} for line in lines]


def test_stopped_at_one_moment_after_the_other(command: Callable[..., list[str]], tmp_path: Path) -> None:
    """Each time 130 and the last words, no trace; in the end the losses, answers and weights of a run never stopped."""
    out, whole, said = tmp_path / "run", tmp_path / "whole", tmp_path / "said"
    assert stopped(command(whole, "-q"), said, []) == 0
    for number, (name, (moment, signals, before, last)) in enumerate(MOMENTS.items()):
        assert stopped(command(out, *(["--resume"] if number else [])), said, signals, moment) == 130, name
        words = said.read_text().splitlines()
        assert words[-len(last) :] == last, name
        assert all(line.startswith("train: ") for line in words[:-1]), (name, words)
        assert before is None or before in words, (name, words)
    assert stopped(command(out, "--resume"), said, []) == 0
    assert log(out) == log(whole)
    for name in ("adapter/adapter_model.safetensors", "generations.jsonl"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
