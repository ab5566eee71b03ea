"""`make learn`: record, train each arm, act, and write docs/learning.md; goes on where it was stopped.

python -m benchmarks.learn [--work DIR] [--write] [--jobs N] [--choosing]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.storage.dataset import Dataset

from . import figure, score
from .arms import ARMS, Arm, runs, unmask
from .goals import VALIDATION, Goal

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "learning.md"
FIGURE = PAGE.with_suffix(".svg")
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
RECORDERS = 2
KINDS = ("wrong_element", "accidental_back", "tap_dead")
SPLIT_SEED = 1
"""With it the val split is the goal that is not learned from (`goals.VALIDATION`) and nothing else."""
SLICE = (
    *("--layout", "qwen2.5-vl", "--history-images", 2, "--max-history", 1, "--min-history", 1, "--max-pixels", 65536),
    *("--val-fraction", 0.02, "--split-by", "trajectory", "--seed", SPLIT_SEED),
    *("--system-prompt", HERE / "system.txt", "--user-prompt", HERE / "user.txt"),
)
BASE_STEPS, ARM_STEPS = 300, 200


class Work:
    """The folder in which everything is kept, and the steps that fill it."""

    def __init__(self, folder: Path, chromium: str, split: str) -> None:
        self.folder = folder
        self.chromium = chromium
        self.split = split

    def path(self, *parts: str) -> Path:
        """Return a place in the folder."""
        return self.folder.joinpath(*parts)

    def run(self, name: str, made: Path, *command: object) -> None:
        """Run a command in a process of its own unless it has made what it makes; keep its time."""
        if made.exists():
            return
        began = time.monotonic()
        log = self.path("logs", f"{name}.log")
        with log.open("w") as file:
            words = [sys.executable, "-m", *map(str, command)]
            process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
        if status or not made.exists():
            tail = "\n".join(log.read_text().splitlines()[-12:])
            raise SystemExit(f"{name} failed; its last lines, of {log}:\n{tail}")
        self._keep(name, usage.ru_utime + usage.ru_stime, time.monotonic() - began)

    def _keep(self, name: str, cpu: float, wall: float) -> None:
        # One small file each: several steps run at the same time.
        record = {"cpu": round(cpu, 1), "wall": round(wall, 1)}
        self.path("times", f"{name}.json").write_text(json.dumps(record))
        print(f"learn: {name:<28} {cpu:5.0f} s of a core, {wall:5.0f} s", flush=True)

    def times(self) -> dict[str, dict[str, float]]:
        """Return what each step took."""
        return {path.stem: json.loads(path.read_text()) for path in sorted(self.path("times").glob("*.json"))}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and do what is not done yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learn", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("learn"), help="folder that keeps everything")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each arm")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    parser.add_argument("--choosing", action="store_true", help="with the goals and layouts that settings are tried on")
    parser.add_argument("--report", action="store_true", help="only tell of the seeds that every arm is done with")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/learning.md")
    given = parser.parse_args(arguments)
    if given.chromium is None:
        parser.error("found no Chromium, expected one on the PATH (sh tests/install_browser.sh)")
    if given.choosing and given.write:
        parser.error("--write: found it with --choosing, expected one of them: the page is about the measured split")
    split = "chosen" if given.choosing else "measured"
    work = Work(given.work / split, given.chromium, split)
    for name in ("logs", "times", "results", "runs"):
        work.path(name).mkdir(parents=True, exist_ok=True)
    if not given.report:
        prepare(work)
        train_and_act_all(work, given.seeds, given.jobs)
    report(work, given.seeds, write=given.write)


def prepare(work: Work) -> None:
    """Record, slice, augment, validate, and train the base model that all arms start from."""
    with ThreadPoolExecutor(RECORDERS) as pool:
        recording = ("benchmarks.learn.steps", "record", work.split, work.path("recordings"))
        parts = [
            (f"record-{n}", work.path(f"recorded-{n}"), *recording, n, RECORDERS, work.chromium)
            for n in range(RECORDERS)
        ]
        list(pool.map(lambda part: work.run(*part), parts))
    sliced = work.path("sliced")
    gdp = ("pipeline",)
    work.run("slice", sliced / "manifest.json", *gdp, "slice", work.path("recordings"), "-o", sliced, *SLICE)
    held_out = {sample.goal for sample in Dataset.open(sliced).samples("val")}
    if held_out != {Goal(VALIDATION).text}:
        raise SystemExit(f"found {sorted(held_out)} in the val split, expected only {Goal(VALIDATION).text}")
    kinds = [word for kind in KINDS for word in ("--kind", kind)]
    for arm in ARMS:
        source = sliced
        if not arm.masked:
            unmask(work.path(f"ec{arm.percent}"), work.path(arm.name))
            continue
        if arm.percent:
            source = work.path(f"augmented-{arm.percent}")
            command = (*gdp, "augment-errors", sliced, "-o", source, "--rate", arm.percent / 100, *kinds)
            work.run(f"augment-{arm.percent}", source / "manifest.json", *command)
        out = work.path(arm.name)
        work.run(f"validate-{arm.name}", out / "manifest.json", *gdp, "validate", source, "-o", out)
    fresh, run, base, clean = work.path("random"), work.path("base-run"), work.path("base"), work.path(ARMS[0].name)
    most = work.path(f"ec{max(arm.percent for arm in ARMS)}")
    work.run("random-model", fresh / "config.json", "benchmarks.learn.steps", "model", most, fresh)
    work.run("base", run / "run.json", *_train(clean, run, fresh, HERE / "base.yaml", BASE_STEPS, 0))
    work.run("merge", base / "config.json", "benchmarks.learn.steps", "merge", fresh, run, clean, base)


def train_and_act_all(work: Work, seeds: int, jobs: int) -> None:
    """Train and try every arm with every seed, so many at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda pair: train_and_act(work, *pair), runs(seeds)))


