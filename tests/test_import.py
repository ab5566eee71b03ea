"""`gdp import`: what every format has in common, and what hostile sources do to each of them."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import build
import pytest
from click.testing import CliRunner, Result

from pipeline.cli import import_command, main
from pipeline.importers import IMPORTERS, REASONS
from pipeline.importers.output import folder_name
from pipeline.storage.place import Place
from pipeline.trajectories import find, load

FORMATS = list(IMPORTERS)


def imported(name: str, source: Path, out: Path, *more: str) -> Result:
    """Run the command, with an answer to every question that the format asks."""
    options = [
        text
        for option in IMPORTERS[name].options
        if option.default is None
        for text in (f"--{option.name.replace('_', '-')}", option.choices[0])
    ]
    return CliRunner().invoke(main, ["import", name, str(source), "-o", str(out), *options, *more])


def rows(out: Path) -> list[dict[str, Any]]:
    """Return what was refused."""
    file = out / "rejected.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def report(out: Path) -> dict[str, Any]:
    """Return the report that the import left."""
    return json.loads((out / "import.json").read_text())  # type: ignore[no-any-return]


def canonical(tmp_path: Path, *names: str) -> Path:
    """Write trajectories in our own form."""
    source = tmp_path / "in"
    for name in names or ("a", "b"):
        build.write(source, build.trajectory(name))
    return source


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below the folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_list_names_every_format_and_option() -> None:
    """A line each; options under them."""
    done = CliRunner().invoke(main, ["import", "--list"])
    assert done.exit_code == 0
    for name, importer in IMPORTERS.items():
        assert name == importer.name
        assert f"{name} " in done.stdout
        assert importer.meaning in done.stdout
        for option in importer.options:
            assert f"--{option.name.replace('_', '-')}" in done.stdout
            assert option.default is None or not option.choices or option.default in option.choices


def test_the_command_line_has_exactly_the_options_that_formats_declare() -> None:
    """An importer's option that nobody could give, or one that no importer has, would be dead."""
    shared = {"name", "source", "out", "listed", "fresh", "form", "quiet", "verbose"}
    declared = {option.name for importer in IMPORTERS.values() for option in importer.options}
    assert {str(parameter.name) for parameter in import_command.params} - shared == declared


