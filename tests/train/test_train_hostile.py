"""What a hostile or careless user gives the trainer ends in two lines that say what is wrong, never in a traceback."""

import json
import logging
import multiprocessing
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.exceptions import ConfigError, InputError, OutputError, StageError
from train import config as settings
from train.config import load
from train.models import model
from train.outputs import verify
from train.quiet import quietly
from train.run import RunOptions, dry, run
from train.watching.watch import GuardStopError

DEMO = load(settings.DEMO)
BOMB = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(9))


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "anchor"),
        ("training: &a [*a]", "anchor"),
        ("training: *a", "alias"),
        ("training: {sft: !!set {learning_rate}}", "tag"),
        ("training: {sft: {learning_rate: !!float x}}", "tag"),
        ("training: {sft: {learning_rate: 1" + "0" * 400 + "}}", "no number of 64 bits"),
        ("training: {sft: {learning_rate: 1" + "0" * 5000 + "}}", "no number of 64 bits"),
        ("training: {sft: {learning_rate: 0x" + "f" * 9000 + "}}", "no number of 64 bits"),
        ("training: {sft: {learning_rate: 0b_}}", "no number of 64 bits"),
        ("training: {sft: {learning_rate: " + "1:" * 400 + "1.0}}", "learning_rate: found .1:1:1.*, expected number"),
        ("training: {sft: {logging_steps: 1e300}}", r"\$\.training\.sft\.logging_steps: found 1e\+300, expected"),
        ("training: {1: 2, a: 3}", "key '1' is no text"),
        ("training: {sft: {<<: {learning_rate: 1}, 2001-01-01: 3}}", "key '<<' is no text"),
        ("training: {sft: {? [learning_rate] : 1}}", "no text"),
        ("training: {sft: {2001-01-01: 3}}", 'found unknown "2001-01-01"'),
        ("training: {sft: {learning_rate: 2001-01-01}}", 'found "2001-01-01", expected number'),
        ("[" * 5000, "nested deeper"),
        ("a: {" * 5000, "nested deeper"),
        ("- " * 5000, "nested deeper"),
        ('training: {sft: {optim: "\\ud800"}}', "surrogate"),
    ],
    ids=lambda text: text[:40],
)
def test_hostile_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """Every one is a ConfigError of one line."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load(path)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 600
    said.encode()


def test_changed_weights_are_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte of a small file is seen, and one sampled block of a large one; a copy is the same model."""
    weights = tmp_path / "model.safetensors"
    content = bytearray((8).to_bytes(8, "little") + b"{}      " + bytes(10_000_000))
    for whole in (model.WHOLE, 1_000_000):
        monkeypatch.setattr(model, "WHOLE", whole)
        weights.write_bytes(content)
        before = model.files(str(tmp_path))
        shutil.copytree(tmp_path, tmp_path.parent / f"copy{whole}")
        assert model.files(str(tmp_path.parent / f"copy{whole}")) == before
        for place in (9, 5_000_000, len(content) - 1):
            changed = content.copy()
            changed[place : place + 200_000] = b"1" * len(changed[place : place + 200_000])
            weights.write_bytes(changed)
            assert model.files(str(tmp_path)) != before
    (tmp_path / "folder.safetensors").mkdir()
    assert "folder.safetensors" not in model.files(str(tmp_path))


def test_changed_weights_of_the_same_size_are_no_rerun(
    demo_run: tuple[Path, object], dataset_folder: Path, tmp_path: Path
) -> None:
    """An adapter of other base weights is never reported as this run's."""
    base = tmp_path / "base"
    shutil.copytree(demo_run[0] / "base", base)
    options = RunOptions(model=str(base), max_steps=1, quiet=True)
    run(dataset_folder, tmp_path / "run", DEMO, options)
    assert run(dataset_folder, tmp_path / "run", DEMO, options).reused
    weights = base / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(OutputError, match="found a run with another model_files"):
        run(dataset_folder, tmp_path / "run", DEMO, options)


def test_a_run_never_writes_into_what_it_reads(
    demo_run: tuple[Path, object], dataset_folder: Path, tmp_path: Path
) -> None:
    """Neither the dataset nor a model folder gets a run inside; both stay as they were."""
    base = tmp_path / "base"
    shutil.copytree(demo_run[0] / "base", base)
    options = RunOptions(model=str(base), max_steps=1, quiet=True)
    for out in (dataset_folder, dataset_folder / "x", base, base / "x"):
        with pytest.raises(ConfigError, match="inside the input"):
            run(dataset_folder, out, DEMO, options)
    assert not (dataset_folder / "x").exists()
    assert not (base / "x").exists()


