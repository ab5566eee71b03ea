"""The loss: cross entropy of the trained tokens, each times its weight, logits computed only where they are needed."""

from typing import Any

import torch

from train.encoding.tokens import IGNORED

from . import head


def token_losses(model: Any, batch: dict[str, Any]) -> tuple[torch.Tensor, Any]:
    """Return the weighted loss of each trained token of the batch [N], and the model's outputs."""
    losses, outputs = head.losses(model, model_inputs(batch), batch["labels"], IGNORED)
    weights = batch["weights"][:, 1:][batch["labels"][:, 1:] != IGNORED]
    return losses * weights, outputs


def model_inputs(batch: dict[str, Any]) -> dict[str, Any]:
    """Return what the model takes of a batch; what that is beside tokens, each family says for itself."""
    return {key: value for key, value in batch.items() if key not in OURS}


OURS = ("labels", "weights", "sample_ids", "pictures")
"""What a batch holds for the loss and for messages."""
