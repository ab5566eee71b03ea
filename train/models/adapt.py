"""Put LoRA on a model, and hold that exactly what was chosen learns."""

from collections.abc import Iterator
from typing import Any

import torch

from pipeline.exceptions import ConfigError, StageError
from train.config import LoraConfig, SftConfig, TrainConfig

from .lora import Targets, resolve, whole
from .parts import TITLES, Part, part_of

HEADS = ("lm_head", "embed_tokens")


def targets(skeleton: Any, config: TrainConfig) -> Targets:
    """Return what learns of a model, which needs no weights; raises ConfigError for an entry without effect."""
    modules = {name: type(module).__name__ for name, module in skeleton.named_modules() if name}
    linear = [name for name, module in skeleton.named_modules() if isinstance(module, torch.nn.Linear)]
    others = [name for name in modules if name not in set(linear)]
    found = resolve(config.lora.target_modules, linear, "training.lora.target_modules", others)
    wanted = list(config.lora.modules_to_save)
    ends = {name: module for name, module in _ends(skeleton).items() if name in modules}
    if _tied(skeleton) and set(ends) & set(found.modules):
        message = f"found the head ({next(iter(set(ends) & set(found.modules)))}), which shares the embedding's weights"
        raise ConfigError("training.lora.target_modules", message, "train it whole: modules_to_save: lm_head")
    saved = whole(wanted, modules, found.modules, "training.lora.modules_to_save")
    if _tied(skeleton) and set(saved) & set(ends):
        saved = tuple(dict.fromkeys((*saved, *ends)))  # one tensor under two names: both or none
    _check_weights(skeleton, saved)
    _check_quantized(saved, config.sft)
    chosen = Targets(found.pattern, found.matches, saved)
    _check_rates(chosen, config)
    _check_rank(skeleton, chosen, config.lora.r)
    return chosen


def _ends(model: Any) -> dict[str, Any]:
    """Return the embedding and the head by their full names."""
    ends = [end for end in (model.get_input_embeddings(), model.get_output_embeddings()) if end is not None]
    return {name: module for name, module in model.named_modules() if any(module is end for end in ends)}


def _tied(model: Any) -> bool:
    into, out = model.get_input_embeddings(), model.get_output_embeddings()
    return out is not None and into is not None and into.weight is out.weight


def _check_weights(skeleton: Any, saved: tuple[str, ...]) -> None:
    for name in saved:
        if not any(True for _ in skeleton.get_submodule(name).parameters()):
            message = f"{name} has no weights, expected a module that can learn"
            raise ConfigError("training.lora.modules_to_save", message)


def _check_quantized(saved: tuple[str, ...], sft: SftConfig) -> None:
    inside = [name for name in saved if part_of(name) == "language"]
    if inside and (sft.use_4bit or sft.use_8bit):
        message = f"found {inside[0]}, whose weights are quantised and cannot learn, expected modules outside of layers"
        raise ConfigError("training.lora.modules_to_save", message, "use LoRA there")


def _check_rates(chosen: Targets, config: TrainConfig) -> None:
    """Raise ConfigError for a learning rate that nothing would learn at."""
    sft = config.sft
    rates: dict[Part, float | None] = {"vision": sft.vision_learning_rate, "projector": sft.projector_learning_rate}
    for part, rate in rates.items():
        if rate is not None and not chosen.parts[part]:
            message = f"found {rate:g}, but nothing in {TITLES[part]} learns, so it would have no effect"
            hint = f"leave it out, or target_modules: llm+{part}"
            raise ConfigError(f"training.sft.{part}_learning_rate", message, hint)
    own = {part for part, rate in rates.items() if rate is not None}
    if "sft.learning_rate" in config.given and own.issuperset(chosen.parts):
        message = f"found {sft.learning_rate:g}, but all that learns has a rate of its own, so it would have no effect"
        raise ConfigError("training.sft.learning_rate", message, f"leave it out, or {min(own)}_learning_rate")


def _check_rank(skeleton: Any, chosen: Targets, rank: int) -> None:
    """Raise ConfigError for a rank that no matrix can have: the most is its shorter side."""
    layers = [skeleton.get_submodule(name) for name in chosen.modules]
    most = max(min(layer.in_features, layer.out_features) for layer in layers)
    if rank > most:
        message = f"found {rank}, expected at most {most}: no adapted matrix of this model has a higher rank"
        raise ConfigError("training.lora.r", message, "usual ones are 8 to 64; modules_to_save trains a module whole")


def warnings(chosen: Targets) -> Iterator[str]:
    """Yield what to know of the choice before weeks are spent on it."""
    if chosen.parts["vision"] or chosen.parts["projector"]:
        yield "vLLM may refuse LoRA outside of the language model; merge the adapter before it is served there"
    if chosen.saved:
        names = ", ".join(chosen.saved)
        yield f"vLLM loads no adapter with modules_to_save ({names}); merge it before it is served there"


def add_lora(model: Any, chosen: Targets, lora: LoraConfig, sft: SftConfig) -> Any:
    """Return the model with trainable LoRA layers and nothing else trainable; seed torch before, it draws weights."""
    import peft

    if sft.gradient_checkpointing:
        # The re-entrant kind loses gradients of layers whose inputs need none, silently.
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    tied = _tied(model) and any(name.rsplit(".", 1)[-1] in HEADS for name in chosen.saved)
    settings = peft.LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=chosen.pattern,
        modules_to_save=list(chosen.saved) or None,
        ensure_weight_tying=tied,
        use_rslora=lora.use_rslora,
        use_dora=lora.use_dora,
        bias="none",
        task_type="CAUSAL_LM",
    )
    adapted = peft.get_peft_model(model, settings)
    for parameter in _whole(adapted):
        parameter.data = parameter.data.float()  # a step of a bf16 weight is mostly rounded away, fp16 has no scaler
    _check_trainable(adapted, chosen)
    return adapted


def settle(model: Any) -> None:
    """Give modules trained whole the number format of the rest, in which they are saved, loaded and served."""
    frozen = next(p.dtype for p in model.parameters() if p.is_floating_point() and not p.requires_grad)
    for parameter in _whole(model):
        parameter.data = parameter.data.to(frozen)


def _whole(model: Any) -> Iterator[Any]:
    return (p for name, p in model.named_parameters() if p.requires_grad and ".modules_to_save." in name)


def _check_trainable(model: Any, chosen: Targets) -> None:
    """Raise StageError unless exactly the chosen modules learn; peft decides by the same names, this counts."""
    learning = {_module(name) for name, p in model.named_parameters(remove_duplicate=False) if p.requires_grad}
    expected = {f"base_model.model.{name}" for name in chosen.modules}
    whole_ones = {f"base_model.model.{name}" for name in chosen.saved}
    odd = sorted((learning ^ expected) - {name for name in learning if _inside(name, whole_ones)})
    missing = sorted(name for name in whole_ones if not any(_inside(each, {name}) for each in learning))
    if odd or missing:
        raise StageError("LoRA", f"{(odd or missing)[0]} should learn and does not, or the other way round")


def _module(parameter: str) -> str:
    """Return the module that a parameter of an adapted model belongs to."""
    return parameter.split(".lora_")[0].split(".modules_to_save.")[0]


def _inside(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)
