"""What is saved can be loaded by others: tensor names, the base's name, the model card and its snippet."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from pipeline.exceptions import StageError
from train.outputs import card, served, verify
from train.report import TrainReport

LAYER = "base_model.model.model.language_model.layers.0.self_attn.q_proj"


def written(folder: Path, *names: str) -> Path:
    """Write an adapter of tensors of these names."""
    save_file({name: torch.zeros(1) for name in names}, folder / "adapter_model.safetensors")
    return folder


def test_a_run_of_the_language_model_is_loaded_as_it_is(demo_run: tuple[Path, TrainReport]) -> None:
    """The very names that PEFT writes for a whole vision-language model, and patterns over its module names."""
    assert served.notes(demo_run[0] / "adapter") == []
    config = json.loads((demo_run[0] / "adapter" / "adapter_config.json").read_text())
    assert re.fullmatch(config["target_modules"], "model.language_model.layers.0.self_attn.q_proj")
    assert config["base_model_name_or_path"] == "base"


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ((f"{LAYER}.lora_A.weight", f"{LAYER}.lora_B.weight"), None),
        ((f"{LAYER}.lora_A.weight", f"{LAYER}.lora_magnitude_vector"), "1 tensors that are no LoRA matrices"),
        (("base_model.model.lm_head.weight",), r"no LoRA matrices \(base_model.model.lm_head.weight\)"),
        (("base_model.model.model.visual.blocks.0.attn.qkv.lora_A.weight",), "1 layers outside of the language model"),
        (("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",), "1 layers outside"),
    ],
    ids=["language", "DoRA", "whole module", "vision", "text model alone"],
)
def test_what_vllm_does_not_take(tmp_path: Path, names: tuple[str, ...], found: str | None) -> None:
    """Each kind of tensor that it refuses or passes over is told."""
    notes = served.notes(written(tmp_path, *names))
    assert len(notes) == (found is not None)
    assert found is None or re.search(found, notes[0])


def test_names_that_nobody_loads(tmp_path: Path) -> None:
    """A tensor without PEFT's prefix is an error."""
    with pytest.raises(StageError, match=r"found a tensor model.layers.0.lora_A.weight, expected base_model.model"):
        served.notes(written(tmp_path, "model.layers.0.lora_A.weight"))


def test_the_snippet_runs(
    demo_run: tuple[Path, TrainReport], examples: Any, encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model card's code, as it stands there, loads a model that is not the base."""
    from transformers import AutoModelForImageTextToText

    from train.encoding.data import Collator

    text = (demo_run[0] / "adapter" / "README.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(snippets) == 1
    monkeypatch.chdir(demo_run[0])
    loaded: dict[str, Any] = {}
    exec(snippets[0], loaded)  # noqa: S102
    batch = Collator(encoder.processor, encoder.frame)([examples[0]])
    base = AutoModelForImageTextToText.from_pretrained("base").eval()
    assert (verify.logits(loaded["model"].eval(), batch) - verify.logits(base, batch)).abs().max() > 0.1


def test_the_card_is_complete(demo_run: tuple[Path, TrainReport]) -> None:
    """Its head is YAML that a hub reads; what was measured, and how it is served, stands below."""
    text = (demo_run[0] / "adapter" / "README.md").read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["base_model"] == "base"
    assert "license" not in head
    assert "# license: to be filled in" in text
    assert "vLLM loads it as it is" in text
    result = json.loads((demo_run[0] / "run.json").read_text())
    for fact in (result["dataset"], f"{result['losses']['eval_best']:.4f}", "21 linear layers (llm); everything else"):
        assert fact in text
    answered = {"metric": "loss", "samples": 8, "start": {"success": 0.25}, "kept": {"success": 0.5}}
    assert list(card._metrics(answered)) == ["- success over 8 val samples: 0.250 before, 0.500 after\n"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("---\nlicense: apache-2.0\ntags: [x]\n---\n# Model", "apache-2.0"),
        ("# Model\nlicense: mit\n", None),
        ("---\ntags: [x]\n---\nlicense: mit", None),
    ],
)
def test_the_licence_is_the_bases(tmp_path: Path, text: str, found: str | None) -> None:
    """It is read from the head of a local model's card, and nowhere else."""
    (tmp_path / "README.md").write_text(text)
    assert card.license_of(str(tmp_path)) == found
    assert card.license_of(str(tmp_path / "nothing")) is None
