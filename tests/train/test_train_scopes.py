"""LoRA lands where its scope says, in any family; every part learns at its rate; modules trained whole come back."""

import copy
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

from pipeline.exceptions import ConfigError, StageError
from train import describe
from train.config import DEMO, LoraConfig, SftConfig, TrainConfig, load
from train.encoding.data import Collator
from train.models import adapt, lora, matching, model, rates
from train.models.gradients import GradientCheck
from train.models.loss import token_losses
from train.run import RunOptions, run

TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 128, "pad_token_id": 0}  # fmt: skip
TOWER = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
QWEN3 = {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "out_hidden_size": 64,
         "deepstack_visual_indexes": [0]}  # fmt: skip
QWEN25 = {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "out_hidden_size": 64}

FAMILIES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, int, int]]] = {
    "qwen3_vl": (TEXT, QWEN3, (14, 8, 4)),
    "qwen2_5_vl": (TEXT, QWEN25, (14, 10, 2)),
    "llava": ({**TEXT, "model_type": "llama"}, {**TOWER, "model_type": "clip_vision_model"}, (14, 12, 2)),
    "smolvlm": ({**TEXT, "model_type": "llama"}, TOWER, (14, 12, 1)),
    "internvl": ({**TEXT, "model_type": "qwen2"}, {**TOWER, "image_size": [448, 448]}, (14, 12, 2)),
}
"""Two layers each: text settings, vision settings, linear layers of language model, tower and projector."""


def skeleton(family: str, **options: Any) -> Any:
    """Return a small model of the family without weights."""
    text, vision, _ = FAMILIES[family]
    config = CONFIG_MAPPING[family](text_config=dict(text), vision_config=dict(vision), **options)
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config)


def config(scope: str, sft: SftConfig | None = None, **options: Any) -> TrainConfig:
    """Return settings with that scope."""
    return TrainConfig(sft or SftConfig(), LoraConfig(target_modules=(scope,), **options))


