"""Make one shard with smaller screenshots: what a worker of `gdp normalize` does."""

from collections import Counter
from typing import Any

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import asdict, replace

from . import layouts
from .exceptions import InputError
from .layouts import render
from .records import ImageRef, Sample, Screenshot, Turn
from .screens.images import ImageProblem, Plan, final_size, scaled
from .slicing.compose import estimate_tokens
from .slicing.token_count import counter
from .storage.dataset import Dataset
from .storage.manifest import Contract, Flow
from .storage.place import Place
from .storage.shards import ShardResult, ShardWriter, take_over
from .storage.tables import Row, rejected_row, sample_row, to_json

Size = tuple[int, int]


class NormalizeTask(Struct, frozen=True):
    """One shard of the source dataset."""

    number: int
    source: str
    out: str
    contract: Contract
    image_plan: Plan
    fingerprint: str
    """Of the source dataset."""
    tokenizer: str | None
    """File of the tokenizer that counts texts that change; None where they are estimated."""

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"normalize {self.number:05d}"


class _Refused(Exception):  # noqa: N818 - a finding to be counted, not a failure of the program
    """Why a sample cannot be brought down: a JSON path into it, and the reason."""


def normalize_shard(task: NormalizeTask) -> ShardResult:
    """Write the shard's tables with smaller screenshots."""
    dataset, out = Dataset.open(task.source), Place(task.out)
    if task.contract == dataset.manifest.contract:
        return _unchanged(task, dataset, out)
    metadata = {"stage": "normalize", "contract": to_json(task.contract)}
    with ShardWriter(out, task.number, ("steps", "images", "samples", "rejected"), metadata) as writer:
        shard = _Shard(task, dataset, writer)
        return shard.run()


def _unchanged(task: NormalizeTask, dataset: Dataset, out: Place) -> ShardResult:
    """Take the shard over: its screenshots keep to these limits already."""
    splits = Counter(map(str, dataset.table("samples", task.number)["split"].to_pylist()))
    pictures = dataset.shard("images", task.number)
    return ShardResult(
        number=task.number,
        shards=take_over(dataset, out, task.number, ("steps", "images", "samples", "rejected")),
        counts={"samples": Flow(into=splits.total(), out=splits.total())},
        rejected={},
        splits=dict(splits),
        details={"screenshots": {"unchanged": pictures.rows if pictures else 0}},
    )


