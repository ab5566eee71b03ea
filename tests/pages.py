"""Hostile recordings for the gallery, and its server in a process of its own."""

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import build
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="Playwright is not installed"),
]
"""What a module of tests in a browser is marked with."""

ATTACK = '"><img src=x onerror="document.title=1"><script>document.title="owned"</script>'
"""Text that would act if a page ever took it for HTML."""


def attacked(name: str, first_screen: int) -> dict[str, object]:
    """Return a trajectory whose every text attacks the page that shows it."""
    document = build.trajectory(f"{name}{ATTACK[:30]}", first_screen=first_screen, goal=f"Open it {ATTACK}")
    for step in document["steps"]:
        step["text"] = {"thought": f"I tap {ATTACK}", "instruction": f"Tap {ATTACK}"}
        step["observation"]["app"] = f"App {ATTACK}"
    return document


def recordings(root: Path) -> Path:
    """Write trajectories of several kinds: plain ones, ones with proved Back, attacks."""
    build.back_corpus(root)
    build.corpus(root, 4)
    build.write(root, attacked("x", 60))
    return root


@contextlib.contextmanager
def served(dataset: Path, *options: str) -> Iterator[tuple[str, int]]:
    """Serve a dataset; give the address and the process id."""
    command = [sys.executable, "-m", "pipeline", "view", str(dataset), "--no-open", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ.copy()) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()
            address = re.search(r"http://\S+", line)
            assert address, line + server.stderr.read()
            yield address[0], server.pid
        finally:
            server.terminate()
            server.wait(20)
