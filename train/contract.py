"""Refuse a model that contradicts the dataset: clicks computed for other pixels are the most silent of all errors."""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.exceptions import ContractError, InputError
from pipeline.manifest import Contract

from .tokens import ChatML


@dataclass(frozen=True, slots=True)
class Family:
    """What a model type was pre-trained to read."""

    name: str
    coordinates: Literal["grid", "resized_px"]


FAMILIES = {
    "qwen3_vl": Family("qwen3-vl", "grid"),
    "qwen2_5_vl": Family("qwen2.5-vl", "resized_px"),
}
"""By the `model_type` of a model's config."""


def check(source: str, model_config: Any, contract: Contract) -> None:
    """Raise InputError for an unknown kind of model, ContractError for one that contradicts the dataset."""
    family = FAMILIES.get(model_config.model_type)
    if family is None:
        message = f"found a {model_config.model_type} model, expected one of {', '.join(FAMILIES)}"
        raise InputError(source, message, "choose a Qwen3-VL or Qwen2.5-VL model")
    if family.name != contract.family:
        message = f"it is a {family.name} model, but the dataset was made for {contract.family} ({contract.layout})"
        raise ContractError(source, message, "choose a model of that family, or slice again with another --layout")
    if family.coordinates != contract.coordinates:
        message = f"it reads {_words(family.coordinates)}, but the dataset holds {_words(contract.coordinates)}"
        raise ContractError(source, message, "slice again with a layout of this model's family")
    vision = model_config.vision_config
    factor = int(vision.patch_size) * int(vision.spatial_merge_size)
    if factor != contract.factor:
        message = f"its pictures are multiples of {factor} pixels, the dataset's of {contract.factor}"
        raise ContractError(source, message, "slice again with a layout of this model's family")


def check_tokens(source: str, model_config: Any, tokenizer: Any) -> None:
    """Raise ContractError where the tokenizer lacks ChatML's control tokens, or calls a picture by another id."""
    pad = ChatML.of(tokenizer, source).image_pad
    if pad != model_config.image_token_id:
        message = f"its tokenizer writes <|image_pad|> as {pad}, but its config.json says {model_config.image_token_id}"
        raise ContractError(source, message, "use the tokenizer that belongs to the model")


def _words(coordinates: str) -> str:
    return "coordinates on a grid" if coordinates == "grid" else "coordinates in pixels of the resized picture"
