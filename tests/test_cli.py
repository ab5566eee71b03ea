"""The command line as its users meet it: help, chains, wrong usage, stopping."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import build
import click
import pytest
from build import refusal
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.storage.dataset import Dataset

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write three trajectories of three steps."""
    return build.corpus(tmp_path_factory.mktemp("cli") / "in", 3, 3)


@pytest.fixture(scope="module")
def dataset(corpus: Path) -> Path:
    """Slice them, through the command line."""
    return build.sliced_by_command(corpus)


def test_help_shows_the_stages_in_order_and_a_chain() -> None:
    """Help shows the stages in order and a chain."""
    done = build.gdp("--help")
    assert done.returncode == 0
    stages = ["import", "slice", "normalize", "augment-errors", "validate", "train"]
    at = [done.stdout.index(f"\n  {name} ") for name in stages]
    assert at == sorted(at)
    assert "gdp slice TRAJECTORIES -o sliced | gdp augment-errors - -o augmented" in done.stdout
    assert [name for name in main.commands if name in stages] == stages
    assert build.gdp("--version").stdout.startswith("gdp, version 0.")


@pytest.mark.parametrize("command", ["slice", "normalize", "augment-errors", "validate", "train"])
def test_every_option_is_explained(command: str) -> None:
    """Every option is explained."""
    done = build.gdp(command, "--help")
    assert done.returncode == 0
    for option in main.commands[command].params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.help.endswith((".", "]")), option.help
            assert all(name in done.stdout for name in option.opts)
            assert option.help.split()[0] in done.stdout


def test_starting_is_light() -> None:
    """Help and wrong usage load none of the large libraries."""
    code = (
        "import sys, pipeline.cli\n"
        "try: pipeline.cli.main(['slice', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'polars', 'pyarrow', 'numpy', 'PIL', 'jsonschema', 'ray'}\n"
        "print(sorted(heavy & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_chain_runs_to_the_end(corpus: Path, tmp_path: Path) -> None:
    """Each stage prints its folder as the only line on stdout; reports go to stderr."""
    first = build.gdp("slice", corpus, "-o", tmp_path / "a")
    assert first.stdout == f"{tmp_path}/a\n"
    assert "9 in = 9 out + 0 rejected" in first.stderr
    second = build.gdp("augment-errors", "-", "-o", tmp_path / "b", "--rate", "0.3", stdin=first.stdout)
    assert second.stdout == f"{tmp_path}/b\n"
    third = build.gdp("validate", "-", stdin=second.stdout)
    assert (third.returncode, third.stdout) == (0, second.stdout)
    fourth = build.gdp("validate", "-", "-o", tmp_path / "c", "--format", "json", stdin=second.stdout)
    assert (fourth.returncode, fourth.stdout) == (0, f"{tmp_path}/c\n")
    report = json.loads(fourth.stderr)
    assert report["stage"] == "validate"
    assert report["counts"]["samples"] == {"in": 12, "added": 0, "out": 12, "rejected": 0}
    assert report["path"] == f"{tmp_path}/c"
    assert report["refused"] == []


@pytest.mark.parametrize("stdin", ["", "\n \n", "a\nb\n"])
def test_a_chain_stops_where_a_stage_printed_nothing(tmp_path: Path, stdin: str) -> None:
    """A chain stops where a stage printed nothing."""
    for command in ("augment-errors", "validate", "slice"):
        said = refusal(build.gdp(command, "-", "-o", tmp_path / "out", stdin=stdin))
        assert said.startswith("stdin: found ")
    assert list(tmp_path.iterdir()) == []


def test_a_stage_without_a_result_prints_no_folder(dataset: Path, tmp_path: Path) -> None:
    """Without -o, validate passes the folder on only if every sample is good."""
    bad = build.edited(Dataset.open(dataset), tmp_path / "bad", lambda samples: [*samples, samples[0]])
    done = build.gdp("validate", bad.path)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"error +2 \w+: ", done.stderr)
    assert build.gdp("validate", bad.path, "-q").stderr == ""


