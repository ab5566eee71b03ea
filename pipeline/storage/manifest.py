"""`manifest.json`: what a dataset holds, how it was made, and what a model must agree with to be trained on it."""

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from pipeline.slicing.policy import History, Prompts

MANIFEST = "manifest.json"
TABLES = ("steps", "images", "samples", "rejected", "train", "val")
"""`train` and `val` are the preference pairs of `--pairs`, a dataset of its own."""

Stage = Literal["slice", "normalize", "augment-errors", "augment-variants", "pairs", "validate"]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Contract(Struct, frozen=True, forbid_unknown_fields=True):
    """The agreement between a dataset and a model: whose coordinates, which pixel budget, what of the past."""

    layout: str
    family: str
    """The model family whose processor the picture sizes follow."""
    coordinates: Literal["grid", "resized_px"]
    scale: int | None
    """Largest grid value; None where coordinates are pixels of the resized picture."""
    factor: Positive
    """Patch size x merge size: both sides of every picture are multiples of it."""
    min_pixels: Positive
    max_pixels: Positive
    """Area of a picture at most; divided by factor squared it is the number of tokens."""
    max_dim: Positive | None
    """Long side of a picture at most; None where only the area is limited."""
    history: History
    """What a sample shows of the past."""


class Slicing(Struct, frozen=True, forbid_unknown_fields=True):
    """How trajectories were cut into samples, and which of them stand on the same side of the split."""

    mode: Literal["step", "window", "subtask"] = "step"
    """A sample for each decision; one for several in a row; one for each decision, its goal the sub-task's."""
    window: Positive | None = None
    """Decisions in a window at most."""
    stride: Positive | None = None
    """Decisions from the start of one window to that of the next at most."""
    min_history: Count = 0
    """Steps before a decision at least, or it is not trained."""
    max_history: Count | None = None
    """Steps that are told before a decision, or before a window, at most."""
    max_tokens: Positive | None = None
    """Tokens of a sample at most, screenshots and frame included."""
    tokenizer: str | None = None
    """SHA-256 of the tokenizer that counted them; None where each byte of text counted as one."""
    split_by: Literal["trajectory", "task", "app"] = "task"


class Shard(Struct, frozen=True, forbid_unknown_fields=True):
    """One committed file."""

    name: Annotated[str, Meta(pattern=r"^(steps|images|samples|rejected|train|val)/[0-9]{5}\.parquet$")]
    rows: Count
    bytes: Count
    sha256: Sha256


class Flow(Struct, frozen=True, forbid_unknown_fields=True, rename={"into": "in"}):
    """Row conservation: what came in plus what was added is what went out plus what was refused."""

    into: Count = 0
    added: Count = 0
    out: Count = 0
    rejected: Count = 0

    def __add__(self, other: "Flow") -> "Flow":
        return Flow(
            self.into + other.into,
            self.added + other.added,
            self.out + other.out,
            self.rejected + other.rejected,
        )

    @property
    def balanced(self) -> bool:
        """Whether nothing was lost."""
        return self.into + self.added == self.out + self.rejected


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """The only index of a dataset; readers open nothing that it does not name."""

    schema: Literal["gdp.dataset/1"]
    stage: Stage
    version: str
    seed: int
    config: dict[str, Any]
    input: dict[str, str]
    contract: Contract
    slicing: Slicing
    prompts: Prompts
    """What replaces the layout's own texts."""
    image: dict[str, Any]
    """How the screenshots were made."""
    counts: dict[str, Flow]
    rejected: dict[str, Count]
    splits: dict[str, Count]
    details: dict[str, Any]
    """What else the stage counted."""
    shards: tuple[Shard, ...]

    def to_json(self) -> bytes:
        """Return the file's exact bytes."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the manifest; it names every shard's hash, so it stands for the whole dataset."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def shard_numbers(self) -> list[int]:
        """Return the shard numbers in order."""
        return sorted({int(shard.name.split("/")[1].removesuffix(".parquet")) for shard in self.shards})
