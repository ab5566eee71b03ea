"""The order of an epoch, tokens kept packed, and the watch that says how long training waits for data."""

import itertools
import random
import statistics
from typing import Any

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard, skip_first_batches
from hypothesis import given, settings
from hypothesis import strategies as st

from train.config import DEMO, load
from train.encoding.order import CHANCE, ByLength, order, padding
from train.encoding.packed import Packed
from train.encoding.tokens import IGNORED, Encoded
from train.watching import waiting

LENGTHS = st.lists(st.integers(1, 5000), min_size=1, max_size=300)
SHAPE = (st.integers(1, 9), st.integers(1, 4), st.integers(1, 3))
"""Samples of a batch, batches of a process in a step, processes."""


@given(LENGTHS, *SHAPE, st.integers(), st.integers(0, 9))
@settings(deadline=None)
def test_every_sample_comes_once_in_an_order_of_its_own(
    lengths: list[int], batch: int, passes: int, processes: int, seed: int, epoch: int
) -> None:
    """A permutation, the same for the same seed and epoch; the batch of the longest full one comes first."""
    found = order(lengths, batch, seed, epoch, passes=passes, processes=processes)
    assert sorted(found) == list(range(len(lengths)))
    assert found == order(lengths, batch, seed, epoch, passes=passes, processes=processes)
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


@given(LENGTHS, *SHAPE)
@settings(deadline=None)
def test_a_step_has_a_batch_of_each_stratum(lengths: list[int], batch: int, passes: int, processes: int) -> None:
    """The longest batches of all steps are no shorter than any of the second longest ones, and so on."""
    found = order(lengths, batch, 0, 0, passes=passes, processes=processes)
    steps = steps_of(found, batch * passes * processes)
    longest = [sorted(longest_of(step, lengths, batch), reverse=True) for step in steps]
    for above, below in itertools.pairwise(zip(*longest, strict=True)):
        assert min(above) >= max(below)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
@settings(deadline=None)
def test_processes_change_no_step(lengths: list[int], batch: int, passes: int, processes: int, epoch: int) -> None:
    """Several processes learn in a step what one does that accumulates as many batches."""
    alone = order(lengths, batch, 3, epoch, passes=passes * processes)
    shared = order(lengths, batch, 3, epoch, passes=passes, processes=processes)
    size = batch * passes * processes
    assert [set(step) for step in steps_of(alone, size)] == [set(step) for step in steps_of(shared, size)]


@given(LENGTHS, st.integers(1, 9), st.integers(0, 3))
@settings(deadline=None)
def test_chance_costs_a_bounded_padding(lengths: list[int], batch: int, epoch: int) -> None:
    """At most `CHANCE` more than sorting the same samples leaves; nothing where it is less by chance alone."""
    found = order(lengths, batch, 0, epoch)
    full = found[: len(found) // batch * batch]
    if full:
        by_length = sorted(full, key=lambda index: lengths[index])
        least = padding(lengths, by_length[::-1], batch)
        assert padding(lengths, full, batch) <= least + CHANCE + 1e-9


@pytest.mark.parametrize(("batch", "passes"), [(4, 1), (16, 1), (4, 4), (16, 4)])
def test_lengths_that_differ_little_are_left_to_chance(batch: int, passes: int) -> None:
    """Kinds of samples that differ by a few tokens are in a step as if drawn; sorted, a batch was of one kind."""
    free = random.Random(2)  # noqa: S311  lengths, no secrets
    kinds = [free.random() < 0.2 for _ in range(1920)]
    lengths = [163 if kind else 156 + free.randint(0, 5) for kind in kinds]
    shares = [share for epoch in range(8) for share in shares_of(kinds, order(lengths, batch, 0, epoch, passes=passes),
                                                                batch * passes)]  # fmt: skip
    drawn = 0.2 * 0.8 / (batch * passes)
    assert statistics.pvariance(shares) < 1.25 * drawn


@given(st.integers(100, 400), st.integers(1, 8), st.integers(2, 8), st.integers(0, 9))
@settings(deadline=None)
def test_a_step_has_its_share_of_long_samples(samples: int, batch: int, passes: int, seed: int) -> None:
    """A fifth is three times as long: their share of a step's batches is the epoch's, but for one batch."""
    long = [random.Random(f"{seed}.{index}").random() < 0.2 for index in range(samples)]  # noqa: S311
    lengths = [3000 + index % 5 if kind else 1000 + index % 7 for index, kind in enumerate(long)]
    found = order(lengths, batch, seed, 0, passes=passes)
    steps = steps_of(found, batch * passes)
    held = [sum(length >= 3000 for length in longest_of(step, lengths, batch)) for step in steps]
    assert max(held, default=0) - min(held, default=0) <= 1


@pytest.mark.parametrize(("passes", "processes"), [(2, 2), (4, 2), (2, 4), (8, 2)])
def test_processes_have_as_much_to_do(passes: int, processes: int) -> None:
    """Those with less wait at most two thirds as long for the others as with batches in any order."""
    free = random.Random(4)  # noqa: S311  lengths, no secrets
    lengths = [int(free.lognormvariate(7, 0.5)) for _ in range(4096)]
    found = order(lengths, 2, 0, 0, passes=passes, processes=processes)
    by_chance = free.sample(batches_of(found, 2), len(lengths) // 2)
    size = 2 * passes * processes

    def waited(indices: list[int]) -> float:
        steps = [longest_of(step, lengths, 2) for step in steps_of(indices, size)]
        done = [[sum(step[at::processes]) for at in range(processes)] for step in steps]
        return 1 - sum(map(sum, done)) / sum(processes * max(each) for each in done)

    assert waited(found) < waited([index for pair in by_chance for index in pair]) * 0.68


def steps_of(indices: list[int], size: int) -> list[list[int]]:
    """Return the samples of each full step."""
    return [indices[at : at + size] for at in range(0, len(indices) // size * size, size)]


def longest_of(step: list[int], lengths: list[int], batch: int) -> list[int]:
    """Return the longest length of each batch of a step."""
    return [max(lengths[index] for index in step[at : at + batch]) for at in range(0, len(step), batch)]


def shares_of(kinds: list[bool], indices: list[int], size: int) -> list[float]:
    """Return the share of a kind in each step."""
    return [statistics.fmean(kinds[index] for index in step) for step in steps_of(indices, size)]


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
    sampler = ByLength(lengths, batch, 0, passes=2, processes=processes)
    sampler.set_epoch(epoch)
    together = torch.utils.data.BatchSampler(sampler, batch, drop_last=False)
    shards = [list(BatchSamplerShard(together, processes, place)) for place in range(processes)]
    assert len({len(shard) for shard in shards}) == 1
    dealt = [index for step in zip(*shards, strict=True) for each in step for index in each]
    wanted = order(lengths, batch, 0, epoch, passes=2, processes=processes)
    assert dealt[: len(wanted)] == wanted
    assert len(dealt) - len(wanted) < batch * processes


@given(st.integers(1, 60), st.integers(1, 5), st.data())
@settings(deadline=None)
def test_a_resumed_epoch_goes_on_where_it_was(samples: int, batch: int, data: st.DataObject) -> None:
    """Any number of batches skipped, as Trainer does on resuming, leaves those that would have come next."""
    lengths = [1 + index * 37 % 53 for index in range(samples)]
    whole = order(lengths, batch, 4, 2, passes=3)
    done = data.draw(st.integers(0, len(whole) // batch))
    sampler = ByLength(lengths, batch, 4, passes=3)
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
    wanted = order(slow.lengths, 3, 5, 0, passes=2) + order(slow.lengths, 3, 5, 1, passes=2)
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