def test_a_quiet_stage_says_that_nothing_is_left(tmp_path: Path) -> None:
    """In one line with a hint, the exit code 1, and no folder for the next stage: quiet, but no silent end."""
    document = build.trajectory("t", 2)
    document["steps"][0]["text"] = document["steps"][1]["text"] = {}
    build.write(tmp_path / "in", document)
    build.sliced(tmp_path / "in", tmp_path / "d", val_fraction=0)
    hint = "hint: the same command without -q tells why\n"
    for out in ((), ("-o", tmp_path / "clean")):
        done = build.gdp("validate", tmp_path / "d", *out, "-q")
        where = out[1] if out else tmp_path / "d"
        assert done.stderr == f"{where}: no sample is left, expected at least one\n{hint}"
        assert (done.returncode, done.stdout) == (1, "")
    done = build.gdp("slice", tmp_path / "in", "-o", tmp_path / "e", "--min-history", 9, "-q")
    assert done.stderr == f"{tmp_path / 'e'}: no sample is left, expected at least one\n{hint}"
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_nothing_half_done(tmp_path: Path, how: signal.Signals) -> None:
    """Whenever it comes: no file under its final name is partial, no manifest stands, and the same command goes on."""
    source = build.corpus(tmp_path / "in", 48, 4)
    command = [str(Path(sys.executable).with_name("gdp")), "slice", str(source), "--shard-size", "1", "--workers", "1"]
    whole = build.gdp(*command[1:], "-o", tmp_path / "whole", "-q")
    assert whole.returncode == 0
    out = tmp_path / "out"
    with subprocess.Popen([*command, "-o", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not list(out.glob("samples/0000[1-3].parquet")) and time.monotonic() < deadline:
            time.sleep(0.005)
        os.killpg(process.pid, how)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    assert stdout == ""
    assert "Traceback" not in stderr
    assert "stopped" in stderr
    assert not (out / "manifest.json").exists()
    expected = build.tree(tmp_path / "whole")
    found = {name: digest for name, digest in build.tree(out).items() if name.endswith(".parquet") and "/." not in name}
    assert found
    assert found.items() <= expected.items()
    assert build.gdp(*command[1:], "-o", out, "-q").returncode == 0
    assert build.tree(out) == expected


USAGE: list[tuple[list[str], str]] = [
    (["slice", "IN", "--layout", "gpt"], "--layout: found 'gpt', expected one of mai-ui, qwen3-vl"),
    (["slice", "IN", "--val-fraction", "1"], "--val-fraction: found 1.0"),
    (["slice", "IN", "--history-images", "0"], "--history-images: found 0"),
    (["slice", "IN", "--max-pixels", "9"], "--max-pixels: found 9"),
    (["slice", "IN", "--shard-size", "0"], "--shard-size: found 0"),
    (["slice", "IN", "--system-prompt", "/no/file"], "--system-prompt: found /no/file that cannot be read"),
    (["augment-errors", "D", "--rate", "0.9"], "--rate: found 0.9, expected a share from 0 to 0.5"),
    (["augment-errors", "D", "--kind", "typo"], "--kind: found 'typo', expected one of labelled, "),
    (["augment-errors", "D", "--kind", "labelled", "--no-kind", "labelled"], "--kind: found no kind left"),
]


@pytest.mark.parametrize(
    ("arguments", "said"), USAGE, ids=lambda value: " ".join(value[2:]) if isinstance(value, list) else ""
)
def test_wrong_settings_exit_with_2(
    corpus: Path, dataset: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Wrong settings exit with 2."""
    places = {"IN": str(corpus), "D": str(dataset)}
    done = build.gdp(*(places.get(each, each) for each in arguments), "-o", tmp_path / "out")
    assert refusal(done, 2).startswith(said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [["slice"], ["slice", "x"], ["fly"], ["slice", "x", "-o", "y", "--seed", "one"],
     ["validate", "x", "--workers", "0"], ["augment-errors", "x", "-o", "y", "--rate", "much"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    """Wrong usage exits with 2."""
    done = build.gdp(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


PATHS = [
    (name, option)
    for name, command in main.commands.items()
    for option in command.params
    if isinstance(option.type, click.Path)
]


@pytest.mark.parametrize(("command", "option"), PATHS, ids=[f"{name} {option.opts[0]}" for name, option in PATHS])
def test_an_empty_path_is_wrong_usage(command: str, option: click.Parameter) -> None:
    """It is no name of the working folder, in which a command would then write."""
    name = option.opts[0] if isinstance(option, click.Option) else None
    done = CliRunner().invoke(main, [command, *([name] if name else []), ""])
    where = name or option.human_readable_name
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"{where}: found an empty name, expected a path",
                                        "hint: is a variable of the shell empty?"]  # fmt: skip


@pytest.mark.parametrize("out", ["", "two\nlines", "byte\udcff"])
def test_a_path_that_cannot_be_written_in_a_line_is_wrong_usage(tmp_path: Path, out: str) -> None:
    """Empty, with a line break, or no text: the next stage could not read it."""
    build.corpus(tmp_path / "in", n=2)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "slice", str(tmp_path / "in"), "-o", os.fsencode(out)],
        capture_output=True, text=True, cwd=tmp_path, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "expected one line of UTF-8 text" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_stdout_is_one_line(tmp_path: Path) -> None:
    """The dataset is complete, only its name could not be told."""
    build.corpus(tmp_path / "in", n=2)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", "slice", str(tmp_path / "in"), "-o", str(tmp_path / "d"), "-q"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "d" / "manifest.json").exists()
