"""Nothing that the split keeps together stands in both train and val; every sample has an id of its own."""

from collections.abc import Iterator

from pipeline.records import Sample

from .check import Context, Finding


def check(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield the sample if its id repeats, or if it is on the val side of a leak; the train side may stay."""
    if sample.sample_id in context.repeated:
        yield Finding("$.sample_id", f"found {sample.sample_id!r} more than once, expected ids of their own")
    if sample.split == "val" and (leak := context.leaking.get(sample.trajectory_id)) is not None:
        yield Finding("$.split", f"found {leak} in train and val, expected one side")
