"""The adapter's folder: weights as safetensors, the processor they belong to, the model card."""

import shutil
from pathlib import Path
from typing import Any

from . import card, processor
from .plan import Plan


def save(adapted: Any, plan: Plan, folder: Path, facts: dict[str, Any]) -> None:
    """Write the adapter as safetensors with its processor and card; looks nothing up on the hub."""
    shutil.rmtree(folder, ignore_errors=True)
    adapted.peft_config["default"].base_model_name_or_path = plan.base.name
    adapted.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    processor.save(plan.base.processor, folder)
    text = card.render(
        {
            **facts,
            **facts["samples"],
            **facts["losses"],
            "r": facts["config"]["training"]["lora"]["r"],
            "alpha": facts["config"]["training"]["lora"]["alpha"],
            "layers": len(plan.targets.modules),
            "system": "".join(part.text or "" for part in plan.train[0].messages[0].content),
        }
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
