"""Run a command and measure it; write a section of `docs/benchmarks.md`."""

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
SAMPLING_SECONDS = 0.4


@dataclass(frozen=True)
class Measured:
    """One run of a command."""

    seconds: float
    cpu_seconds: float
    tree_mb: float
    """Most memory that all its processes held at once; what they share counts once."""
    process_mb: float
    """Most memory of one of its processes."""


def run(command: Sequence[object]) -> Measured:
    """Run a Python command (`-m module …` or a script) to its end, its start-up included."""
    before = os.times()
    start = time.perf_counter()
    # With compiled modules beside the sources, as an installed package has them: the first round writes them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.DEVNULL, start_new_session=True, cwd=HERE.parent, env=environment,
    )  # fmt: skip
    watch = _Watch(process.pid)
    watch.start()
    code = process.wait()
    seconds = time.perf_counter() - start
    watch.done.set()
    watch.join()
    if code != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {code}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(seconds, cpu, watch.tree / 1024, watch.process / 1024)


def best(runs: Sequence[Measured]) -> Measured:
    """Return the least of each number over several runs of one command: the rest is the machine's other work."""
    return Measured(*(min(getattr(r, name) for r in runs) for name in Measured.__dataclass_fields__))


class _Watch(threading.Thread):
    """Look at the memory of a session's processes, in kB, as Linux tells it."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session = session
        self.done = threading.Event()
        self.tree = self.process = 0

    def run(self) -> None:
        while not self.done.wait(SAMPLING_SECONDS):
            processes = (path for path in Path("/proc").iterdir() if path.name.isdigit())
            shares = [_kilobytes(path) for path in processes if self._ours(path.name)]
            self.tree = max(self.tree, sum(shared for shared, _ in shares))
            self.process = max([self.process, *(resident for _, resident in shares)])

    def _ours(self, pid: str) -> bool:
        try:
            return os.getsid(int(pid)) == self.session
        except OSError:
            return False


def _kilobytes(process: Path) -> tuple[int, int]:
    """Return the process's share of memory, and all that it holds."""
    try:
        text = (process / "smaps_rollup").read_text()
    except OSError:
        return 0, 0
    numbers = dict(re.findall(r"^(Pss|Rss):\s+(\d+) kB", text, re.MULTILINE))
    return int(numbers.get("Pss", 0)), int(numbers.get("Rss", 0))


def machine(*libraries: str) -> str:
    """Return the machine and the versions, in general terms."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in libraries)
    cores = len(os.sched_getaffinity(0))
    return (f"{cores} cores ({platform.machine()}, virtual), {memory:.0f} GB of memory, {platform.system()}, "
            f"Python {platform.python_version()}, {versions}")  # fmt: skip


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_section(name: str, text: str) -> None:
    """Put the text between the section's marks in `docs/benchmarks.md`, which must be there."""
    start, end = f"<!-- {name}: written by benchmarks/{name}.py -->", f"<!-- end of {name} -->"
    page = PAGE.read_text(encoding="utf-8")
    head, found, rest = page.partition(start)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{PAGE}: found no marks {start} and {end}")
    PAGE.write_text(f"{head}{start}\n\n{text}\n\n{end}{tail}", encoding="utf-8")
