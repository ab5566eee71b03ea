"""Plant each kind of defect into clean data, and see whether its check finds it: `make planted`."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import build

from pipeline.checks import CHECKS
from pipeline.storage.dataset import Dataset

from . import aims, histories, messages, records, screenshots, thoughts, wholes
from .planting import Planting
from .store import Store

HERE = Path(__file__).resolve().parent
MODULES = (records, messages, screenshots, aims, histories, thoughts, wholes)
KINDS: dict[str, Planting] = {name: kind for module in MODULES for name, kind in module.KINDS.items()}
RECORDED = HERE.parent.parent / "sample_data" / "trajectories"
PAGE = HERE.parent.parent / "docs" / "checks.md"
PIXELS = {"image_file", "blank_screen"}


@dataclass(frozen=True)
class Result:
    """What became of one kind."""

    name: str
    check: str
    planted: int
    found: int


def bases(root: Path) -> dict[str, Dataset]:
    """Return the clean datasets: a sample a decision, corrections among them; windows; coordinates in pixels."""
    build.sliced(RECORDED, root / "sliced", max_pixels=131072)
    return {
        "step": build.augmented(root / "sliced", root / "step", rate=0.25),
        "window": build.sliced(RECORDED, root / "window", max_pixels=131072, mode="window", window=2),
        "pixels": build.sliced(RECORDED, root / "pixels", max_pixels=131072, layout="qwen2.5-vl"),
    }


def plant(name: str, base: Dataset, out: Path) -> Result:
    """Plant a kind at three places and return how many of them its check finds."""
    kind = KINDS[name]
    store = Store(base, name)
    planted = kind.plant(store)
    dataset = store.write(out)
    found = complaints(dataset, kind.check)
    return Result(name, kind.check, len(planted), sum(each in found for each in planted))


def complaints(dataset: Dataset, check: str, **config: Any) -> set[str]:
    """Return the samples that a check alone complains of, whatever its severity."""
    report = build.validated(Path(dataset.path), levels={check: "error"}, pixels=check in PIXELS, **config)
    whole = {"the dataset"} if report.manifest.details["errors"].get(check) and CHECKS[check].of_dataset else set()
    return {str(row["sample_id"]) for row in report.refused} | whole


def run(root: Path) -> Iterator[Result]:
    """Plant all kinds, one after the other."""
    clean = bases(root)
    for number, (name, kind) in enumerate(KINDS.items()):
        out = root / f"{number:03d}"
        yield plant(name, clean[kind.base], out)
        shutil.rmtree(out)


def table(results: list[Result]) -> str:
    """Return the results as Markdown, and what they come to."""
    lines = ["| planted | check that finds it | severity | planted | found |", "|---|---|---|---:|---:|"]
    for each in results:
        severity = CHECKS[each.check].severity
        lines.append(f"| {each.name} | `{each.check}` | {severity} | {each.planted} | {each.found} |")
    sums = []
    for severity in ("error", "warning", "info"):
        of = [each for each in results if CHECKS[each.check].severity == severity]
        sums.append(f"{sum(each.found for each in of)} of {sum(each.planted for each in of)} {severity}s")
    return f"{len(results)} kinds; found: {', '.join(sums)}.\n\n" + "\n".join(lines)


def main() -> int:
    """Print the table; with `--write`, put it into docs/checks.md."""
    parser = argparse.ArgumentParser("python -m planted", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into docs/checks.md")
    write = parser.parse_args().write
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for each in run(Path(folder)):
            results.append(each)
            sys.stdout.write(f"{each.found}/{each.planted}  {each.check:<20} {each.name}\n")
    text = table(results)
    sys.stdout.write(f"\n{text.splitlines()[0]}\n")
    if write:
        page = PAGE.read_text(encoding="utf-8")
        head, _, rest = page.partition("<!-- planted -->\n")
        _, _, tail = rest.partition("<!-- /planted -->")
        PAGE.write_text(f"{head}<!-- planted -->\n{text}\n<!-- /planted -->{tail}", encoding="utf-8")
    return 0 if all(each.found == each.planted for each in results) else 1
