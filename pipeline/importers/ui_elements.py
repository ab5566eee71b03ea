"""AndroidWorld's UI elements: our elements, the places that actions name by index, the frame that was painted.

Facts: google-research/android_world `env/representation_utils.py`, `env/actuation.py` (an element is hit in the middle
of `bbox_pixels`, rounded down), `agents/m3a_utils.py` (`add_ui_element_mark`: a green rectangle, two pixels wide).
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.actions import Box, Point
from pipeline.records import Element

from .coordinates import Size, corners, point, px, screen_size
from .pickle_values import Record
from .pyautogui_actions import UnreadableError
from .refusal import Refused

OFF_SCREEN = "element off the screen left out"
GREEN = (0, 255, 0)
PAINTED = 0.9
"""Share of the frame's pixels that must be green."""


class Screen:
    """The elements of one screenshot of the given size; coordinates are pixels of the logical screen."""

    def __init__(self, listed: Sequence[Any], picture: Size) -> None:
        records = [_record(each) for each in listed]
        self.picture = picture
        self.notes: Counter[str] = Counter()
        self._records = records
        logical = _logical_size(records)
        if logical is not None and logical != picture and logical == picture[::-1]:
            raise Refused("size_mismatch", f"a screen turned to {logical[0]}x{logical[1]}",
                          f"the screenshot's {picture[0]}x{picture[1]}")  # fmt: skip
        self.frame = px(screen_size(logical, picture))

    def elements(self) -> tuple[Element, ...]:
        """Return what is visible."""
        found = []
        for record in self._records:
            if record is None or record.get("is_visible") is False:
                continue
            box = self._box(record)
            if box is None or box[0] >= box[2] or box[1] >= box[3]:
                self.notes[OFF_SCREEN] += 1
                continue
            found.append(_element(record, box))
        return tuple(found)

    def target(self, index: int) -> tuple[Point, Box | None]:
        """Return where an element is hit, and its box; raises UnreadableError where there is none."""
        four = self._pixels(index)
        if four is None:
            raise UnreadableError(f"found the index {index}, expected one of {len(self._records)} elements with a box")
        x1, y1, x2, y2 = four
        middle = point(self.frame, (int((x1 + x2) / 2), int((y1 + y2) / 2)))
        return middle, corners(self.frame, four)

    def is_framed(self, index: int, pixels: bytes, channels: int) -> bool:
        """Tell whether the element's frame is painted into the pixels (row by row)."""
        four = self._pixels(index)
        if four is None:
            return False
        width, height = self.picture
        size = self.frame.size or self.picture
        across, down = width / size[0], height / size[1]
        x1, x2 = (min(max(int(x * across), 0), width - 1) for x in (four[0], four[2]))
        y1, y2 = (min(max(int(y * down), 0), height - 1) for y in (four[1], four[3]))
        rim = [(x, y) for x in range(x1, x2 + 1) for y in {y1, y2}] + [
            (x, y) for y in range(y1, y2 + 1) for x in {x1, x2}
        ]
        starts = ((y * width + x) * channels for x, y in rim)
        green = sum(tuple(pixels[at : at + 3]) == GREEN for at in starts)
        return len(rim) > 1 and green >= PAINTED * len(rim)

    def _pixels(self, index: int) -> tuple[float, float, float, float] | None:
        if not 0 <= index < len(self._records):
            return None
        record = self._records[index]
        return None if record is None else _four(record.get("bbox_pixels"))

    def _box(self, record: dict[str, Any]) -> Box | None:
        four = _four(record.get("bbox_pixels"))
        return None if four is None else corners(self.frame, four)


def _record(value: Any) -> dict[str, Any] | None:
    """Return the fields of an element, which SeeAct wraps."""
    if isinstance(value, Record) and value.name == "SeeActElement":
        value = value.fields.get("ui_element")
    return value.fields if isinstance(value, Record) and value.name == "UIElement" else None


def _four(value: Any) -> tuple[float, float, float, float] | None:
    """Return x1, y1, x2, y2 of a bounding box of finite numbers."""
    if not isinstance(value, Record) or value.name != "BoundingBox":
        return None
    numbers = [value.fields.get(name) for name in ("x_min", "y_min", "x_max", "y_max")]
    plain = [float(n) for n in numbers if isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < 1e6]
    return (plain[0], plain[1], plain[2], plain[3]) if len(plain) == 4 and all(map(math.isfinite, plain)) else None


def _logical_size(records: Sequence[dict[str, Any] | None]) -> Size | None:
    """Return the size that the pixels count in: the ratio of an element's box in pixels to the one in fractions."""
    for record in records:
        exact, share = (_four((record or {}).get(name)) for name in ("bbox_pixels", "bbox"))
        if exact is not None and share is not None and share[2] > 0 and share[3] > 0:
            return round(exact[2] / share[2]), round(exact[3] / share[3])
    return None


def _element(record: dict[str, Any], box: Box) -> Element:
    def flag(name: str) -> bool | None:
        value = record.get(name)
        return value if isinstance(value, bool) else None

    texts = (record.get(name) for name in ("text", "content_description", "hint_text"))
    role = record.get("class_name")
    return Element(
        bbox=box,
        text=next((text for text in texts if isinstance(text, str) and text), None),
        role=role if isinstance(role, str) else None,
        source="a11y",
        clickable=flag("is_clickable"),
        long_clickable=flag("is_long_clickable"),
        enabled=flag("is_enabled"),
        editable=flag("is_editable"),
        focused=flag("is_focused"),
        checked=flag("is_checked") if flag("is_checkable") else None,
    )
