"""`gdp evaluate`: real answers of real tiny models, files of answers, and one clear line for what cannot be judged."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import build
import msgspec
import pytest
import torch
from PIL import Image

from pipeline.exceptions import ConfigError, GdpError
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import MANIFEST
from train.evaluation.evaluate import run
from train.evaluation.evaluate_answers import EvaluateOptions
from train.metrics import PRESETS, cases, judge, summarize
from train.report import TrainReport

QUIET = EvaluateOptions(quiet=True)


def truths(dataset: Dataset, path: Path, **changed: str) -> Path:
    """Write what the samples train as predictions; `changed` has other responses by sample id."""
    lines = []
    for case in cases(dataset, dataset.samples()):
        lines.append(json.dumps({"sample_id": case.sample_id, "response": changed.get(case.sample_id, case.response)}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_truth_as_predictions(dataset: Dataset, tmp_path: Path) -> None:
    """Answers that are the recorded ones are right in everything, for every preset; the files say so."""
    file = truths(dataset, tmp_path / "answers.jsonl")
    for preset in PRESETS:
        report = run(dataset.path, None, file, None, EvaluateOptions(quiet=True, preset=preset))
        rates = report.main.summary.rates
        assert {rates[name].value for name in ("format_valid", "action_type", "grounding", "step_success")} == {1.0}
        assert report.main.summary.n == dataset.manifest.splits["val"]
    out = tmp_path / "out"
    wrong = next(sample.sample_id for sample in dataset.samples("val"))
    file = truths(dataset, tmp_path / "answers.jsonl", **{wrong: "nothing"})
    report = run(dataset.path, None, file, out, QUIET)
    assert report.exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "predictions.jsonl", "worst"]
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [line["sample_id"] for line in lines if not line["verdict"]["step_success"]] == [wrong]
    written = json.loads((out / "metrics.json").read_text())
    assert written["results"]["predictions"]["rates"]["step_success"]["n"] == len(lines)
    assert [path.name for path in (out / "worst").iterdir()] == ["01.png"]
    again = run(dataset.path, None, out / "predictions.jsonl", None, QUIET)
    assert again.main.summary == report.main.summary
    with pytest.raises(GdpError, match="found an earlier evaluation"):
        run(dataset.path, None, file, out, QUIET)
    run(dataset.path, None, file, out, EvaluateOptions(quiet=True, fresh=True))


def test_the_picture_marks_both_points(dataset: Dataset, tmp_path: Path) -> None:
    """The picture of a wrong tap has green at the recorded point and red at the predicted one."""
    made = next(case for case in cases(dataset, dataset.samples("val")) if case.truth.moves[0].kind == "click")
    response = '<thinking>\nx\n</thinking>\n<tool_call>\n{"name": "mobile_use", "arguments": {"action": "click", '
    response += '"coordinate": [500, 500]}}\n</tool_call>'
    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps({"sample_id": made.sample_id, "response": response}))
    run(dataset.path, None, file, tmp_path / "out", QUIET)
    picture = Image.open(tmp_path / "out" / "worst" / "01.png").convert("RGB")
    assert made.size is not None
    assert made.truth.moves[0].point is not None
    scale = min(1.0, 1000 / max(made.size))
    x, y = (round(each * side * scale) for each, side in zip(made.truth.moves[0].point, made.size, strict=True))
    assert picture.getpixel((x, y)) == (20, 140, 60)
    middle = (round(500 / 999 * made.size[0] * scale), round(500 / 999 * made.size[1] * scale))
    assert picture.getpixel(middle) == (200, 40, 40)


BAD = {
    "no json": ("{", "answers.jsonl:1: found"),
    "no response": ('{"sample_id": "a"}', "expected {"),
    "no object": ("[]", "expected {"),
    "strange": ('{"sample_id": "nobody", "response": ""}', "which is not in"),
    "empty": ("\n\n", "found no line"),
}


@pytest.mark.parametrize("name", BAD)
def test_broken_predictions(name: str, dataset: Dataset, tmp_path: Path) -> None:
    """A line that is no prediction, a sample that nobody knows, and an empty file are named."""
    text, message = BAD[name]
    file = tmp_path / "answers.jsonl"
    file.write_text(text)
    with pytest.raises(GdpError) as raised:
        run(dataset.path, None, file, None, QUIET)
    assert message in str(raised.value)


def test_predictions_for_some_samples(dataset: Dataset, tmp_path: Path) -> None:
    """A sample twice is refused, a missing one is counted, predictions for the other split only are no evaluation."""
    file = truths(dataset, tmp_path / "answers.jsonl")
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[0]]))
    with pytest.raises(GdpError, match="again"):
        run(dataset.path, None, file, None, QUIET)
    val = {sample.sample_id for sample in dataset.samples("val")}
    kept = [line for line in lines if json.loads(line)["sample_id"] in val][1:]
    file.write_text("\n".join(kept))
    report = run(dataset.path, None, file, None, QUIET)
    assert report.warnings == (f"1 of {len(val)} samples have no prediction and are not in the table",)
    file.write_text("\n".join(line for line in lines if json.loads(line)["sample_id"] not in val))
    with pytest.raises(GdpError, match="no prediction for the chosen split"):
        run(dataset.path, None, file, None, QUIET)
    with pytest.raises(GdpError, match="cannot read it"):
        run(dataset.path, None, tmp_path / "none.jsonl", None, QUIET)


def test_wrong_use(dataset: Dataset, tmp_path: Path, demo_run: tuple[Path, TrainReport]) -> None:
    """What cannot be evaluated is one line: no model or two, an unknown preset, no split, no run, strange files."""
    file = truths(dataset, tmp_path / "answers.jsonl")

    def refused(where: Any, model: str | None, predictions: Path | None, out: Path | None = None, **more: Any) -> str:
        with pytest.raises(GdpError) as raised:
            run(where, model, predictions, out, EvaluateOptions(quiet=True, **more))
        return str(raised.value)

    assert "found neither of a model" in refused(dataset.path, None, None)
    assert "found both of a model" in refused(dataset.path, "m", file)
    assert "expected one of default, aitw" in refused(dataset.path, None, file, preset="atiw")
    only_train = build.edited(dataset, tmp_path / "train", lambda samples: [s for s in samples if s.split == "train"])
    assert "no sample in the val split" in refused(only_train.path, None, file)
    assert "expected a run or a model folder" in refused(dataset.path, str(tmp_path), None)
    assert "found nothing there" in refused(dataset.path, "./no/such/model", None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    assert "found other files (thesis.txt)" in refused(dataset.path, None, file, tmp_path / "mine")
    broken = tmp_path / "run"
    shutil.copytree(demo_run[0], broken)
    (broken / "adapter" / "adapter_model.safetensors").unlink()
    assert "expected a finished run" in refused(dataset.path, str(broken), None)
    base = str(demo_run[0] / "base")
    assert "--no-base: found it with" in refused(dataset.path, base, None, base=False)
    assert "--no-base: found it with --predictions" in refused(dataset.path, None, file, base=False)


def test_a_dataset_that_contradicts_the_run(
    dataset: Dataset, demo_run: tuple[Path, TrainReport], tmp_path: Path
) -> None:
    """A run answers only what it was trained to read: another pixel budget is refused by name."""
    folder = tmp_path / "other"
    shutil.copytree(dataset.path, folder)
    contract = msgspec.structs.replace(dataset.manifest.contract, max_pixels=999_424)
    manifest = msgspec.structs.replace(dataset.manifest, contract=contract)
    (folder / MANIFEST).write_bytes(manifest.to_json())
    with pytest.raises(GdpError, match=r"trained with max_pixels 131072, the dataset .* has 999424"):
        run(folder, str(demo_run[0]), None, None, QUIET)


def test_a_run_with_and_without_its_adapter(
    dataset: Dataset, demo_run: tuple[Path, TrainReport], tmp_path: Path
) -> None:
    """Base and adapter answer side by side, differently, and the table has both; the adapter alone answers the same."""
    options = EvaluateOptions(quiet=True, limit=3, max_new_tokens=6, batch_size=2)
    report = run(dataset.path, str(demo_run[0]), None, tmp_path / "out", options)
    base, adapter = report.columns
    assert (base.name, adapter.name) == ("base", "adapter")
    assert base.responses != adapter.responses
    assert adapter.truncated == 3
    assert report.warnings == ()
    text = report.render_text()
    assert "difference" in text
    assert "cut off" in text
    assert (tmp_path / "out" / "predictions-base.jsonl").is_file()
    alone = run(dataset.path, str(demo_run[0] / "adapter"), None, None, EvaluateOptions(**{
        **{name: getattr(options, name) for name in options.__dataclass_fields__}, "base": False}))  # fmt: skip
    assert [each.name for each in alone.columns] == ["adapter"]
    assert alone.main.responses == adapter.responses
    model = run(dataset.path, str(demo_run[0] / "base"), None, None, options)
    assert model.main.responses == base.responses


def test_how_the_base_of_a_run_is_loaded(dataset: Dataset, demo_run: tuple[Path, TrainReport], tmp_path: Path) -> None:
    """Quantised as the adapter knew it, plain where nothing is known; a run that saw no screenshot is warned of."""
    from train.evaluation.evaluate_model import _loading, locate

    folder = tmp_path / "run"
    shutil.copytree(demo_run[0], folder)
    assert locate(str(folder), dataset)[2] == []
    assert not _loading(folder / "adapter").use_4bit
    result = json.loads((folder / "run.json").read_text())
    result["config"]["training"]["sft"] |= {"use_4bit": True, "images": "placeholder"}
    (folder / "run.json").write_text(json.dumps(result))
    assert _loading(folder / "adapter").use_4bit
    assert not _loading(None).use_4bit
    assert "placeholders" in locate(str(folder), dataset)[2][0]
    with pytest.raises(ConfigError, match="model: found '', expected a model folder"):
        locate("", dataset)  # the working folder, as a path


def test_predictions_need_no_torch(dataset: Dataset, tmp_path: Path) -> None:
    """Answers made elsewhere are judged where torch is not installed."""
    file = truths(dataset, tmp_path / "answers.jsonl")
    code = "import sys; sys.modules.update(torch=None, transformers=None); from pipeline.cli import main; main()"
    command = [sys.executable, "-c", code, "evaluate", dataset.path, "--predictions", str(file), "--format", "json",
               "-o", str(tmp_path / "out")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr)["results"]["predictions"]["rates"]["step_success"]["value"] == 1.0
    assert done.stdout.strip() == str(tmp_path / "out")


@pytest.fixture(scope="module")
def tiny(base: Any) -> Any:
    """Return the built-in model with its weights."""
    from train.config import SftConfig
    from train.models import model
    from train.quiet import quietly

    with quietly():
        return model.load(base, SftConfig())


def generator(dataset: Dataset, encoder: Any, base: Any, **options: int) -> Any:
    """Return what lets the built-in model answer."""
    from train.evaluation.generate import Generator

    return Generator(dataset, encoder, base.processor, **{"batch_size": 4, "max_new_tokens": 8, **options})


def test_prompts_are_what_training_puts_before_the_answer(
    dataset: Dataset, encoder: Any, base: Any, examples: Any
) -> None:
    """The ids before an answer are the training ids before the first trained token, padding on the left aside."""
    items = examples.items[:6]
    batch = generator(dataset, encoder, base)._batch(items)
    for row, mask, example in zip(batch["input_ids"], batch["attention_mask"], examples, strict=False):
        trained = next(place for place, label in enumerate(example.encoded.labels) if label != -100)
        assert row[mask.bool()].tolist() == example.encoded.input_ids[:trained]
        assert mask.tolist() == sorted(mask.tolist())


def test_batches_and_the_cache_change_nothing(
    dataset: Dataset, encoder: Any, base: Any, tiny: Any, examples: Any
) -> None:
    """Answers in a padded batch, with the cache, are those of one sample at a time by plain passes over all tokens."""
    items = examples.items[:3]
    said = generator(dataset, encoder, base, max_new_tokens=5).answers(tiny, items)
    for item, answer in zip(items, said, strict=True):
        inputs = generator(dataset, encoder, base)._batch([item])
        ids: list[int] = []
        for _ in range(5):
            with torch.no_grad():
                token = int(tiny(**inputs).logits[0, -1].argmax())
            if token == encoder.chatml.im_end:
                break
            ids.append(token)
            more = torch.tensor([[token]])
            inputs["input_ids"] = torch.cat([inputs["input_ids"], more], dim=1)
            for key, value in (("attention_mask", 1), ("mm_token_type_ids", 0)):
                inputs[key] = torch.cat([inputs[key], torch.full_like(more, value)], dim=1)
        assert answer.text == encoder.chatml.tokenizer.decode(ids)
        assert answer.tokens == len(ids)


def test_answering_leaves_no_trace(dataset: Dataset, encoder: Any, base: Any, tiny: Any, examples: Any) -> None:
    """Modes of modules, the random state and the model's settings are what they were before."""
    tiny.train()
    tiny.model.visual.eval()
    before = [module.training for module in tiny.modules()]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    generator(dataset, encoder, base).answers(tiny, examples.items[:2])
    assert [module.training for module in tiny.modules()] == before
    assert torch.equal(torch.get_rng_state(), state)
    assert tiny.config.use_cache is False
    tiny.eval()


