"""What a run leaves, held against what it trained: the adapter, its proof, its card and its curve."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.exceptions import StageError
from pipeline.storage.dataset import Dataset
from train import config as settings
from train.config import SftConfig, load
from train.outputs import card, curve, verify
from train.report import TrainReport
from train.run import RunOptions, run
from train.watching.log import Log
from train.watching.progress import Progress

DEMO = load(settings.DEMO)
SHORT = RunOptions(max_steps=2, quiet=True)


def test_the_adapter_works_for_others(demo_run: tuple[Path, TrainReport], examples: Any, encoder: Any) -> None:
    """Plain peft and transformers load base and adapter, and the adapter changes the answer's logits."""
    import peft
    from transformers import AutoModelForImageTextToText

    from train.encoding.data import Collator
    from train.encoding.processor import ImageOnlyQwen3VLProcessor

    out = demo_run[0]
    plain = AutoModelForImageTextToText.from_pretrained(out / "base")
    processor = ImageOnlyQwen3VLProcessor.from_pretrained(out / "adapter")
    batch = Collator(processor, encoder.chatml)([examples[0]])
    before = verify.logits(plain, batch)
    tuned = peft.PeftModel.from_pretrained(plain, out / "adapter").eval()
    assert (verify.logits(tuned, batch) - before).abs().max() > 0.1
    for name in ("processor_config.json", "tokenizer_config.json"):
        assert json.loads((out / "adapter" / name).read_text())["processor_class"] == "Qwen3VLProcessor"


def test_a_changed_adapter_file_is_noticed(
    demo_run: tuple[Path, TrainReport], base: Any, examples: Any, encoder: Any, tmp_path: Path
) -> None:
    """If the file on disk is not what was trained, verification fails."""
    import peft
    from safetensors.torch import load_file, save_file

    from train.encoding.data import Collator
    from train.models import model

    adapter = tmp_path / "adapter"
    shutil.copytree(demo_run[0] / "adapter", adapter)
    sft = SftConfig()
    trained = peft.PeftModel.from_pretrained(model.load(base, sft), str(adapter))
    weights = load_file(adapter / "adapter_model.safetensors")
    name = next(name for name in weights if "lora_B" in name)
    save_file({**weights, name: weights[name] + 0.5}, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    batch = Collator(base.processor, encoder.chatml)([examples[0]])
    with pytest.raises(StageError, match="logits of the reloaded adapter differ by"):
        verify.verify(trained, batch, adapter, lambda: model.load(base, sft), "fp32")


def test_an_adapter_that_changes_nothing_is_noticed() -> None:
    """Equal logits with and without adapter mean that nothing was learned or nothing is applied."""
    with pytest.raises(StageError, match="the adapter changes no logit"):
        verify._judge(verify.Verified(0.0, 0.0, 1.0), 1e-4, "adapter")
    with pytest.raises(StageError, match="other pixels change no logit"):
        verify._judge(verify.Verified(0.0, 1.0, 0.0), 1e-4, "adapter")


@pytest.mark.parametrize("prompt", [None, "Tap {what} I say.\n```\nbe quick\n```"])
def test_the_card_says_what_to_serve_with(
    demo_run: tuple[Path, TrainReport], dataset: Dataset, prompt: str | None
) -> None:
    """The adapter's README names the layout, and whose system prompt it learned with, and quotes it whole."""
    text = (demo_run[0] / "adapter" / "README.md").read_text()
    own = next(dataset.samples("train")).messages[0].content[0].text or ""
    if prompt is None:
        assert "messages in the layout `mai-ui`" in text
        assert f"The system prompt, gdp's own wording of the layout's prompt:\n\n```text\n{own}\n```\n" in text
        return
    facts = json.loads((demo_run[0] / "run.json").read_text())
    facts |= {**facts["samples"], **facts["losses"], "r": 1, "alpha": 1, "layers": 1}
    facts |= {"license": card.UNLICENSED, "serving": [], "scopes": "llm", "whole": []}
    text = card.render({**facts, "prompts": {"system": prompt}, "system": prompt})
    assert f"`gdp slice --system-prompt`:\n\n````text\n{prompt}\n````\n" in text


def test_the_curve_is_titled_with_the_model(
    demo_run: tuple[Path, TrainReport], dataset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The built-in model by its name, another by what --model says; never by the folder that it lies in."""
    titles = []
    monkeypatch.setattr("train.outputs.curve.draw", lambda *arguments: titles.append(arguments[4]))
    named = str(demo_run[0] / "base")
    for number, model in enumerate((None, named)):
        run(dataset_folder, tmp_path / str(number), DEMO, replace(SHORT, model=model))
    assert titles == ["built-in tiny Qwen3-VL (random weights), seed 0", f"{named}, seed 0"]


def test_a_short_run_has_a_curve_that_is_seen(tmp_path: Path) -> None:
    """Each step's loss is drawn: of a run with one line in its log a mean alone would leave nothing to see."""
    log = Log(None, Progress(quiet=True, bar=False))
    log.lines = [{"step": 3, "loss": 7.0, "losses": [8.0, 7.0, 6.0]}, {"step": 3, "eval_loss": 6.5},
                 {"step": 4, "loss": 5.0, "losses": [5.0]}]  # fmt: skip
    assert log.losses() == [(1, 8.0), (2, 7.0), (3, 6.0), (4, 5.0)]

    def blue(steps: list[tuple[int, float]]) -> int:
        """Return how many pixels left of the legend are more blue than anything."""
        curve.draw(tmp_path / "loss.png", steps, [(4, 6.5)], [(0, 7.0), (4, 6.0)], "title")
        with Image.open(tmp_path / "loss.png") as picture:
            left = picture.convert("RGB").crop((0, 0, 400, picture.height))
            pixels = list(zip(*[iter(left.tobytes())] * 3, strict=True))
        return sum(b > r + 40 for r, _, b in pixels)

    assert blue([]) == 0
    assert blue(log.losses()) > 100
