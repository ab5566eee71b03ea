"""The size of screenshots as a user asks for it: an area, a long side, or both (`docs/resolution.md`)."""

from pipeline.exceptions import ConfigError
from pipeline.layouts import Layout

IMAGE_TOKENS = 1280
"""Tokens of a screenshot at most, unless the user says otherwise."""


def largest_area(layout: Layout, max_pixels: int | None, max_dim: int | None) -> int:
    """Return the area in pixels that no screenshot exceeds, which is what the model's processor is told.

    Without `max_pixels` it is that of a square with the long side `max_dim`, or 1280 image tokens where that is not
    given either. Raises ConfigError for limits so narrow that not every common shape has a size that the processor
    leaves alone.
    """
    least = 2 * layout.min_pixels
    if max_pixels is not None and max_pixels < least:
        raise ConfigError("--max-pixels", f"found {max_pixels}, expected at least {least}")
    if max_pixels is not None and max_pixels > layout.max_pixels:
        message = f"found {max_pixels}, expected at most {layout.max_pixels}, the limit of the family itself"
        raise ConfigError("--max-pixels", message)
    if max_dim is None:
        return IMAGE_TOKENS * layout.factor**2 if max_pixels is None else max_pixels
    square = (max_dim // layout.factor * layout.factor) ** 2
    if square < least:
        shortest = next(n for n in range(1, least) if (n * layout.factor) ** 2 >= least) * layout.factor
        raise ConfigError("--max-dim", f"found {max_dim}, expected at least {shortest}")
    return min(square, layout.max_pixels if max_pixels is None else max_pixels)
