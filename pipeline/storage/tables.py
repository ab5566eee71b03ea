"""The four tables of a dataset: their Arrow schemas, and rows to records and back.

Columns that hold a tree (observation, step, turns, target) are JSON text in the form of `schemas/*.schema.json`: one
encoding for the union of action types, and reading them back costs microseconds.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Struct

from pipeline.actions import Action
from pipeline.records import (
    Execution,
    ImageRef,
    Inbound,
    Label,
    Lang,
    Message,
    Observation,
    Response,
    Sample,
    StepText,
    Target,
    Trajectory,
    Turn,
)
from pipeline.screens.fingerprint import PHASH_BYTES

Row = dict[str, Any]


def _column(name: str, kind: "pa.DataType", *, null: bool = False) -> "pa.Field[Any]":
    return pa.field(name, kind, nullable=null)


UNREADABLE = (msgspec.DecodeError, TypeError, RecursionError)
"""What reading a text raises that is no record: no JSON or other fields, null, nested too deep."""


class StepFacts(Struct, frozen=True, omit_defaults=True, gc=False):
    """A step without its observation, as the column `step` holds it."""

    actions: tuple[Action, ...]
    text: StepText = StepText()
    inbound: tuple[Inbound, ...] = ()
    response: Response | None = None
    alternatives: tuple[tuple[Action, ...], ...] = ()
    execution: Execution | None = None
    label: Label = Label()
    subgoal: str | None = None
    milestone: bool | None = None
    extra: str | None = None


class StepRow(Struct, frozen=True, gc=False):
    """One row of `steps/`: a fact of the recording, and where its stored screenshot is."""

    trajectory_id: str
    step_index: int
    split: str
    goal: str
    lang: Lang
    scale: float | None
    image: ImageRef | None
    observation: Observation
    facts: StepFacts | None
    """None for the observation after the last step."""


_IMAGE_REF = pa.struct(
    [
        _column("sha256", pa.string()),
        _column("shard", pa.int32()),
        _column("row", pa.int32()),
        _column("width", pa.int32()),
        _column("height", pa.int32()),
    ]
)
_PART = pa.struct(
    [
        _column("type", pa.string()),
        _column("text", pa.string(), null=True),
        _column("image", pa.int32(), null=True),
    ]
)
_MESSAGE = pa.struct(
    [
        _column("role", pa.string()),
        _column("content", pa.list_(_PART)),
        _column("loss_weight", pa.float64()),
    ]
)

_TEXT_FEATURE = {"dtype": "string", "_type": "Value"}

STEPS = pa.schema(
    [
        _column("trajectory_id", pa.string()),
        _column("step_index", pa.int32()),
        _column("split", pa.string()),
        _column("goal", pa.string()),
        _column("lang", pa.string()),
        _column("app", pa.string(), null=True),
        _column("url", pa.string(), null=True),
        _column("role", pa.string()),
        _column("scale", pa.float64(), null=True),
        _column("image", _IMAGE_REF, null=True),  # null where the screenshot could not be used
        _column("observation", pa.large_string()),
        _column(
            "step", pa.large_string(), null=True
        ),  # without its observation; null in the row of the final observation
        _column("trajectory", pa.string()),  # without its steps
    ]
)

IMAGES = pa.schema(
    [
        _column("sha256", pa.string()),
        _column("bytes", pa.large_binary()),
        _column("width", pa.int32()),
        _column("height", pa.int32()),
        _column("format", pa.string()),
        _column("source_sha256", pa.string()),
        _column("source_width", pa.int32()),
        _column("source_height", pa.int32()),
        _column("phash", pa.binary(PHASH_BYTES)),  # these two: `pipeline.screens.fingerprint`
        _column("tiles", pa.binary()),
    ]
)

SAMPLES = pa.schema(
    [
        _column("sample_id", pa.string()),
        _column("trajectory_id", pa.string()),
        _column("step_index", pa.int32()),
        _column("split", pa.string()),
        _column("origin", pa.string()),
        _column("error_kind", pa.string(), null=True),
        _column("layout", pa.string()),
        _column("goal", pa.string()),
        _column("lang", pa.string()),
        _column("messages", pa.list_(_MESSAGE)),
        _column("images", pa.list_(_IMAGE_REF)),
        _column("turns", pa.large_string()),
        _column("target", pa.string()),
        _column("earlier_targets", pa.string()),
        _column("text_tokens_estimate", pa.int32()),
        _column("image_tokens", pa.int32()),
        _column("provenance", pa.string()),
        _column("flags", pa.list_(_column("item", pa.string()))),
    ]
)

REJECTED = pa.schema(
    [
        _column("stage", pa.string()),
        _column("input", pa.string()),  # fingerprint of what that run of the stage read
        _column("scope", pa.string()),  # trajectory or sample: which flow of the manifest counts it
        _column("code", pa.string()),
        _column("where", pa.string()),
        _column("message", pa.string()),
        _column("trajectory_id", pa.string(), null=True),
        _column("step_index", pa.int32(), null=True),
        _column("sample_id", pa.string(), null=True),
        _column(
            "row", pa.large_string(), null=True
        ),  # the refused sample as JSON, where there was one: nothing is lost
    ]
)

_CHAT_PART = pa.struct([("type", pa.string()), ("text", pa.string())])
_CHAT = pa.list_(pa.struct([("role", pa.string()), ("content", pa.list_(_CHAT_PART))]))
_CHAT_FEATURE = [{"role": _TEXT_FEATURE, "content": [{"type": _TEXT_FEATURE, "text": _TEXT_FEATURE}]}]
PAIRS = pa.schema(  # every field nullable, or `datasets` does not believe FEATURES
    {
        "images": pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        "prompt": _CHAT,
        "chosen": _CHAT,
        "rejected": _CHAT,
        "sample_id": pa.string(),
        "trajectory_id": pa.string(),
        "negative": pa.string(),  # which of `pipeline.augmentation.negatives` was rejected
    }
)
FEATURES: dict[str, Any] = {
    "images": {"feature": {"_type": "Image"}, "_type": "Sequence"},
    **dict.fromkeys(("prompt", "chosen", "rejected"), _CHAT_FEATURE),
    **dict.fromkeys(("sample_id", "trajectory_id", "negative"), _TEXT_FEATURE),
}
"""The columns of `PAIRS` as Hugging Face's `datasets` names them: it decodes the images by this."""

