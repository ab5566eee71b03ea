"""The order of an epoch, tokens kept packed, and the watch that says how long training waits for data."""

import itertools
import random
from typing import Any

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard, skip_first_batches
from hypothesis import given, settings
from hypothesis import strategies as st

from train.config import DEMO, load
from train.encoding.order import ByLength, order, padding, pool_of
from train.encoding.packed import Packed
from train.encoding.tokens import IGNORED, Encoded
from train.watching import waiting


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=300), st.integers(1, 9), st.integers(), st.integers(0, 9))
@settings(deadline=None)
def test_every_sample_comes_once_in_an_order_of_its_own(lengths: list[int], batch: int, seed: int, epoch: int) -> None:
    """A permutation, the same for the same seed and epoch; the batch of the longest full one comes first."""
    found = order(lengths, batch, seed, epoch)
    assert sorted(found) == list(range(len(lengths)))
    assert found == order(lengths, batch, seed, epoch)
    full = len(lengths) // batch * batch
    if full:
        assert max(lengths[index] for index in found[:full]) in {lengths[index] for index in found[:batch]}


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    """Two epochs share few of their batches; the sampler gives the order of the epoch that it is set to."""
    lengths = list(range(1000))
    orders = [order(lengths, 4, 0, 0), order(lengths, 4, 0, 1), order(lengths, 4, 1, 0)]
    batches = [{tuple(sorted(each[at : at + 4])) for at in range(0, 1000, 4)} for each in orders]
    assert len(batches[0] & batches[1]) < 100
    assert len(batches[0] & batches[2]) < 100
    sampler = ByLength(lengths, 4, 0)
    assert list(sampler) == orders[0]
    sampler.set_epoch(1)
    assert list(sampler) == orders[1]


@given(st.integers(0, 100_000))
def test_pools_are_some_and_bounded(batches: int) -> None:
    """Between 4 and 64 batches; from 32 batches on, an epoch has 8 pools at least."""
    size = pool_of(batches)
    assert 4 <= size <= 64
    assert batches < 32 or batches // size >= 8
    assert pool_of(batches + 1) >= size


@pytest.mark.parametrize(("samples", "batch"), [(108, 2), (300, 4), (1000, 8)])
def test_small_datasets_have_new_batches_every_epoch(samples: int, batch: int) -> None:
    """Few batches come back in the next epoch; sorted as one pool, a small dataset had nearly the same each time."""
    free = random.Random(1)  # noqa: S311  lengths, no secrets
    lengths = [free.randint(600, 1300) for _ in range(samples)]
    epochs = [batches_of(order(lengths, batch, 0, epoch), batch) for epoch in range(8)]
    again = [len(set(before) & set(after)) / len(before) for before, after in itertools.pairwise(epochs)]
    assert sum(again) / len(again) < 0.1, again


def batches_of(indices: list[int], batch: int) -> list[tuple[int, ...]]:
    """Return the full batches, each sorted."""
    full = len(indices) // batch * batch
    return [tuple(sorted(indices[at : at + batch])) for at in range(0, full, batch)]


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=200), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3)
)
@settings(deadline=None)
def test_processes_share_an_epoch_equally(lengths: list[int], batch: int, processes: int, epoch: int) -> None:
    """As accelerate deals batches out: as many to each process, every sample to one, twice only to fill the last."""
    sampler = ByLength(lengths, batch, 0)
    sampler.set_epoch(epoch)
    together = torch.utils.data.BatchSampler(sampler, batch, drop_last=False)
    shards = [list(BatchSamplerShard(together, processes, place)) for place in range(processes)]
    assert len({len(shard) for shard in shards}) == 1
    dealt = [index for step in zip(*shards, strict=True) for each in step for index in each]
    wanted = order(lengths, batch, 0, epoch)
    assert dealt[: len(wanted)] == wanted
    assert len(dealt) - len(wanted) < batch * processes


