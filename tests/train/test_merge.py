"""Adapter and base become one model that says the same, and nothing is left where they do not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.exceptions import InputError, OutputError, StageError
from train import config as settings
from train.outputs import merge
from train.outputs.merge import MergeOptions
from train.report import TrainReport
from train.run import RunOptions, run

QUIET = MergeOptions(quiet=True)


@pytest.fixture(scope="module")
def finished(demo_run: tuple[Path, TrainReport]) -> Path:
    """Return a finished run's folder."""
    return demo_run[0]


def test_merged_is_base_and_adapter(finished: Path, examples: Any, encoder: Any, tmp_path: Path) -> None:
    """On a real sample, too; the folder loads like any model, and the same command does nothing again."""
    import peft
    from transformers import AutoModelForImageTextToText

    from train.encoding.data import Collator
    from train.outputs import verify

    out = tmp_path / "merged"
    report = merge.run(finished, out, QUIET)
    assert (report.precision, report.quantised, report.exit_code) == ("fp32", None, 0)
    assert report.merged_from_adapter < report.tolerance < 0.01
    batch = Collator(encoder.processor, encoder.frame)([examples[0]])
    merged = AutoModelForImageTextToText.from_pretrained(out).eval()
    base = AutoModelForImageTextToText.from_pretrained(finished / "base").eval()
    before = verify.logits(base, batch)
    apart = verify.logits(peft.PeftModel.from_pretrained(base, finished / "adapter").eval(), batch)
    assert torch.allclose(verify.logits(merged, batch), apart, atol=1e-3)
    assert (apart - before).abs().max() > 0.1
    assert not any("lora" in name for name, _ in merged.named_parameters())
    assert merge.run(finished, out, QUIET) == replace(report, reused=True)
    with pytest.raises(OutputError, match="found another run merged there, or in another precision"):
        merge.run(finished, out, replace(QUIET, precision="bf16"))
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_trained_in_4_bits_is_merged_into_the_whole_base(finished: Path, small: Path, tmp_path: Path) -> None:
    """The base that it was trained on is another one; how far the result is from it is measured and told."""
    four = replace(settings.TrainConfig(), sft=replace(settings.load(settings.DEMO).sft, use_4bit=True))
    options = RunOptions(model=str(finished / "base"), max_steps=1, quiet=True)
    run(small, tmp_path / "run", four, options)
    report = merge.run(tmp_path / "run", tmp_path / "merged", QUIET)
    assert report.quantised == "4 bits"
    assert report.merged_from_quantised is not None
    assert report.merged_from_quantised > report.tolerance > report.merged_from_adapter
    assert "trained on a base in 4 bits, merged into the unquantised one" in report.render_text()
    assert "quantization_config" not in json.loads((tmp_path / "merged" / "config.json").read_text())


def test_only_finished_runs_are_merged(finished: Path, tmp_path: Path) -> None:
    """A run without a result, one without an adapter, and what is no run are each told; nothing is written."""
    unfinished = tmp_path / "run"
    shutil.copytree(finished, unfinished)
    (unfinished / "run.json").rename(unfinished / ".unfinished.json")
    with pytest.raises(InputError, match=r"found a run that was not finished.*\n.*goes on from its last checkpoint"):
        merge.run(unfinished, tmp_path / "out", QUIET)
    (unfinished / ".unfinished.json").rename(unfinished / "run.json")
    (unfinished / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"found no adapter/adapter_model.safetensors, expected a finished run"):
        merge.run(unfinished, tmp_path / "out", QUIET)
    with pytest.raises(InputError, match=r"found no run.json, expected a run of gdp train"):
        merge.run(finished / "base", tmp_path / "out", QUIET)
    with pytest.raises(InputError, match="found no folder"):
        merge.run(tmp_path / "nothing", tmp_path / "out", QUIET)
    assert not (tmp_path / "out").exists()


def test_an_adapter_alone_is_told_what_it_is(finished: Path, tmp_path: Path) -> None:
    """The adapter of a run, a run that a guard stopped, with what is kept of it or without, a checkpoint."""
    with pytest.raises(InputError, match=f"found the adapter of a run, expected the run\nhint: name {finished}$"):
        merge.run(finished / "adapter", tmp_path / "out", QUIET)
    stopped = tmp_path / "run"
    shutil.copytree(finished, stopped)
    (stopped / "run.json").rename(stopped / ".unfinished.json")
    (stopped / "adapter").rename(stopped / "last_good")
    with (stopped / "training_log.jsonl").open("a") as log:
        log.write('{"step": 14, "event": "stop", "guard": "divergence"}\n')
    kept = f"found a run that a guard stopped, expected a finished one\nhint: {stopped}/last_good is its best adapter"
    with pytest.raises(InputError, match=kept):
        merge.run(stopped, tmp_path / "out", QUIET)
    with pytest.raises(InputError, match=r"an adapter without a finished run.*\nhint: gdp evaluate and PEFT load"):
        merge.run(stopped / "last_good", tmp_path / "out", QUIET)
    shutil.rmtree(stopped / "last_good")
    with pytest.raises(InputError, match=r"a guard stopped.*\nhint: change the configuration and train again$"):
        merge.run(stopped, tmp_path / "out", QUIET)
    assert not (tmp_path / "out").exists()


def test_other_files_are_safe(finished: Path, tmp_path: Path) -> None:
    """Not even --fresh touches a folder that no merge made."""
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(OutputError, match="found other files, expected a new or empty folder"):
        merge.run(finished, tmp_path, replace(QUIET, fresh=True))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_merge_that_says_something_else_is_none(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If what lies on disk is not what base and adapter say, nothing is left."""
    from safetensors.torch import load_file, save_file

    from train.outputs import merging

    def spoil(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        name = next(name for name in weights if name.endswith("layers.1.mlp.down_proj.weight"))
        save_file({**weights, name: weights[name] * 1.5}, folder / "model.safetensors", metadata={"format": "pt"})

    monkeypatch.setattr(merging, "_flush", spoil)
    with pytest.raises(StageError, match="logits of the merged model differ by"):
        merge.run(finished, tmp_path / "out", QUIET)
    assert list(tmp_path.iterdir()) == []
