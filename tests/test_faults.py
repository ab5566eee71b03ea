"""A stage may die at any moment: what it leaves is invisible, and the same command ends byte-identical.

`make torture` runs the long form (every point alone, many random kills).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import chaos
import pytest
from chaos import World, points, tree

LONG = "GDP_TORTURE" in os.environ


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A corpus and the undisturbed outputs."""
    return World.make(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("stage", chaos.STAGES)
def test_dying_at_every_point_in_turn_loses_nothing(world: World, stage: str, tmp_path: Path) -> None:
    """Each run dies one point further on than the last; what it leaves is never wrong; the last one finishes."""
    *in_turn, last = points(stage)  # once the manifest has its name there is nothing to resume
    for out, deaths in ((tmp_path / "out", in_turn), (tmp_path / "last", [last])):
        for point in deaths:
            assert chaos.killed(world.run(stage, out, GDP_FAULT=point)), f"{point} was not reached"
            assert world.violations(stage, out) == [], point
        done = world.run(stage, out)
        assert done.returncode == 0, done.stderr
        assert tree(out) == world.golden(stage)


@pytest.mark.skipif(not LONG, reason="long: make torture")
@pytest.mark.parametrize("stage", chaos.STAGES)
def test_dying_at_each_point_alone_loses_nothing(world: World, stage: str, tmp_path: Path) -> None:
    """One death, one resume, for every point."""
    for number, point in enumerate(points(stage)):
        out = tmp_path / str(number)
        assert chaos.killed(world.run(stage, out, GDP_FAULT=point)), f"{point} was not reached"
        assert world.run(stage, out).returncode == 0
        assert tree(out) == world.golden(stage), point


def test_random_kills_of_the_group_lose_nothing(world: World, tmp_path: Path) -> None:
    """SIGKILL of the whole process group at random moments, until a run gets through."""
    draw = random.Random(7)  # noqa: S311 - no secret
    for number in range(100 if LONG else 20):
        out = tmp_path / str(number % 4)
        with subprocess.Popen(
            world.command("slice", out), env=world.environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True, cwd=world.root,
        ) as process:  # fmt: skip
            time.sleep(draw.uniform(0.05, 1.2))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert world.violations("slice", out) == []
    for number in range(4):
        out = tmp_path / str(number)
        done = world.run("slice", out)
        assert done.returncode == 0, done.stderr
        assert tree(out) == world.golden("slice")


def test_a_killed_worker_costs_only_a_retry(world: World, tmp_path: Path) -> None:
    """A worker dies once in the middle of its shard; the run itself succeeds with the same bytes."""
    once = str(tmp_path / "once")
    done = world.run("slice", tmp_path / "out", GDP_FAULT="images.written", GDP_FAULT_ONCE=once)
    assert done.returncode == 0, done.stderr
    assert Path(once).exists()
    assert tree(tmp_path / "out") == world.golden("slice")


@pytest.mark.parametrize("room", [20_000, 0])
def test_a_full_disk_is_one_line_and_resumes(room: int, world: World, tmp_path: Path) -> None:
    """Files may not grow beyond 20 kB, or at all: exit 1, a line that names the output, nothing partial; it goes on."""
    out = tmp_path / "out"
    limited = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, resource.RLIM_INFINITY));"
        "from pipeline.cli import main; main(sys.argv[1:], prog_name='gdp')"
    )
    command = [sys.executable, "-c", limited, *world.command("slice", out)[3:]]
    done = subprocess.run(command, env=world.environment(), capture_output=True, text=True, timeout=120, cwd=world.root)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(out) in done.stderr
    assert "File too large" in done.stderr
    assert list(out.rglob("*.tmp")) == []
    assert world.violations("slice", out) == []
    assert world.run("slice", out).returncode == 0
    assert tree(out) == world.golden("slice")