@given(st.integers(1, 60), st.integers(1, 5), st.data())
@settings(deadline=None)
def test_a_resumed_epoch_goes_on_where_it_was(samples: int, batch: int, data: st.DataObject) -> None:
    """Any number of batches skipped, as Trainer does on resuming, leaves those that would have come next."""
    lengths = [1 + index * 37 % 53 for index in range(samples)]
    whole = order(lengths, batch, 4, 2)
    done = data.draw(st.integers(0, len(whole) // batch))
    sampler = ByLength(lengths, batch, 4)
    sampler.set_epoch(2)
    loader = torch.utils.data.DataLoader(range(samples), batch, sampler=sampler, collate_fn=list)
    left = [index for each in skip_first_batches(loader, done) for index in each]
    assert left == whole[done * batch :]


def test_little_is_padding() -> None:
    """Lengths as recordings have them, 1 to 8 screenshots each: a tenth of the padding of chance, at most."""
    free = random.Random(0)  # noqa: S311  lengths, no secrets
    lengths = [free.randint(1, 8) * 640 + int(free.lognormvariate(6, 0.6)) for _ in range(4096)]
    shuffled = free.sample(range(len(lengths)), len(lengths))
    for batch in (4, 16):
        by_chance = padding(lengths, shuffled, batch)
        found = padding(lengths, order(lengths, batch, 0, 0), batch)
        assert found < by_chance / 10, (batch, found, by_chance)
        assert padding(lengths, shuffled, 1) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 151_935), st.sampled_from([0.0, 0.0, 1.0, 0.3, 2.5]), st.integers(1, 40)), min_size=1
    )
)
def test_packed_tokens_come_back_as_they_were(runs: list[tuple[int, float, int]]) -> None:
    """Ids, labels and weights, equal neighbours or not."""
    encoded = Encoded()
    for token, weight, count in runs:
        encoded.add([token] * count, weight)
    packed = Packed.of(encoded, [3, 4])
    assert packed.unpacked() == encoded
    assert packed.length == len(encoded.input_ids)
    assert encoded.trained == sum(label != IGNORED for label in packed.unpacked().labels)


class Slow:
    """Samples that take seven seconds a batch, by a clock of their own."""

    def __init__(self, examples: Any) -> None:
        self.examples, self.now, self.taken = examples, 0.0, []
        self.lengths = examples.lengths

    def __len__(self) -> int:
        return len(self.examples)

    def __getitems__(self, indices: list[int]) -> Any:
        self.now += 7
        self.taken.append(list(indices))
        return self.examples.__getitems__(indices)


def test_the_trainer_keeps_the_order_and_measures_the_waiting(
    base: Any, examples: Any, encoder: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs in the order that `order` says; the share of waiting is what the clock says."""
    from dataclasses import replace

    from train import trainer
    from train.encoding.data import Collator
    from train.models import model
    from train.watching.log import Log
    from train.watching.progress import Progress

    demo = load(DEMO)
    sft = replace(demo.sft, per_device_train_batch_size=3, gradient_accumulation_steps=2, num_train_epochs=2.0)
    made = model.add_lora(model.load(base, sft), model.targets(base, demo), demo.lora, sft)
    slow = Slow(examples)
    monkeypatch.setattr(waiting.time, "monotonic", lambda: slow.now)
    options = trainer.arguments(replace(demo, sft=sft), folder=str(tmp_path), seed=5, max_steps=None, precision="fp32")
    options.eval_strategy = "no"
    options.load_best_model_at_end = False
    log = Log(tmp_path / "log", Progress(quiet=True, bar=False))
    collator = Collator(base.processor, encoder.chatml)
    runner = trainer.make(made, options, (slow, [examples[0]]), collator, log)
    runner.train()
    log.close()
    wanted = order(slow.lengths, 3, 5, 0) + order(slow.lengths, 3, 5, 1)
    assert [index for batch in slow.taken for index in batch] == wanted
    assert [line["timing"]["data_wait"] for line in log.lines if "loss" in line] == pytest.approx(
        [1.0] * len(log.series("loss"))
    )
    with runner.meter.waiting.running():
        slow.now += 1
    slow.now += 3
    with runner.meter.waiting.aside():
        slow.now += 50
    assert runner.meter.waiting.share() == pytest.approx(0.25)
