"""The trained action's points are on the screenshot and, on the model's grid, still inside their target."""

from collections.abc import Iterator

from pipeline.actions import points, target_point
from pipeline.geometry import contains
from pipeline.layouts import GrammarError
from pipeline.records import Sample

from .check import Context, Finding


def check(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a target that is not the trained turn, points outside the screenshot or beside the target's box."""
    trained = sample.turns[-1]
    if not sample.step_index == sample.target.step_index == trained.step_index:
        steps = f"{sample.step_index}, {sample.target.step_index} and {trained.step_index}"
        yield Finding("$.step_index", f"found steps {steps} in sample, target and trained turn, expected the same")
    if sample.target.actions != trained.actions:
        yield Finding("$.target.actions", "found other actions than the trained turn's, expected those")
    for number, action in enumerate(sample.target.actions):
        for x, y in points(action):
            if not (0 <= x <= 1 and 0 <= y <= 1):
                yield Finding(f"$.target.actions[{number}]", f"found point [{x}, {y}], expected fractions from 0 to 1")
    box = sample.target.bbox
    if box is None or context.layout.refuse(trained) is not None:
        return
    try:
        reply = context.layout.parse(context.layout.response(trained), trained.size)
    except GrammarError:
        return  # the check of the messages says so
    for name, point in (("recorded", target_point(sample.target.actions[0])), ("rendered", target_point(reply.action))):
        if point is not None and not contains(box, point):
            shown = [round(value, 4) for value in point]
            target = [round(value, 4) for value in box]
            yield Finding("$.target", f"found the {name} point {shown} beside its target {target}, expected it inside")
            return
