"""The folder of `gdp evaluate -o`: metrics, predictions, and pictures of what went most wrong."""

import contextlib
import json
import shutil
from pathlib import Path

import msgspec

from pipeline.exceptions import OutputError, cannot_write
from pipeline.storage.dataset import Dataset
from pipeline.storage.place import Place
from train.metrics import Case, Verdict

from .drawing import save
from .evaluate_report import Column, EvaluateReport

METRICS = "metrics.json"
PICTURES = "worst"
OURS = (METRICS, "predictions.jsonl", "predictions-base.jsonl", PICTURES)
MOST_PICTURES = 12


def check(out: Path, *, fresh: bool) -> None:
    """Raise OutputError unless the folder is new, empty, or an earlier evaluation's with `fresh`."""
    if out.exists() and not out.is_dir():
        raise OutputError(str(out), "found a file, expected a new folder", "choose another -o")
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if strange := sorted(names - set(OURS)):
        message = f"found other files ({', '.join(strange[:3])}), expected a new or empty folder"
        raise OutputError(str(out), message, "choose another -o")
    if names and not fresh:
        raise OutputError(str(out), "found an earlier evaluation, expected a new folder", "--fresh replaces it")


def write(out: Path, dataset: Dataset, cases: list[Case], report: EvaluateReport) -> None:
    """Write everything; `metrics.json`, which says that all is there, comes last. Raises OutputError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            (out / METRICS).unlink()
        shutil.rmtree(out / PICTURES, ignore_errors=True)
        place = Place(str(out))
        for column in report.columns:
            name = "predictions.jsonl" if column is report.main else f"predictions-{column.name}.jsonl"
            place.write(name, _lines(cases, column).encode(), "evaluate")
        for rank, (case, verdict, response) in enumerate(worst(cases, report.main), start=1):
            save(out / PICTURES / f"{rank:02d}.png", dataset, case, verdict, response)
        text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        place.write(METRICS, text.encode(), "evaluate")
    except OSError as error:
        raise cannot_write(out, error) from error


def _lines(cases: list[Case], column: Column) -> str:
    """Return a line for each sample: what it trains, what was answered, and the verdict."""
    lines = []
    for case, response, verdict in zip(cases, column.responses, column.verdicts, strict=True):
        row = {
            "sample_id": case.sample_id,
            "response": response,
            "truth": case.response,
            "verdict": msgspec.to_builtins(verdict),
        }
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)


def worst(cases: list[Case], column: Column) -> list[tuple[Case, Verdict, str]]:
    """Return the wrong answers with a screenshot, those that point furthest away first, one of a kind after another."""
    wrong = [
        (case, verdict, response)
        for case, verdict, response in zip(cases, column.verdicts, column.responses, strict=True)
        if not verdict.step_success and case.image is not None
    ]
    wrong.sort(key=lambda each: (-(each[1].distance or 0.0), each[0].sample_id))
    return wrong[:MOST_PICTURES]
