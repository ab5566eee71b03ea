"""Datasets in an object store: a real server that speaks S3, on this machine's loopback."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import build
import chaos
import pytest
from chaos import World, tree

from pipeline.storage.dataset import Dataset

moto = pytest.importorskip("moto", reason="the S3 server of the tests is not installed")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server with an empty bucket called `bucket`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-c", "from moto.server import main; import sys; main(sys.argv[1:])"]
    with subprocess.Popen(
        [*command, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        for _ in range(200):
            with contextlib.suppress(OSError):
                request = urllib.request.Request(f"{url}/bucket", method="PUT")
                urllib.request.urlopen(request, timeout=5).close()
                break
            time.sleep(0.1)
        yield url
        server.terminate()


@pytest.fixture(scope="module")
def account(endpoint: str) -> dict[str, str]:
    """What a user sets to reach the store."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A corpus and the undisturbed outputs on the disk."""
    return World.make(tmp_path_factory.mktemp("world"))


def fetch(url: str, target: Path, account: dict[str, str]) -> dict[str, str]:
    """Copy what the store holds under the URL to a folder, and return its hashes."""
    code = (
        "import sys, pathlib; from pipeline.storage.place import Place; place = Place(sys.argv[1])\n"
        "for name in place.files():\n"
        "    path = pathlib.Path(sys.argv[2], name); path.parent.mkdir(parents=True, exist_ok=True)\n"
        "    path.write_bytes(place.read(name))"
    )
    target.mkdir()
    command = [sys.executable, "-c", code, url, str(target)]
    subprocess.run(command, env={**os.environ, **account, "PYTHONPATH": str(chaos.ROOT)}, check=True, timeout=60)
    return tree(target)


@pytest.mark.parametrize("stage", chaos.STAGES)
def test_a_stage_writes_the_same_dataset_to_a_store(
    world: World, account: dict[str, str], stage: str, tmp_path: Path
) -> None:
    """Byte for byte what the disk gets, and nothing beside it."""
    url = f"s3://bucket/write/{stage}"
    done = world.run(stage, url, **account)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{url}\n"
    assert fetch(url, tmp_path / "copy", account) == world.golden(stage)


def test_the_chain_runs_inside_a_store(world: World, account: dict[str, str], tmp_path: Path) -> None:
    """Trajectories and every dataset in the store; only the fingerprints of the inputs differ from the disk's."""
    upload = (
        "import sys, pathlib; from pipeline.storage.place import Place\n"
        "place, root = Place(sys.argv[2]), pathlib.Path(sys.argv[1])\n"
        "for path in root.rglob('*'):\n"
        "    if path.is_file(): place.write(path.relative_to(root).as_posix(), path.read_bytes(), 'test')"
    )
    environment = {**os.environ, **account, "PYTHONPATH": str(chaos.ROOT)}
    source = "s3://bucket/in/trajectories"
    command = [sys.executable, "-c", upload, str(world.root / "trajectories"), source]
    subprocess.run(command, env=environment, check=True, timeout=60)
    gdp = [sys.executable, "-m", "pipeline"]
    chain = [
        [*gdp, "slice", source, "-o", "s3://bucket/chain/a", "--workers", "1", "--shard-size", "2"],
        [*gdp, "augment-errors", "-", "-o", "s3://bucket/chain/b", "--workers", "1"],
        [*gdp, "validate", "-", "-o", "s3://bucket/chain/c", "--workers", "1"],
    ]
    line = None
    for each in chain:
        done = subprocess.run(each, input=line, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        line = done.stdout
    copied = fetch("s3://bucket/chain/c", tmp_path / "c", account)
    golden = world.golden("validate")
    assert {name for name in copied if copied[name] != golden.get(name)} == {"manifest.json"}
    assert set(copied) == set(golden)


def test_a_run_that_dies_in_a_store_resumes(world: World, account: dict[str, str], tmp_path: Path) -> None:
    """Killed after a shard, after the journal, before and after the manifest: the end is the same."""
    for number, point in enumerate(("images.written", "samples.renamed", "journal.renamed", "manifest.written")):
        url = f"s3://bucket/dies/{number}"
        assert chaos.killed(world.run("slice", url, GDP_FAULT=point, **account)), point
        left = fetch(url, tmp_path / f"left{number}", account)
        assert "manifest.json" not in left
        done = world.run("slice", url, **account)
        assert done.returncode == 0, done.stderr
        assert fetch(url, tmp_path / f"end{number}", account) == world.golden("slice")


def test_a_missing_bucket_is_one_line(world: World, account: dict[str, str]) -> None:
    """Neither reading nor writing there ends in a traceback."""
    written = world.run("slice", "s3://no-such-bucket/out", **account)
    assert written.returncode == 1
    assert "no-such-bucket" in written.stderr
    assert "Traceback" not in written.stderr
    command = [sys.executable, "-m", "pipeline", "validate", "s3://no-such-bucket/in"]
    read = subprocess.run(command, env={**os.environ, **account}, capture_output=True, text=True, timeout=60)
    assert read.returncode == 1
    assert "no-such-bucket" in read.stderr
    assert "Traceback" not in read.stderr


def test_an_unknown_kind_of_place_is_wrong_usage(world: World) -> None:
    """A URL that pyarrow does not know is named with what is."""
    done = world.run("slice", "ftp://somewhere/out")
    assert done.returncode == 2
    assert "ftp://somewhere/out" in done.stderr
    assert "s3://" in done.stderr


def test_file_urls_are_folders(world: World, tmp_path: Path) -> None:
    """`file://` is the disk, with renames and links."""
    done = world.run("slice", f"file://{tmp_path}/out")
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "out") == world.golden("slice")