SCHEMAS: dict[str, pa.Schema] = {
    "steps": STEPS,
    "images": IMAGES,
    "samples": SAMPLES,
    "rejected": REJECTED,
    "train": PAIRS,
    "val": PAIRS,
}
PICTURES = frozenset({"images", "train", "val"})
"""Tables that hold screenshots: their row groups are small."""

_json = msgspec.json.Encoder()
_turns = msgspec.json.Decoder(tuple[Turn, ...])
_target = msgspec.json.Decoder(Target)
_targets = msgspec.json.Decoder(tuple[Target, ...])
_provenance = msgspec.json.Decoder(dict[str, str])
_observation = msgspec.json.Decoder(Observation)
_step = msgspec.json.Decoder(StepFacts)


def to_json(value: object) -> str:
    """Return the record as compact JSON text."""
    return _json.encode(value).decode()


def sample_row(sample: Sample) -> Row:
    """Return the sample as a row of `samples/`."""
    row: Row = msgspec.structs.asdict(sample)
    row["messages"] = [
        {
            "role": message.role,
            "content": [msgspec.structs.asdict(part) for part in message.content],
            "loss_weight": message.loss_weight,
        }
        for message in sample.messages
    ]
    row["images"] = [msgspec.structs.asdict(image) for image in sample.images]
    row["turns"] = to_json(sample.turns)
    row["target"] = to_json(sample.target)
    row["earlier_targets"] = to_json(sample.earlier_targets)
    row["provenance"] = to_json(sample.provenance)
    row["flags"] = list(sample.flags)
    return row


