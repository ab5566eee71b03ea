"""Refuse a model that contradicts the dataset: clicks computed for other pixels are the most silent of all errors."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.exceptions import ContractError, InputError
from pipeline.layouts import LAYOUTS
from pipeline.records import ImageRef
from pipeline.storage.manifest import Contract

from .frame import Frame
from .template import Template


@dataclass(frozen=True, slots=True)
class Family:
    """What a model type was pre-trained to read."""

    name: str
    coordinates: Literal["grid", "resized_px"]


FAMILIES = {
    "qwen3_vl": Family("qwen3-vl", "grid"),
    "qwen3_vl_moe": Family("qwen3-vl", "grid"),
    "qwen2_5_vl": Family("qwen2.5-vl", "resized_px"),
}
"""By the `model_type` of a model's config; every other family speaks through its own processor (`template.py`)."""


def check(source: str, model_config: Any, contract: Contract) -> None:
    """Raise InputError for what is no vision-language model, ContractError for one that contradicts the dataset."""
    family = FAMILIES.get(model_config.model_type)
    if family is None:
        _check_other(source, model_config, contract)
        return
    first, *others = (layout.name for layout in LAYOUTS.values() if layout.family == family.name)
    again = f"gdp slice TRAJECTORIES -o DATASET --layout {first} (or {', '.join(others)})"
    if family.name != contract.family:
        message = f"it is a {family.name} model, but the dataset was made for {contract.family} ({contract.layout})"
        raise ContractError(source, message, f"choose a model of that family, or slice again: {again}")
    if family.coordinates != contract.coordinates:
        message = f"it reads {_words(family.coordinates)}, but the dataset holds {_words(contract.coordinates)}"
        raise ContractError(source, message, f"slice again: {again}")
    if contract.layout in LAYOUTS and contract.scale != LAYOUTS[contract.layout].scale:
        message = f"its grid ends at {LAYOUTS[contract.layout].scale}, that of the dataset at {contract.scale}"
        raise ContractError(source, message, f"slice again: {again}")
    vision = model_config.vision_config
    factor = int(vision.patch_size) * int(vision.spatial_merge_size)
    if factor != contract.factor:
        message = f"its pictures are multiples of {factor} pixels, the dataset's of {contract.factor}"
        raise ContractError(source, message, f"slice again: {again}")


def _check_other(source: str, model_config: Any, contract: Contract) -> None:
    """Raise unless it is a vision-language model, and the dataset one that any of them can read."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    kind = model_config.model_type
    if kind not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        message = f"found a {kind} model, expected one that reads images and text"
        raise InputError(source, message, f"choose one of {', '.join(FAMILIES)}, or another vision-language model")
    if contract.coordinates != "grid":
        message = (
            f"it is a {kind} model, whose processor sizes screenshots itself, but the dataset holds"
            f" {_words(contract.coordinates)} as {contract.family} sizes it ({contract.layout})"
        )
        raise ContractError(source, message, "slice again: gdp slice TRAJECTORIES -o DATASET --layout qwen3-vl")


def notes(source: str, model_config: Any, frame: Template, images: Iterable[ImageRef]) -> list[str]:
    """Return what to say of a model that none of our layouts was made for: how its processor sizes the screenshots.

    Raises ContractError where it cuts parts of them away: points there would be of something that it never sees.
    """
    sizes = Counter((ref.width, ref.height) for ref in images).most_common()
    for size, _ in sizes:
        if side := frame.sight.cuts(*size):
            message = f"its processor cuts the {side} edge of a screenshot of {size[0]}x{size[1]} away"
            hint = "set do_center_crop to false, or do_pad to true, in its preprocessor_config.json"
            raise ContractError(source, f"{message}, expected all of it", hint)
    shown = "; ".join(
        f"{width}x{height} becomes {frame.sight.sized(width, height)}" for (width, height), _ in sizes[:SHOWN]
    )
    more = f"; and {len(sizes) - SHOWN} sizes more" if len(sizes) > SHOWN else ""
    kind = model_config.model_type
    said = [f"NO LAYOUT WAS MADE FOR {kind}: its own processor sizes the screenshots, and its chat template frames the"
            " turns; serve it with both"]  # fmt: skip
    return [*said, f"screenshots: {shown}{more}"] if sizes else said


SHOWN = 3
"""Sizes of screenshots that are listed."""


def check_tokens(source: str, model_config: Any, frame: Frame) -> None:
    """Raise ContractError where processor and model call a picture by different ids."""
    expected = getattr(model_config, "image_token_id", None)
    if expected is not None and frame.image_pad != expected:
        token = frame.tokenizer.convert_ids_to_tokens(frame.image_pad)
        message = f"its tokenizer writes {token} as {frame.image_pad}, but its config.json says {expected}"
        raise ContractError(source, message, "use the tokenizer that belongs to the model")


def _words(coordinates: str) -> str:
    return "coordinates on a grid" if coordinates == "grid" else "coordinates in pixels of the resized picture"