def test_no_secret_reaches_the_output(world: World, account: dict[str, str], tmp_path: Path) -> None:
    """The key is in no file and no message."""
    done = world.run("slice", "s3://bucket/secret", **account)
    fetch("s3://bucket/secret", tmp_path / "copy", account)
    texts = [path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert all(b"test-secret" not in data for data in (*texts, done.stderr.encode(), done.stdout.encode()))


def test_an_import_from_a_store_to_a_store(account: dict[str, str], tmp_path: Path) -> None:
    """The same files as on a disk, also when it starts over; slice reads them there."""
    source = tmp_path / "in"
    build.write(source, build.trajectory("a"))
    environment = {**os.environ, **account}
    put = (
        "import sys, pathlib; from pipeline.storage.place import Place; root = pathlib.Path(sys.argv[1])\n"
        "for file in root.rglob('*.*'):\n"
        "    Place(sys.argv[2]).write(file.relative_to(root).as_posix(), file.read_bytes(), 'test')"
    )
    command = [sys.executable, "-c", put, str(source), "s3://bucket/import-in"]
    subprocess.run(command, env={**environment, "PYTHONPATH": str(chaos.ROOT)}, check=True, timeout=60)
    assert build.gdp("import", "jsonl", source, "-o", tmp_path / "out").returncode == 0
    for more in ((), (), ("--fresh",)):
        done = build.gdp(
            "import", "jsonl", "s3://bucket/import-in", "-o", "s3://bucket/import-out", *more, env=environment
        )
        assert (done.returncode, done.stdout) == (0, "s3://bucket/import-out\n"), done.stderr
    found = fetch("s3://bucket/import-out", tmp_path / "copy", account)
    assert found == tree(tmp_path / "out")
    sliced = build.gdp("slice", "-", "-o", tmp_path / "sliced", stdin=done.stdout, env=environment)
    assert sliced.returncode == 0, sliced.stderr


def test_what_looks_at_a_dataset_looks_at_one_in_a_store(world: World, account: dict[str, str], tmp_path: Path) -> None:
    """Report, comparison, inspection and exported pages are those of the same dataset on the disk."""
    environment = {**os.environ, **account}
    url, disk = "s3://bucket/looked-at", world.root / "golden" / "augment-errors"
    assert world.run("augment-errors", url, **account).returncode == 0
    for source, folder in ((url, "store"), (disk, "disk")):
        done = build.gdp("validate", source, "--report", tmp_path / folder, "--against", source, env=environment)
        assert (done.returncode, done.stdout) == (0, f"{source}\n"), done.stderr
        assert f"against {source}:\n  samples   0 only here, 0 only there, 0 changed" in done.stderr
        done = build.gdp("view", source, "--export", tmp_path / folder / "pages", env=environment)
        assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / folder / "report.json").read_text()) for folder in ("store", "disk"))
    for each in (one, two):
        each.pop("dataset")
        each["against"].pop("dataset")
    assert one == two
    pages = [tree(tmp_path / folder / "pages") for folder in ("store", "disk")]
    assert pages[0].keys() == pages[1].keys()
    assert {name for name in pages[0] if pages[0][name] != pages[1][name]} == {"data/summary.js"}
    sample = next(iter(Dataset.open(disk).samples())).sample_id
    one, two = (build.gdp("inspect", source, sample, env=environment) for source in (url, disk))
    assert (one.returncode, one.stdout) == (0, two.stdout)
    for command in (("validate", url, "--report"), ("view", url, "--export")):
        done = build.gdp(*command, "s3://bucket/pages", env=environment)
        assert (done.returncode, done.stdout) == (2, "")
        assert "found the URL s3://bucket/pages, expected a folder on this machine" in done.stderr
