"""One training step without numbers: the model's own code on the meta device, with real shapes, every byte counted.

So the estimate knows what a formula would have to guess: which inputs peft copies into fp32, what a family's layers
keep, what checkpointing gives back, what the head holds. Two things are put in: fused attention, which the meta
device would spell out as a matrix of all pairs, and autocast, which it does not have.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from train.models.loss import token_losses
from train.models.tower import Tower

from .ledger import Ledger

F = torch.nn.functional


@dataclass(slots=True)
class Phases:
    """Bytes alive beside weights, gradients and the optimizer's state, inputs included, by phase of a step."""

    inputs: int = 0
    vision: int = 0
    """Most while the vision tower runs."""
    forward: int = 0
    """Most while the language model runs."""
    kept: int = 0
    """What waits for the backward pass when the language model has run."""
    head: int = 0
    """Most while scores and loss are computed."""
    backward: int = 0
    """Most on the way back."""

    @property
    def peak(self) -> int:
        """The most of all."""
        return max(self.vision, self.forward, self.head, self.backward)


def step(model: Any, batch: dict[str, Any], tower: Tower | None, *, low: torch.dtype | None) -> Phases:
    """Return what a forward and backward pass of a model on the meta device would take.

    `batch` is a real one of the collator; `low` is the format that autocast would compute in, None without it.
    """
    learning = [p for p in model.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.grad = torch.empty_like(parameter)
    known = [*model.parameters(), *model.buffers(), *(p.grad for p in learning)]
    phases, ledger = Phases(), Ledger([each for each in known if each is not None])
    with ledger, arithmetic(low):
        phases.inputs = ledger.take(value for value in batch.values() if isinstance(value, torch.Tensor))
        shown = tower.showing(batch.get("pictures")) if tower else nullcontext()
        with _watching(model, ledger, phases), shown:
            losses, outputs = token_losses(model, batch)
        phases.head = ledger.restart()
        del outputs
        losses.sum().backward()  # type: ignore[no-untyped-call]
        phases.backward = ledger.restart()
    return phases


@contextmanager
def _watching(model: Any, ledger: Ledger, phases: Phases) -> Iterator[None]:
    """Note where the language model begins and ends."""

    def begins(*_: Any, **__: Any) -> None:
        phases.vision = ledger.restart()

    def ends(*_: Any, **__: Any) -> None:
        phases.forward, phases.kept = ledger.restart(), ledger.live

    decoder = model.get_base_model().get_decoder()
    hooks = (decoder.register_forward_pre_hook(begins), decoder.register_forward_hook(ends))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def arithmetic(low: torch.dtype | None) -> Iterator[None]:
    """Put in fused attention and autocast, while inside.

    They replace functions of torch; a mode of torch would be switched off on the way back, where
    checkpointing runs the layers again.
    """
    replaced: dict[tuple[Any, str], Any] = {(F, "scaled_dot_product_attention"): _attention}
    if low is not None:
        casting = [(F, "linear"), (F, "conv2d"), (F, "conv3d"), (torch, "matmul"), (torch, "bmm")]
        replaced |= {(home, name): _casting(getattr(home, name), low) for home, name in casting}
        replaced[F, "layer_norm"] = _casting(F.layer_norm, torch.float32)
    before = {(home, name): getattr(home, name) for home, name in replaced}
    try:
        for (home, name), function in replaced.items():
            setattr(home, name, function)
        yield
    finally:
        for (home, name), function in before.items():
            setattr(home, name, function)


def _casting(function: Callable[..., Any], dtype: torch.dtype) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        convert = tree_map_only(torch.Tensor, lambda t: t.to(dtype) if t.is_floating_point() else t, (args, kwargs))
        return function(*convert[0], **convert[1])

    return called


def _attention(query: Any, key: Any, value: Any, attn_mask: Any = None, *_: Any, **__: Any) -> Any:
    """Return what a fused kernel would; torch first turns a mask of truths (of a padded batch) into numbers."""
    if attn_mask is not None and attn_mask.dtype is torch.bool:
        attn_mask = query.new_empty(attn_mask.shape)
    fused: Any = _FusedAttention.apply  # untyped in torch
    return fused(query, key, value, attn_mask)


class _FusedAttention(torch.autograd.Function):
    """Memory of a fused kernel: inputs, mask, output and a number for each row are kept, and no matrix of scores."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, mask: Any) -> Any:
        """Return a tensor of the output's shape [batch, heads, tokens, head size]."""
        out = torch.empty_like(query)
        rows = query.new_empty(query.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, rows, *(() if mask is None else (mask,)))
        return out

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        """Return tensors of the gradients' shapes."""
        return *(torch.empty_like(each) for each in ctx.saved_tensors[:3]), None