def sample_from_row(row: Row) -> Sample:
    """Return the record of a row of `samples/`; raises msgspec.ValidationError where it is not one."""
    fields = dict(row)
    fields["messages"] = msgspec.convert(row["messages"], type=tuple[Message, ...])
    fields["images"] = tuple(ImageRef(**image) for image in row["images"])
    fields["turns"] = _turns.decode(row["turns"])
    fields["target"] = _target.decode(row["target"])
    fields["earlier_targets"] = _targets.decode(row["earlier_targets"])
    fields["provenance"] = _provenance.decode(row["provenance"])
    fields["flags"] = tuple(row["flags"])
    return Sample(**fields)


def provenance_from_json(text: str) -> dict[str, str]:
    """Return the column `provenance` as it was."""
    return _provenance.decode(text)


def target_from_json(text: str) -> Target:
    """Return the column `target` as a record."""
    return _target.decode(text)


def step_row(trajectory: Trajectory, index: int, split: str, lang: Lang, image: ImageRef | None, header: str) -> Row:
    """Return the row of step `index`; index `len(steps)` is the final observation, which must exist."""
    step = trajectory.steps[index] if index < len(trajectory.steps) else None
    observation = step.observation if step is not None else trajectory.final_observation
    if observation is None:
        raise IndexError(index)
    facts = None
    if step is not None:
        facts = to_json(StepFacts(**{name: getattr(step, name) for name in StepFacts.__struct_fields__}))
    return {
        "trajectory_id": trajectory.trajectory_id,
        "step_index": index,
        "split": split,
        "goal": trajectory.goal,
        "lang": lang,
        "app": observation.app,
        "url": observation.url,
        "role": "normal" if step is None else step.label.role,
        "scale": None if trajectory.device is None else trajectory.device.scale,
        "image": None if image is None else msgspec.structs.asdict(image),
        "observation": to_json(observation),
        "step": facts,
        "trajectory": header,
    }


def trajectory_header(trajectory: Trajectory) -> str:
    """Return the trajectory's own fields as JSON text, for every row of it."""
    fields = msgspec.structs.asdict(trajectory)
    return to_json({name: fields[name] for name in fields if name not in {"steps", "final_observation"}})


def step_from_row(row: Row) -> StepRow:
    """Return the record of a row of `steps/`."""
    image, step = row["image"], row["step"]
    return StepRow(
        **{name: row[name] for name in ("trajectory_id", "step_index", "split", "goal", "lang", "scale")},
        image=None if image is None else ImageRef(**image),
        observation=_observation.decode(row["observation"]),
        facts=None if step is None else _step.decode(step),
    )


def to_table(name: str, rows: Iterable[Row]) -> pa.Table:
    """Return the rows as an Arrow table of the named schema; a missing column or a wrong type raises."""
    schema = SCHEMAS[name]
    listed = list(rows)
    return pa.Table.from_pydict({field.name: [row[field.name] for row in listed] for field in schema}, schema=schema)


def rejected_row(
    stage: str,
    fingerprint: str,
    scope: str,
    code: str,
    where: str,
    message: str,
    *,
    trajectory_id: str | None = None,
    step_index: int | None = None,
    sample: Sample | None = None,
) -> Row:
    """Return a row of `rejected/`; `fingerprint` is that of the run's input."""
    return {
        "stage": stage,
        "input": fingerprint,
        "scope": scope,
        "code": code,
        "where": where,
        "message": message,
        "trajectory_id": trajectory_id if sample is None else sample.trajectory_id,
        "step_index": step_index if sample is None else sample.step_index,
        "sample_id": None if sample is None else sample.sample_id,
        "row": None if sample is None else to_json(sample),
    }
