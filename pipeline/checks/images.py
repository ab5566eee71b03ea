"""Each screenshot exists, decodes whole, has the recorded size and hash, and keeps the resolution contract."""

import hashlib
from collections.abc import Iterator

from pipeline.exceptions import InputError
from pipeline.geometry import smart_resize
from pipeline.images import ImageProblem, decode
from pipeline.records import ImageRef, Sample

from .check import Context, Finding


def check(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield what is wrong with the sample's screenshots; each stored one is decoded once a shard."""
    contract = context.manifest.contract
    for number, ref in enumerate(sample.images):
        path = f"$.images[{number}]"
        try:
            expected = smart_resize(
                ref.width,
                ref.height,
                factor=contract.factor,
                min_pixels=contract.min_pixels,
                max_pixels=contract.max_pixels,
            )
        except ValueError as error:
            yield Finding(path, f"found {error}")
            continue
        if expected != (ref.width, ref.height):
            size = f"{expected[0]}x{expected[1]}"
            yield Finding(
                path, f"found {ref.width}x{ref.height}, expected {size} as the model's processor would make it"
            )
        if contract.max_dim is not None and max(ref.width, ref.height) > contract.max_dim:
            yield Finding(path, f"found {ref.width}x{ref.height}, expected at most {contract.max_dim} a side")
        if context.pixels and (problem := _problem(ref, context)) is not None:
            yield Finding(path, problem)
    if len(sample.images) > contract.history.image_window:
        message = f"found {len(sample.images)} screenshots, expected at most {contract.history.image_window}"
        yield Finding("$.images", message)


def marked(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield screenshots into whose pixels the recorder painted marks, as the recording says of them."""
    for turn in sample.turns:
        step = None if turn.image is None else context.step(sample.trajectory_id, turn.step_index)
        if step is not None and step.observation.image.marked:
            yield Finding(
                f"$.images[{turn.image}]",
                f"found marks painted into the screenshot of step {turn.step_index}, expected none",
            )


def _problem(ref: ImageRef, context: Context) -> str | None:
    if ref not in context.pictures:
        context.pictures[ref] = _look(ref, context)
    return context.pictures[ref]


def _look(ref: ImageRef, context: Context) -> str | None:
    try:
        data = context.dataset.image(ref)
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            return f"found other bytes than the recorded sha256 {ref.sha256[:12]}…, expected those"
        picture = decode(data)
    except InputError as error:
        return f"{error.where}: {error.message}"
    except ImageProblem as problem:
        return problem.message
    if picture.size != (ref.width, ref.height):
        return f"found {picture.width}x{picture.height} pixels, expected {ref.width}x{ref.height} as recorded"
    return None
