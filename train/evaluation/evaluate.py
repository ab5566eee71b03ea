"""`gdp evaluate`: responses held against the recorded decisions. Imports no torch unless a model has to answer."""

import json
import time
from pathlib import Path

import msgspec

from pipeline.exceptions import ConfigError, InputError
from pipeline.records import Sample
from pipeline.storage.apart import keep_apart, require_folder
from pipeline.storage.dataset import Dataset
from pipeline.storage.place import Place, Where
from train.metrics import Case, cases, judge, presets, summarize
from train.watching.progress import Progress

from . import evaluate_files
from .evaluate_answers import Answers, EvaluateOptions, Split, spread
from .evaluate_report import Column, EvaluateReport


def run(
    dataset_path: Where, model: str | None, predictions: Path | None, out: Path | None, options: EvaluateOptions
) -> EvaluateReport:
    """Judge the answers of a run, a model or a file; with `out`, write metrics, predictions and pictures there.

    Raises GdpError subclasses; MissingExtraError where a model has to answer and torch is not installed.
    """
    began = time.monotonic()
    preset = presets.get(options.preset)
    if (model is None) == (predictions is None):
        found = "both" if model else "neither"
        raise ConfigError("gdp evaluate", f"found {found} of a model and --predictions, expected one of them")
    if out is not None:
        require_folder(out, "-o")
    dataset = Dataset.open(dataset_path)
    if out is not None:
        keep_apart(Place.of(dataset_path), Place.of(out))
        evaluate_files.check(out, fresh=options.fresh)
    progress = Progress(quiet=options.quiet, bar=options.progress)
    samples = select(dataset, options.split)
    total = len(samples)
    warnings: list[str] = []
    if predictions is not None:
        if not options.base:
            raise ConfigError("--no-base", "found it with --predictions, expected it with a run", "leave it out")
        answers = [Answers("predictions", _read(predictions, dataset, samples))]
        samples = [sample for sample in samples if sample.sample_id in answers[0].responses]
        if missing := total - len(samples):
            warnings.append(f"{missing} of {total} samples have no prediction and are not in the table")
        samples = spread(samples, options.limit)
    else:
        from . import evaluate_model

        samples = spread(samples, options.limit)
        assert model is not None
        answers, told = evaluate_model.answers(dataset, samples, model, options, progress)
        warnings += told
    made = cases(dataset, samples)
    columns = [_column(each, made, options.preset) for each in answers]
    report = EvaluateReport(
        dataset=dataset.path,
        what=str(predictions) if predictions else str(model),
        split=options.split,
        preset=options.preset,
        source=preset.source,
        columns=tuple(columns),
        out=None if out is None else str(out),
        seconds=round(time.monotonic() - began, 1),
        warnings=tuple(warnings),
    )
    if out is not None:
        evaluate_files.write(out, dataset, made, report)
    return report


def select(dataset: Dataset, split: Split) -> list[Sample]:
    """Return the samples of a split in order; raises InputError where there are none."""
    samples = list(dataset.samples(None if split == "all" else split))
    if not samples:
        there = ", ".join(f"{n} {name}" for name, n in dataset.manifest.splits.items()) or "no sample at all"
        hint = "--split train or --split all, or slice with another --val-fraction"
        raise InputError(dataset.path, f"found no sample in the {split} split ({there}), expected some", hint)
    return samples


def _column(answers: Answers, made: list[Case], preset_name: str) -> Column:
    preset = presets.get(preset_name)
    verdicts = [judge(case, answers.responses[case.sample_id], preset) for case in made]
    truncated = sum(case.sample_id in answers.truncated for case in made)
    summary = summarize(zip(made, verdicts, strict=True))
    responses = tuple(answers.responses[case.sample_id] for case in made)
    return Column(answers.name, summary, truncated, responses, tuple(verdicts))


class _Prediction(msgspec.Struct):
    sample_id: str
    response: str


def _read(path: Path, dataset: Dataset, samples: list[Sample]) -> dict[str, str]:
    """Return the responses of a file of JSON lines; raises InputError for a line that is none, or a strange sample."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(str(path), f"cannot read it ({reason}), expected a file of JSON lines") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{path}:{number}"
            try:
                prediction = msgspec.json.decode(line, type=_Prediction)
            except msgspec.MsgspecError as error:
                expected = 'expected {"sample_id": "…", "response": "…"}'
                raise InputError(where, f"found no prediction ({error}), {expected}") from error
            if prediction.sample_id in found:
                raise InputError(where, f"found sample {prediction.sample_id} again, expected it once")
            found[prediction.sample_id] = prediction.response
    if not found:
        raise InputError(str(path), "found no line, expected a prediction for each sample")
    known = set(dataset.frame("samples", ["sample_id"])["sample_id"].to_list())
    if strange := [name for name in found if name not in known]:
        message = f"found sample {json.dumps(strange[0])}, which is not in {dataset.path}, expected its sample ids"
        raise InputError(str(path), message, "judge predictions with the dataset that they were made for")
    if not any(sample.sample_id in found for sample in samples):
        message = f"found no prediction for the chosen split, expected some of its {len(samples)} samples"
        raise InputError(str(path), message, "--split names another")
    return found
