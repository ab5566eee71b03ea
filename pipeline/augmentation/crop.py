"""Cut single screenshots down to a part that keeps what matters: `--crop`, for grounding.

Only samples in which the model sees one screenshot and reads no other coordinates. The cut keeps the target, every
point of the action and every element that the thought names whole, has a size that the model's processor leaves alone,
and is never resized, flipped or padded. Words that place things ("at the top") forbid it.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from pipeline import seeds
from pipeline.actions import Action, Box, Click, Drag, LongPress, Swipe, mapped, points
from pipeline.engines.pillow import encode
from pipeline.layouts import Layout
from pipeline.records import Element, ImageRef, Sample
from pipeline.screens.fingerprint import fingerprint
from pipeline.screens.geometry import fits
from pipeline.screens.images import decode
from pipeline.slicing.compose import Setting, TooLong, with_turns
from pipeline.storage.manifest import Contract
from pipeline.storage.tables import Row, to_json

from .cut import CROP, SUFFIX, Cut
from .safe_zone import Unmovable

SHORTEST_SIDE = 0.5
"""Share of a side that stays at least."""
MARGIN_PX = 4
"""Pixels around all that is kept."""
BLOCK = 8
"""Offsets are multiples of it where that is possible: blocks of a JPEG that is cut there stay what they are."""
TRIES = 8

_PLACES = re.compile(
    r"\b(?:top|bottom|left|right|corner|upper|lower|above|below|under|over|middle|cent(?:er|re)|edge|side|beside|"
    r"next to|"
    r"first|second|third|fourth|fifth|last|row|column|whole (?:screen|page))\b"
    r"|上方|上面|上角|上边|下方|下面|下角|下边|左|右|顶部|底部|中间|中央|旁边|边缘|角落|第[一二三四五六七八九十\d]|最后|最上|最下",
    re.IGNORECASE,
)


def plan_cut(sample: Sample, elements: Sequence[Element], contract: Contract, seed: int) -> Cut | Unmovable | None:
    """Return the part of the screenshot that is to be shown, why there is none, or None for samples of another kind."""
    action = sample.turns[-1].actions[0]
    answers = sum(message.role == "assistant" for message in sample.messages)
    if len(sample.images) != 1 or answers != 1 or sample.turns[-1].image is None or len(sample.turns[-1].actions) != 1:
        return None
    if not isinstance(action, Click | LongPress | Drag | Swipe) or not points(action):
        return None
    if sample.target.bbox is None and isinstance(action, Click | LongPress):
        return Unmovable("target_unclear")
    if isinstance(action, Swipe) and (action.distance is not None or action.end is None):
        return Unmovable("relative_gesture")
    words = f"{sample.turns[-1].thought or ''} {sample.turns[-1].instruction or ''}"
    if _PLACES.search(f"{words} {sample.goal}"):
        return Unmovable("place_words")
    size = (sample.images[0].width, sample.images[0].height)
    kept = _union([*_kept(sample, elements, words)], size)
    for attempt in range(TRIES):
        cut = _draw(kept, size, contract, seed, "crop", sample.sample_id, attempt)
        if cut is not None:
            return cut
    return Unmovable("no_room")


def cut_picture(data: bytes, cut: Cut, image: ImageRef, form: str, quality: int) -> Row:
    """Return the row of `images/` for the part; decodes the screenshot."""
    box = (cut.left, cut.top, cut.left + cut.width, cut.top + cut.height)
    pixels = decode(data).crop(box).convert("RGBX")
    encoded = encode(pixels, form, quality)  # type: ignore[arg-type]  # one of the formats, as the manifest says
    seen = fingerprint(pixels)
    return {
        "sha256": hashlib.sha256(encoded).hexdigest(),
        "bytes": encoded,
        "width": cut.width,
        "height": cut.height,
        "format": form,
        "source_sha256": image.sha256,
        "source_width": image.width,
        "source_height": image.height,
        "phash": seen.phash,
        "tiles": seen.tiles,
    }


def cut_sample(sample: Sample, cut: Cut, image: ImageRef, layout: Layout, setting: Setting) -> Sample | TooLong:
    """Return the sample that shows the part, with every coordinate moved along."""
    turn = sample.turns[-1]
    actions: tuple[Action, ...] = tuple(mapped(action, cut.point, cut.box) for action in turn.actions)
    turns = (*sample.turns[:-1], replace(turn, actions=actions, size=(cut.width, cut.height)))
    box = sample.target.bbox
    target = replace(sample.target, bbox=None if box is None else cut.box(box))
    place = to_json([cut.left, cut.top, cut.width, cut.height])
    part = replace(
        sample,
        sample_id=f"{sample.sample_id}{SUFFIX}",
        images=(image,),
        image_tokens=cut.width * cut.height // setting.contract.factor**2,
        target=target,
        provenance={**sample.provenance, CROP: place},
    )
    return with_turns(layout, setting, part, turns)


def _kept(sample: Sample, elements: Sequence[Element], words: str) -> Iterator[Box]:
    """Yield the boxes that must stay whole."""
    if sample.target.bbox is not None:
        yield sample.target.bbox
    for x, y in points(sample.turns[-1].actions[0]):
        yield (x, y, x, y)
    said = _squeezed(words)
    for element in elements:
        name = _squeezed(element.text or "")
        if len(name) > 1 and name in said:
            yield element.bbox


def _union(boxes: Sequence[Box], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the pixels that hold all boxes and a margin."""
    width, height = size
    return (
        max(math.floor(min(box[0] for box in boxes) * width) - MARGIN_PX, 0),
        max(math.floor(min(box[1] for box in boxes) * height) - MARGIN_PX, 0),
        min(math.ceil(max(box[2] for box in boxes) * width) + MARGIN_PX, width),
        min(math.ceil(max(box[3] for box in boxes) * height) + MARGIN_PX, height),
    )


def _draw(kept: tuple[int, int, int, int], size: tuple[int, int], contract: Contract, *draw: object) -> Cut | None:
    """Return a part that holds what is kept, None if it is all of the screenshot or no size for the processor."""
    sides, starts = [], []
    for axis in (0, 1):
        whole, low, high = size[axis], kept[axis], kept[axis + 2]
        wanted = whole * (SHORTEST_SIDE + (1 - SHORTEST_SIDE) * seeds.uniform(*draw, "side", axis))
        side = contract.factor * math.ceil(max(wanted, high - low) / contract.factor)
        if side > whole:
            return None
        first, last = max(high - side, 0), min(low, whole - side)
        aligned = range(-(-first // BLOCK) * BLOCK, last + 1, BLOCK)
        starts.append(seeds.pick(aligned or range(first, last + 1), *draw, "start", axis))
        sides.append(side)
    limits = {"factor": contract.factor, "min_pixels": contract.min_pixels, "max_pixels": contract.max_pixels}
    if (sides[0], sides[1]) == size or not fits((sides[0], sides[1]), **limits):
        return None
    return Cut(starts[0], starts[1], sides[0], sides[1], size)


def _squeezed(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
