"""The family's processor, pictures only: `AutoProcessor` of Qwen3-VL refuses to load without torchvision.

Its video half is what needs torchvision, and GUI trajectories hold no video. torchvision is no dependency on purpose:
unpinned it replaces the installed torch, and its CUDA build breaks every import of `AutoProcessor` on a CPU machine.
"""

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import Qwen2_5_VLProcessor, Qwen3VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

from pipeline.exceptions import ContractError, InputError
from pipeline.records import ImageRef
from pipeline.storage.manifest import Contract

from .tokenizer import TEMPLATE


class ImageOnlyQwen3VLProcessor(Qwen3VLProcessor):  # type: ignore[misc]
    """Qwen3-VL's processor without its video half; transformers reads what a processor holds off this signature."""

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **_: Any) -> None:
        super().__init__(image_processor, tokenizer, video_processor=None, chat_template=chat_template)


class ImageOnlyQwen25VLProcessor(Qwen2_5_VLProcessor):  # type: ignore[misc]
    """Qwen2.5-VL's processor without its video half."""

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **_: Any) -> None:
        super().__init__(image_processor, tokenizer, video_processor=None, chat_template=chat_template)


def of_model(source: str, config: Any, contract: Contract) -> Any:
    """Return the processor of a model folder or hub id; that of a family of ours has the dataset's pixel budget.

    Raises InputError where the folder has none, ContractError where the budget is beyond the processor's own.
    """
    ours = PROCESSORS.get(config.model_type)
    _check_tokenizer(source)
    try:
        processor = (ours or _any(config)).from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # the library's readers stumble on damaged files in all ways
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        message = f"cannot load its processor ({reason}), expected preprocessor and tokenizer files"
        raise InputError(source, message, "choose a complete model folder") from error
    if ours is None:
        processor.tokenizer.padding_side = "right"
        return processor
    if processor.chat_template is None:
        processor.chat_template = processor.tokenizer.chat_template or TEMPLATE
    _check_budget(source, processor, contract)
    set_budget(processor, contract)
    return processor


def _check_tokenizer(source: str) -> None:
    """Raise InputError for a folder without a vocabulary: transformers makes an empty tokenizer of that."""
    folder = Path(source)
    if folder.is_dir() and not any((folder / name).is_file() for name in VOCABULARIES):
        message = f"found no tokenizer ({', '.join(VOCABULARIES)}), expected one of these files"
        raise InputError(source, message, "choose a complete model folder")


VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
"""Files of which a tokenizer has one at least."""


def _any(config: Any) -> Any:
    """Return the processor class of any family, without its video half if it has one: that needs torchvision."""
    from transformers import AutoProcessor
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    found = PROCESSOR_MAPPING.get(type(config), None)
    return AutoProcessor if found is None or VIDEO not in found.get_attributes() else _pictures_only(found)


def _pictures_only(family: Any) -> Any:
    """Return a subclass that neither loads nor expects the video half."""

    def get_attributes(_: Any) -> list[str]:
        return [name for name in family.get_attributes() if name != VIDEO]

    return type(family.__name__, (family,), {"get_attributes": classmethod(get_attributes)})


VIDEO, VIDEO_FILE = "video_processor", "video_preprocessor_config.json"
"""The part that needs torchvision, and its file."""


def _check_budget(source: str, processor: Any, contract: Contract) -> None:
    """Raise ContractError where the dataset's screenshots may be larger than the processor's own limit."""
    size = processor.image_processor.size
    most = size.get("longest_edge")
    if most is not None and contract.max_pixels > most:
        message = f"its processor takes {most} pixels a screenshot, but the dataset's have up to {contract.max_pixels}"
        hint = f"gdp slice TRAJECTORIES -o DATASET --layout {contract.layout} --max-pixels {most}"
        raise ContractError(source, message, hint)


def set_budget(processor: Any, contract: Contract) -> None:
    """Give the processor the dataset's pixel budget, so that training and inference see screenshots at one size."""
    processor.image_processor.size = {"shortest_edge": contract.min_pixels, "longest_edge": contract.max_pixels}
    processor.tokenizer.padding_side = "right"


def image_processor(patch_size: int, merge_size: int, contract: Contract) -> Any:
    """Return a picture processor with Qwen3-VL's normalisation."""
    return Qwen2VLImageProcessorPil(
        patch_size=patch_size,
        merge_size=merge_size,
        temporal_patch_size=2,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        size={"shortest_edge": contract.min_pixels, "longest_edge": contract.max_pixels},
    )


def image_tokens(processor: Any, images: Iterable[ImageRef], contract: Contract) -> list[int]:
    """Return the number of tokens of each stored screenshot.

    Raises ContractError where the processor would resize one: then coordinates in the text were computed for another
    picture than the one that the model sees.
    """
    pictures = processor.image_processor
    factor = pictures.patch_size * pictures.merge_size
    counts = []
    for ref in images:
        height, width = smart_resize(ref.height, ref.width, factor, contract.min_pixels, contract.max_pixels)
        if (width, height) != (ref.width, ref.height):
            message = f"stored as {ref.width}x{ref.height} pixels, but the model would resize it to {width}x{height}"
            hint = "slice the trajectories again with the layout of this model's family"
            raise ContractError(f"image {ref.sha256[:12]} (shard {ref.shard}, row {ref.row})", message, hint)
        counts.append((ref.width // factor) * (ref.height // factor))
    return counts


def save(processor: Any, folder: Path) -> None:
    """Write the processor so that `AutoProcessor` of a machine with torchvision loads it as the family's own.

    Our class name means nothing elsewhere, and `AutoProcessor` answers an unknown name with a bare tokenizer. The
    video half that it insists on gets the picture half's numbers.
    """
    processor.save_pretrained(folder)
    if type(processor) not in PROCESSORS.values():
        if kind := _video_half(type(processor)):
            (folder / VIDEO_FILE).write_text(_pretty({"video_processor_type": kind}), encoding="utf-8")
        return
    family = type(processor).__bases__[0].__name__
    for name in ("processor_config.json", "tokenizer_config.json"):
        _edit(folder / name, {"processor_class": family})
    pictures = processor.image_processor.to_dict()
    pictures.pop("image_processor_type", None)
    video = {**pictures, "video_processor_type": VIDEO_PROCESSORS[family], "processor_class": family}
    (folder / VIDEO_FILE).write_text(_pretty(video), encoding="utf-8")


def _video_half(kind: Any) -> str | None:
    """Return the name of the video half that a class of ours goes without, None where there is none.

    It stands beside the family's processor, and importing it would need torchvision; its own numbers are its defaults.
    """
    family = kind.__bases__[0]
    home = family.__module__.replace(".processing_", ".video_processing_")
    if VIDEO in kind.get_attributes() or VIDEO not in getattr(family, "get_attributes", list)():
        return None
    known = importlib.util.find_spec(home) is not None
    return str(family.__name__.replace("Processor", "VideoProcessor")) if known else None


def _edit(path: Path, changes: dict[str, Any]) -> None:
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(_pretty({**document, **changes}), encoding="utf-8")


def _pretty(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


PROCESSORS: dict[str, Any] = {
    "qwen3_vl": ImageOnlyQwen3VLProcessor,
    "qwen3_vl_moe": ImageOnlyQwen3VLProcessor,
    "qwen2_5_vl": ImageOnlyQwen25VLProcessor,
}
"""By the model's own `model_type`; a further family is a further class."""

VIDEO_PROCESSORS = {"Qwen3VLProcessor": "Qwen3VLVideoProcessor", "Qwen2_5_VLProcessor": "Qwen2VLVideoProcessor"}
