"""The vocabulary's scores at trained positions only: with 152,000 words they are most of a small model's work.

The model's own forward pass runs as always; a hook on its head gathers the rows that predict a trained token, so that
nothing else is ever multiplied, whatever the architecture does to scores afterwards. Where the head is a frozen linear
layer and its scores are the model's logits as they are, the loss and its gradient are taken chunk by chunk, and no
more than a chunk of scores exists at any time.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import torch

CHUNK = 512
"""Rows of scores that exist at once: 300 MB in float32 at a vocabulary of 152,000."""


class Way(Enum):
    """How the loss of a model is computed; the value says it to the user."""

    CHUNKS = "logits at trained positions only, in chunks"
    ROWS = "logits at trained positions only"
    TAIL = "logits from the first trained position on"


_known: "weakref.WeakKeyDictionary[torch.nn.Module, Way]" = weakref.WeakKeyDictionary()


def way(model: Any) -> Way:
    """Return how the losses of the model are computed, found out once by a pass over a few tokens."""
    head = output_head(model)
    if head is None:
        return Way.TAIL
    if head not in _known:
        _known[head] = _find_out(model, head)
    found = _known[head]
    if found is Way.CHUNKS and not _is_frozen_and_plain(head):
        return Way.ROWS
    return found


def losses(model: Any, inputs: dict[str, Any], labels: torch.Tensor, ignored: int) -> tuple[torch.Tensor, Any]:
    """Return the loss of each token that `labels` [B, L] trains [N], in order, and the model's outputs.

    A token is predicted by the position before it. Of `Way.CHUNKS` the outputs hold losses where logits would be.
    """
    wanted = labels[:, 1:] != ignored
    targets = labels[:, 1:][wanted]
    rows = torch.nn.functional.pad(wanted, (0, 1))
    match way(model):
        case Way.CHUNKS:
            with _losses_as_logits(output_head(model), rows, targets):
                outputs = model(**inputs)
            return outputs.logits, outputs
        case Way.ROWS:
            with _only(output_head(model), rows):
                outputs = model(**inputs)
            logits = outputs.logits[0]
        case Way.TAIL:
            first = int(wanted.any(dim=0).nonzero()[0])
            outputs = model(**inputs, logits_to_keep=labels.shape[1] - first)
            logits = outputs.logits[:, :-1][wanted[:, first:]]
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none"), outputs


def output_head(model: Any) -> torch.nn.Module | None:
    """Return the layer that scores the vocabulary, if the model says which it is."""
    inner = model.module if isinstance(model, torch.nn.parallel.DistributedDataParallel) else model
    found = inner.get_output_embeddings()
    return found if isinstance(found, torch.nn.Module) else None


def _is_frozen_and_plain(head: Any) -> bool:
    """Return whether the head is nothing but a frozen matrix: no adapter, no hooks, no bits packed, weights at hand.

    In fp16 a gradient must be scaled up before it is rounded, which comes too late for one taken in the forward pass.
    """
    return (
        type(head) is torch.nn.Linear
        and head.weight.dtype is not torch.float16
        and "forward" not in vars(head)
        and not head._forward_hooks
        and not head._forward_pre_hooks
        and not any(parameter.requires_grad for parameter in head.parameters())
    )


@contextmanager
def _only(head: Any, rows: torch.Tensor) -> Iterator[None]:
    """Let the head see these rows [B, L] of the hidden states alone, as one batch [1, N, hidden size]."""
    hook = head.register_forward_pre_hook(lambda _, args: (args[0][rows][None], *args[1:]))
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def _losses_as_logits(head: Any, rows: torch.Tensor, targets: torch.Tensor) -> Iterator[None]:
    """Let the head return the loss of each row [N] instead of its scores."""
    gathered: list[torch.Tensor] = []

    def take(_: Any, args: tuple[Any, ...]) -> tuple[torch.Tensor]:
        gathered.append(args[0][rows])
        return (gathered[0][:0],)

    def answer(module: Any, *_: Any) -> torch.Tensor:
        apply: Any = _FrozenHeadLoss.apply  # untyped in torch
        losses: torch.Tensor = apply(gathered[0], module.weight, module.bias, targets)
        return losses

    hooks = (head.register_forward_pre_hook(take), head.register_forward_hook(answer))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _FrozenHeadLoss(torch.autograd.Function):
    """Cross entropy of `hidden` [N, H] under a frozen head [V, H]; the gradient is taken in the forward pass.

    d loss_i / d logits_i = softmax(logits_i) - onehot(target_i), and the head is linear, so a chunk's scores are
    turned into the gradient of its hidden states at once and given back.
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: Any, targets: torch.Tensor) -> torch.Tensor:
        """Return the losses [N] in float32."""
        needed = ctx.needs_input_grad[0]
        hidden = hidden.to(weight.dtype)
        losses = hidden.new_empty(len(hidden), dtype=torch.float32)
        gradient = torch.empty_like(hidden) if needed else None
        for start in range(0, len(hidden), CHUNK):
            part = slice(start, start + CHUNK)
            scores = torch.nn.functional.linear(hidden[part], weight, bias).float()
            wanted = targets[part, None]
            top = scores.amax(dim=1, keepdim=True)
            hit = scores.gather(1, wanted) - top
            total = scores.sub_(top).exp_().sum(dim=1, keepdim=True)
            losses[part] = (total.log() - hit)[:, 0]
            if gradient is not None:
                scores.div_(total).scatter_add_(1, wanted, scores.new_full(wanted.shape, -1.0))
                torch.mm(scores.to(weight.dtype), weight, out=gradient[part])
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[Any, ...]:
        """Return the gradient of the hidden states, each row times what comes from above."""
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0][:, None].to(gradient.dtype), None, None, None


def _find_out(model: Any, head: torch.nn.Module) -> Way:
    """Return the best way that gives the model's own numbers on two lines of four tokens."""
    device = next(head.parameters()).device
    device = torch.device("cpu") if device.type == "meta" else device  # ids stay readable where weights have no numbers
    ids = torch.arange(10, 18, device=device).view(2, 4)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    rows = torch.tensor([[True, False, True, False], [False, False, True, True]], device=device)
    raw: list[torch.Tensor] = []
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            hook = head.register_forward_hook(lambda _module, _args, scores: raw.append(scores))
            full = model(**inputs).logits
            hook.remove()
            if len(raw) != 1 or raw[0].shape[:2] != rows.shape:
                return Way.TAIL
            if torch.equal(raw[0].float(), full.float()):
                return Way.CHUNKS
            with _only(head, rows):
                found = model(**inputs).logits
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        return Way.TAIL  # a model that takes no text alone
    finally:
        model.train(training)
    expected = full[rows][None]
    close = found.shape == expected.shape and torch.allclose(found.float(), expected.float(), rtol=1e-2, atol=1e-2)
    return Way.ROWS if close else Way.TAIL