class _Shard:
    """The state of one shard while it is made."""

    def __init__(self, task: NormalizeTask, dataset: Dataset, writer: ShardWriter) -> None:
        self._task = task
        self._dataset = dataset
        self._writer = writer
        self._layout = layouts.get(task.contract.layout)
        self._count = estimate_tokens if task.tokenizer is None else counter(task.tokenizer, task.contract.factor).text
        contract = dataset.manifest.contract
        limits = {name: getattr(contract, name) for name in ("max_pixels", "max_dim")}
        self._before: Plan = replace(task.image_plan, **limits)
        self._refs: dict[int, ImageRef | ImageProblem] = {}
        """By row of the source."""
        self._sizes: dict[tuple[str, int], tuple[Size | None, Size | None]] = {}
        """By step: the size of its screenshot before and after, whether it is stored or not."""
        self._counts: Counter[str] = Counter()

    def run(self) -> ShardResult:
        """Write everything; return what the journal notes."""
        self._write_images()
        self._write_steps()
        splits: Counter[str] = Counter()
        codes: Counter[str] = Counter()
        self._writer.write_table("rejected", self._dataset.table("rejected", self._task.number))
        n_samples = 0
        for index, sample in enumerate(self._dataset.shard_samples(self._task.number)):
            n_samples += 1
            try:
                made = self._smaller(sample)
            except _Refused as refused:
                codes["image_aspect"] += 1
                self._writer.write("rejected", self._refused(index, sample, refused))
                continue
            self._writer.write("samples", sample_row(made))
            splits[made.split] += 1
        return ShardResult(
            number=self._task.number,
            shards=self._writer.commit(),
            counts={"samples": Flow(into=n_samples, out=splits.total(), rejected=codes.total())},
            rejected=dict(codes),
            splits=dict(splits),
            details={"screenshots": dict(self._counts)},
        )

    def _write_images(self) -> None:
        written: dict[str, ImageRef] = {}
        for number, row in enumerate(self._dataset.rows("images", self._task.number)):
            try:
                made = self._image(row)
            except ImageProblem as problem:
                self._refs[number] = problem
                self._counts["refused"] += 1
                continue
            self._counts["unchanged" if made is row else "resized"] += 1
            sha256 = made["sha256"]
            if sha256 not in written:
                place = self._writer.write("images", made)
                written[sha256] = ImageRef(sha256, self._task.number, place, made["width"], made["height"])
            self._refs[number] = written[sha256]

    def _image(self, row: Row) -> Row:
        """Return the row with a smaller screenshot, or as it is; raises ImageProblem."""
        stored, source = (row["width"], row["height"]), (row["source_width"], row["source_height"])
        whole = _size(*source, self._before) == stored  # a part that was cut out counts for itself
        size = final_size(*(source if whole else stored), self._task.image_plan)
        return row if size == stored else {**row, **scaled(row["bytes"], size, self._task.image_plan)}

    def _write_steps(self) -> None:
        table = self._dataset.table("steps", self._task.number)
        for row in self._dataset.steps(self._task.number):
            recorded: Screenshot = row.observation.image
            width, height = recorded.width, recorded.height
            sizes = _size(width, height, self._before), _size(width, height, self._task.image_plan)
            self._sizes[row.trajectory_id, row.step_index] = sizes
        images = [None if ref is None else self._step_image(ImageRef(**ref)) for ref in table["image"].to_pylist()]
        place = table.schema.get_field_index("image")
        column = pa.array(images, table.schema.field(place).type)
        self._writer.write_table("steps", table.set_column(place, table.schema.field(place), column))

    def _step_image(self, old: ImageRef) -> dict[str, Any] | None:
        new = self._ref(old)
        return None if isinstance(new, ImageProblem) else asdict(new)

    def _ref(self, old: ImageRef) -> ImageRef | ImageProblem:
        if old.shard != self._task.number or old.row not in self._refs:
            where = f"{self._dataset.path}/images/{old.shard:05d}.parquet[{old.row}]"
            raise InputError(where, f"found no such screenshot in shard {self._task.number}, expected one")
        return self._refs[old.row]

    def _smaller(self, sample: Sample) -> Sample:
        """Return the sample with the new screenshots; raises _Refused."""
        images = []
        for number, old in enumerate(sample.images):
            new = self._ref(old)
            if isinstance(new, ImageProblem):
                raise _Refused(f"$.images[{number}]", new.message)
            images.append(new)
        turns = tuple(self._turn(sample, number, images) for number in range(len(sample.turns)))
        manifest = self._dataset.manifest
        messages = render(self._layout, manifest.contract.history, manifest.prompts, sample.goal, turns)
        same = messages == sample.messages  # where coordinates are on a grid
        return replace(
            sample,
            images=tuple(images),
            turns=turns,
            messages=messages,
            text_tokens_estimate=sample.text_tokens_estimate if same else self._count(messages),
            image_tokens=sum(image.width * image.height for image in images) // self._task.contract.factor**2,
        )

    def _turn(self, sample: Sample, number: int, images: list[ImageRef]) -> Turn:
        """Return the turn with the size of its screenshot, shown or not; raises _Refused."""
        turn = sample.turns[number]
        if turn.size is None:
            return turn
        if turn.image is not None:
            return replace(turn, size=(images[turn.image].width, images[turn.image].height))
        before, after = self._sizes.get((sample.trajectory_id, turn.step_index), (None, None))
        size = after if turn.size == before else _size(*turn.size, self._task.image_plan)
        if size is None and self._layout.scale is None:
            raise _Refused(f"$.turns[{number}].size", "found a screenshot of a shape that does not fit the new limits")
        return replace(turn, size=size)

    def _refused(self, index: int, sample: Sample, refused: _Refused) -> Row:
        path, message = refused.args
        where = f"samples/{self._task.number:05d}.parquet[{index}] {sample.sample_id} {path}"
        return rejected_row(
            "normalize", self._task.fingerprint, "sample", "image_aspect", where, message, sample=sample
        )


def _size(width: int, height: int, plan: Plan) -> Size | None:
    try:
        return final_size(width, height, plan)
    except ImageProblem:
        return None
