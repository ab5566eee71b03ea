"""Screenshots as files and sizes: whole, as recorded, of the resolution contract and within its budget."""

from collections.abc import Iterator

from pipeline.screens.geometry import smart_resize

from .case import Case, Decision, Shot
from .check import TURN, Context, Finding
from .outline import Outline


def contract(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield sizes that the model's processor would change, and so the coordinates with them."""
    for number, size in enumerate(outline.sizes):
        if (problem := _resized(size, context)) is not None:
            yield Finding(f"$.images[{number}]", problem)


def budget(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield screenshots that are larger than the contract allows, and more of them than the policy shows."""
    agreed = context.manifest.contract
    for number, (width, height) in enumerate(outline.sizes):
        if width * height > agreed.max_pixels:
            said = f"found {width}x{height}, expected at most {agreed.max_pixels} pixels"
            yield Finding(f"$.images[{number}]", said)
        if agreed.max_dim is not None and max(width, height) > agreed.max_dim:
            said = f"found {width}x{height}, expected at most {agreed.max_dim} a side"
            yield Finding(f"$.images[{number}]", said)
    most = agreed.history.image_window
    if len(outline.sizes) > most:
        yield Finding("$.images", f"found {len(outline.sizes)} screenshots, expected at most {most}")


def decodes(case: Case, context: Context) -> Iterator[Finding]:
    """Yield screenshots that are not there, not whole, or not what is recorded of them."""
    for number, ref in enumerate(case.sample.images):
        if (problem := context.pictures.problem(ref)) is not None:
            yield Finding(f"$.images[{number}]", problem)


def blank(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield decisions on a screenshot of one colour: nobody could have taken them for a reason that it shows."""
    image, images = decision.turn.image, decision.sample.images
    if image is None or image >= len(images):
        return
    if context.pictures.blank(images[image]) and not decision.waits:
        yield Finding(f"$.images[{image}]", "found a screenshot of a single colour, expected something to act on")


def size_of_turn(shot: Shot, context: Context) -> Iterator[Finding]:
    """Yield a turn whose size, to which pixel coordinates refer, is not that of the screenshot that it shows."""
    size, ref = shot.size, shot.ref
    if size is not None and ref is not None and size != (ref.width, ref.height):
        said = f"found {size[0]}x{size[1]} beside a screenshot of {ref.width}x{ref.height}"
        yield Finding(f"{TURN}.size", f"{said}, expected the same")


def _resized(size: tuple[int, int], context: Context) -> str | None:
    agreed = context.manifest.contract
    limits = {"factor": agreed.factor, "min_pixels": agreed.min_pixels, "max_pixels": agreed.max_pixels}
    try:
        expected = smart_resize(*size, **limits)
    except ValueError as error:
        return f"found {error}"
    if expected == size:
        return None
    return f"found {size[0]}x{size[1]}, expected {expected[0]}x{expected[1]} as the model's processor would make it"
