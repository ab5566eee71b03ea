"""Screenshots against the recording: the right one at each step, changed by what was done, of the device's shape."""

from collections.abc import Iterator

from pipeline.actions import (
    Answer,
    AskUser,
    CallTool,
    Copy,
    Hover,
    Key,
    Memorize,
    Screenshot,
    SelectText,
    Takeover,
    Terminate,
    Unknown,
    Wait,
)
from pipeline.crop import is_cut
from pipeline.errors import KINDS
from pipeline.records import Sample

from .check import Context, Finding

QUIET = (Wait, Answer, AskUser, Terminate, Copy, Hover, Memorize, CallTool, Takeover, SelectText, Screenshot, Unknown)
"""Actions that may leave the screen as it is."""
COPY_KEYS = frozenset({"c", "insert", "a", "s"})
"""With a modifier: copy, select all, save."""


def own_turns(sample: Sample) -> int:
    """Return how many of the last turns belong to an injected error and its correction; 0 where none is injected."""
    kind = KINDS.get(sample.error_kind or "")
    if kind is None or kind.replaces:
        return 0
    told = sample.provenance.get("turns", "2")
    return min(max(int(told), 1), len(sample.turns)) if told.isdecimal() else 2


def of_step(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield turns that show another screenshot than their step's: moved by one, or of another recording."""
    if is_cut(sample.sample_id):
        return
    steps = context.steps(sample.trajectory_id)
    recorded = len(sample.turns) - own_turns(sample)
    for number, turn in context.case(sample).shown:
        if number >= recorded or turn.image is None:
            continue
        if turn.image >= len(sample.images) or turn.step_index >= len(steps):
            continue
        image, ref = steps[turn.step_index].image, sample.images[turn.image]
        if image is not None and image.sha256 != ref.sha256:
            shown = [step.step_index for step in steps if step.image is not None and step.image.sha256 == ref.sha256]
            whose = f"that of step {shown[0]}" if shown else "one that no step of the recording has"
            path = f"$.turns[{number}].image"
            yield Finding(path, f"found {whose} beside the action of step {turn.step_index}, expected its own")


def unchanged(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield decisions after which the recording shows the very same screenshot, though they should change something."""
    steps = context.steps(sample.trajectory_id)
    for decision in context.case(sample).decisions:
        index = decision.target.step_index
        if index + 1 >= len(steps) or decision.turn.role != "normal":
            continue
        here, after = steps[index], steps[index + 1]
        if here.image is None or after.image is None or here.facts is None:
            continue
        if here.image.sha256 == after.image.sha256 and not any(map(quiet, here.facts.actions)):
            yield Finding(decision.path, f"found the same screenshot at step {index + 1}, expected the action to show")


def quiet(action: object) -> bool:
    """Tell whether an action may well leave the screen as it is."""
    if isinstance(action, Key):
        return len(action.keys) > 1 and action.keys[-1].casefold() in COPY_KEYS
    return isinstance(action, QUIET)


def aspect(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield screenshots of another shape than the device's, upright or on its side, or stretched when stored."""
    device, factor = context.facts.devices.get(sample.trajectory_id), context.manifest.contract.factor
    if is_cut(sample.sample_id):
        return
    recorded = len(sample.turns) - own_turns(sample)
    for number, turn in context.case(sample).shown:
        step = context.step(sample.trajectory_id, turn.step_index) if number < recorded else None
        if step is None or turn.image is None or turn.image >= len(sample.images):
            continue
        width, height = step.observation.image.width, step.observation.image.height
        ref = sample.images[turn.image]
        if device is not None and _off((width, height), device) > context.thresholds.aspect_off:
            said = f"found {width}x{height} on a device of {device[0]}x{device[1]}, expected its shape"
            yield Finding(f"$.images[{turn.image}]", said)
        elif abs(ref.width * height / width - ref.height) > factor * (1 + height / width):
            said = f"found {width}x{height} stored as {ref.width}x{ref.height}, expected the same shape"
            yield Finding(f"$.images[{turn.image}]", said)


def _off(size: tuple[int, int], device: tuple[int, int]) -> float:
    """Return how far the shape is from the device's, relatively, upright or on its side."""
    width, height = device
    return min(abs(size[0] * b / (size[1] * a) - 1) for a, b in ((width, height), (height, width)))


def sizes(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield screenshots of another size than the recording's first one, upright or on its side."""
    steps = context.steps(sample.trajectory_id)
    first = next((step.image for step in steps if step.image is not None), None)
    if first is None or is_cut(sample.sample_id):
        return
    recorded, expected = len(sample.turns) - own_turns(sample), {first.width, first.height}
    for number, turn in context.case(sample).shown:
        if number >= recorded or turn.image is None or turn.image >= len(sample.images):
            continue
        ref = sample.images[turn.image]
        if {ref.width, ref.height} != expected:
            said = f"found {ref.width}x{ref.height} where the recording starts with {first.width}x{first.height}"
            yield Finding(f"$.images[{turn.image}]", f"{said}, expected one size of screen")


def marked(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield screenshots into whose pixels the recorder painted marks, as the recording says of them."""
    for _, turn in context.case(sample).shown:
        step = context.step(sample.trajectory_id, turn.step_index)
        if step is not None and step.observation.image.marked:
            said = f"found marks painted into the screenshot of step {turn.step_index}, expected none"
            yield Finding(f"$.images[{turn.image}]", said)
