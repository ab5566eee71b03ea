"""Cut the screenshots of a shard: which samples, and their pictures after those that were there."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from pipeline import layouts, seeds
from pipeline.records import ImageRef, Sample
from pipeline.slicing.compose import Setting, TooLong
from pipeline.storage.dataset import Dataset
from pipeline.storage.shards import ShardWriter
from pipeline.storage.tables import sample_from_row

from .crop import cut_picture, cut_sample, plan_cut
from .cut import SUFFIX, Cut, is_cut
from .safe_zone import Unmovable

Cutting = tuple[Sample, Cut]


def planned_cuts(
    share: float, seed: int, number: int, dataset: Dataset, table: "pa.Table", setting: Setting
) -> tuple[list[Cutting], dict[str, Any]]:
    """Return which samples of the shard are to be shown once more with a part of their screenshot, and the counts."""
    if not share:
        return [], {}
    counts = Counter({"considered": 0})
    there = set(table["sample_id"].to_pylist())
    steps = {(step.trajectory_id, step.step_index): step for step in dataset.steps(number)}
    contract = dataset.manifest.contract
    cuts: list[Cutting] = []
    for sample in map(sample_from_row, table.filter(pc.equal(table["origin"], pa.scalar("clean"))).to_pylist()):
        drawn = seeds.uniform(seed, "crop", sample.sample_id, "whether") < share
        if not drawn or is_cut(sample.sample_id) or f"{sample.sample_id}{SUFFIX}" in there:
            continue
        step = steps.get((sample.trajectory_id, sample.step_index))  # none of what several recordings make up
        cut = None if step is None else plan_cut(sample, step.observation.elements, contract, seed)
        if cut is None:
            continue
        counts["considered"] += 1
        if isinstance(cut, Unmovable):
            counts[f"refused: {cut.reason}"] += 1
        elif _too_long(sample, cut, setting):  # a smaller picture, but points may have more digits
            counts["refused: too_long"] += 1
        else:
            counts.update({"truthful": 1, "made": 1})
            cuts.append((sample, cut))
    return cuts, {"crop": dict(sorted(counts.items()))}


def _too_long(sample: Sample, cut: Cut, setting: Setting) -> bool:
    if setting.slicing.max_tokens is None:
        return False
    image = replace(sample.images[0], width=cut.width, height=cut.height)
    return isinstance(cut_sample(sample, cut, image, layouts.get(setting.contract.layout), setting), TooLong)


def write_cuts(
    number: int, setting: Setting, dataset: Dataset, cuts: list[Cutting], writer: ShardWriter
) -> Iterator[Sample]:
    """Yield the samples with a part of their screenshot; writes all pictures of the shard, the parts last."""
    if not cuts:
        return
    layout, refs = layouts.get(setting.contract.layout), dict[str, ImageRef]()
    made = dataset.manifest.image
    for row in dataset.rows("images", number):
        writer.write("images", row)
    for sample, cut in cuts:
        whole = sample.images[0]
        row = cut_picture(dataset.image(whole), cut, whole, made["format"], made["quality"])
        sha256 = row["sha256"]
        if sha256 not in refs:
            refs[sha256] = ImageRef(sha256, number, writer.write("images", row), cut.width, cut.height)
        part = cut_sample(sample, cut, refs[sha256], layout, setting)
        assert isinstance(part, Sample), "planned, and now too long"
        yield part
