"""A learning rate for each part of the model: the optimizer's groups, split after it was made.

Trainer makes the optimizer, whichever `optim` names, with its groups for weight decay; splitting those keeps all that
it decided. The schedule scales every group alike.
"""

from collections.abc import Mapping
from typing import Any

from train.config import SftConfig

from .parts import Part, part_of

KEYS: dict[Part, str] = {"vision": "vision_learning_rate", "projector": "projector_learning_rate"}
"""The parts that may have a rate of their own, and how the configuration calls it."""


def of_parts(sft: SftConfig) -> dict[Part, float]:
    """Return the rates that were set, by part."""
    rates = {part: getattr(sft, key) for part, key in KEYS.items()}
    return {part: rate for part, rate in rates.items() if rate is not None}


def split(optimizer: Any, named: Mapping[int, str], rates: Mapping[Part, float]) -> None:
    """Split the optimizer's groups by part, in place; `named` is the name of each parameter by its id.

    Groups are named after their part, under which the log has their rates.
    """
    for group in list(optimizer.param_groups):
        kept = list(group["params"])
        for part, rate in rates.items():
            mine = [p for p in kept if part_of(named[id(p)]) == part]
            if not mine:
                continue
            kept = [p for p in kept if part_of(named[id(p)]) != part]
            optimizer.param_groups.append({**group, "params": mine, "lr": rate, "name": part})
        group |= {"params": kept, "name": "language"}
    optimizer.param_groups[:] = [group for group in optimizer.param_groups if group["params"]]
