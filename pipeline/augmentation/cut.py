"""A sample whose screenshot was cut: how it is known, and where on it recorded elements lie."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Box, Point
from pipeline.records import Element, ImageRef, Sample
from pipeline.storage.tables import UNREADABLE

SUFFIX = "+crop"
"""What the id of a cut sample ends in."""
CROP = "crop"
"""The entry of its provenance: `[left, top, width, height]` in pixels of the stored screenshot."""
_place = msgspec.json.Decoder(tuple[int, int, int, int])


class Cut(Struct, frozen=True):
    """A part of a stored screenshot, in its pixels."""

    left: int
    top: int
    width: int
    height: int
    whole: tuple[int, int]

    def point(self, point: Point) -> Point:
        """Return the point, in fractions of the screenshot, as fractions of the part."""
        x, y = point[0] * self.whole[0] - self.left, point[1] * self.whole[1] - self.top
        return (min(max(x / self.width, 0.0), 1.0), min(max(y / self.height, 0.0), 1.0))

    def box(self, box: Box) -> Box:
        """Return the box likewise."""
        return (*self.point(box[:2]), *self.point(box[2:]))


def is_cut(sample_id: str) -> bool:
    """Tell whether the sample shows a part of a screenshot only."""
    return sample_id.endswith(SUFFIX)


def cut_of(sample: Sample, whole: tuple[int, int]) -> Cut | None:
    """Return which part of a screenshot of that size, in pixels, a cut sample shows; None where it does not say."""
    try:
        left, top, width, height = _place.decode(sample.provenance.get(CROP, ""))
    except UNREADABLE:
        return None
    return Cut(left, top, width, height, whole) if width > 0 and height > 0 else None


def elements_in_view(sample: Sample, elements: Sequence[Element], whole: ImageRef | None) -> Sequence[Element]:
    """Return the recorded elements where a sample shows them: as they are, or moved along with the part `whole` has."""
    if whole is None or not is_cut(sample.sample_id):
        return elements
    cut = cut_of(sample, (whole.width, whole.height))
    return () if cut is None else tuple(replace(element, bbox=cut.box(element.bbox)) for element in elements)
