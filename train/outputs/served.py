"""Who can load the saved adapter: the names of its tensors, as PEFT writes them and servers read them."""

import re
from pathlib import Path

from pipeline.exceptions import StageError

PEFT = r"base_model\.model\..+"
"""PEFT's prefix before the module's name in the base model; a name without it is loaded by nobody."""

MATRIX = r"base_model\.model\.(.+)\.lora_[AB]\.weight"
"""vLLM's `parse_fine_tuned_lora_name` raises for a tensor of another kind: DoRA's lengths, modules trained whole."""

LANGUAGE = r"model\.language_model\.layers\.\d+\.(self_attn|mlp)\.\w+"
"""The layers that vLLM maps in Qwen2.5-VL and Qwen3-VL (`hf_to_vllm_mapper`). Before 0.14 it left those of the vision
tower out and served the base's without an error (vllm-project/vllm#32541)."""


def notes(adapter: Path) -> list[str]:
    """Return what a server may not take of the adapter in the folder, nothing where vLLM loads it as it is.

    Raises StageError for a tensor that PEFT would not find a module for.
    """
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", "pt") as file:
        names = sorted(file.keys())
    for name in names:
        if not re.fullmatch(PEFT, name):
            raise StageError(str(adapter), f"found a tensor {name}, expected base_model.model.… as PEFT loads it")
    modules = {name: match[1] if (match := re.fullmatch(MATRIX, name)) else None for name in names}
    others = [name for name, module in modules.items() if module is None]
    outside = [module for module in modules.values() if module is not None and not re.fullmatch(LANGUAGE, module)]
    found = []
    if others:
        found.append(f"vLLM refuses it for {len(others)} tensors that are no LoRA matrices ({others[0]}); merge it")
    if outside:
        first = f"{len(set(outside))} layers outside of the language model ({outside[0]})"
        found.append(f"vLLM before 0.14 leaves out {first} without an error; merge it")
    return found
