"""`gdp slice` beside the bare image work, and beside `datasets.map`: one run, rounds interleaved.

python benchmarks/slice.py --work DIR [--form png|jpeg] [--trajectories N] [--steps N] [--rounds N]

Each form takes less than ten minutes on two cores; the other one's tables stay as it was measured last in that DIR.
"""

import argparse
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from measure import HERE, Measured, best, machine, run, table, write_section
from screens import corpus

FORMS = ("png", "jpeg")
ROUNDS_OF_SLOW = 1
"""Rounds of what takes minutes and is not close."""


def commands(source: Path, work: Path) -> dict[str, Sequence[object]]:
    """Return what is compared."""
    out, cache = work / "sliced", work / "cache"
    bare, mapped = HERE / "bare.py", HERE / "with_datasets.py"
    gdp = ["-m", "pipeline", "slice", source, "-o", out, "--fresh", "-q"]
    return {
        "bare loop, libvips, 1 process": [bare, "vips", 1, source],
        "`gdp slice`, 1 worker": [*gdp, "--workers", 1],
        "bare loop, libvips, 2 processes": [bare, "vips", 2, source],
        "`gdp slice`, 2 workers": [*gdp, "--workers", 2],
        "`gdp slice`, 2 workers, history 1": [*gdp, "--workers", 2, "--history-images", 1],
        "`gdp slice`, 2 workers, Pillow": [*gdp, "--workers", 2, "--image-engine", "pillow"],
        "bare loop, Pillow, 1 process": [bare, "pillow", 1, source],
        "bare loop, Pillow, 2 processes": [bare, "pillow", 2, source],
        "`datasets.map`, 2 processes, history 1": [mapped, 1, 2, source, cache],
        "`datasets.map`, 2 processes, history 3": [mapped, 3, 2, source, cache],
    }


def measure(source: Path, work: Path, rounds: int) -> dict[str, Measured]:
    """Run everything, several times in turn; return the best of each."""
    runs: dict[str, list[Measured]] = defaultdict(list)
    for number in range(rounds):
        for name, command in commands(source, work).items():
            if number >= ROUNDS_OF_SLOW and ("Pillow" in name or "datasets" in name):
                continue
            for folder in ("sliced", "cache"):
                shutil.rmtree(work / folder, ignore_errors=True)
            (work / "cache").mkdir(parents=True)
            runs[name].append(run(command))
            print(f"{source.parent.name} round {number}: {name}: {runs[name][-1].seconds:.1f} s", flush=True)
    return {name: best(measured) for name, measured in runs.items()}


def rendered(form: str, source: Path, found: dict[str, Measured]) -> str:
    """Return the table and the ratios."""
    pictures = sorted(path.stat().st_size for path in source.rglob(f"*.{form}"))
    n, mb = len(pictures), sum(pictures) / len(pictures) / 1e6
    rows = [
        [name, f"{m.seconds:.1f}", f"{m.cpu_seconds:.1f}", f"{n / m.seconds:.0f}", f"{m.tree_mb:.0f}"]
        for name, m in found.items()
    ]
    seconds = {name: m.seconds for name, m in found.items()}
    ratios = [
        ["bare libvips loop / `gdp slice`, 1 process", "bare loop, libvips, 1 process", "`gdp slice`, 1 worker",
         ">= 0.87"],
        ["bare libvips loop / `gdp slice`, 2 processes", "bare loop, libvips, 2 processes", "`gdp slice`, 2 workers",
         ">= 0.87"],
        ["bare Pillow loop / `gdp slice`, 1 process", "bare loop, Pillow, 1 process", "`gdp slice`, 1 worker",
         ">= 2.3 (PNG)"],
        ["bare Pillow loop / `gdp slice`, 2 processes", "bare loop, Pillow, 2 processes", "`gdp slice`, 2 workers",
         ">= 2.3 (PNG)"],
        ["`gdp slice`: 1 worker / 2 workers", "`gdp slice`, 1 worker", "`gdp slice`, 2 workers", ">= 1.8"],
        ["`datasets.map` / `gdp slice`, history 1", "`datasets.map`, 2 processes, history 1",
         "`gdp slice`, 2 workers, history 1", ""],
        ["`datasets.map` / `gdp slice`, history 3", "`datasets.map`, 2 processes, history 3", "`gdp slice`, 2 workers",
         ">= 8"],
    ]  # fmt: skip
    compared = [
        [name, f"{seconds[a] / seconds[b]:.2f}", f"{found[a].cpu_seconds / found[b].cpu_seconds:.2f}", target]
        for name, a, b, target in ratios
    ]
    return "\n\n".join([
        f"### {form.upper()}, 1080x2400",
        f"{n} screenshots, {pictures[0] / 1e6:.2f} to {pictures[-1] / 1e6:.2f} MB, {mb:.2f} MB on average, one sample "
        "each, stored at 768x1696 as JPEG 95. History is 3 where nothing else is said.",
        table(["", "seconds", "CPU seconds", "screenshots = samples a second", "peak MB, all processes"], rows),
        table(["ratio", "of seconds", "of CPU seconds", "target"], compared),
    ])  # fmt: skip


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for trajectories and results")
    parser.add_argument("--trajectories", type=int, default=64)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--form", choices=FORMS, action="append", help="only this form of screenshots")
    options = parser.parse_args()
    rounds = f"best of {options.rounds} interleaved rounds ({ROUNDS_OF_SLOW} of Pillow and `datasets`)"
    libraries = machine("pillow", "pyvips-binary", "kornia-rs", "pyarrow", "datasets")
    parts = [f"{libraries}. Whole commands, start-up included; {rounds}."]
    for form in FORMS:
        kept = options.work / f"{form}.md"
        if form in (options.form or FORMS):
            source = corpus(options.work, options.trajectories, options.steps, form)
            text = rendered(form, source, measure(source, options.work, options.rounds))
            kept.write_text(text, encoding="utf-8")
            print(text, flush=True)
        if kept.exists():
            parts.append(kept.read_text(encoding="utf-8"))
    write_section("slice", "\n\n".join(parts))


if __name__ == "__main__":
    main()