def test_a_finished_run_is_not_done_again(world: World, tmp_path: Path) -> None:
    """The same command on a finished folder prints the same report and touches nothing."""
    out = tmp_path / "out"
    first = world.run("slice", out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    again = world.run("slice", out)
    assert (again.stdout, again.stderr) == (first.stdout, first.stderr)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == times


def test_a_second_run_is_refused_while_the_first_lives(world: World, tmp_path: Path) -> None:
    """Two commands on one folder: one writes, the other says who does."""
    out = tmp_path / "out"
    with subprocess.Popen(
        world.command("slice", out, "--shard-size", "1"), env=world.environment(), stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, cwd=world.root,
    ) as first:  # fmt: skip
        while not (out / ".gdp" / "lock").exists():
            time.sleep(0.005)
        os.kill(first.pid, signal.SIGSTOP)  # so that it surely lives
        try:
            second = world.run("slice", out, "--shard-size", "1")
        finally:
            os.kill(first.pid, signal.SIGCONT)
        assert first.wait(60) == 0
    assert second.returncode == 1
    assert f"process {first.pid}" in second.stderr


def test_the_lock_of_a_dead_run_is_recognised(world: World, tmp_path: Path) -> None:
    """A lock whose process is gone, or whose number another process has by now, or that is empty, does not bind."""
    own = {"host": os.uname().nodename, "pid": os.getpid(), "started": "1", "token": "x"}
    for content in (json.dumps({**own, "pid": 999_999_999}), json.dumps(own), ""):
        out = tmp_path / f"out{len(content)}"
        (out / ".gdp").mkdir(parents=True)
        lock = out / ".gdp" / "lock"
        lock.write_text(content)
        os.utime(lock, (0, 0))
        assert world.run("slice", out).returncode == 0
        assert tree(out) == world.golden("slice")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--seed", "1"), "seed"),
        (("--history-images", "2"), "config.history_images"),
        (("--max-pixels", "200000"), "config.max_pixels"),
    ],
)
def test_a_changed_command_is_refused(world: World, tmp_path: Path, options: tuple[str, ...], named: str) -> None:
    """Another configuration on an unfinished and on a finished folder is refused by name; --fresh starts over."""
    out = tmp_path / "out"
    world.run("slice", out, GDP_FAULT="manifest.written")
    for _ in range(2):
        refused = world.run("slice", out, *options)
        assert refused.returncode == 1
        assert named in refused.stderr
        assert "--fresh" in refused.stderr
        assert world.run("slice", out).returncode == 0
    assert world.run("slice", out, *options, "--fresh").returncode == 0
    assert world.run("slice", out, "--fresh").returncode == 0
    assert tree(out) == world.golden("slice")


def test_a_changed_input_is_refused(tmp_path: Path) -> None:
    """A picture that changes between two runs is noticed, though its name and size stay."""
    world = World.make(tmp_path)
    out = tmp_path / "out"
    world.run("slice", out, GDP_FAULT="manifest.written")
    picture = next((tmp_path / "trajectories").rglob("*.png"))
    data = bytearray(picture.read_bytes())
    data[-20] ^= 1
    picture.write_bytes(data)
    refused = world.run("slice", out)
    assert refused.returncode == 1
    assert "input.fingerprint" in refused.stderr


def test_a_changed_version_is_refused(world: World, tmp_path: Path) -> None:
    """A journal of another version of the package is not continued."""
    out = tmp_path / "out"
    world.run("slice", out, GDP_FAULT="manifest.written")
    head = out / ".gdp" / "run.json"
    head.write_text(json.dumps({**json.loads(head.read_text()), "version": "0.0.1"}))
    refused = world.run("slice", out)
    assert refused.returncode == 1
    assert "version" in refused.stderr


def test_a_damaged_shard_in_the_journal_is_made_again(world: World, tmp_path: Path) -> None:
    """A resumed run trusts hashes, not names."""
    out = tmp_path / "out"
    world.run("slice", out, GDP_FAULT="manifest.written")
    shard = out / "samples" / "00000.parquet"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert world.run("slice", out).returncode == 0
    assert tree(out) == world.golden("slice")


