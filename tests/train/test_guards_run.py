"""The guards at work: faults put into real runs of the tiny model, and what is left of such a run."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.records import Sample
from pipeline.storage.dataset import Dataset
from train.config import DEMO as DEMO_FILE
from train.config import TrainConfig, load
from train.report import TrainReport
from train.run import RunOptions, run
from train.watching.guards import GuardConfig, replay
from train.watching.watch import GuardStopError

DEMO = load(DEMO_FILE)
OPTIONS = RunOptions(max_steps=14)
Demo = tuple[Path, TrainReport]


class Altered(Dataset):
    """A dataset whose samples pass through a function first; pictures and manifest are the real ones."""

    def __init__(self, dataset: Dataset, alter: Any) -> None:
        super().__init__(dataset.place, dataset.manifest)
        self._alter = alter

    def samples(self, split: Any = None) -> Any:
        """Yield the altered samples."""
        return map(self._alter, super().samples(split))


def lines(run: Path) -> list[dict[str, Any]]:
    """Return the log."""
    return [json.loads(line) for line in (run / "training_log.jsonl").read_text().splitlines()]


def with_rate(learning_rate: float, **guards: Any) -> TrainConfig:
    """Return the demonstration's settings with another learning rate and other guards."""
    return replace(DEMO, sft=replace(DEMO.sft, learning_rate=learning_rate), guards=GuardConfig(**guards))


def test_a_quiet_run_has_no_warnings(demo_run: Demo) -> None:
    """Nothing is said of a run that learns, and its log replayed says nothing either."""
    assert json.loads((demo_run[0] / "run.json").read_text())["warnings"] == []
    assert replay(GuardConfig(), lines(demo_run[0])) == []


def test_the_log_holds_every_step(demo_run: Demo) -> None:
    """Each step's loss and norm, the samples of the last one, times apart; the mean of the steps is the line's loss."""
    logged = [line for line in lines(demo_run[0]) if "loss" in line]
    assert sum(len(line["losses"]) for line in logged) == 14
    for line in logged:
        assert line["loss"] == pytest.approx(sum(line["losses"]) / len(line["losses"]))
        assert line["grad_norms"][-1] == pytest.approx(line["grad_norm"])
        assert len(line["samples"]) == 2
        assert line["timing"]["tokens_per_second"] > line["timing"]["samples_per_second"] > 0
        assert 0 < line["timing"]["data_wait"] < 1
        assert line["timing"]["process_peak_memory"] > 100e6


def test_a_batch_with_a_huge_loss_is_named_and_the_best_adapter_kept(
    dataset: Dataset, dataset_folder: Path, demo_run: Demo, encoder: Any, tmp_path: Path,
) -> None:  # fmt: skip
    """A sample of absurd weight in step 10: the run stops before its gradient is taken; step 8's weights stay."""
    import peft
    import torch
    from transformers import AutoModelForImageTextToText

    from train import loop
    from train.encoding.data import Collator, Examples, Item
    from train.models.loss import token_losses

    victims = next(line["samples"] for line in lines(demo_run[0]) if line["step"] == 10 and "samples" in line)

    def alter(sample: Sample) -> Sample:
        if sample.sample_id != victims[0]:
            return sample
        heavy = tuple(msgspec.structs.replace(each, loss_weight=each.loss_weight * 50) for each in sample.messages)
        return msgspec.structs.replace(sample, messages=heavy)

    out = tmp_path / "run"
    config = replace(DEMO, guards=GuardConfig(loss_spike="stop"))
    with pytest.raises(GuardStopError) as caught:
        loop.train(Altered(dataset, alter), out, config, OPTIONS)
    assert f"at step 10 (samples {', '.join(victims)}), expected at most 4 times" in caught.value.message
    best = next(line["eval_loss"] for line in lines(out) if line["step"] == 8 and "eval_loss" in line)
    assert f"the adapter of step 8, eval loss {best:.4f}, is in {out}/last_good" in str(caught.value.hint)
    assert not (out / "run.json").exists()
    assert not (out / "adapter").exists()
    assert lines(out)[-1]["guard"] == "loss_spike"
    assert [each.guard for each in replay(config.guards, lines(out))].count("loss_spike") == 1

    plain = AutoModelForImageTextToText.from_pretrained(out / "base")
    tuned = peft.PeftModel.from_pretrained(plain, out / "last_good").eval()
    items = [Item(each.sample_id, each.messages, each.images) for each in dataset.samples("val")]
    held = Examples(dataset, encoder, items)
    collator = Collator(encoder.processor, encoder.chatml)
    with torch.no_grad():
        means = [float(token_losses(tuned, collator([held[place]]))[0].mean()) for place in range(len(held))]
    assert sum(means) / len(means) == pytest.approx(best, rel=1e-4)

    fewer = run(dataset_folder, out, DEMO, replace(OPTIONS, max_steps=1, fresh=True, quiet=True))
    assert fewer.exit_code == 0
    assert not (out / "last_good").exists()


