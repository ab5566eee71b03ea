"""Tensors without numbers: every byte that is alive counted, from one operation to the next.

Weights and activations are on the meta device and cost nothing. What goes in (token ids, masks, patches of pictures)
and what decides shapes stays real, on the CPU, so that the model's own code runs as it is.
"""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only

_ops: Any = torch.ops.aten
INDEXING = (_ops.index.Tensor, _ops.index_put.default, _ops.index_put_.default, _ops._index_put_impl_.default)


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts each storage of numbers once, from the operation that makes it until nothing holds it any more."""

    def __init__(self, known: list[torch.Tensor]) -> None:
        """Begin at zero; `known` was there before, and what shares its storage is nothing new."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in known}

    def take(self, inputs: Iterable[torch.Tensor]) -> int:
        """Count what goes in, of which the numbers are kept: a family may ask which pictures are padding."""
        for tensor in inputs:
            if tensor.is_floating_point():
                self._count(tensor.untyped_storage())
        return self.restart()

    def restart(self) -> int:
        """Return the most that was alive since the last call, and begin a new phase."""
        peak, self.peak = self.peak, self.live
        return peak

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it made."""
        kwargs = kwargs or {}
        if func is _ops._to_copy.default and not args[0].is_meta and not args[0].is_floating_point():
            kwargs = {**kwargs, "device": "cpu"}  # what decides shapes must stay readable
        if func is _ops.equal.default:
            return True
        if func in INDEXING:
            args = (args[0], _places(args[1]), *args[2:])
        if any(isinstance(each, torch.Tensor) and each.is_meta for each in tree_iter((args, kwargs))):
            args, kwargs = tree_map_only(torch.Tensor, lambda each: each.to("meta"), (args, kwargs))
        result = func(*args, **kwargs)
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor) and (tensor.is_meta or tensor.is_floating_point()):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _places(indices: Any) -> list[Any]:
    """Return the indices with each mask replaced by the places where it is true: their number decides a shape."""
    found: list[Any] = []
    for index in indices:
        mask = isinstance(index, torch.Tensor) and index.dtype is torch.bool and not index.is_meta
        found += index.nonzero(as_tuple=True) if mask else [index]
    return found
