"""When two screens are the same, and when they show the same state of an app.

The same screen is for two screenshots of one recording: equal pixels outside what changes on its own. Equal states are
for screens of different recordings: the same app, activity and address, then either equal pixels outside what changes
on its own, or the same elements (text, role, box on an 8-pixel grid, checked, focused, enabled) on pictures that look
alike. A perceptual hash alone decides nothing: it gives 0 for two pages that differ in one digit.
"""

import hashlib
from functools import lru_cache

import msgspec
import numpy as np
from msgspec import Struct

from pipeline.actions import Box
from pipeline.records import Observation

from .fingerprint import Fingerprint, distance, outside, same_outside

GRID_PX = 8
"""Boxes are compared on this grid: text that is laid out again may move by a pixel."""
PHASH_BITS = 12
"""Of 256: pictures that differ in more do not look alike."""
STATUS_BAR_DP = {"android": 24.0, "ios": 44.0}
"""Height of the bar at the top with clock, battery and network, which changes on its own."""
CLOCKS = frozenset({"analogclock", "chronometer", "marquee", "textclock", "timer"})
"""Roles of elements that change on their own."""
MAX_BLOCKS = 2
"""Of 64: where elements are equal, pictures that differ in more regions are not the same state after all."""
MOST_DYNAMIC = 0.5
"""Share of a screen: where more of it changes on its own, equal pixels beside that do not mean equal states."""
MAX_STATES = 1_000_000
"""States that are told apart; further ones are not known, and what needs them does not fire. About 0.5 GB."""

SIDE = 8
ODD = np.uint64(0x9E3779B97F4A7C15)

_json = msgspec.json.Encoder()


def rules() -> dict[str, object]:
    """Return the thresholds and masks, for the manifest."""
    return {
        "grid_px": GRID_PX,
        "phash_bits": PHASH_BITS,
        "differing_blocks": MAX_BLOCKS,
        "most_dynamic": MOST_DYNAMIC,
        "status_bar_dp": STATUS_BAR_DP,
        "clocks": sorted(CLOCKS),
    }


def mask(observation: Observation, platform: str | None, scale: float | None) -> tuple[Box, ...]:
    """Return the regions of a screen that change on their own: status bar, clocks, what the recording declares."""
    boxes = list(observation.dynamic or ())
    boxes += [element.bbox for element in observation.elements if short_role(element.role) in CLOCKS]
    if platform in STATUS_BAR_DP:
        size = observation.image
        pixels = STATUS_BAR_DP[platform] * (scale or min(size.width, size.height) / 360)
        boxes.append((0.0, 0.0, 1.0, min(pixels / size.height, 1.0)))
    return tuple(boxes)


@lru_cache(maxsize=4096)
def short_role(role: str | None) -> str:
    """Return the role without a package, in lower case: `android.widget.TextClock` is `textclock`."""
    return (role or "").rpartition(".")[2].casefold()


def identity(observation: Observation) -> tuple[object, ...] | None:
    """Return which page of which app it is, None if not even the app is known."""
    if observation.app is None:
        return None
    return (observation.app, observation.activity, observation.url, observation.keyboard, observation.overlay)


def tree(observation: Observation) -> list[tuple[object, ...]]:
    """Return the multiset of the elements, as a sorted list of what is compared of each."""
    width, height = observation.image.width / GRID_PX, observation.image.height / GRID_PX
    return sorted(
        (
            *(round(side * unit) for side, unit in zip(e.bbox, (width, height) * 2, strict=True)),
            e.text or "", e.role or "", e.checked is True, e.focused is True, e.enabled is not False,
        )
        for e in observation.elements
    )  # fmt: skip


def digest(*parts: object) -> bytes:
    """Return a short hash of parts that JSON can express."""
    return hashlib.blake2b(_json.encode(parts), digest_size=16).digest()


