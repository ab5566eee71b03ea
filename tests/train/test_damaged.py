"""Damaged model folders, runs, adapters and logs: each is one clear line, and nothing is passed over."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.exceptions import GdpError, InputError, MissingExtraError
from pipeline.storage.dataset import Dataset
from train import config as settings
from train.folder import finished
from train.models import model
from train.outputs import merge
from train.outputs.merge import MergeOptions
from train.report import TrainReport
from train.run import RunOptions, dry

Damage = Callable[[Path], object]
DEMO = settings.load(settings.DEMO)


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    """Change a JSON file."""
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def of_weights(change: Callable[[dict[str, Any]], dict[str, Any]], name: str = "model.safetensors") -> Damage:
    """Return what changes the weights of a folder."""

    def damage(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        save_file(change(load_file(folder / name)), folder / name, metadata={"format": "pt"})

    return damage


def write(name: str, text: str) -> Damage:
    """Return what replaces a file."""
    return lambda folder: (folder / name).write_text(text)


def narrow(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with a width that the weights do not have."""
    config["text_config"]["intermediate_size"] = 32
    return config


def worded(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with a number in quotes."""
    config["text_config"]["hidden_size"] = "64"
    return config


def take(folder: Path, dataset: Dataset) -> None:
    """Do what a run does with a model folder before it trains."""
    from train.encoding.data import Encoder, Item

    found = model.find(str(folder), dataset, folder)
    sample = next(iter(dataset.samples("train")))
    item = Item(sample.sample_id, sample.messages, sample.images)
    Encoder(found.processor, dataset.manifest.contract, found.name).check(item)
    model.load(found, DEMO.sft)


QUERY = "model.language_model.layers.0.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (write("config.json", "[1, 2]"), "no usable config.json"),
        (lambda folder: edit(folder / "config.json", worded), "no usable config.json .*hidden_size"),
        (lambda folder: edit(folder / "config.json", narrow), r"_proj.weight: found .* in its files, expected .* 32"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"found no tokenizer \(tokenizer.json, "),
        (write("tokenizer.json", '{"version":'), "cannot load its processor"),
        (write("tokenizer_config.json", "[]"), "cannot load its processor"),
        (write("processor_config.json", "[]"), "cannot load its processor"),
        (write("chat_template.jinja", "{% for m in messages %}"), "chat template does not take the conversation"),
        (of_weights(lambda weights: {**weights, QUERY: weights[QUERY][:10].clone()}), f"{QUERY}: found 10 x "),
        (of_weights(lambda weights: {k: v for k, v in weights.items() if k != QUERY}), f"lack 1 weights .{QUERY}"),
        (write("model.safetensors", "x" * 5000), "cannot load its weights"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot load its weights"),
    ],
    ids=["list", "type", "shape", "no-tokenizer", "half-tokenizer", "tokenizer-list", "processor-list", "template",
         "cut-weight", "missing-weight", "garbage-weights", "no-weights"],
)  # fmt: skip
def test_a_damaged_model_folder_is_one_line(
    base: Any, dataset: Dataset, tmp_path: Path, damage: Damage, message: str
) -> None:
    """It names the folder, or the sample that its template does not take."""
    folder = tmp_path / "model"
    shutil.copytree(base.source, folder)
    damage(folder)
    with pytest.raises(GdpError, match=message) as caught:
        take(folder, dataset)
    assert str(caught.value).count("\n") == (caught.value.hint is not None)


@pytest.fixture
def run_folder(demo_run: tuple[Path, TrainReport], tmp_path: Path) -> Path:
    """Return a copy of a finished run."""
    shutil.copytree(demo_run[0], tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize(
    "content", ["null", "[1]", "{", '{"base": 5}', "config", "contract", "sft"], ids=lambda content: content[:10]
)
def test_a_damaged_result_is_one_line(run_folder: Path, dataset_folder: Path, content: str) -> None:
    """`run.json` that is cut off or holds something else: merge and evaluate say where."""
    changes = {
        "config": lambda result: {**result, "config": 5},
        "contract": lambda result: {**result, "contract": {"x": 1}},
        "sft": lambda result: {**result, "config": {"training": {"sft": []}}},
    }
    if content in changes:
        edit(run_folder / "run.json", changes[content])
    else:
        (run_folder / "run.json").write_text(content)
    merged = CliRunner().invoke(main, ["merge", str(run_folder), "-o", str(run_folder.parent / "merged")])
    judged = CliRunner().invoke(main, ["evaluate", str(run_folder), str(dataset_folder), "--limit", "1"])
    for done in (merged, judged):
        assert done.exit_code == 1
        assert done.stderr.startswith(f"{run_folder}/run.json: cannot read it (")
    assert not (run_folder.parent / "merged").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (write("adapter_config.json", "{}"), "cannot load the adapter"),
        (write("adapter_config.json", "[]"), "cannot load the adapter"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "cannot load the adapter"),
        (write("adapter_model.safetensors", "x" * 5000), "cannot load the adapter"),
        (of_weights(lambda w: {f"other.{k}": v for k, v in w.items()}, "adapter_model.safetensors"), "found no base_"),
        (of_weights(lambda w: {k: v / 0 for k, v in w.items()}, "adapter_model.safetensors"), "that is no number"),
    ],
    ids=["empty", "list", "none", "garbage", "renamed", "nan"],
)
def test_a_damaged_adapter_is_never_put_on(run_folder: Path, base: Any, damage: Damage, message: str) -> None:
    """Also where peft would only warn, and answer with the base model alone."""
    from train.outputs.adapter import put_on

    damage(run_folder / "adapter")
    with pytest.raises(GdpError, match=message):
        put_on(model.load(base, DEMO.sft), run_folder / "adapter")


def test_a_base_that_moved_or_changed_is_told(run_folder: Path, dataset_folder: Path, tmp_path: Path) -> None:
    """A merge with another base is refused, an evaluation warns; one that is gone was a folder, so no hub is asked."""
    base = tmp_path / "base"
    shutil.move(run_folder / "base", base)
    known = {"base": str(base), "demo": False, "model_files": model.files(str(base))}
    edit(run_folder / "run.json", lambda result: {**result, **known})
    assert finished.changed(finished.read(run_folder)) is None
    of_weights(lambda weights: {**weights, QUERY: weights[QUERY] + 1})(base)
    with pytest.raises(InputError, match=r"its model.safetensors is not the one that the run was trained on"):
        merge.run(run_folder, tmp_path / "merged", MergeOptions(quiet=True))
    judge = ["evaluate", str(run_folder), str(dataset_folder), "--limit", "1", "--max-new-tokens", "1", "--no-base"]
    done = CliRunner().invoke(main, judge)
    assert done.exit_code == 0
    assert f"model.safetensors in {base} is not the one that the run was trained on" in done.stderr
    base.rename(tmp_path / "elsewhere")
    for command in (judge, ["merge", str(run_folder), "-o", str(tmp_path / "merged")]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 1
        assert f"it was trained on the model folder {base}, which is not there" in done.stderr


def test_a_damaged_log_is_read_as_far_as_it_is_one(run_folder: Path) -> None:
    """Lines that the program never writes are counted and passed over by the monitor; no settings are refused."""
    log = run_folder / "training_log.jsonl"
    strange: list[Any] = [
        {"step": 0, "event": "begin"},
        {"step": 0, "event": "begin", "steps": "x", "warmup_steps": [], "uniform_loss": 7.0},
        {"step": 1, "loss": "x", "losses": 5, "grad_norms": "a"},
        {"step": 1, "loss": 1.0, "losses": [1.0, "a"], "grad_norms": [1, 2], "timing": 5},
        {"step": 3, "event": "stop"},
        {"step": 3, "event": []},
        {"step": "4"},
        None,
        [],
    ]
    before = CliRunner().invoke(main, ["monitor", str(run_folder)])
    text = "".join(json.dumps(line) + "\n" for line in strange)
    log.write_bytes(text.encode() + b"\xff\n" + log.read_bytes() + b"[" * 100_000 + text.encode())
    after = CliRunner().invoke(main, ["monitor", str(run_folder)])
    damaged = f"log             {2 * len(strange) + 1} damaged lines passed over: what they said is missing here\n"
    assert damaged in after.stdout
    assert (before.exit_code, before.stdout) == (after.exit_code, after.stdout.replace(damaged, ""))
    for config in (5, {"training": []}, {"training": {"guards": {"loss_spike_window": 0}}}):
        edit(run_folder / "run.json", lambda result, config=config: {**result, "config": config})
        done = CliRunner().invoke(main, ["monitor", str(run_folder)])
        assert done.exit_code == 1
        assert done.stderr.startswith(f"{run_folder}: $.config.training.guards")


def test_a_dry_run_asks_for_the_services_too(dataset_folder: Path) -> None:
    """Whatever would stop the run stops it."""
    config = replace(DEMO, sft=replace(DEMO.sft, report_to=("wandb",)))
    with pytest.raises(MissingExtraError, match="found wandb, which is not installed"):
        dry(dataset_folder, config, RunOptions())
