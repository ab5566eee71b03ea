"""The frozen vision tower: no graph, and each picture of a batch once, however many samples show it.

transformers' own forward pass calls `get_image_features`; the tower answers in its place, so that wrappers around the
model (DDP, checkpointing, PEFT) see nothing of it, and everything else that calls the model works as before.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Protocol

import torch

from pipeline.exceptions import StageError
from train.encoding.pictures import Pictures

LANGUAGE = ("language_model", "text_model")
"""What transformers calls the half of a vision-language model that reads text."""


class Store(Protocol):
    """Where features [levels, tokens, hidden size] of pictures are kept; see `features`."""

    def get(self, key: str) -> torch.Tensor | None:
        """Return those of a picture, None where there are none."""

    def put(self, key: str, features: torch.Tensor) -> None:
        """Keep those of a picture, or not."""


Remake = Callable[[str], torch.Tensor]
"""Gives the patches of a picture by its hash, for one whose kept features turn out to be lost."""


class Tower:
    """The frozen vision half of a model, projector included."""

    def __init__(self, model: Any) -> None:
        """Put itself between the model and its tower; see `of`."""
        self._inner = _inner(model)
        self._original = self._inner.get_image_features
        self._pictures: Pictures | None = None
        self._store: Store | None = None
        self._remake: Remake | None = None
        self._inner.get_image_features = self._features
        self.by_grid = "image_grid_thw" in inspect.signature(self._original).parameters
        """Whether pictures of all sizes come as one list of patches; only then a batch may leave some out."""

    @classmethod
    def of(cls, model: Any) -> "Tower | None":
        """Return the tower of a model, None where something of it learns or the model is built another way."""
        inner = _inner(model)
        return None if inner is None or learns(model) else cls(model)

    def keep_in(self, store: Store, remake: Remake) -> None:
        """Keep features in a store from now on, and take them from there."""
        self._store, self._remake = store, remake

    @contextmanager
    def showing(self, pictures: Pictures | None) -> Iterator[None]:
        """Within, the model is given a batch of these pictures, with patches of `pictures.made` only."""
        self._pictures = pictures
        try:
            yield
        finally:
            self._pictures = None

    @torch.no_grad()
    def _features(self, pixel_values: Any, image_grid_thw: Any = None, **options: Any) -> Any:
        """Return what `get_image_features` returns, of every picture that the batch shows."""
        if image_grid_thw is not None:
            options["image_grid_thw"] = image_grid_thw
        if self._pictures is None:
            return self._original(pixel_values, **options)
        different = self._different(self._pictures, pixel_values, options)
        shown = [different[place] for place in self._pictures.shown]
        levels = [tuple(picture[level] for picture in shown) for level in range(len(shown[0]))]
        return SimpleNamespace(pooler_output=levels[0], deepstack_features=levels[1:])

    def _different(self, pictures: Pictures, pixels: Any, options: dict[str, Any]) -> list[Any]:
        """Return the features of each different picture of the batch, level by level."""
        grids = options.pop("image_grid_thw")[list(pictures.first)]
        kept: dict[int, Any] = {}
        if self._store is not None:
            kept = {place: self._store.get(key) for place, key in enumerate(pictures.keys)}
            kept = {place: features.to(pixels.device) for place, features in kept.items() if features is not None}
        # A picture may have been kept since a worker made its patches, and one may be lost that none were made of.
        patches = dict(zip(pictures.made, pixels.split(grids[list(pictures.made)].prod(-1).tolist()), strict=True))
        lost = [place for place in range(len(pictures.keys)) if place not in kept and place not in patches]
        for place in lost:
            patches[place] = self._made_again(pictures.keys[place]).to(pixels)
        wanted = [place for place in patches if place not in kept]
        if wanted:
            pixels = torch.cat([patches[place] for place in wanted]) if wanted != list(pictures.made) else pixels
            made = _by_picture(self._original(pixels, image_grid_thw=grids[wanted], **options))
            kept.update(zip(wanted, made, strict=True))
            if self._store is not None:
                for place in wanted:
                    self._store.put(pictures.keys[place], torch.stack(kept[place]))
        return [kept[place] for place in range(len(pictures.keys))]

    def _made_again(self, key: str) -> torch.Tensor:
        if self._remake is None:
            raise StageError("vision tower", f"the batch holds no patches of picture {key[:12]}, expected them")
        return self._remake(key)


def _by_picture(features: Any) -> list[tuple[torch.Tensor, ...]]:
    """Return for each picture its features [tokens, hidden size] at the tower's end and at each DeepStack level.

    Raises StageError where a family gives something else.
    """
    last = features.pooler_output
    if not isinstance(last, tuple | list):
        message = f"the tower answers with a {type(last).__name__}, expected the features of each picture"
        raise StageError("vision tower", message)
    return list(zip(last, *(getattr(features, "deepstack_features", None) or ()), strict=True))


def learns(model: Any) -> bool:
    """Return whether a parameter of the vision tower or of the projector is trained."""
    inner = _inner(model)
    return inner is not None and any(
        parameter.requires_grad and name.split(".", 1)[0] not in LANGUAGE
        for name, parameter in inner.named_parameters()
    )


def _inner(model: Any) -> Any:
    """Return the innermost module that makes features of pictures, None if there is none."""
    found = [module for module in model.modules() if hasattr(type(module), "get_image_features")]
    return found[-1] if found else None
