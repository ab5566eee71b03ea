"""The catalogue's answers, the server's manners, the export; no browser needed."""

import http.client
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import build
import pyarrow.parquet as pq
import pytest
from pages import ATTACK, served

from pipeline.storage.dataset import Dataset
from pipeline.view.catalogue import Catalogue


def fetch(address: str, path: str = "", host: str | None = None, **query: str) -> tuple[int, dict[str, str], bytes]:
    """Get a page as any client could, without following what it says."""
    parts = urlsplit(address)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    headers = {} if host is None else {"Host": host}
    connection.request("GET", f"{parts.path}{path}{'?' + urlencode(query) if query else ''}", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def asked(address: str, path: str, **query: str) -> dict[str, object]:
    """Get data."""
    status, _, body = fetch(address, path, **query)
    assert status == 200, body
    answer: dict[str, object] = json.loads(body)
    return answer


def test_filters_and_search_agree_with_reading_every_sample(folders: tuple[Path, Path]) -> None:
    """What the index selects is what a plain loop over the records selects."""
    dataset = Dataset.open(folders[1])
    catalogue, every = Catalogue(dataset), list(dataset.samples())
    assert [entry.sample_id for entry in catalogue.entries(range(len(catalogue)))] == [s.sample_id for s in every]
    for wanted, text in (({}, ""), ({"split": "val"}, ""), ({"origin": "error_correction", "action": "click"}, ""),
                         ({"error_kind": "tap_dead"}, "OPEN 2"), ({}, "everything is done"), ({"app": "Test"}, "t1/"),
                         ({}, ATTACK), ({}, "mobile_use"), ({"split": "nowhere"}, "")):  # fmt: skip
        expected = [
            number
            for number, sample in enumerate(every)
            if wanted.get("split", sample.split) == sample.split
            and wanted.get("origin", sample.origin) == sample.origin
            and wanted.get("error_kind", sample.error_kind) == sample.error_kind
            and wanted.get("action", sample.target.actions[0].__struct_config__.tag)
            == sample.target.actions[0].__struct_config__.tag
            and ("app" not in wanted or not sample.trajectory_id.startswith("x"))
            and _holds([sample.sample_id, *_texts(sample)], text)
        ]
        assert catalogue.select(wanted, text).to_list() == expected, (wanted, text)
    assert catalogue.select({}, "You operate a device").is_empty()  # a prompt that stands in every sample finds none
    facets = catalogue.facets()
    assert facets["split"] == {split: sum(s.split == split for s in every) for split in facets["split"]}
    assert sum(facets["action"].values()) == len(every)


def _texts(sample: object) -> list[str]:
    return [part.text or "" for m in sample.messages if m.role != "system" for part in m.content]  # type: ignore[attr-defined]


def _holds(texts: list[str], text: str) -> bool:
    return any(text.casefold() in each.casefold() for each in texts)


def test_pages_hold_every_sample_once_in_order(address: str, folders: tuple[Path, Path]) -> None:
    """Paging to the end shows the whole dataset, and a start beyond it shows nothing."""
    ids = [sample.sample_id for sample in Dataset.open(folders[1]).samples()]
    seen: list[str] = []
    while len(seen) < len(ids):
        page = asked(address, "samples", start=str(len(seen)))
        assert page["total"] == len(ids)
        assert page["items"]
        seen += [item["id"] for item in page["items"]]  # type: ignore[attr-defined]
    assert seen == ids
    assert asked(address, "samples", start="999999")["items"] == []
    assert asked(address, "samples", start="-1")["start"] == 0


def test_nothing_is_found_without_the_secret_or_under_another_host(address: str) -> None:
    """Whoever does not know the token, or comes by another name for this machine, gets nothing."""
    parts = urlsplit(address)
    root = f"{parts.scheme}://{parts.netloc}/"
    for path in ("", "samples", "image/0/0", quote("wrong") + "/samples"):
        assert fetch(root, path)[0] == 404
    assert fetch(address, "samples", host="evil.example")[0] == 400
    assert fetch(address, "samples")[0] == 200


def test_every_answer_carries_the_policy(address: str) -> None:
    """Pages, data, pictures and errors all forbid what a page of ours never needs."""
    for path, expected in (("", 200), ("view.css", 200), ("summary", 200), ("image/0/0", 200), ("image/0/999", 404),
                           ("image/9/0", 404), ("nothing", 404), ("..%2f..%2fcli.py", 404)):  # fmt: skip
        status, headers, body = fetch(address, path)
        assert status == expected, path
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert b"Traceback" not in body


def test_pictures_are_the_stored_bytes(address: str, folders: tuple[Path, Path]) -> None:
    """What a page shows is what the model gets, and the original is the recorded file."""
    dataset = Dataset.open(folders[1])
    sample = next(s for s in dataset.samples() if s.origin == "error_correction")
    found = asked(address, "sample", id=sample.sample_id)
    for ref, shown in zip(sample.images, found["images"], strict=True):  # type: ignore[call-overload]
        assert fetch(address, shown["url"])[2] == dataset.image(ref)
        original = shown["recorded"]
        status, headers, body = fetch(address, original["url"])
        assert status == 200
        assert headers["content-type"] == "image/png"
        assert (original["width"], original["height"]) == (build.WIDTH, build.HEIGHT)
        assert body in {path.read_bytes() for path in folders[0].rglob("*.png")}


def test_the_conversation_says_what_is_trained_and_what_is_wrong(address: str, folders: tuple[Path, Path]) -> None:
    """Weights are the sample's, and the wrong turn is told apart from the history."""
    for sample in Dataset.open(folders[1]).samples():
        found = asked(address, "sample", id=sample.sample_id)
        messages = found["messages"]
        assert [m["weight"] for m in messages] == [m.loss_weight for m in sample.messages]  # type: ignore[attr-defined]
        answers = [m["turn"] for m in messages if m["role"] == "assistant"]  # type: ignore[attr-defined]
        assert answers == list(range(len(sample.turns) - len(answers), len(sample.turns)))
        roles = [found["turns"][turn]["role"] for turn in answers]  # type: ignore[index]
        assert roles == [turn.role for turn in sample.turns[-len(answers) :]]


def test_a_damaged_shard_is_one_line_on_the_page(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """The server lives on and says which file."""
    import shutil

    copy = shutil.copytree(folders[1], tmp_path / "copy")
    shard = copy / "images" / "00000.parquet"
    with served(copy) as (url, _):
        shard.write_bytes(shard.read_bytes()[:2000])
        status, _, body = fetch(url, "image/0/0")
        assert status == 500
        assert "images/00000.parquet" in json.loads(body)["error"]
        assert fetch(url, "summary")[0] == 200


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_quietly(folders: tuple[Path, Path], how: signal.Signals) -> None:
    """A viewer is stopped by an interrupt, also by one that comes at once; that is no failure."""
    command = [sys.executable, "-m", "pipeline", "view", str(folders[1]), "--no-open"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        assert "http://127.0.0.1:" in server.stderr.readline()
        server.send_signal(how)
        assert server.wait(20) == 0
        assert server.stderr.read() == ""


def test_bad_requests_are_one_line(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """No dataset, a port in use, a folder with something in it, recordings that are not there."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for options, says in (
            ((tmp_path / "nothing",), "expected a dataset folder"),
            ((folders[1], "--port", port, "--no-open"), "--port: found"),
            ((folders[1], "--export", folders[0]), "expected a new or empty folder"),
            ((folders[1], "--trajectories", tmp_path / "nothing", "--no-open"), "--trajectories: found no folder"),
        ):
            done = build.gdp("view", *options)
            assert done.returncode in {1, 2}
            assert says in done.stderr
            assert "Traceback" not in done.stderr


def test_an_export_holds_the_chosen_samples_and_their_pictures(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Every link of an exported page leads to something exported."""
    done = build.gdp("view", folders[1], "--export", tmp_path / "all")
    assert done.returncode == 0, done.stderr
    total = len(Catalogue(Dataset.open(folders[1])))
    assert f"{total} samples; open" in done.stderr
    done = build.gdp("view", folders[1], "--export", tmp_path / "some", "--limit", 5)
    assert f"5 samples of {total}; --limit takes more" in done.stderr
    for folder, count in (("all", total), ("some", 5)):
        files = list((tmp_path / folder / "data" / "sample").glob("*.js"))
        assert len(files) == count
        known = {_received(file)["id"] for file in files}
        for file in files:
            sample = _received(file)
            assert all((tmp_path / folder / image["url"]).is_file() for image in sample["images"])  # type: ignore[index]
            linked = {sample["previous"], sample["next"], *(each["id"] for each in sample["same_step"])} - {None}  # type: ignore[attr-defined]
            assert linked <= known


def _received(file: Path) -> dict[str, object]:
    text = file.read_text(encoding="utf-8")
    match = re.fullmatch(r'gdp\.receive\("[^"]+", (.*)\);\n', text, re.DOTALL)
    assert match
    value: dict[str, object] = json.loads(match[1])
    return value


@pytest.mark.parametrize("rows", [[0], [5, 0, 3], []])
def test_picked_rows_are_the_asked_ones(folders: tuple[Path, Path], rows: list[int]) -> None:
    """In the order asked for, across row groups."""
    dataset = Dataset.open(folders[1])
    ids = [row["sample_id"] for row in dataset.rows("samples", 0, ["sample_id"])]
    picked = dataset.pick("samples", 0, rows, ["sample_id"])
    assert [row["sample_id"] for row in picked] == [ids[row] for row in rows]
    assert pq.ParquetFile(folders[1] / "images" / "00000.parquet").metadata.num_row_groups >= 1
