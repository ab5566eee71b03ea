"""Answers while a run trains: they stand in the log, choose the checkpoint, end the run, and change nothing else."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import schemas
from pipeline.exceptions import ConfigError, OutputError
from pipeline.storage.dataset import Dataset
from train import config as settings
from train.config import TrainConfig, load
from train.evaluation.evalconfig import EvalConfig, best
from train.evaluation.examination import file_name
from train.metrics import METRICS, PRESETS
from train.report import TrainReport
from train.run import RunOptions, dry, run

DEMO = load(settings.DEMO)
ASKING = EvalConfig(samples=2, max_new_tokens=4, keep=1)


def asked(folder: Path, out: Path, options: EvalConfig, steps: int = 4) -> tuple[TrainReport, list[dict[str, Any]]]:
    """Train so many steps with an evaluation after every second one; return the report and the log."""
    config = replace(DEMO, sft=replace(DEMO.sft, eval_steps=2, logging_steps=1), eval=options)
    report = run(folder, out, config, RunOptions(max_steps=steps, quiet=True))
    return report, [json.loads(line) for line in (out / "training_log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def examined(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainReport, Any]:
    """Return a run that looks at its answers, its report and its log."""
    out = tmp_path_factory.mktemp("examined") / "run"
    return out, *asked(dataset_folder, out, ASKING)


def test_each_evaluation_has_metrics(examined: tuple[Path, TrainReport, Any]) -> None:
    """They stand beside each eval loss in the log, in run.json and in the report; a few answers are kept."""
    out, report, log = examined
    evals = [line for line in log if "eval_loss" in line]
    assert [line["step"] for line in evals] == [0, 2, 4]
    for line in evals:
        assert line["eval_step_success"] == 0
        assert line["eval_cut_off"] == 1
        assert {"eval_format_valid", "eval_action_type", "eval_false_reflection"} <= set(line)
    written = json.loads((out / "run.json").read_text())["metrics"]
    assert (written["metric"], written["samples"], written["preset"]) == ("eval_loss", 2, "default")
    assert written["kept_step"] == report.losses.best_step
    assert written["start"]["step_success"] == 0
    assert "step success" in report.render_text()
    kept = [json.loads(line) for line in (out / "generations.jsonl").read_text().splitlines()]
    assert [line["step"] for line in kept] == [0, 2, 4]
    assert len({line["sample_id"] for line in kept}) == 1
    assert all(line["truncated"] and line["tokens"] == 4 and line["truth"] for line in kept)
    pictures = sorted(path.relative_to(out).as_posix() for path in (out / "generations").rglob("*.png"))
    assert [each.split("/")[1] for each in pictures] == ["step-000000", "step-000002", "step-000004"]


def test_looking_at_answers_changes_no_loss(
    examined: tuple[Path, TrainReport, Any], dataset_folder: Path, tmp_path: Path
) -> None:
    """A run that answers samples learns, to the last digit, what one learns that does not."""
    _, plain = asked(dataset_folder, tmp_path / "plain", EvalConfig(samples=0))
    numbers = [[(line["step"], line.get("loss"), line.get("eval_loss"), line.get("grad_norm")) for line in log]
               for log in (plain, examined[2])]  # fmt: skip
    assert numbers[0] == numbers[1]
    assert not (tmp_path / "plain" / "generations.jsonl").exists()


def test_an_interrupted_run_writes_its_answers_once(dataset: Dataset, tmp_path: Path) -> None:
    """Answers of a step that is done again replace those that were there, with all that came after them."""
    from train.evaluation.examination import Examination
    from train.evaluation.generate import Answer
    from train.metrics import cases

    class Silent:
        def answers(self, model: Any, items: list[Any], *_: Any) -> list[Answer]:
            return [Answer(str(model), 1, False) for _ in items]

    made = cases(dataset, list(dataset.samples("val"))[:1])
    items: Any = [(made[0], made[0])]
    ask = Examination(dataset, items, Silent(), EvalConfig(samples=1), tmp_path)
    odd = "a\u2028b\x85c\rd"  # ends of lines to Python, letters to JSON
    for step, said in ((0, odd), (2, "b"), (4, "c"), (2, "d")):
        ask(said, step)
    kept = tmp_path / "generations.jsonl"
    lines = [json.loads(line) for line in kept.read_bytes().splitlines()]
    assert [(line["step"], line["response"]) for line in lines] == [(0, odd), (2, "d")]
    kept.write_bytes(kept.read_bytes()[:-5])
    with pytest.raises(OutputError, match=r"generations\.jsonl:2: found a broken line, expected an answer of this run"):
        ask("e", 4)


def test_any_sample_has_a_picture(tmp_path: Path) -> None:
    """Ids have no limit, names of files have one; samples that differ late in a long id keep their own pictures."""
    names = {file_name(letter * 300 + end) for letter in ("x", "周", "/") for end in ("/0001", "/0002")}
    assert len(names) == 6
    for name in names:
        (tmp_path / f"{name}.png").touch()


def test_early_stopping_by_a_metric(dataset_folder: Path, tmp_path: Path) -> None:
    """A metric that does not get better ends the run after so many evaluations, and its first best weights are kept."""
    options = replace(ASKING, metric="step_success", early_stopping_patience=1)
    report, log = asked(dataset_folder, tmp_path / "run", options, steps=40)
    assert report.steps == 4
    assert report.metrics["metric"] == "step_success"
    assert report.metrics["kept_step"] == 2
    assert "kept      step 2, the best by step_success: 0.0000" in report.render_text()
    assert [line["step"] for line in log if "eval_loss" in line] == [0, 2, 4]
    assert [line["metric"] for line in log if line.get("event") == "early_stop"] == ["eval_step_success"]


def test_the_best_line() -> None:
    """The first of the best evaluations is kept, by loss or metric, the greater or the smaller one; not the start."""
    lines = [
        {"step": 0, "eval_loss": 0.1, "eval_step_success": 1.0, "eval_false_reflection": 0.0},
        {"step": 1, "eval_loss": 0.5, "eval_step_success": 0.2, "eval_false_reflection": 0.4},
        {"step": 2, "eval_loss": 0.3, "eval_step_success": 0.4, "eval_false_reflection": 0.4},
        {"step": 3, "eval_loss": 0.4, "eval_step_success": 0.4, "eval_false_reflection": 0.1},
    ]
    found = {name: best(lines, EvalConfig(metric=name))["step"] for name in
             ("eval_loss", "step_success", "false_reflection")}  # fmt: skip
    assert found == {"eval_loss": 2, "step_success": 2, "false_reflection": 3}


BAD = {
    "samples: 0\n    metric: step_success": "found step_success with samples: 0, expected eval_loss",
    "metric: step_sucess": "expected 'step_success'?",
    "preset: aitv": "expected 'aitz'? or one of default, aitw",
    "keep: -1": "found -1, expected at least 0",
    "sample: 3": "did you mean samples",
}


def test_the_schema_knows_every_metric_and_preset() -> None:
    """What may choose the checkpoint is what is measured, under the rules that there are."""
    known = schemas.load("training")["$defs"]["eval"]["properties"]
    assert known["metric"]["enum"] == ["eval_loss", *METRICS]
    assert known["preset"]["enum"] == list(PRESETS)


@pytest.mark.parametrize("text", BAD)
def test_bad_configuration(text: str, tmp_path: Path) -> None:
    """Unknown metrics, presets and keys, and a metric that nothing measures, are refused when the file is read."""
    file = tmp_path / "config.yaml"
    file.write_text(f"training:\n  eval:\n    {text}\n")
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert BAD[text] in str(raised.value)


def test_a_metric_that_no_sample_has(dataset_folder: Path, tmp_path: Path) -> None:
    """Recovery cannot choose the checkpoint of a dataset without an error; that is said before anything is trained."""
    config: TrainConfig = replace(DEMO, eval=replace(ASKING, metric="recovery"))
    with pytest.raises(ConfigError, match="found recovery, which none of the 2 samples can be asked"):
        run(dataset_folder, tmp_path / "run", config, RunOptions(max_steps=2, quiet=True))
    assert not (tmp_path / "run" / "training_log.jsonl").exists()
    with pytest.raises(ConfigError, match="found recovery, which none of the 2 samples can be asked"):
        dry(dataset_folder, config, RunOptions())
