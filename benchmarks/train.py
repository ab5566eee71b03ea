"""`gdp train` beside TRL's SFTTrainer and transformers' Trainer: same data, model, batch, steps and precision.

python benchmarks/train.py --work DIR [--rounds N] [--only PART] [--size 2B]

Every contender trains in a process of its own; rounds are interleaved. On a CPU one core each, so that CPU seconds say
what the work costs whatever else the machine does. A GPU, where there is one, gets the geometry of Qwen3-VL-2B with
random weights in bf16 instead of the small models.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measure import HERE, machine, table, write_section
from screens import corpus

GPU_FLOPS = 989e12
"""Dense bf16 operations a second of an H100 or H200, as NVIDIA states them."""

SLICED = {"one": (1, 1280 * 1024), "three": (3, 1280 * 1024), "short": (1, 128 * 1024)}
"""Screenshots of a sample, and pixels of one: 1,280 tokens of 32x32 pixels, or 128."""


@dataclass(frozen=True)
class Case:
    """What is trained on what."""

    model: str
    data: str
    batch: int
    samples: int
    measured: int

    @property
    def name(self) -> str:
        """How the tables call it."""
        what = {"one": "1 image", "three": "3 images", "short": "many short samples"}[self.data]
        return f"{self.model}, {what}, batch {self.batch}"


CASES = (
    Case("tiny", "one", 1, 4, 3),
    Case("tiny", "three", 1, 3, 2),
    Case("tiny", "short", 8, 32, 3),
    Case("100M", "one", 1, 3, 2),
    Case("100M", "three", 1, 2, 1),
)
ON_GPU = (Case("2B", "one", 4, 16, 12), Case("2B", "three", 2, 16, 12), Case("2B", "short", 16, 64, 12))

TRICKS_NOTE = """The most that a trick could give is the ratio of the floating-point operations of a step without it and
with it, as PyTorch counts them: those of matrix products, attention and convolutions. Above 100 % the trick saves
memory traffic or decoding too. Below, what is left of a step runs at fewer operations a second than what is saved: one
product with a matrix of 152k rows keeps a core busier than attention with heads of 32 or 64 numbers does. So the scores
have a second most, in time: a step that computes none at all, and learns from the hidden states instead. The worker's
most, on the wall instead of in CPU seconds, is a step without its wait for data."""

CONTENDERS: dict[str, dict[str, Any]] = {
    "transformers Trainer": {"who": "trainer"},
    "TRL SFTTrainer": {"who": "trl"},
    "`gdp train`": {"who": "gdp"},
    "`gdp train`, cache_vision: memory": {"who": "gdp", "cache": "memory"},
}


@dataclass(frozen=True)
class Trick:
    """Where one trick is measured, how the trainer is run with it, and how without."""

    case: Case
    with_it: dict[str, Any]
    without: dict[str, Any]
    overlaps: bool = False
    """It saves time on the wall, not operations: others do the work meanwhile."""
    scores: bool = False
    """It saves scores, so that a step without any is the most that it could give."""


TRICKS = {
    "scores at trained positions only": Trick(Case("100M", "one", 1, 3, 2), {}, {"without": "positions"}, scores=True),
    "the same, a smaller model": Trick(Case("tiny", "three", 1, 3, 2), {}, {"without": "positions"}, scores=True),
    "the tower once per different screenshot": Trick(
        Case("tiny", "three", 4, 8, 2), {"order": "rows"}, {"order": "rows", "without": "once"}
    ),
    "kept features": Trick(Case("tiny", "three", 1, 3, 2), {"cache": "memory", "warm": 4}, {}),
    "batches of about one length": Trick(Case("tiny", "short", 8, 32, 4), {}, {"without": "order"}),
    "a worker that decodes ahead": Trick(Case("tiny", "three", 1, 24, 16), {"workers": 1}, {}, overlaps=True),
}


def run(case: Case, options: dict[str, Any], work: Path, **more: Any) -> dict[str, Any]:
    """Run one contender in a process of its own; return what it measured."""
    warm = case.samples // case.batch + 1 if options.get("cache") else 1
    job = {"warm": warm, "work": str(work), **asdict(case), **options, **more, "data": str(work / case.data)}
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    command = [sys.executable, "-P", str(HERE / "contender.py"), json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("MEASURED ")]
    if not lines:
        raise SystemExit(f"{case.name}, {options}: exit {done.returncode}\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(lines[0].removeprefix("MEASURED "))
    print(f"{case.name}: {options | more}: {found['cpu']:.2f} CPU s, {found['seconds']:.2f} s, "
          f"{found['peak_mb']:.0f} MB, loss {found['losses'][-1]:.3f}", flush=True)  # fmt: skip
    return found


def least(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the least of every number over rounds; the rest is the machine's other work."""
    return {key: min(each[key] for each in runs) if key != "losses" else runs[0][key] for key in runs[0]}


