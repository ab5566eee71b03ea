"""Which part of a vision-language model a module belongs to, read off its full name.

Families call their parts differently: Qwen-VL and GLM-V `visual` with a `merger` inside, LLaVA, InternVL and Gemma 3
`vision_tower` and `multi_modal_projector`, Idefics 3 and SmolVLM `vision_model`, `connector` and `text_model`.
"""

from typing import Literal

Part = Literal["language", "projector", "vision", "rest"]

PROJECTOR = ("multi_modal_projector", "merger", "deepstack_merger_list", "connector", "aligner", "mm_projector")
VISION = ("visual", "vision_tower", "vision_model", "vision_encoder")
LANGUAGE = ("language_model", "text_model")

TITLES: dict[Part, str] = {
    "language": "the language model",
    "projector": "the projector",
    "vision": "the vision tower",
    "rest": "the rest",
}


def part_of(name: str) -> Part:
    """Return the part of a module or parameter; embeddings, norms outside of layers and the head are `rest`.

    >>> part_of("model.visual.merger.linear_fc1"), part_of("model.visual.blocks.0.attn.qkv"), part_of("lm_head")
    ('projector', 'vision', 'rest')
    """
    names = name.split(".")
    if not set(PROJECTOR).isdisjoint(names):
        return "projector"
    if not set(VISION).isdisjoint(names):
        return "vision"
    return "language" if not set(LANGUAGE).isdisjoint(names) and "layers" in names else "rest"