def test_a_model_that_learned_two_samples_by_heart(dataset: Dataset, encoder: Any, base: Any, examples: Any) -> None:
    """Before it learns it succeeds at nothing; once it knows two samples by heart, at both, and at all that counts."""
    from train.config import SftConfig
    from train.encoding.data import Collator
    from train.evaluation.generate import longest
    from train.models import model
    from train.models.loss import token_losses

    learner = model.load(base, SftConfig())
    learner.requires_grad_(True)
    items = [examples.items[0], examples.items[3]]
    samples = {sample.sample_id: sample for sample in dataset.samples("train")}
    made = cases(dataset, [samples[item.sample_id] for item in items])
    answering = generator(dataset, encoder, base, max_new_tokens=longest(encoder, items))

    def judged() -> Any:
        said = answering.answers(learner, items)
        pairs = [(case, judge(case, each.text, PRESETS["default"])) for case, each in zip(made, said, strict=True)]
        return summarize(pairs).rates

    assert judged()["step_success"].value == 0
    batch = Collator(base.processor, encoder.chatml)([examples[0], examples[3]])
    optimizer = torch.optim.AdamW(learner.parameters(), lr=3e-3)
    for _ in range(120):
        losses, _ = token_losses(learner, batch)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
        if float(losses.detach().max()) < 0.1:
            break
    rates = judged()
    assert {rates[name].value for name in ("format_valid", "action_type", "grounding", "step_success")} == {1.0}
