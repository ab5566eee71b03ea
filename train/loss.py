"""The loss: cross entropy of the trained tokens, each times its weight, logits computed only where they are needed."""

from typing import Any

import torch

from . import head
from .tokens import IGNORED


def token_losses(model: Any, batch: dict[str, Any]) -> tuple[torch.Tensor, Any]:
    """Return the weighted loss of each trained token of the batch [N], and the model's outputs."""
    inputs = {key: batch[key] for key in INPUTS if key in batch}
    losses, outputs = head.losses(model, inputs, batch["labels"], IGNORED)
    weights = batch["weights"][:, 1:][batch["labels"][:, 1:] != IGNORED]
    return losses * weights, outputs


INPUTS = ("input_ids", "attention_mask", "mm_token_type_ids", "pixel_values", "image_grid_thw")
"""What the model takes of a batch."""
