"""No trajectory, and no goal, stands in both train and val."""

from collections.abc import Iterator

from pipeline.records import Sample

from .check import Context, Finding


def check(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield the sample if it is on the val side of a leak; the train side may stay."""
    if sample.split != "val":
        return
    for what, value in (("trajectory", sample.trajectory_id), ("goal", sample.goal)):
        if f"{what} {value}" in context.leaking:
            yield Finding("$.split", f"found {what} {value!r} in train and val, expected one side")
            return