@pytest.mark.parametrize(("action", "seed"), [("stop", 0), ("warn", 1)])
def test_an_absurd_learning_rate_is_never_a_success(
    dataset_folder: Path, tmp_path: Path, action: str, seed: int
) -> None:
    """The first step at a rate of 100 kills the model, whatever the order: stopped there, or failed at the end."""
    options = replace(OPTIONS, seed=seed, quiet=True)
    with pytest.raises(GuardStopError, match="the gradient is exactly zero at a loss of") as caught:
        run(dataset_folder, tmp_path / "run", with_rate(100.0, divergence=action), options)
    last = lines(tmp_path / "run")[-1]
    assert (last["event"], last["guard"]) == ("stop", "divergence")
    assert (last["step"] == 14) == (action == "warn")
    assert caught.value.exit_code == 1
    assert not (tmp_path / "run" / "run.json").exists()
    assert "lower learning_rate" in str(caught.value.hint)


def test_a_spoiled_model_is_stopped_before_it_trains(demo_run: Demo, dataset_folder: Path, tmp_path: Path) -> None:
    """Weights of another scale, as a wrong class leaves them: worse than knowing nothing, said at step 0."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(demo_run[0] / "base", tmp_path / "base")
    weights = load_file(tmp_path / "base/model.safetensors")
    weights["model.language_model.norm.weight"] = weights["model.language_model.norm.weight"] * 20
    save_file(weights, tmp_path / "base/model.safetensors", metadata={"format": "pt"})
    options = replace(OPTIONS, max_steps=1, model=str(tmp_path / "base"))
    with pytest.raises(GuardStopError, match=r"before training is .* at step 0, expected at most 10\.4") as caught:
        run(dataset_folder, tmp_path / "run", DEMO, options)
    assert "--show" in str(caught.value.hint)
    assert "no adapter was kept" in str(caught.value.hint)


def test_warnings_are_said_once_and_kept_everywhere(
    dataset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rate too small to learn and a low limit for gradients: 14 findings, two lines on stderr, all in the report."""
    config = with_rate(1e-9, grad_norm_limit=0.1)
    report = run(dataset_folder, tmp_path / "run", config, OPTIONS)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train: warning: ")]
    assert [line.split(": ")[2] for line in told] == ["grad_norm", "no_progress"]
    assert "expected at most 0.1" in told[0]
    assert report.exit_code == 0
    kept = json.loads((tmp_path / "run/run.json").read_text())["warnings"]
    assert kept[0].endswith("(14 times in all)")
    assert [each.split(":")[0] for each in kept] == ["grad_norm", "no_progress"]
    assert set(kept) <= set(report.warnings)
    assert set(kept) <= set(report.to_dict()["warnings"])
    card = (tmp_path / "run/adapter/README.md").read_text()
    for text in kept:
        assert f"  warning   {text}\n" in report.render_text()
        assert f"- warned while it trained: {text}\n" in card
