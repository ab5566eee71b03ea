"""The sample is what `schemas/sample.schema.json` says, and so are the recorded steps behind it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from pipeline.augmentation.cut import CROP, cut_of, is_cut
from pipeline.records import ImageRef, Sample
from pipeline.schema_errors import findings, json_path
from pipeline.slicing.compose import DONOR

from .case import Case
from .check import Context, Finding

READ = frozenset({"messages", "images", "turns", "target", "earlier_targets", "provenance", "flags"})
"""Fields that no reader makes without their types; screenshots are looked at once each."""
_PLAIN = [(field.name, field.type) for field in msgspec.structs.fields(Sample) if field.name not in READ]
_Plain = msgspec.defstruct("_Plain", _PLAIN, frozen=True, gc=False)


def check(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield what the schema refuses; typed decoders, a hundred times faster, are asked first."""
    try:
        msgspec.convert(sample, type=_Plain, from_attributes=True)
        for ref in sample.images:
            if id(ref) not in context.seen:
                msgspec.convert(msgspec.structs.asdict(ref), type=ImageRef)
                context.seen[id(ref)] = ref
        good = bool(sample.messages and sample.turns)
    except msgspec.ValidationError:
        good = False
    if not good:
        yield from refused(msgspec.json.decode(msgspec.json.encode(sample)))
        return
    for number, turn in enumerate(sample.turns):
        if not turn.actions:
            yield Finding(f"$.turns[{number}].actions", "found none, expected an action")
    if not all(target.actions for target in (sample.target, *sample.earlier_targets)):
        yield Finding("$.target.actions", "found none, expected an action")
    if is_cut(sample.sample_id) and cut_of(sample, (1, 1)) is None:
        found = repr(sample.provenance.get(CROP, ""))[:40]
        yield Finding(f"$.provenance.{CROP}", f"found {found}, expected [left, top, width, height] of the part shown")


def recording(case: Case, context: Context) -> Iterator[Finding]:
    """Yield the sample if the recorded steps behind it cannot be read, or are not there one after the other."""
    sample = case.sample
    if (broken := context.recordings.broken.get(sample.trajectory_id)) is not None:
        yield Finding("$.trajectory_id", broken)
    elif (index := sample.turns[-1].step_index) >= len(case.steps) and DONOR not in sample.provenance:
        found = f"found {len(case.steps)} recorded steps of it in steps/{context.number:05d}.parquet"
        yield Finding("$.trajectory_id", f"{found}, expected step {index} among them")


def refused(document: Any) -> list[Finding]:
    """Return what the schema refuses of a sample as JSON data; at least one finding."""
    found = [Finding(json_path(path), message) for path, message in findings("sample", document)]
    return found or [Finding("$", "found what cannot be read, expected a sample")]
