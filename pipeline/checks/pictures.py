"""Stored screenshots as they decode: each one is decoded once, whatever refers to it."""

import hashlib

from msgspec import Struct

from pipeline.exceptions import InputError
from pipeline.records import ImageRef
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import Row

Spot = tuple[int, int]
"""Shard and row of a screenshot."""

RIM = 0.06
"""Share of the height at the top and at the bottom that is not looked at for colours: bars of the system."""
ONE_COLOUR = 8
"""Levels of 256 that a single colour may differ within a channel, as JPEG leaves it."""


class Picture(Struct, frozen=True):
    """What was found of one stored screenshot."""

    sha256: str = ""
    size: tuple[int, int] = (0, 0)
    """Width and height in pixels."""
    blank: bool = False
    problem: str | None = None
    misfiled: str | None = None
    """What is said of a file that is not what its row says."""


Seen = tuple[tuple[Spot, Picture], ...]
"""What was found, by place, as the structs of a task carry it."""


class Pictures:
    """Looks at screenshots once each; some may have been looked at before."""

    def __init__(self, dataset: Dataset, known: Seen = ()) -> None:
        self._dataset = dataset
        self._known = dict(known)
        self._rows: dict[int, list[Row]] = {}

    def problem(self, ref: ImageRef) -> str | None:
        """Return what is wrong with a screenshot as it is referred to, None if nothing is."""
        picture = self._look(ref)
        if picture.sha256 and picture.sha256 != ref.sha256:
            return f"found other bytes than the recorded sha256 {ref.sha256[:12]}…, expected those"
        if picture.problem is not None:
            return picture.problem
        if picture.size != (ref.width, ref.height):
            size = f"{picture.size[0]}x{picture.size[1]}"
            return f"found {size} pixels, expected {ref.width}x{ref.height} as recorded"
        return picture.misfiled

    def blank(self, ref: ImageRef) -> bool:
        """Tell whether all of the screenshot but its upper and lower rim has a single colour."""
        return self._look(ref).blank

    def _look(self, ref: ImageRef) -> Picture:
        return self.at((ref.shard, ref.row))

    def at(self, spot: Spot) -> Picture:
        """Return what is known of the screenshot at that place, having looked at it."""
        if spot not in self._known:
            shard, row = spot
            if shard not in self._rows:
                self._rows[shard] = list(self._dataset.rows("images", shard, ["format", "sha256", "width", "height"]))
            rows = self._rows[shard]
            self._known[spot] = look(self._dataset, spot, rows[row] if row < len(rows) else {})
        return self._known[spot]


def look(dataset: Dataset, spot: Spot, row: Row) -> Picture:
    """Decode a stored screenshot and return what there is to know of it, and where its row says another thing."""
    from pipeline.screens.images import ImageProblem, decode, header

    ref = ImageRef("", *spot, 0, 0)
    try:
        data = dataset.image(ref)
    except InputError as error:
        return Picture(problem=f"{error.where}: {error.message}")
    digest = hashlib.sha256(data).hexdigest()
    try:
        found = header(data).format
        picture = decode(data)
    except ImageProblem as problem:
        return Picture(digest, problem=problem.message)
    width, height = picture.size
    middle = picture.crop((0, int(height * RIM), width, height - int(height * RIM)))
    ranges = middle.convert("RGB").getextrema()
    one_colour = all(high - low <= ONE_COLOUR for low, high in ranges)  # type: ignore[misc]  # three channels
    misfiled = None
    if row.get("format", found) != found:
        misfiled = f"found a {found} file, expected {row['format']} as recorded"
    elif row and (row["sha256"], row["width"], row["height"]) != (digest, width, height):
        recorded = f"{row['sha256'][:12]}…, {row['width']}x{row['height']}"
        misfiled = f"found {digest[:12]}…, {width}x{height}, in a row that says {recorded}, expected the same"
    return Picture(digest, picture.size, one_colour, misfiled=misfiled)
