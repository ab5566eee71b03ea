"""Time and memory of the stages at 1x, 4x and 16x the input, with shards of one size.

python benchmarks/scaling.py --work DIR
"""

import argparse
import shutil
from pathlib import Path

from measure import Measured, machine, run, table, write_section
from screens import corpus

PICTURES = (25, 100, 400)
"""Trajectories of 10 screens each: 250, 1,000 and 4,000 steps. No shard of 16 shows a screen twice."""
TEXTS = (64, 256, 1024)
"""Trajectories of 20 steps each under one tiny picture: for the stages that never decode."""


def measure(trajectories: int, work: Path) -> dict[str, Measured]:
    """Run the stages on real screens, then on texts; return what each took."""
    found = {}
    real, out = corpus(work, trajectories, 10, distinct=PICTURES[0]), work / "out"
    shutil.rmtree(out, ignore_errors=True)
    slicing = ["-m", "pipeline", "slice", real, "-o", out / "a", "--shard-size", 16, "-q", "--workers", 2]
    found["`slice`, 2 workers"] = run(slicing)
    found["`validate`, 2 workers"] = run(["-m", "pipeline", "validate", out / "a", "-q", "--workers", 2])
    return found


def without_pixels(trajectories: int, work: Path) -> dict[str, Measured]:
    """Run the stages that never decode, on one core."""
    found = {}
    texts, out = corpus(work, trajectories, 20, small=True), work / "out"
    shutil.rmtree(out, ignore_errors=True)
    run(["-m", "pipeline", "slice", texts, "-o", out / "a", "-q"])
    one = ["-q", "--workers", 1]
    found["`augment-errors`, 1 worker"] = run(["-m", "pipeline", "augment-errors", out / "a", "-o", out / "b", *one])
    found["`validate --no-pixels`, 1 worker"] = run(["-m", "pipeline", "validate", out / "b", "--no-pixels", *one])
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for trajectories and results")
    work = parser.parse_args().work
    rows = []
    for sizes, steps, stages in ((PICTURES, 10, measure), (TEXTS, 20, without_pixels)):
        runs = [(n * steps, stages(n, work)) for n in sizes]
        for name in runs[0][1]:
            for n, found in runs:
                m = found[name]
                rows.append([name, f"{n:,}", f"{m.seconds:.1f}", f"{n / m.seconds:.0f}", f"{n / m.cpu_seconds:.0f}",
                             f"{m.process_mb:.0f}", f"{m.tree_mb:.0f}"])  # fmt: skip
                print(" | ".join(rows[-1]), flush=True)
    header = ["stage", "steps", "seconds", "steps/s", "steps per CPU second", "peak MB, one process", "peak MB, all"]
    text = f"{machine('pillow', 'pyvips-binary', 'pyarrow', 'msgspec')}. Whole commands, one run each."
    write_section("scaling", f"{text}\n\n{table(header, rows)}")


if __name__ == "__main__":
    main()
