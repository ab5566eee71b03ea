"""When two screens are the same, and when they show the same state of an app.

The same screen is for two screenshots of one recording: equal pixels outside what changes on its own. Equal states are
for screens of different recordings: the same app, activity and address, then either equal pixels outside what changes
on its own, or the same elements (text, role, box on an 8-pixel grid, checked, focused, enabled) on pictures that look
alike. A perceptual hash alone decides nothing: it gives 0 for two pages that differ in one digit.
"""

import hashlib

import msgspec
from msgspec import Struct

from .actions import Box
from .records import Observation

GRID_PX = 8
"""Boxes are compared on this grid: text that is laid out again may move by a pixel."""
PHASH_BITS = 12
"""Of 256: pictures that differ in more do not look alike."""
STATUS_BAR_DP = {"android": 24.0, "ios": 44.0}
"""Height of the bar at the top with clock, battery and network, which changes on its own."""
CLOCKS = frozenset({"analogclock", "chronometer", "marquee", "textclock", "timer"})
"""Roles of elements that change on their own."""
MAX_STATES = 1_000_000
"""States that are told apart; further ones are not known, and what needs them does not fire. About 0.5 GB."""

_json = msgspec.json.Encoder()


class Picture(Struct, frozen=True):
    """What is compared of a stored screenshot without decoding it."""

    sha256: str
    phash: int | None = None
    tiles: bytes | None = None


def rules() -> dict[str, object]:
    """Return the thresholds and masks, for the manifest."""
    return {"grid_px": GRID_PX, "phash_bits": PHASH_BITS, "status_bar_dp": STATUS_BAR_DP, "clocks": sorted(CLOCKS)}


def mask(observation: Observation, platform: str | None, scale: float | None) -> tuple[Box, ...]:
    """Return the regions of a screen that change on their own: status bar, clocks, what the recording declares."""
    boxes = list(observation.dynamic or ())
    boxes += [element.bbox for element in observation.elements if short_role(element.role) in CLOCKS]
    if platform in STATUS_BAR_DP:
        size = observation.image
        pixels = STATUS_BAR_DP[platform] * (scale or min(size.width, size.height) / 360)
        boxes.append((0.0, 0.0, 1.0, min(pixels / size.height, 1.0)))
    return tuple(boxes)


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
            int(e.bbox[0] * width), int(e.bbox[1] * height), int(e.bbox[2] * width), int(e.bbox[3] * height),
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


def visible(picture: Picture, masks: tuple[Box, ...]) -> str:
    """Return a hash of the pixels outside the masks."""
    return picture.sha256


def same_screen(before: Picture, after: Picture, masks: tuple[Box, ...]) -> bool:
    """Tell whether two screenshots are equal outside the masks."""
    return before.sha256 == after.sha256 or visible(before, masks) == visible(after, masks)


def look_alike(one: Picture, other: Picture) -> bool:
    """Tell whether two pictures are similar enough for equal elements to mean equal states."""
    if one.phash is None or other.phash is None:
        return False
    return (one.phash ^ other.phash).bit_count() <= PHASH_BITS


class States:
    """Numbers for states: equal screens get the same one."""

    def __init__(self) -> None:
        self._first: list[Picture] = []
        self._by_tree: dict[bytes, list[int]] = {}
        self._by_pixels: dict[bytes, int] = {}
        self.counts = dict.fromkeys(("app_unknown", "equal_pixels", "equal_elements", "new", "too_many"), 0)

    def __len__(self) -> int:
        return len(self._first)

    def place(self, observation: Observation, picture: Picture, masks: tuple[Box, ...]) -> int:
        """Return the number of the screen's state, -1 if it cannot be told."""
        page = identity(observation)
        if page is None:
            return self._counted("app_unknown", -1)
        pixels = digest(page, visible(picture, masks))
        state = self._by_pixels.get(pixels)
        if state is not None:
            return self._counted("equal_pixels", state)
        elements = digest(page, tree(observation)) if is_tree(observation) else None
        alike = [] if elements is None else self._by_tree.setdefault(elements, [])
        for candidate in alike:
            if look_alike(self._first[candidate], picture):
                self._by_pixels[pixels] = candidate
                return self._counted("equal_elements", candidate)
        if len(self._first) >= MAX_STATES:
            return self._counted("too_many", -1)
        state = len(self._first)
        self._first.append(picture)
        self._by_pixels[pixels] = state
        alike.append(state)
        return self._counted("new", state)

    def _counted(self, what: str, state: int) -> int:
        self.counts[what] += 1
        return state
