"""How many samples a CPU second `gdp validate` checks without decoding, beside only reading their rows.

python benchmarks/validate.py --work DIR
"""

import argparse
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq
from measure import best, machine, run, table, write_section
from screens import corpus

TRAJECTORIES, STEPS = 5120, 20
"""102,400 samples, of half of 20 turns on average."""
ROUNDS = 3


def bare(dataset: Path) -> int:
    """Read the rows of samples and steps as Python objects and do nothing with them; return how many samples."""
    samples = 0
    for name in ("samples", "steps"):
        for file in sorted((dataset / name).glob("*.parquet")):
            for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(batch_size=256):
                rows = batch.to_pylist()
                samples += len(rows) if name == "samples" else 0
    return samples


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for trajectories and results")
    parser.add_argument("--bare", action="store_true", help="only read the rows of DIR/sliced")
    arguments = parser.parse_args()
    dataset = arguments.work / "sliced"
    if arguments.bare:
        bare(dataset)
        return
    shutil.rmtree(dataset, ignore_errors=True)
    run(["-m", "pipeline", "slice", corpus(arguments.work, TRAJECTORIES, STEPS, small=True), "-o", dataset, "-q"])
    commands = {
        "only reading the rows": [Path(__file__), "--work", arguments.work, "--bare"],
        "`gdp validate --no-pixels`, 1 worker": ["-m", "pipeline", "validate", dataset, "--no-pixels", "-q",
                                                 "--workers", 1],
    }  # fmt: skip
    rounds = [{name: run(command) for name, command in commands.items()} for _ in range(ROUNDS)]
    runs = {name: best([each[name] for each in rounds]) for name in commands}
    samples, least = TRAJECTORIES * STEPS, runs["only reading the rows"].cpu_seconds
    rows = [[name, f"{each.seconds:.1f}", f"{each.cpu_seconds:.1f}", f"{samples / each.cpu_seconds:,.0f}",
             f"{each.cpu_seconds / least:.1f}", f"{each.process_mb:.0f}"] for name, each in runs.items()]  # fmt: skip
    header = ["", "seconds", "CPU seconds", "samples per CPU second", "times the reading", "peak MB, one process"]
    size = f"{samples:,} samples, start-up included; best of {ROUNDS} interleaved rounds."
    write_section("validate", f"{machine('pyarrow', 'msgspec')}. {size}\n\n{table(header, rows)}")
    sys.stdout.write(table(header, rows) + "\n")


if __name__ == "__main__":
    main()
