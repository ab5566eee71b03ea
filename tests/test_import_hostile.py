"""Good sources of every format, spoiled one place at a time: clear rows, never a traceback."""

import gzip
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import build
import pytest
import test_import_agentnet as agentnet
import test_import_androidworld as androidworld
import test_import_mobileworld as mobileworld
import test_import_osworld as osworld
import test_import_qwen_messages as messages
from import_sources import (
    aitz,
    aitz_step,
    click,
    control,
    control_episode,
    droidbot,
    droidbot_event,
    odyssey,
    odyssey_step,
    said,
    screenagent,
    screenagent_reply,
    view,
)  # fmt: skip
from importing import imported, rows, trajectories
from PIL import Image

from pipeline.importers import IMPORTERS, REASONS

POISON: tuple[Any, ...] = (
    "../secret.png", "/etc/passwd", "link.png", "a\\b.png", "\0", "", "file:///etc/passwd", None, -1, 1e300, 0.5,
    10**30, True, [], {}, [[[]]], [1e308, -1e308], "💥" * 50, "NaN", [None, None],
)  # fmt: skip
"""What a field is replaced with."""
ROUNDS = 40
"""Spoiled copies of each format, spread over fields and poisons."""


def _agentnet(root: Path) -> None:
    agentnet.source(root, agentnet.line("t", agentnet.step(0, "pyautogui.click(x=0.1, y=0.2)", thought="I click."),
                                        agentnet.step(1, "computer.terminate(status='success')")))  # fmt: skip


def _agentnetbench(root: Path) -> None:
    agentnet.task(root, {"step_num": 0, "ground_truth_actions": [
        agentnet.action("click", [0.1, 0.1, 0.2, 0.2], position=agentnet.at(0.15, 0.15))]})  # fmt: skip


def _mobileworld(root: Path) -> None:
    wrote = mobileworld.wrote({"action": "click", "coordinate": [500, 500]})
    mobileworld.rollout(root, mobileworld.step(1, wrote, {"action_type": "click", "x": 270, "y": 600}))


def _osworld(root: Path) -> None:
    episode = next(kind for name, kind in vars(osworld).items() if isinstance(kind, type) and hasattr(kind, "act"))(
        root
    )
    episode.act(1, "pyautogui.click(30, 40)")
    episode.act(2, "DONE")
    episode.write()


def _androidworld(root: Path) -> None:
    androidworld.checkpoint(root / "task_0.pkl.gz", lambda made: {
        "raw_screenshot": [androidworld.pixels(0)],
        "action_output_json": [androidworld.act(made, action_type="click", x=10, y=20)],
    })  # fmt: skip


def _qwen_messages(root: Path) -> None:
    tap = messages.said(messages.tap(500, 500))
    messages.log(root, {"id": "a", "goal": "Tap it", "messages": [messages.shown(0, "Tap it"), tap]})


def _jsonl(root: Path) -> None:
    build.write(root, build.trajectory("a", 2))


VALID: dict[str, Callable[[Path], object]] = {
    "aitz": lambda root: aitz(root, [aitz_step(0), aitz_step(1, 10)]),
    "android-control": lambda root: control(root, control_episode(1, [{"action_type": "click", "x": 1, "y": 2}])),
    "gui-odyssey": lambda root: odyssey(
        root, [odyssey_step(0), odyssey_step(1, "SCROLL", [[5, 8], [4, 3]])], pictures=2
    ),
    "screenagent": lambda root: screenagent(root, screenagent_reply("1", [click(1, 2)], said([click(3, 4)]))),
    "droidbot": lambda root: droidbot(root, droidbot_event("1", {"event_type": "touch", "view": view((9, 9, 50, 50))})),
    "jsonl": _jsonl,
    "agentnet": _agentnet,
    "agentnetbench": _agentnetbench,
    "mobileworld": _mobileworld,
    "osworld": _osworld,
    "androidworld": _androidworld,
    "qwen-messages": _qwen_messages,
}
"""How to write a small good source of each format."""


