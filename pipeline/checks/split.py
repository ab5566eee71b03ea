"""Nothing that the split keeps together stands in both train and val; every sample has an id of its own."""

from collections.abc import Iterator

from .case import Case, Decision
from .check import Context, Finding


def repeated_id(case: Case, context: Context) -> Iterator[Finding]:
    """Yield every sample whose id others have too: nobody can say which is meant."""
    sample = case.sample
    if sample.sample_id in context.facts.repeated:
        yield Finding("$.sample_id", f"found {sample.sample_id!r} more than once, expected ids of their own")


def leak(case: Case, context: Context) -> Iterator[Finding]:
    """Yield the sample if it is on the val side of a leak; the train side may stay."""
    sample = case.sample
    if sample.split == "val" and (what := context.facts.leaking.get(sample.trajectory_id)) is not None:
        yield Finding("$.split", f"found {what} in train and val, expected one side")


def seen_in_train(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a val decision that train has too: nearly the same screenshot, the same action, nearly the same goal."""
    if decision.sample.split == "val":
        other = context.facts.seen.get(decision.sample.trajectory_id, {}).get(decision.target.step_index)
        if other is not None:
            yield Finding(decision.path, f"found the screen and the action of {other} in train, expected others")