@pytest.mark.parametrize("family", FAMILIES)
def test_scopes_mean_the_same_in_every_family(family: str) -> None:
    """Language model, tower and projector are told apart by each family's own names, and counted."""
    made = skeleton(family)
    text, tower, projector = FAMILIES[family][2]
    counted = {scope: adapt.targets(made, config(scope)).parts for scope in ("llm", "llm+projector", "llm+vision")}
    assert counted == {
        "llm": {"language": text},
        "llm+projector": {"language": text, "projector": projector},
        "llm+vision": {"language": text, "projector": projector, "vision": tower},
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pattern_never_hits_what_is_no_linear_layer(family: str) -> None:
    """A pattern for everything adapts linear layers, no convolution, norm or container beside them."""
    made = skeleton(family)
    chosen = adapt.targets(made, config(r".*(?<!lm_head)"))
    modules = dict(made.named_modules())
    hit = {name for name in modules if re.fullmatch(chosen.pattern, name)}
    assert hit == set(chosen.modules)
    assert {type(modules[name]) for name in hit} == {torch.nn.Linear}


def test_a_pattern_names_only_the_layers_that_were_chosen() -> None:
    """Where one layer of a kind is left out, the others are named one by one; peft sees no more than was chosen."""
    names = [f"model.language_model.layers.{n}.self_attn.q_proj" for n in range(12)]
    chosen = lora.resolve([r".*layers\.(1|11)\.self_attn\.q_proj"], names, "here")
    assert chosen.modules == (names[1], names[11])
    assert [name for name in names if re.fullmatch(chosen.pattern, name)] == [names[1], names[11]]
    assert re.fullmatch(lora.resolve(["llm"], names, "here").pattern, names[5])


@pytest.mark.parametrize("entry", [r"(\w+\.?)+x", r"(?!visual)(\w|\w\w|\.)+!"])
def test_a_pattern_that_backtracks_for_ever_is_refused(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    """It would not be through with one name of 47 letters in a lifetime; what comes after it is not limited."""
    monkeypatch.setattr(matching, "SECONDS", 0.1)
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(ConfigError, match=r"is not through with the modules' names after 0\.1 s") as caught:
        lora.resolve([entry], ["model.language_model.layers.0.self_attn.q_proj"], "here")
    assert repr(entry) in caught.value.message
    assert caught.value.__cause__ is None
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_a_scope_must_find_what_its_name_promises() -> None:
    """Gemma 3's projector is one bare weight: `llm+projector` would train the language model alone, in silence."""
    names = ["model.language_model.layers.0.mlp.up_proj", "model.vision_tower.encoder.layers.0.mlp.fc1"]
    with pytest.raises(ConfigError, match=r"'llm\+projector' finds no linear layer in the projector"):
        lora.resolve(["llm+projector"], names, "here")
    assert lora.resolve(["llm+vision"], names, "here").parts == {"language": 1, "vision": 1}


@pytest.mark.parametrize(
    ("sft", "lora_options", "message"),
    [
        ({"vision_learning_rate": 1e-5}, {}, "found 1e-05, but nothing in the vision tower learns"),
        ({"projector_learning_rate": 1e-5}, {}, "projector_learning_rate: found 1e-05, but nothing in the projector"),
        ({}, {"modules_to_save": ("mergr",)}, "'mergr' matches none of the model's modules"),
        ({}, {"modules_to_save": ("deepstack_merger_list",)}, "'deepstack_merger_list' is a ModuleList"),
        ({}, {"modules_to_save": ("rotary_emb",)}, "has no weights, expected a module that can learn"),
        ({}, {"modules_to_save": ("layers.0.mlp",)}, "which has LoRA as well, expected one or the other"),
        ({}, {"r": 9_000_000}, "training.lora.r: found 9000000, expected at most 64: no adapted matrix"),
        ({"use_4bit": True}, {"modules_to_save": ("layers.0.input_layernorm",)}, "whose weights are quantised"),
    ],
)  # fmt: skip
def test_settings_without_effect_are_refused(sft: dict[str, Any], lora_options: dict[str, Any], message: str) -> None:
    """What would do nothing, or what peft would fail at later, is one line before anything is loaded."""
    with pytest.raises(ConfigError) as caught:
        adapt.targets(skeleton("qwen3_vl"), config("llm", SftConfig(**sft), **lora_options))
    assert message in str(caught.value)
    assert str(caught.value).count("\n") <= 1


def test_one_tensor_under_two_names_is_trained_as_one() -> None:
    """Where head and embedding are tied, naming one means both, and LoRA on the head alone is refused."""
    both = ("lm_head", "model.language_model.embed_tokens")
    tied = skeleton("qwen3_vl", tie_word_embeddings=True)
    assert set(adapt.targets(tied, config("llm", modules_to_save=("lm_head",))).saved) == set(both)
    with pytest.raises(ConfigError, match="which shares the embedding's weights"):
        adapt.targets(tied, config(r"lm_head|.*q_proj"))
    apart = skeleton("qwen3_vl", tie_word_embeddings=False)
    assert adapt.targets(apart, config("llm", modules_to_save=("lm_head",))).saved == ("lm_head",)


def test_what_vllm_may_refuse_is_said() -> None:
    """The choice is listed, with what it costs when serving."""
    chosen = adapt.targets(skeleton("qwen3_vl"), config("llm+vision", modules_to_save=("embed_tokens",)))
    lines = "\n".join(describe.chosen(chosen))
    assert "LoRA on 14 layers of the language model (llm+vision): q_proj x2" in lines
    assert "LoRA on 8 layers of the vision tower (llm+vision): qkv x2, proj x2, linear_fc1 x2, linear_fc2 x2" in lines
    assert "vLLM may refuse LoRA outside of the language model" in lines
    assert "vLLM loads no adapter with modules_to_save (model.language_model.embed_tokens)" in lines
    assert "warning" not in "\n".join(describe.chosen(adapt.targets(skeleton("qwen3_vl"), config("llm"))))


def adapted(base: Any, settings: TrainConfig) -> Any:
    """Return the tiny model ready to learn."""
    torch.manual_seed(0)
    return adapt.add_lora(model.load(base, settings.sft), model.targets(base, settings), settings.lora, settings.sft)


@pytest.mark.parametrize("options", [{}, {"use_dora": True}, {"use_rslora": True}, {"modules_to_save": ("merger",)}])
@pytest.mark.parametrize("recompute", [False, True])
def test_every_part_gets_a_gradient(
    base: Any, examples: Any, encoder: Any, options: dict[str, Any], recompute: bool
) -> None:
    """In the first step B of every LoRA layer, magnitudes and whole modules have one; the check is content."""
    scope = r".*(q_proj|blocks\.\d+\.attn\.qkv)" if options.get("modules_to_save") else "llm+vision"
    made = adapted(base, config(scope, SftConfig(gradient_checkpointing=recompute), **options)).train()
    batch = Collator(base.processor, encoder.chatml)([examples[3]])
    token_losses(made, batch)[0].mean().backward()
    said: list[str] = []
    check = GradientCheck(said.append)
    check.saw(batch)
    check.on_pre_optimizer_step(torch_args(), None, None, model=made)
    assert said == []
    for name, parameter in made.named_parameters():
        if parameter.requires_grad and "lora_A" not in name:
            assert parameter.grad is not None
            assert parameter.grad.any(), name


def torch_args() -> Any:
    """Return the arguments that the check reads."""
    return type("Args", (), {"deepspeed": None, "fsdp": []})()


def test_a_part_cut_off_from_the_loss_stops_the_run(base: Any, examples: Any, encoder: Any) -> None:
    """A tower that runs without gradient while its LoRA should learn is an error in the first step with pictures."""
    made = adapted(base, config("llm+vision", SftConfig(gradient_checkpointing=False)))
    tower = made.base_model.model.model.visual
    tower.forward = torch.no_grad()(tower.forward)
    batch = Collator(base.processor, encoder.chatml)([examples[3]])
    token_losses(made, batch)[0].mean().backward()
    check = GradientCheck(lambda _: None)
    check.on_pre_optimizer_step(torch_args(), None, None, model=made)  # no picture yet: the tower is not judged
    check.saw(batch)
    with pytest.raises(StageError, match=r"nothing in the (projector|vision tower) gets a gradient"):
        check.on_pre_optimizer_step(torch_args(), None, None, model=made)


def test_single_layers_without_gradient_are_said(base: Any, examples: Any, encoder: Any) -> None:
    """LLaVA never uses its tower's last layer: no reason to stop, but to tell."""
    made = adapted(base, config("llm+vision", SftConfig(gradient_checkpointing=False)))
    batch = Collator(base.processor, encoder.chatml)([examples[3]])
    token_losses(made, batch)[0].mean().backward()
    next(p for name, p in made.named_parameters() if "visual.blocks.1" in name and "lora_B" in name).grad = None
    said: list[str] = []
    check = GradientCheck(said.append)
    check.saw(batch)
    check.on_pre_optimizer_step(torch_args(), None, None, model=made)
    assert len(said) == 1
    assert "1 of 8 weights to learn in the vision tower get no gradient" in said[0]


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_each_part_learns_at_its_own_rate(base: Any, kind: Callable[..., Any]) -> None:
    """Splitting keeps every parameter once, each with its weight decay, and gives it the rate of its part."""
    made = adapted(base, config("llm+vision", modules_to_save=("embed_tokens",)))
    named = {id(p): name for name, p in made.named_parameters() if p.requires_grad}
    both = [p for p in made.parameters() if p.requires_grad]
    groups = [{"params": both[::2], "weight_decay": 0.1}, {"params": both[1::2], "weight_decay": 0.0}]
    optimizer = kind(groups, lr=1e-3)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    rates.split(optimizer, named, {"vision": 1e-5, "projector": 1e-4})
    seen = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(seen) == sorted(named)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = named[id(parameter)]
            expected = 1e-4 if "merger" in name else 1e-5 if "visual" in name else 1e-3
            assert group["lr"] == expected, name
            assert group["weight_decay"] == decays[id(parameter)]


def test_a_whole_run_with_everything_that_can_learn(dataset_folder: Path, tmp_path: Path) -> None:
    """Tower, projector and tied head learn at three rates, are logged, saved, reloaded and found equal."""
    settings = {
        "sft": {"learning_rate": 5e-3, "vision_learning_rate": 1e-3, "projector_learning_rate": 2e-3,
                "gradient_checkpointing": True, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 1,
                "optim": "adamw_8bit"},
        "lora": {"target_modules": "llm+vision", "modules_to_save": ["lm_head"], "use_rslora": True},
    }  # fmt: skip
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"training": settings}))
    out = tmp_path / "run"
    report = run(dataset_folder, out, load(file), RunOptions(max_steps=3, quiet=True))
    assert report.verified["reloaded_from_trained"] is not None
    lines = [json.loads(line) for line in (out / "training_log.jsonl").read_text().splitlines()]
    last = next(line for line in reversed(lines) if "learning_rate" in line)
    assert last["learning_rate/vision"] == pytest.approx(last["learning_rate"] / 5)
    assert last["learning_rate/projector"] == pytest.approx(last["learning_rate"] / 2.5)
    weights = load_file(out / "adapter" / "adapter_model.safetensors")
    before = load_file(out / "base" / "model.safetensors")["model.language_model.embed_tokens.weight"]
    after = next(value for name, value in weights.items() if name.endswith(("embed_tokens.weight", "lm_head.weight")))
    assert not torch.equal(before, after)
    stored = peft.PeftConfig.from_pretrained(str(out / "adapter"))
    assert stored.ensure_weight_tying


def test_modules_trained_whole_learn_in_fp32_and_are_kept_in_the_bases_format(base: Any) -> None:
    """A step of 1e-4 of a bf16 weight is lost in rounding; what is saved is what will be loaded and served."""
    settings = config("llm", SftConfig(precision="bf16", gradient_checkpointing=False), modules_to_save=("merger",))
    made = adapted(base, settings)
    whole = [p for name, p in made.named_parameters() if "modules_to_save" in name and p.requires_grad]
    assert {p.dtype for p in whole} == {torch.float32}
    assert len(whole) == 6
    adapt.settle(made)
    assert {p.dtype for p in whole} == {torch.bfloat16}


def test_demo_settings_are_untouched_by_new_keys() -> None:
    """The built-in recipe sets no rates of parts and trains nothing whole."""
    made = load(DEMO)
    assert rates.of_parts(made.sft) == {}
    assert made.lora.modules_to_save == ()
    assert copy.deepcopy(made) == made