def train_and_act(work: Work, arm: Arm, seed: int) -> None:
    """Train an arm with a seed, and let the trained model act."""
    name = f"{arm.name}-{seed}"
    dataset, run, result = work.path(arm.name), work.path("runs", name), work.path("results", f"{name}.json")
    command = _train(dataset, run, work.path("base"), HERE / "arm.yaml", ARM_STEPS, seed)
    work.run(f"train-{name}", run / "run.json", *command)
    acting = ("benchmarks.learn.steps", "act", work.split, work.path("base"), run, dataset, result, work.chromium)
    work.run(f"act-{name}", result, *acting)


def _train(dataset: Path, run: Path, model: Path, config: Path, steps: int, seed: int) -> tuple[object, ...]:
    return ("pipeline", "train", dataset, "-o", run, "--model", model, "--config", config,
            "--max-steps", steps, "--seed", seed)  # fmt: skip


def report(work: Work, seeds: int, *, write: bool) -> None:
    """Print the tables of the seeds that every arm is done with, and write them and the figure beside the page."""
    whole = [n for n in range(seeds) if all(work.path("results", f"{arm.name}-{n}.json").exists() for arm in ARMS)]
    if not whole:
        raise SystemExit(f"no seed is done in every arm in {work.folder}")
    found = {
        arm.title: [json.loads(work.path("results", f"{arm.name}-{seed}.json").read_text()) for seed in whole]
        for arm in ARMS
    }
    stormy = {title: [each["planted"] for each in results] for title, results in found.items()}
    calm = {title: [each["calm"] for each in results] for title, results in found.items()}
    times = work.times()
    minutes = sum(step["cpu"] for step in times.values()) / 60
    text = "\n\n".join(
        (
            f"Trainings of each arm: {len(whole)}. All steps so far: {minutes:.0f} minutes of a core, those of "
            "Chromium not counted.",
            "With planted wrong turns:",
            score.main_table(stormy),
            "![Success and wrong turns made good, arm by arm](learning.svg)",
            "Wrong turns made good, by what they were:",
            score.kinds_table(stormy),
            "Without planted wrong turns:",
            score.calm_table(calm),
            "What it takes, in seconds of a core, Chromium not counted:",
            score.times_table(times),
        )
    )
    print(text)
    if write:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
        FIGURE.write_text(figure.draw(stormy), encoding="utf-8")


if __name__ == "__main__":
    main()