def against(cases: tuple[Case, ...], work: Path, rounds: int, gpu: bool) -> None:
    """Measure all contenders in all cases; write a table of each as soon as it is there."""
    key = "seconds" if gpu else "cpu"
    for case in cases:
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
        for number in range(rounds):
            for name in list(CONTENDERS)[:: 1 if number % 2 == 0 else -1]:
                runs[name].append(run(case, CONTENDERS[name], work))
        found = {name: least(each) for name, each in runs.items()}
        tokens = found["`gdp train`"]["tokens"]
        best = min(found[name][key] for name in list(CONTENDERS)[:2])
        small = min(found[name]["peak_mb"] for name in list(CONTENDERS)[:2])
        rows = []
        for name, m in found.items():
            samples = case.batch * case.measured
            rows.append([name, f"{m['seconds']:.1f}", f"{m['cpu']:.1f}", f"{samples / m[key]:.2f}",
                         f"{tokens / m[key]:,.0f}", f"{m['peak_mb']:,.0f}", f"{m['losses'][-1]:.3f}",
                         f"{best / m[key]:.2f}", f"{m['peak_mb'] / small:.2f}"])  # fmt: skip
        unit = "second" if gpu else "CPU second"
        header = ["", "seconds", "CPU seconds", f"samples a {unit}", f"tokens a {unit}", "peak MB", "last loss",
                  "times the best peer's speed", "of the smallest peer's memory"]  # fmt: skip
        text = f"### {case.name}\n\n{table(header, rows)}"
        file_of(case, work).write_text(text, encoding="utf-8")


def file_of(case: Case, work: Path) -> Path:
    """Return where the table of a case lies."""
    return work / f"{case.model}-{case.data}.md"


def tricks(work: Path, rounds: int) -> str:
    """Return the table of each trick's share, beside the most that it could give."""
    rows = []
    for name, trick in TRICKS.items():
        runs: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        none: list[dict[str, Any]] = []
        counted = 0 if trick.overlaps else trick.case.measured
        for number in range(rounds):
            for side in (True, False) if number % 2 == 0 else (False, True):
                options = trick.with_it if side else trick.without
                runs[side].append(run(trick.case, options, work, who="gdp", counted=counted))
            if trick.scores:
                none.append(run(trick.case, {"without": "scores"}, work, who="gdp"))
        on, off = least(runs[True]), least(runs[False])
        key = "seconds" if trick.overlaps else "cpu"
        most = 1 / (1 - off["waited"]) if trick.overlaps else off["flops"] / on["flops"]
        got = off[key] / on[key]
        rest = least(none)[key] if none else None
        in_time = ["", ""] if rest is None else [f"{off[key] / rest:.2f}", f"{rest / on[key]:.0%}"]
        rows.append([name, trick.case.name, f"{off[key]:.1f}", f"{on[key]:.1f}", f"{got:.2f}", f"{most:.2f}",
                     f"{got / most:.0%}", *in_time,
                     f"{off['peak_mb']:,.0f}", f"{on['peak_mb']:,.0f}"])  # fmt: skip
    header = ["trick", "case", "CPU s without", "CPU s with", "times faster", "the most that it could give",
              "of the most", "the most in time", "of that", "peak MB without", "with"]  # fmt: skip
    return table(header, rows) + "\n\n" + TRICKS_NOTE


def datasets(work: Path) -> None:
    """Draw screens and slice them, unless an earlier run did."""
    source = corpus(work, 4, 8, "jpeg")
    for name, (history, pixels) in SLICED.items():
        command = ["-m", "pipeline", "slice", source, "-o", work / name, "-q", "--history-images", history]
        command += ["--max-pixels", pixels, "--val-fraction", 0]
        subprocess.run([sys.executable, *map(str, command)], cwd=HERE.parent, check=True, stdout=subprocess.DEVNULL)


def notes(gpu: bool) -> str:
    """Return what was left out, and why."""
    said = []
    if importlib.util.find_spec("llamafactory") is None:
        said.append("LLaMA-Factory is not among them: its newest release (0.9.5) wants transformers 5.6 and peft 0.18 "
                    "at most, and does not install beside these versions.")  # fmt: skip
    if not gpu:
        said.append("The geometry of Qwen3-VL-2B was not measured: there was no GPU.")
    return " ".join(said)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for screens, datasets and results")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--only", choices=["against", "tricks"], help="the other tables stay as measured last in --work"
    )
    options = parser.parse_args()
    import torch

    gpu = torch.cuda.is_available()
    options.work.mkdir(parents=True, exist_ok=True)
    datasets(options.work)
    cases = ON_GPU if gpu else CASES
    if options.only != "tricks":
        against(cases, options.work, options.rounds, gpu)
    if options.only != "against":
        text = f"### What each trick gives\n\n{tricks(options.work, options.rounds)}"
        (options.work / "tricks.md").write_text(text, encoding="utf-8")
    parts = [f"{machine('torch', 'transformers', 'peft', 'trl')}. {notes(gpu)}"]
    files = [*(file_of(case, options.work) for case in cases), options.work / "tricks.md"]
    parts += [file.read_text(encoding="utf-8") for file in files if file.exists()]
    write_section("train", "\n\n".join(parts))


if __name__ == "__main__":
    main()
