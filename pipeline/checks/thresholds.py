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
    sentence_share: Share = 0.1
    """Share of all decisions that may say the same sentence; those under 0.05 are never counted."""
    steps_without_change: Count = 4
    """Actions in a row that may leave the screenshot as it was, 0 for any number."""
    aspect_off: Annotated[float, Meta(ge=0)] = 0.02
    """How far, relatively, a recorded screenshot's shape may be from the device's."""
    action_share: Share = 0.9
    """Share of the decisions that may be of one type."""
    app_share: Share = 0.9
    """Share of the screens that may be of one app."""
    correction_share: Share = 0.3
    """Share of error-correction samples; beyond it agents start to correct what is right."""
