"""Where checks draw the line; `gdp validate --thresholds FILE` sets single values."""

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Thresholds(Struct, frozen=True, forbid_unknown_fields=True):
    """Each value is what is still fine."""

    border_px: Annotated[float, Meta(ge=0)] = 2.0
    """Distance of a click from the border of its target, in pixels of the stored screenshot …"""
    border_share: Share = 0.04
    """… unless it is this share of the target's extent."""
    thought_words_min: Count = 4
    """Words of a thought; a Chinese character counts as one."""
    thought_words_max: Count = 400
    thought_repeats: Count = 3
    """Steps that may have the same thought."""
