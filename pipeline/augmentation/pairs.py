"""Preference pairs: a second dataset beside the augmented one, chosen is what was recorded, rejected is surely wrong.

Two tables, `train/` and `val/`, with the columns that TRL's DPO trainer reads for vision-language models (its page
"Dataset formats", vision datasets): `images`, encoded, as Hugging Face's `Image` stores them; `prompt`, `chosen` and
`rejected` as messages whose contents are lists of parts, an image part for each image in order. Committed, resumed and
refused on change like every dataset of ours.
"""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from pipeline import layouts, seeds
from pipeline.errors import Episode, Refusal
from pipeline.layouts import Layout
from pipeline.records import Message, Sample, joined
from pipeline.report import StageReport
from pipeline.stage import Plan, Running, execute
from pipeline.storage.apart import keep_apart
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Flow
from pipeline.storage.place import Place, Where
from pipeline.storage.shards import ShardResult, ShardWriter
from pipeline.storage.tables import Row, to_json

from .negatives import NEGATIVES, Case, Negative
from .survey import episodes


class PairTask(Struct, frozen=True):
    """One shard of the source dataset."""

    number: int
    source: str
    out: str
    seed: int

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"pairs {self.number:05d}"


def run(source: Where, out: Where, seed: int, running: Running) -> StageReport:
    """Write the preference pairs of the dataset `source` to `out`."""
    source, out = Place.of(source), Place.of(out)
    keep_apart(source, out)
    dataset = Dataset.open(source)
    tasks = [
        PairTask(number, str(source.absolute()), str(out.absolute()), seed)
        for number in dataset.manifest.shard_numbers()
    ]
    manifest = dataset.manifest
    plan = Plan(
        stage="pairs",
        seed=seed,
        config={"negatives": list(NEGATIVES)},
        input={"kind": "dataset", "stage": manifest.stage, "fingerprint": manifest.fingerprint},
        contract=manifest.contract,
        image=manifest.image,
        slicing=manifest.slicing,
        prompts=manifest.prompts,
    )
    return execute(plan, out, tasks, pair_shard, running)


def pair_shard(task: PairTask) -> ShardResult:
    """Write the pairs of one shard: one for each clean decision that has a surely wrong answer."""
    dataset = Dataset.open(task.source)
    layout = layouts.get(dataset.manifest.contract.layout)
    clean = {
        (sample.trajectory_id, sample.step_index): sample
        for sample in dataset.shard_samples(task.number)
        if sample.origin == "clean"
    }
    counts = {name: Counter({"considered": 0}) for name in NEGATIVES}
    splits: Counter[str] = Counter()
    metadata = {"stage": "pairs", "contract": to_json(dataset.manifest.contract)}
    with ShardWriter(Place(task.out), task.number, ("train", "val"), metadata) as writer:
        for episode in episodes(dataset, task.number, task.seed, {}):
            for index in range(len(episode.steps)):
                sample = clean.get((episode.name, index))
                found = None if sample is None else _pick(layout, sample, episode, task.seed, counts)
                if sample is not None and found is not None:
                    writer.write(sample.split, _row(dataset, sample, *found))
                    splits[sample.split] += 1
        shards = writer.commit()
    made = sum(splits.values())
    return ShardResult(
        number=task.number,
        shards=shards,
        counts={"samples": Flow(added=made, out=made)},
        rejected={},
        splits=dict(splits),
        details={
            "decisions": {"with a pair": made, "without": len(clean) - made},
            **{name: dict(sorted(counter.items())) for name, counter in counts.items()},
        },
    )


def _pick(
    layout: Layout, sample: Sample, episode: Episode, seed: int, counts: dict[str, Counter[str]]
) -> tuple[str, str] | None:
    """Return the kind of the negative and the rejected response; None if no answer is wrong for sure."""
    turn = sample.turns[-1]
    if turn.role != "normal" or len(turn.actions) != 1:
        return None
    options: list[tuple[str, str]] = []
    for name, negative in NEGATIVES.items():
        outcome = negative(Case(episode, sample.step_index, seed))
        if outcome is None:
            continue
        counts[name]["considered"] += 1
        response = None
        if isinstance(outcome, Negative):
            wrong = replace(turn, actions=(outcome.action,), thought=outcome.thought, instruction=outcome.instruction)
            outcome = Refusal("inexpressible")
            if layout.refuse(wrong) is None:
                response = layout.response(wrong)
        if response is None or response == layout.response(turn):
            counts[name][f"refused: {outcome.guard}"] += 1
            continue
        counts[name]["truthful"] += 1
        options.append((name, response))
    if not options:
        return None
    chosen = seeds.pick(options, seed, "pairs", sample.sample_id)
    counts[chosen[0]]["made"] += 1
    return chosen


def _row(dataset: Dataset, sample: Sample, negative: str, rejected: str) -> Row:
    return {
        "images": [{"bytes": dataset.image(image), "path": None} for image in sample.images],
        "prompt": _messages(sample.messages[:-1]),
        "chosen": _messages(sample.messages[-1:]),
        "rejected": [{"role": "assistant", "content": [{"type": "text", "text": rejected}]}],
        "sample_id": sample.sample_id,
        "trajectory_id": sample.trajectory_id,
        "negative": negative,
    }


def _messages(messages: Sequence[Message]) -> list[Row]:
    return [
        {
            "role": each.role,
            "content": [{"type": part.type, "text": part.text} for part in joined(each.content, tokens=True)],
        }
        for each in messages
    ]
