"""What a family's own processor makes of a screenshot: which tokens, which pixels, and whether it cuts some away."""

import math
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from pipeline.exceptions import ContractError

PER_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
"""What processors return beside what they make of pictures."""

PROBE = (448, 448)
"""A picture of which any processor makes something."""

STRIP = 16
"""A strip along an edge is one part in this many of the side."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A processor as it sees."""

    processor: Any
    pad: int
    """The token that stands for a piece of a picture."""
    types: tuple[str, ...]
    """What the model takes to tell tokens of pictures from others."""
    ids: frozenset[int]
    """The tokens that belong to pictures there."""
    expansions: dict[tuple[int, int], str] = field(default_factory=dict)

    @classmethod
    def of(cls, processor: Any, name: str) -> "Sight":
        """Return the sight of a processor; raises ContractError for one that writes no tokens for a picture."""
        shown = processor(text=[processor.image_token], images=[[Image.new("RGB", PROBE)]])
        ids = [int(token) for token in shown["input_ids"][0]]
        named = [int(token) for token in processor.image_token_ids if token in ids]
        if not named:
            raise ContractError(name, "its processor writes no token for a picture, expected at least one")
        types = tuple(key for key in PER_TOKEN[2:] if key in shown)
        return cls(processor, max(named, key=ids.count), types, frozenset(named))

    def expansion(self, width: int, height: int) -> str:
        """Return what the processor writes in place of a picture of that size."""
        size = (width, height)
        if size not in self.expansions:
            shown = self.processor(
                text=[self.processor.image_token],
                images=[[Image.new("RGB", size)]],
                return_text_replacement_offsets=True,
            )
            self.expansions[size] = shown["text_replacement_offsets"][0][0]["replacement"]
        return self.expansions[size]

    def tokens(self, width: int, height: int) -> int:
        """Return how many tokens stand for the pieces of a picture of that size."""
        pad: str = self.processor.tokenizer.convert_ids_to_tokens(self.pad)
        return self.expansion(width, height).count(pad)

    def sized(self, width: int, height: int) -> str:
        """Return in words what the processor makes of a picture of that size, and how many tokens that is."""
        made = self._pixels(Image.new("RGB", (width, height)))
        shape = made["pixel_values"].shape
        tiles, (rows, columns) = math.prod(shape[:-3]), shape[-2:]
        if "image_grid_thw" in made:
            patch = self.processor.image_processor.patch_size
            tiles, rows, columns = 1, *(int(side) * patch for side in made["image_grid_thw"][0][1:])
        count = self.tokens(width, height)
        return f"{f'{tiles} x ' if tiles > 1 else ''}{columns}x{rows} ({count} tokens)"

    def cuts(self, width: int, height: int) -> str | None:
        """Return which edge of a picture of that size the processor cuts away: changing it changes nothing."""
        plain = self._pixels(Image.new("RGB", (width, height)))["pixel_values"]
        across, down = max(1, width // STRIP), max(1, height // STRIP)
        edges = {
            "left": (0, 0, across, height),
            "right": (width - across, 0, width, height),
            "top": (0, 0, width, down),
            "bottom": (0, height - down, width, height),
        }
        for name, box in edges.items():
            picture = Image.new("RGB", (width, height))
            picture.paste((255, 255, 255), box)
            if (self._pixels(picture)["pixel_values"] == plain).all():
                return name
        return None

    def _pixels(self, picture: Image.Image) -> Any:
        return self.processor(text=[self.processor.image_token], images=[[picture]], return_tensors="np")