def test_a_collapsed_model_is_called_so(dataset_folder: Path, tmp_path: Path) -> None:
    """A learning rate that kills the model is blamed in the step after, not the pictures at the end."""
    config = replace(DEMO, sft=replace(DEMO.sft, learning_rate=1e10, dataloader_num_workers=2))
    with pytest.raises(GuardStopError, match=r"the gradient is exactly zero .* at step 2") as caught:
        run(dataset_folder, tmp_path / "run", config, RunOptions(max_steps=6, quiet=True))
    assert "lower learning_rate" in str(caught.value.hint)
    assert not multiprocessing.active_children()  # while the error is held, and what it speaks of


def test_a_model_that_says_the_same_of_every_token_is_no_result(tmp_path: Path) -> None:
    """Where no guard saw it die, it is told before it is compared with anything."""
    import torch

    flat = torch.ones(1, 4, 64)
    with pytest.raises(StageError, match="the model has collapsed") as caught:
        verify.compare(verify.Seen(flat, flat, flat), {}, tmp_path, lambda: None, "fp32")
    assert caught.value.hint == "lower learning_rate"


@pytest.mark.parametrize("seed", [-1, 99999999999])
def test_any_whole_number_is_a_seed(dataset_folder: Path, tmp_path: Path, seed: int) -> None:
    """The libraries take 32 bits; what the user said is what `run.json` says."""
    run(dataset_folder, tmp_path / "run", DEMO, RunOptions(max_steps=1, seed=seed, quiet=True))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == seed


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("", "hint: it is a run of gdp train; gdp merge"),
        ("adapter", "hint: it is an adapter; gdp merge"),
        ("elsewhere", "expected a model folder"),
    ],
)
def test_what_people_take_for_a_model(
    demo_run: tuple[Path, object], dataset_folder: Path, tmp_path: Path, folder: str, message: str
) -> None:
    """To go on from a run is to merge it first; the hint says so."""
    place = tmp_path if folder == "elsewhere" else demo_run[0] / folder
    with pytest.raises(InputError, match=r"found no usable config\.json") as caught:
        dry(dataset_folder, DEMO, RunOptions(model=str(place)))
    assert message in str(caught.value)


def test_a_model_without_a_name_is_refused(dataset_folder: Path) -> None:
    """An empty shell variable is neither the built-in model nor a hub id."""
    with pytest.raises(ConfigError, match="model: found '', expected a model folder or a hub id"):
        dry(dataset_folder, DEMO, RunOptions(model=""))


def test_deepspeed_keeps_off_our_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """It sets its level when it is imported, in the middle of a run, and writes where only the run's folder stands."""
    deepspeed = logging.getLogger("DeepSpeed")
    handler = logging.StreamHandler(sys.stdout)
    try:
        with quietly():
            deepspeed.setLevel(logging.WARNING)
            deepspeed.addHandler(handler)
            deepspeed.warning("Setting accelerator to CPU.")
            deepspeed.error("It failed.")
        assert capsys.readouterr().out == "It failed.\n"
    finally:
        deepspeed.removeHandler(handler)


@pytest.mark.parametrize(
    ("command", "option"),
    [("train DATA -o URL", "-o"), ("evaluate RUN DATA -o URL", "-o"), ("merge RUN -o URL", "-o"),
     ("monitor URL", "RUN"), ("monitor RUN --html URL", "--html")],
)  # fmt: skip
def test_a_url_is_no_folder_for_a_run(
    demo_run: tuple[Path, object], dataset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    command: str, option: str,
) -> None:  # fmt: skip
    """Stages write to a bucket, training does not: hours of it would lie in a folder that is called `s3:`."""
    monkeypatch.chdir(tmp_path)
    words = {"DATA": str(dataset_folder), "RUN": str(demo_run[0]), "URL": "s3://bucket/run"}
    done = CliRunner().invoke(main, [words.get(word, word) for word in command.split()])
    assert done.exit_code == 2
    assert done.stderr == f"{option}: found the URL s3://bucket/run, expected a folder on this machine\n"
    assert not list(tmp_path.iterdir())
