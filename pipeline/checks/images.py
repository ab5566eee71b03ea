"""Screenshots as files and sizes: whole, as recorded, of the resolution contract and within its budget."""

from collections.abc import Iterator

from pipeline.records import ImageRef
from pipeline.screens.geometry import smart_resize

from .case import Case, Decision, Shot
from .check import TURN, Context, Finding


def contract(case: Case, context: Context) -> Iterator[Finding]:
    """Yield sizes that the model's processor would change, and so the coordinates with them."""
    for number, ref in enumerate(case.sample.images):
        size = (ref.width, ref.height)
        if size not in context.sizes:
            context.sizes[size] = _resized(ref, context)
        if (problem := context.sizes[size]) is not None:
            yield Finding(f"$.images[{number}]", problem)


def budget(case: Case, context: Context) -> Iterator[Finding]:
    """Yield screenshots that are larger than the contract allows, and more of them than the policy shows."""
    sample = case.sample
    agreed = context.manifest.contract
    for number, ref in enumerate(sample.images):
        if ref.width * ref.height > agreed.max_pixels:
            said = f"found {ref.width}x{ref.height}, expected at most {agreed.max_pixels} pixels"
            yield Finding(f"$.images[{number}]", said)
        if agreed.max_dim is not None and max(ref.width, ref.height) > agreed.max_dim:
            said = f"found {ref.width}x{ref.height}, expected at most {agreed.max_dim} a side"
            yield Finding(f"$.images[{number}]", said)
    most = agreed.history.image_window
    if len(sample.images) > most:
        yield Finding("$.images", f"found {len(sample.images)} screenshots, expected at most {most}")


def decodes(case: Case, context: Context) -> Iterator[Finding]:
    """Yield screenshots that are not there, not whole, or not what is recorded of them."""
    if context.pixels:
        for number, ref in enumerate(case.sample.images):
            if (problem := context.pictures.problem(ref)) is not None:
                yield Finding(f"$.images[{number}]", problem)


def blank(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield decisions on a screenshot of one colour: nobody could have taken them for a reason that it shows."""
    image, images = decision.turn.image, decision.sample.images
    if not context.pixels or image is None or image >= len(images):
        return
    if context.pictures.blank(images[image]) and not decision.waits:
        yield Finding(f"$.images[{image}]", "found a screenshot of a single colour, expected something to act on")


def size_of_turn(shot: Shot, context: Context) -> Iterator[Finding]:
    """Yield a turn whose size, to which pixel coordinates refer, is not that of the screenshot that it shows."""
    size, ref = shot.size, shot.ref
    if size is not None and ref is not None and size != (ref.width, ref.height):
        said = f"found {size[0]}x{size[1]} beside a screenshot of {ref.width}x{ref.height}"
        yield Finding(f"{TURN}.size", f"{said}, expected the same")


def _resized(ref: ImageRef, context: Context) -> str | None:
    agreed = context.manifest.contract
    limits = {"factor": agreed.factor, "min_pixels": agreed.min_pixels, "max_pixels": agreed.max_pixels}
    try:
        expected = smart_resize(ref.width, ref.height, **limits)
    except ValueError as error:
        return f"found {error}"
    if expected == (ref.width, ref.height):
        return None
    size = f"{expected[0]}x{expected[1]}"
    return f"found {ref.width}x{ref.height}, expected {size} as the model's processor would make it"
