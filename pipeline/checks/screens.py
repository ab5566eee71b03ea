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

from .case import Decision, Shot
from .check import IMAGE, TURN, Context, Finding

QUIET = (Wait, Answer, AskUser, Terminate, Copy, Hover, Memorize, CallTool, Takeover, SelectText, Screenshot, Unknown)
"""Actions that may leave the screen as it is."""
COPY_KEYS = frozenset({"c", "insert", "a", "s"})
"""With a modifier: copy, select all, save."""


def of_step(shot: Shot, context: Context) -> Iterator[Finding]:
    """Yield a turn that shows another screenshot than its step's: moved by one, or of another recording."""
    step, ref = shot.step, shot.ref
    if step is None or ref is None or not (shot.whole and shot.recorded):
        return
    if step.image is not None and step.image.sha256 != ref.sha256:
        shown = [step.step_index for step in shot.steps if step.image is not None and step.image.sha256 == ref.sha256]
        whose = f"that of step {shown[0]}" if shown else "one that no step of the recording has"
        yield Finding(f"{TURN}.image", f"found {whose} beside the action of step {shot.step_index}, expected its own")


def unchanged(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a decision after which the recording shows the very same screenshot, though it should change something."""
    steps, index = context.recordings.steps(decision.sample.trajectory_id), decision.target.step_index
    if index + 1 >= len(steps) or decision.turn.role != "normal":
        return
    here, after = steps[index], steps[index + 1]
    if here.image is None or after.image is None or here.facts is None:
        return
    if here.image.sha256 == after.image.sha256 and not any(map(quiet, here.facts.actions)):
        yield Finding(decision.path, f"found the same screenshot at step {index + 1}, expected the action to show")


def quiet(action: object) -> bool:
    """Tell whether an action may well leave the screen as it is."""
    if isinstance(action, Key):
        return len(action.keys) > 1 and action.keys[-1].casefold() in COPY_KEYS
    return isinstance(action, QUIET)


def aspect(shot: Shot, context: Context) -> Iterator[Finding]:
    """Yield a screenshot of another shape than the device's, upright or on its side, or stretched when stored."""
    step, ref = shot.step, shot.ref
    if step is None or ref is None or not (shot.whole and shot.recorded):
        return
    device, factor = context.facts.devices.get(shot.trajectory_id), context.manifest.contract.factor
    width, height = step.screenshot.width, step.screenshot.height
    if device is not None and _off((width, height), device) > context.thresholds.aspect_off:
        said = f"found {width}x{height} on a device of {device[0]}x{device[1]}, expected its shape"
        yield Finding(IMAGE, said)
    elif abs(ref.width * height / width - ref.height) > factor * (1 + height / width):
        said = f"found {width}x{height} stored as {ref.width}x{ref.height}, expected the same shape"
        yield Finding(IMAGE, said)


def _off(size: tuple[int, int], device: tuple[int, int]) -> float:
    """Return how far the shape is from the device's, relatively, upright or on its side."""
    upright, on_side = size[0] * device[1] / (size[1] * device[0]), size[0] * device[0] / (size[1] * device[1])
    return min(abs(upright - 1), abs(on_side - 1))


def sizes(shot: Shot, context: Context) -> Iterator[Finding]:
    """Yield a screenshot of another size than the recording's first one, upright or on its side."""
    ref = shot.ref
    if ref is None or not (shot.whole and shot.recorded):
        return
    first = next((step.image for step in shot.steps if step.image is not None), None)
    if first is not None and {ref.width, ref.height} != {first.width, first.height}:
        said = f"found {ref.width}x{ref.height} where the recording starts with {first.width}x{first.height}"
        yield Finding(IMAGE, f"{said}, expected one size of screen")


def marked(shot: Shot, context: Context) -> Iterator[Finding]:
    """Yield a screenshot into whose pixels the recorder painted marks, as the recording says of it."""
    step = shot.step
    if step is not None and step.screenshot.marked:
        yield Finding(IMAGE, f"found marks painted into the screenshot of step {shot.step_index}, expected none")
