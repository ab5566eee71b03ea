"""The adapter's folder: weights as safetensors, the processor they belong to, the model card."""

import shutil
from pathlib import Path
from typing import Any

import torch

from train.encoding import processor
from train.folder import processes
from train.plan import Plan

from . import card, served


def weights(adapted: Any) -> dict[str, torch.Tensor] | None:
    """Return what learned of a model whose weights lie in parts on several processes, all of which must ask.

    None where every process has the whole model, and peft finds the weights by itself.
    """
    kind = processes.sharding()
    if kind == "none":
        return None
    learned = {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}
    if kind == "fsdp":
        return {name: weight.full_tensor().cpu() for name, weight in learned.items()}
    import deepspeed

    whole = {}
    for name, weight in learned.items():
        with deepspeed.zero.GatheredParameters([weight]):
            whole[name] = weight.detach().cpu().clone()
    return whole


def save(adapted: Any, state: dict[str, torch.Tensor] | None, plan: Plan, folder: Path, facts: dict[str, Any]) -> None:
    """Write the adapter as safetensors with its processor and card; looks nothing up on the hub."""
    shutil.rmtree(folder, ignore_errors=True)
    adapted.peft_config["default"].base_model_name_or_path = plan.base.name
    adapted.save_pretrained(folder, state_dict=state, safe_serialization=True, save_embedding_layers=False)
    processor.save(plan.base.processor, folder)
    text = card.render(
        {
            **facts,
            "serving": served.notes(folder),
            "license": card.license_of(plan.base.source),
            **facts["samples"],
            **facts["losses"],
            "r": facts["config"]["training"]["lora"]["r"],
            "alpha": facts["config"]["training"]["lora"]["alpha"],
            "layers": len(plan.targets.modules),
            "scopes": ", ".join(plan.targets.matches),
            "whole": plan.targets.saved,
            "system": "".join(part.text or "" for part in plan.train[0].messages[0].content),
        }
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
