"""The adapter's folder: weights as safetensors, the processor they belong to, the model card."""

import shutil
from pathlib import Path
from typing import Any

import torch

from pipeline.exceptions import StageError
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


def put_on(model: Any, folder: Path) -> Any:
    """Return the model with a saved adapter, in evaluation mode; raises StageError where it is none for this model.

    peft only warns of weights that the file lacks, and would go on without them.
    """
    import peft
    from safetensors.torch import load_file

    try:
        with_adapter = peft.PeftModel.from_pretrained(model, str(folder)).eval()
        saved = load_file(folder / FILE)
    except Exception as error:  # peft stumbles on damaged files in all ways
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        expected = f"expected one for {model.config._name_or_path}"
        raise StageError(str(folder), f"cannot load the adapter ({reason}), {expected}") from error
    if lacking := sorted(peft.get_peft_model_state_dict(with_adapter, save_embedding_layers=False).keys() - saved):
        message = f"found no {lacking[0]} in {FILE}, expected a weight for each adapted layer"
        raise StageError(str(folder), message, "train again, or take the file from where the run was made")
    if broken := sorted(name for name, weight in saved.items() if not weight.isfinite().all()):
        raise StageError(str(folder), f"found a weight that is no number in {broken[0]}, expected numbers")
    return with_adapter


FILE = "adapter_model.safetensors"


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
            "license": card.licensed(facts["config"]["training"].get("license"), plan.base.source),
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