def test_it_chains_into_slice(tmp_path: Path) -> None:
    """The folder is the only line on stdout, and slice takes it from there."""
    source = canonical(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "import", "jsonl", str(source), "-o", str(tmp_path / "out")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{tmp_path / 'out'}\n"
    assert "2 in = 2 out + 0 rejected" in done.stderr
    sliced = build.gdp("slice", "-", "-o", tmp_path / "sliced", stdin=done.stdout)
    assert sliced.returncode == 0, sliced.stderr


def test_an_import_over_itself_changes_nothing(tmp_path: Path) -> None:
    """Whatever is there and equal is kept; pictures that are gone come back."""
    source, out = canonical(tmp_path), tmp_path / "out"
    assert imported("jsonl", source, out).exit_code == 0
    before = tree(out)
    assert imported("jsonl", source, out).exit_code == 0
    assert tree(out) == before
    next(out.glob("*/000.png")).unlink()
    assert imported("jsonl", source, out).exit_code == 0
    assert tree(out) == before


@pytest.mark.parametrize("point", ["picture.written", "picture.renamed", "trajectory.written", "trajectory.renamed",
                                   "report.written", "report.renamed"])  # fmt: skip
def test_a_killed_import_goes_on_to_the_same_bytes(tmp_path: Path, point: str) -> None:
    """Slice refuses what a killed one left; the same command finishes it."""
    source, out = canonical(tmp_path), tmp_path / "out"
    assert imported("jsonl", source, tmp_path / "whole").exit_code == 0
    command = [sys.executable, "-m", "pipeline", "import", "jsonl", str(source), "-o", str(out)]
    killed = subprocess.run(command, env={**os.environ, "GDP_FAULT": point}, start_new_session=True, check=False,
                            capture_output=True)  # fmt: skip
    assert killed.returncode == -9
    sliced = build.gdp("slice", out, "-o", tmp_path / "sliced")
    assert sliced.returncode == 1
    assert "an import that did not finish, expected a finished one\nhint: run the same `gdp import`" in sliced.stderr
    assert imported("jsonl", source, out).exit_code == 0
    assert tree(out) == tree(tmp_path / "whole")
    assert not (out / ".gdp").exists()


def test_another_import_is_never_mixed_in(tmp_path: Path) -> None:
    """A changed source is refused until --fresh; a strange folder always."""
    source, out = canonical(tmp_path), tmp_path / "out"
    assert imported("jsonl", source, out).exit_code == 0
    (source / "a" / "trajectory.json").write_text(json.dumps(build.trajectory("a", 3)))
    changed = imported("jsonl", source, out)
    assert changed.exit_code == 1
    assert "found another trajectory, expected the one that this import writes\nhint: the source" in changed.stderr
    assert imported("jsonl", source, out, "--fresh").exit_code == 0
    shutil.rmtree(source / "a")
    assert "not in the source any more" in imported("jsonl", source, out).stderr
    assert imported("jsonl", source, out, "--fresh").exit_code == 0
    assert [d.path for d in find(Place(str(out)))] == ["b/trajectory.json"]
    (out / "b" / "mine.txt").write_text("precious")
    for more in ((), ("--fresh",)):
        strange = imported("jsonl", source, out, *more)
        assert (strange.exit_code, "found other files (b)" in strange.stderr) == (1, True)
    assert (out / "b" / "mine.txt").read_text() == "precious"


def test_wrong_usage(tmp_path: Path) -> None:
    """Exit code 2 and a line that says what to do."""
    source = canonical(tmp_path)
    for arguments, found in (
        (["nope", source, "-o", "x"], f"FORMAT: found 'nope', expected one of {', '.join(IMPORTERS)}"),
        ([], "FORMAT: found none"),
        (["jsonl"], "SOURCE: found none"),
        (["jsonl", source], "-o: found none"),
        (["jsonl", source, "-o", source / "x"], "inside the input"),
        (["jsonl", source, "-o", tmp_path / "o", "--scroll-means", "finger"], "--scroll-means: found it with jsonl"),
    ):
        done = CliRunner().invoke(main, ["import", *map(str, arguments)])
        assert (done.exit_code, found in done.stderr, done.stdout) == (2, True, ""), done.stderr
    assert not (tmp_path / "o").exists()


def test_repeated_ids(tmp_path: Path) -> None:
    """The same episode again is refused; another one under the same id gets its own."""
    source = canonical(tmp_path, "a")
    shutil.copytree(source / "a", source / "b")
    (source / "c").mkdir()
    other = build.trajectory("a", 3)
    (source / "c" / "trajectory.json").write_text(json.dumps(other))
    for name in ("0.png", "1.png", "2.png"):
        shutil.copy(source / "a" / name, source / "c" / name)
    done = imported("jsonl", source, tmp_path / "out")
    assert done.exit_code == 1
    assert done.stdout  # refused rows alone do not stop a chain
    assert [(row["scope"], row["code"], row["file"]) for row in rows(tmp_path / "out")] == [
        ("trajectory", "duplicate", "b/trajectory.json")
    ]
    place = Place(str(tmp_path / "out"))
    assert sorted(load(place, d).trajectory.trajectory_id for d in find(place)) == ["a", "a~2"]  # type: ignore[union-attr]
    assert report(tmp_path / "out")["losses"] == {"repeated id told apart": 1}


def test_folders_have_names_that_every_file_system_takes() -> None:
    """Whatever the id; no two ids share one."""
    ids = ["a", "A", "a/b", "a-b", "../x", "", "é", "x" * 300, "x" * 299, ".", "con"]
    names = [folder_name(each) for each in ids]
    assert len({name.lower() for name in names}) == len(ids)
    assert all(name and len(name) < 100 and name.strip("-") and "/" not in name for name in names)


def _deep(depth: int) -> bytes:
    return b'{"steps": ' + b"[" * depth + b"]" * depth + b"}"


GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b"\n \n",
    "random": random.Random(0).randbytes(10 << 20),  # noqa: S311 - noise, no secret
    "cut off": b'{"episode_id": "1", "steps": [{"step',
    "deep": _deep(200_000),
    "deep but closed": _deep(900),
    "list": b"[]",
    "list of lists": b"[[[]]]",
    "object": b"{}",
    "string": b'"text"',
    "number": b"1e400",
    "other": b'[{"a": 1}, null, 3, "x", [], {"episode_id": null, "steps": 5, "traj": {}, "events": [1]}]',
    "not finite": b'{"x": NaN, "y": Infinity}',
    "no text": b'{"a": "\xff\xfe"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00",
    "pickle": b"cos\nsystem\n(S'touch /tmp/gdp-owned'\ntR.",
}


def filled(pattern: str) -> str:
    """Return a file name that the glob pattern matches."""
    return pattern.replace("*", "event_1").replace("?", "1")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("garbage", list(GARBAGE))
def test_garbage_is_one_line_each(tmp_path: Path, name: str, garbage: str) -> None:
    """Under every name that the importer opens: a clear line, exit code 1, nothing to chain on, no traceback."""
    source = tmp_path / "in" / "folder"
    source.mkdir(parents=True)
    for pattern in IMPORTERS[name].files:
        (source / filled(pattern)).write_bytes(GARBAGE[garbage])
    done = imported(name, tmp_path / "in", tmp_path / "out")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert (done.exit_code, done.stdout) == (1, ""), done.stderr
    assert ": found " in done.stderr
    assert ", expected " in done.stderr
    for row in rows(tmp_path / "out"):
        assert row["code"] in REASONS
        assert all(row[key] for key in ("file", "reason", "found", "expected"))
        assert len(row["found"]) < 400
    assert not Path("/tmp/gdp-owned").exists()  # noqa: S108


@pytest.mark.parametrize("name", FORMATS)
def test_sources_that_are_none(tmp_path: Path, name: str) -> None:
    """An empty folder, a missing one, another format's files, pipes and links that lead out."""
    empty = tmp_path / "empty"
    empty.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    for stray in (".DS_Store", "notes.txt", "picture.png"):
        (other / stray).write_bytes(b"x")
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (tmp_path / "secret").write_text("[{}]")
    for number, pattern in enumerate(IMPORTERS[name].files):
        (hostile / str(number)).mkdir()
        (hostile / str(number) / filled(pattern)).symlink_to(tmp_path / "secret")
        (hostile / f"{number}p").mkdir()
        os.mkfifo(hostile / f"{number}p" / filled(pattern))
        (hostile / f"{number}d").mkdir()
        (hostile / f"{number}d" / filled(pattern)).symlink_to("/dev/zero")
    for source in (empty, tmp_path / "missing", other, hostile):
        done = imported(name, source, tmp_path / f"out-{source.name}")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert (done.exit_code, done.stdout) == (1, ""), done.stderr
        assert ", expected " in done.stderr
