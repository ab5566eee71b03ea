"""The first steps prove that what should learn does: a part cut off from the loss trains for days without a word.

Of LoRA's two matrices B starts at zero, so in the first step the gradient of A, which passes through B, is zero by
construction; B's is not. So B stands for its layer, the magnitudes of DoRA and whole modules for themselves.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from pipeline.exceptions import StageError

from .parts import TITLES, Part, part_of

FIRST = "lora_A"


class GradientCheck(TrainerCallback):  # type: ignore[misc]
    """Raises StageError before the first optimizer step in which a part that must learn gets no gradient.

    Vision tower and projector are judged in the first step that shows a picture.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._pictures = False
        self._judged: set[Part] = set()

    def saw(self, inputs: dict[str, Any]) -> None:
        """Take note of whether a batch holds pictures."""
        self._pictures = self._pictures or any("pixel" in key for key in inputs)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Judge each part once."""
        if args.deepspeed or args.fsdp:
            return  # gradients lie in pieces on several processes there
        due: set[Part] = {"language", "rest"}
        if self._pictures:
            due |= {"vision", "projector"}
        if due <= self._judged:
            return
        learning: Counter[Part] = Counter()
        silent: dict[Part, list[str]] = {}
        for name, parameter in model.named_parameters():
            part = part_of(name)
            if not parameter.requires_grad or FIRST in name or part in self._judged or part not in due:
                continue
            if parameter.grad is not None and bool(parameter.grad.any()):
                learning[part] += 1
            else:
                silent.setdefault(part, []).append(name)
        self._judged |= due
        for part, names in silent.items():
            self._judge(part, names, learning[part])

    def _judge(self, part: Part, names: list[str], learning: int) -> None:
        first = names[0].removeprefix("base_model.model.")
        if not learning:
            message = f"nothing in {TITLES[part]} gets a gradient ({first}), expected all that should learn to get one"
            raise StageError("training", message, "the model leaves this part out, or it was cut off from the loss")
        self._say(f"train: warning: {len(names)} of {len(names) + learning} weights to learn in {TITLES[part]} get no"
                  f" gradient ({first}): the model does not use them")  # fmt: skip
