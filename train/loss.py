"""The loss: cross entropy of the trained tokens, each times its weight, logits computed only where they are needed."""

from typing import Any

import torch

from .tokens import IGNORED


def token_losses(model: Any, batch: dict[str, Any]) -> tuple[torch.Tensor, Any]:
    """Return the weighted loss of each trained token of the batch [N], and the model's outputs.

    Everything before the first trained token is context, so the vocabulary's logits are not computed there: with
    152,000 words and one trained turn at the end that is most of the memory.
    """
    labels, weights = batch["labels"], batch["weights"]
    inputs = {key: batch[key] for key in INPUTS if key in batch}
    first = int((labels != IGNORED).any(dim=0).nonzero()[0])
    kept = labels.shape[1] - first + 1  # the token before the first label predicts it
    outputs = model(**inputs, logits_to_keep=kept)
    wanted = labels[:, first:]
    trained = wanted != IGNORED
    logits = outputs.logits[:, :-1][trained].float()
    losses = torch.nn.functional.cross_entropy(logits, wanted[trained], reduction="none")
    return losses * weights[:, first:][trained], outputs


INPUTS = ("input_ids", "attention_mask", "mm_token_type_ids", "pixel_values", "image_grid_thw")
"""What the model takes of a batch."""
