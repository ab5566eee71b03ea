"""Where checks draw the line; `gdp validate --thresholds FILE` sets single values."""

from typing import Annotated, get_type_hints

import msgspec
from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
TAKES = {Count: "a whole number, 0 or more", Amount: "a number, 0 or more", Share: "a number from 0 to 1"}


class Thresholds(Struct, frozen=True, forbid_unknown_fields=True):
    """Each value is what is still fine; `MEANINGS` says of what."""

    border_px: Amount = 2.0
    border_share: Share = 0.04
    thought_words_min: Count = 4
    thought_words_max: Count = 400
    thought_repeats: Count = 3
    sentence_share: Share = 0.1
    steps_without_change: Count = 4
    aspect_off: Amount = 0.02
    action_share: Share = 0.9
    app_share: Share = 0.9
    correction_share: Share = 0.3


MEANINGS = {
    "border_px": ("border", "distance of a click from the border of its target, in pixels of the stored screenshot"),
    "border_share": ("border", "or this share of the target's extent, if that is less"),
    "thought_words_min": ("thought_length", "fewest words of a thought; a Chinese character counts as one"),
    "thought_words_max": ("thought_length", "most words of a thought"),
    "thought_repeats": ("thought_repeated", "steps that may have the same thought"),
    "sentence_share": ("sentence_repeated", "share of all decisions that may say the same sentence; "
                                            "those under 0.05 are never counted"),
    "steps_without_change": ("no_progress", "actions in a row that may leave the screenshot as it was, "
                                            "0 for any number"),
    "aspect_off": ("aspect", "how far, relatively, a recorded screenshot's shape may be from the device's"),
    "action_share": ("action_balance", "share of the decisions that may be of one type"),
    "app_share": ("app_balance", "share of the screens that may be of one app"),
    "correction_share": ("correction_share", "share of error-correction samples; beyond it agents start to correct "
                                             "what is right"),
}  # fmt: skip
"""By key the check that asks it, and what it is."""


def takes(key: str) -> str:
    """Return what values a threshold takes, in words."""
    return TAKES[get_type_hints(Thresholds, include_extras=True)[key]]


def wrong(values: dict[str, object]) -> str | None:
    """Return which of the values of known keys is none, as `found …, expected …`; None if all are right."""
    kinds = get_type_hints(Thresholds, include_extras=True)
    for key, value in values.items():
        try:
            msgspec.convert(value, type=kinds[key])
        except msgspec.ValidationError:
            return f"found {key}: {msgspec.json.encode(value).decode()}, expected {takes(key)}"
    return None
