"""The order of an epoch, tokens kept packed, and the watch that says how long training waits for data."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.config import DEMO, load
from train.encoding.order import ByLength, order, padding
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