@pytest.mark.parametrize("table", chaos.TABLES)
@pytest.mark.parametrize("harm", ["missing", "truncated", "flipped"])
def test_a_damaged_input_shard_is_named(world: World, tmp_path: Path, table: str, harm: str) -> None:
    """The next stage says which file is damaged, with exit code 1 and no traceback."""
    source = tmp_path / "in"
    for name in tree(world.root / "golden" / "slice"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((world.root / "golden" / "slice" / name).read_bytes())
    shard = source / table / "00000.parquet"
    data = bytearray(shard.read_bytes())
    if harm == "missing":
        shard.unlink()
    elif harm == "truncated":
        shard.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 3] ^= 0x10
        shard.write_bytes(data)
    command = [sys.executable, "-m", "pipeline", "validate", str(source), "-o", str(tmp_path / "out"), "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
    assert f"{table}/00000.parquet" in done.stderr


TRACER = """
import os, pathlib
_fsync, _replace, _log = os.fsync, os.replace, os.environ["GDP_TRACE"]
def _note(line):
    with open(_log, "a") as file:
        file.write(line + "\\n")
def fsync(handle):
    _fsync(handle)
    _note("fsync " + os.readlink(f"/proc/self/fd/{handle}"))
def replace(source, target, **rest):
    _replace(source, target, **rest)
    _note(f"rename {os.path.abspath(source)} {os.path.abspath(target)}")
os.fsync, os.replace = fsync, replace
"""


def broken_rules(world: World, out: Path, folder: Path) -> list[str]:
    """Run slice with fsync and rename observed; return which rules of the commit protocol it broke."""
    (folder / "sitecustomize.py").write_text(TRACER)
    log = folder / "log"
    path = os.pathsep.join((str(folder), str(world.package)))
    done = world.run("slice", out, PYTHONPATH=path, GDP_TRACE=str(log))
    assert done.returncode == 0, done.stderr
    events = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    renamed = {event[2]: number for number, event in enumerate(events) if event[0] == "rename"}
    wrong = []
    for name in tree(out):
        final = str(out / name)
        if final not in renamed:
            wrong.append(f"{name}: never renamed")
            continue
        number = renamed[final]
        if ["fsync", events[number][1]] not in events[:number]:
            wrong.append(f"{name}: not flushed before it got its name")
        if ["fsync", str(Path(final).parent)] not in events[number:]:
            wrong.append(f"{name}: its folder not flushed after")
    last = max(renamed, key=lambda final: renamed[final], default="")
    if not last.endswith("manifest.json"):
        wrong.append("the manifest is not the last file")
    return wrong


def test_files_are_flushed_before_they_are_named_and_the_manifest_is_last(world: World, tmp_path: Path) -> None:
    """What a power cut would show, observed through the calls themselves."""
    assert broken_rules(world, tmp_path / "out", tmp_path) == []


FLUSH = """\
        with written.open("rb") as file:
            os.fsync(file.fileno())
"""
NAME = """\
        reach(f"{kind}.synced")
        final = self.local / name
        written.replace(final)
"""
MUTATIONS = {
    "no fsync": ("storage/place.py", FLUSH, ""),
    "no folder fsync": ("storage/place.py", "        flush_folder(final.parent)\n", ""),
    "fsync after rename": ("storage/place.py", FLUSH + NAME, NAME + FLUSH.replace("written", "final")),
    "manifest first": (
        "stage.py",
        "            missing = [task",
        "            run.out.write('manifest.json', b'{}', 'manifest')\n            missing = [task",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_breaking_the_protocol_turns_the_suite_red(world: World, tmp_path: Path, name: str) -> None:
    """With the order switched off in a copy of the package, the checks above find it."""
    module, old, new = MUTATIONS[name]
    package = chaos.mutated(tmp_path / "package", module, old, new)
    worse = World(world.root, package)
    rules = broken_rules(worse, tmp_path / "out", tmp_path)
    worse.run("slice", tmp_path / "killed", GDP_FAULT="samples.opened")
    assert rules or worse.violations("slice", tmp_path / "killed")


def test_writing_under_the_final_name_turns_the_suite_red(world: World, tmp_path: Path) -> None:
    """Without the temporary name a kill leaves half a file, and the invariant sees it."""
    old = "out.scratch(self.name)"
    package = chaos.mutated(tmp_path / "package", "storage/shards.py", old, f"{old}.with_name(self.name.split('/')[1])")
    worse = World(world.root, package)
    worse.run("slice", tmp_path / "out", GDP_FAULT="samples.opened")
    assert worse.violations("slice", tmp_path / "out") != []
