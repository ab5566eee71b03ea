"""Inputs of batches that are not computed with yet: Trainer takes all of a step before it begins the first of them."""

from train.config import TrainConfig
from train.encoding.data import Examples
from train.encoding.order import order
from train.folder import processes


def share(examples: Examples, largest: list[int], config: TrainConfig, *, seed: int, cpu: bool) -> float:
    """Return the inputs of a step's other batches as a multiple of those of the largest, by their image tokens.

    The first step is the one that is asked, because it holds the batch with the longest sample. On a CPU one batch
    more is there, which accelerate reads ahead; for a GPU that one still lies in the computer's memory. Of several
    processes, which take the batches in turn, it is the one with the most.
    """
    size, passes = config.sft.per_device_train_batch_size, config.sft.gradient_accumulation_steps
    count = processes.count()
    taken = order(examples.lengths, size, seed, 0, passes=passes, processes=count)[: size * (passes + cpu) * count]
    batches = [taken[start : start + size] for start in range(0, len(taken), size)]
    shown = _shown(examples, largest)
    others = max(sum(_shown(examples, batch) for batch in batches[rank::count]) for rank in range(count))
    return max(0.0, others / shown - 1) if shown else 0.0


def _shown(examples: Examples, indices: list[int]) -> int:
    """Return the image tokens of samples."""
    return sum(sum(tokens.image_tokens) for index in indices if (tokens := examples.items[index].tokens))
