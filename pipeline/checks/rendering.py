"""The messages say what the turns say: rendered again they are the same, and each response reads back as one call."""

from collections.abc import Iterator

from .case import Case
from .check import Context, Finding


def rendering(case: Case, context: Context) -> Iterator[Finding]:
    """Yield messages that are not what the layout makes of the turns; turns that it cannot say are `response`'s."""
    sample = case.sample
    if any(each.refused for each in case.spoken):
        return
    rendered = context.renderer.render(sample.goal, sample.turns)
    if rendered != sample.messages:
        place = next((n for n, (a, b) in enumerate(zip(rendered, sample.messages, strict=False)) if a != b),
                     min(len(rendered), len(sample.messages)))  # fmt: skip
        yield Finding(f"$.messages[{place}]", "found another text than the turns render to, expected the same")


def response(case: Case, context: Context) -> Iterator[Finding]:
    """Yield responses that are not exactly one answer in the layout's grammar; trained ones as they are stored."""
    said = case.spoken
    for number, each in enumerate(said, start=len(case.sample.turns) - len(said)):
        if (reason := each.read.misread) is not None:
            yield Finding(f"$.turns[{number}]", reason)
            return
    for answer in case.answers:
        if (reason := answer.read.misread) is not None:
            yield Finding(f"$.messages[{answer.number}]", reason)