def is_tree(observation: Observation) -> bool:
    """Tell whether the elements are a page's own, all of them, and not what somebody found in its picture."""
    return bool(observation.elements) and all(
        element.source not in {"human", "ocr", "sam"} for element in observation.elements
    )


def same_screen(before: Fingerprint, after: Fingerprint, masks: tuple[Box, ...]) -> bool:
    """Tell whether two screenshots have equal pixels outside the masks."""
    return before.tiles == after.tiles or same_outside(before, after, masks)


class Look(Struct, frozen=True):
    """What is kept of a state's first picture, to compare others with it."""

    phash: bytes
    blocks: bytes
    """A byte for each of 8 x 8 regions, of the pixels outside the masks."""


def look_alike(one: Look, other: Look) -> bool:
    """Tell whether two pictures are similar enough for equal elements to mean equal states."""
    differing = sum(a != b for a, b in zip(one.blocks, other.blocks, strict=True))
    return differing <= MAX_BLOCKS and distance(one.phash, other.phash) <= PHASH_BITS


def mostly_hidden(observation: Observation, picture: Fingerprint) -> bool:
    """Tell whether more of the screen changes on its own than does not."""
    if not observation.dynamic:
        return False
    left = outside(picture, observation.dynamic)
    return bool(np.count_nonzero(left) < (1 - MOST_DYNAMIC) * left.size)


def visible(picture: Fingerprint, masks: tuple[Box, ...]) -> tuple[bytes, Look]:
    """Return a hash of the pixels outside the masks, and what is kept of them."""
    sums = outside(picture, masks)
    rows, columns = sums.shape
    marks = ((np.arange(rows) * SIDE // rows)[:, None], (np.arange(columns) * SIDE // columns)[None, :])
    blocks = np.zeros((SIDE, SIDE), np.uint64)
    np.add.at(blocks, marks, sums * (2 * np.arange(sums.size, dtype=np.uint64).reshape(sums.shape) + np.uint64(1)))
    look = Look(picture.phash, ((blocks * ODD) >> np.uint64(56)).astype(np.uint8).tobytes())
    return hashlib.blake2b(sums.tobytes(), digest_size=16).digest(), look


class States:
    """Numbers for states: equal screens get the same one."""

    def __init__(self) -> None:
        self._first: list[Look] = []
        self._by_tree: dict[bytes, list[int]] = {}
        self._by_pixels: dict[bytes, int] = {}
        self.counts = dict.fromkeys(
            ("app_unknown", "mostly_dynamic", "equal_pixels", "equal_elements", "new", "too_many"), 0
        )

    def __len__(self) -> int:
        return len(self._first)

    def place(self, observation: Observation, picture: Fingerprint, masks: tuple[Box, ...]) -> int:
        """Return the number of the screen's state, -1 if it cannot be told."""
        page = identity(observation)
        if page is None:
            return self._counted("app_unknown", -1)
        if mostly_hidden(observation, picture):
            if not is_tree(observation):
                return self._counted("mostly_dynamic", -1)
            page = (*page, tree(observation))  # too little is left for pixels to decide alone
        seen, look = visible(picture, masks)
        pixels = digest(page, seen, picture.width, picture.height)
        state = self._by_pixels.get(pixels)
        if state is not None:
            return self._counted("equal_pixels", state)
        elements = digest(page, tree(observation)) if is_tree(observation) else None
        alike = [] if elements is None else self._by_tree.setdefault(elements, [])
        for candidate in alike:
            if look_alike(self._first[candidate], look):
                self._by_pixels[pixels] = candidate
                return self._counted("equal_elements", candidate)
        if len(self._first) >= MAX_STATES:
            return self._counted("too_many", -1)
        state = len(self._first)
        self._first.append(look)
        self._by_pixels[pixels] = state
        alike.append(state)
        return self._counted("new", state)

    def _counted(self, what: str, state: int) -> int:
        self.counts[what] += 1
        return state