@pytest.mark.parametrize("name", list(IMPORTERS))
def test_spoiled_fields(tmp_path: Path, name: str) -> None:
    """Any field of any record replaced by any poison; what is still taken passes the reader that slice uses."""
    assert name in VALID, "a new format needs a good source here"
    for number, source in enumerate(_spoiled(tmp_path, name)):
        out = tmp_path / f"out-{number}"
        done = imported(name, source, out)
        note = f"round {number} in {source}: {done.stderr}"
        assert done.exception is None or isinstance(done.exception, SystemExit), note
        assert done.exit_code in {0, 1}, note
        found = rows(out)
        assert (done.exit_code == 1) == bool(found or not done.stdout), note
        assert all(row["code"] in REASONS and row["found"] and row["expected"] for row in found), note
        assert all(len(row["found"]) < 400 for row in found), note
        for trajectory in trajectories(out):
            assert "secret" not in str([step.observation.image for step in trajectory.steps])
        assert not any(file.read_bytes() == SECRET for file in out.rglob("*.png")), note


SECRET = build.encoded(Image.new("RGB", (7, 7), "red"))


def _spoiled(tmp_path: Path, name: str) -> Iterator[Path]:
    """Yield copies of the good source, each with one field replaced, or one bit where the file is no JSON."""
    draw = random.Random(name)  # noqa: S311 - a choice of tests, no secret
    (tmp_path / "secret.png").write_bytes(SECRET)
    for number in range(ROUNDS):
        source = tmp_path / f"in-{number}"
        source.mkdir()
        VALID[name](source)
        files = sorted(
            path for pattern in ("*.json", "*.jsonl", *IMPORTERS[name].files) for path in source.rglob(pattern)
        )
        assert files, f"the good source of {name} holds no file that it reads"
        file = draw.choice(files)
        (file.parent / "link.png").symlink_to(tmp_path / "secret.png")
        _spoil(file, POISON[number % len(POISON)], draw)
        yield source


def _spoil(file: Path, poison: Any, draw: random.Random) -> None:
    data = file.read_bytes()
    try:
        documents = [json.loads(line) for line in data.splitlines()] if file.suffix == ".jsonl" else [json.loads(data)]
    except ValueError:
        packed = data.startswith(b"\x1f\x8b")
        plain = bytearray(gzip.decompress(data) if packed else data)
        plain[draw.randrange(len(plain))] ^= 1 << draw.randrange(8)
        file.write_bytes(gzip.compress(bytes(plain), 1) if packed else bytes(plain))
        return
    holder, key = draw.choice([place for document in documents for place in _places(document)])
    holder[key] = poison
    file.write_text("\n".join(json.dumps(document) for document in documents))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of a document where a value stands."""
    keys: Any = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def test_nothing_is_passed_over(tmp_path: Path) -> None:
    """Names that no trajectory could tell, and folders behind links to elsewhere, are refused, not left out unseen."""
    source, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    aitz(source, [aitz_step(0)])
    aitz(elsewhere, [aitz_step(0)])
    for name in ("C:\\run.json", os.fsdecode(b"caf\xe9.json"), "notes\\readme.txt"):
        (source / name).write_text("[]")
    (source / "linked").symlink_to(elsewhere)
    (source / "latest").symlink_to(source / "GENERAL-77")  # what it names is imported where it lies
    done = imported("aitz", source, tmp_path / "out")
    assert done.exit_code == 1
    assert [(row["scope"], row["code"], row["file"]) for row in rows(tmp_path / "out")] == [
        ("trajectory", "unreadable", "C:\\run.json"),
        ("trajectory", "unreadable", "caf\\udce9.json"),
        ("trajectory", "unreadable", "linked"),
    ]
    assert len(trajectories(tmp_path / "out")) == 1


def test_a_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """One line for each refusal, whatever stands in names."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a\nb\x1b[2J.json").write_text("{")
    done = imported("aitz", tmp_path / "in", tmp_path / "out")
    assert done.exit_code == 1
    assert "\x1b" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("a␊b␛[2J.json: found")]
