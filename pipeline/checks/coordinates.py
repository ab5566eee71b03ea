"""The trained actions' points are on the screenshot and, as the model writes them, still inside their targets."""

from collections.abc import Iterator

from pipeline.actions import points, target_point
from pipeline.geometry import contains
from pipeline.layouts import GrammarError
from pipeline.records import Sample, Target, Turn

from .check import Context, Finding


def check(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield targets that are not the trained turns, points outside the screenshot or beside the target's box."""
    last = sample.turns[-1]
    if not sample.step_index == sample.target.step_index == last.step_index:
        steps = f"{sample.step_index}, {sample.target.step_index} and {last.step_index}"
        yield Finding("$.step_index", f"found steps {steps} in sample, target and trained turn, expected the same")
    earlier = [turn for turn in sample.turns[:-1] if turn.loss_weight > 0]
    steps_of = [target.step_index for target in sample.earlier_targets]
    if steps_of != [turn.step_index for turn in earlier]:
        trained = [turn.step_index for turn in earlier]
        yield Finding("$.earlier_targets", f"found targets of steps {steps_of}, expected those trained, {trained}")
        earlier = []
    for number, (target, turn) in enumerate(zip(sample.earlier_targets, earlier, strict=False)):
        yield from _target(f"$.earlier_targets[{number}]", target, turn, context)
    yield from _target("$.target", sample.target, last, context)


def _target(path: str, target: Target, trained: Turn, context: Context) -> Iterator[Finding]:
    if target.actions != trained.actions:
        yield Finding(f"{path}.actions", "found other actions than the trained turn's, expected those")
    for number, action in enumerate(target.actions):
        for x, y in points(action):
            if not (0 <= x <= 1 and 0 <= y <= 1):
                yield Finding(f"{path}.actions[{number}]", f"found point [{x}, {y}], expected fractions from 0 to 1")
    box = target.bbox
    if box is None or context.layout.refuse(trained) is not None:
        return
    try:
        reply = context.layout.parse(context.layout.response(trained), trained.size)
    except GrammarError:
        return  # the check of the messages says so
    for name, point in (("recorded", target_point(target.actions[0])), ("rendered", target_point(reply.action))):
        if point is not None and not contains(box, point):
            shown = [round(value, 4) for value in point]
            corners = [round(value, 4) for value in box]
            yield Finding(path, f"found the {name} point {shown} beside its target {corners}, expected it inside")
            return
