"""The trained points: on the screenshot, inside of their targets, and the same ones in record, target and response."""

from collections.abc import Iterator

from pipeline.actions import points, target_point
from pipeline.screens.geometry import contains

from .case import Case, Decision
from .check import Context, Finding

SLACK = 1e-9


def targets(case: Case, context: Context) -> Iterator[Finding]:
    """Yield targets that are not those of the trained turns, in order, the sample's own last."""
    sample = case.sample
    last = sample.turns[-1]
    if not sample.step_index == sample.target.step_index == last.step_index:
        steps = f"{sample.step_index}, {sample.target.step_index} and {last.step_index}"
        yield Finding("$.step_index", f"found steps {steps} in sample, target and trained turn, expected the same")
    trained = [sample.turns[number].step_index for number in case.outline.taught if number < len(sample.turns) - 1]
    steps_of = [target.step_index for target in sample.earlier_targets]
    if steps_of != trained:
        yield Finding("$.earlier_targets", f"found targets of steps {steps_of}, expected those trained, {trained}")
    for decision in case.decisions:
        if decision.target.actions != decision.turn.actions:
            yield Finding(f"{decision.path}.actions", "found other actions than the trained turn's, expected those")


def off_screen(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield points and boxes that are not on the screenshot, and boxes without an area."""
    for number, action in enumerate(decision.target.actions):
        for x, y in points(action):
            if not (0 <= x <= 1 and 0 <= y <= 1):
                path = f"{decision.path}.actions[{number}]"
                yield Finding(path, f"found point [{x}, {y}], expected fractions from 0 to 1")
    box = decision.target.bbox
    if box is not None and not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
        yield Finding(f"{decision.path}.bbox", f"found box {list(box)}, expected [x1, y1, x2, y2] with an area")


def inside(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield points beside the box of the element that they aim at, as recorded or as the response rounds them."""
    box = decision.target.bbox
    if box is None or not (box[0] < box[2] and box[1] < box[3]):
        return
    reply = context.known.speech.of(decision.turn).read.reply
    rendered = None if reply is None else target_point(reply.action)
    for name, point in (("recorded", target_point(decision.target.actions[0])), ("rendered", rendered)):
        if point is not None and not contains(box, point):
            shown, corners = [round(value, 4) for value in point], [round(value, 4) for value in box]
            said = f"found the {name} point {shown} beside its target {corners}, expected it inside"
            yield Finding(decision.path, said)
            return


def off_grid(case: Case, context: Context) -> Iterator[Finding]:
    """Yield trained responses, as they are stored, whose point is not the recorded one on the layout's grid."""
    scale = context.layout.scale
    for answer in case.answers:
        decision, reply = answer.decision, answer.read.reply
        point = target_point(decision.target.actions[0])
        span = decision.turn.size if scale is None else (scale, scale)
        if point is None or span is None or reply is None or type(reply.action) is not type(decision.target.actions[0]):
            continue  # a scroll may be told as the path of a finger, which starts elsewhere
        said = target_point(reply.action)
        if said is not None and (
            abs(said[0] - point[0]) * span[0] > 1 + SLACK or abs(said[1] - point[1]) * span[1] > 1 + SLACK
        ):
            shown, recorded = [round(value, 4) for value in said], [round(value, 4) for value in point]
            yield Finding(decision.path, f"found {shown} in the response for the point {recorded}, expected it there")
