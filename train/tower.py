"""The frozen vision tower: no graph, and each picture of a batch once, however many samples show it.

transformers' own forward pass calls `get_image_features`; the tower answers in its place, so that wrappers around the
model (DDP, checkpointing, PEFT) see nothing of it, and everything else that calls the model works as before.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch

from pipeline.exceptions import StageError

from .pictures import Pictures

LANGUAGE = ("language_model", "text_model")
"""What transformers calls the half of a vision-language model that reads text."""


class Tower:
    """The frozen vision half of a model, projector included."""

    def __init__(self, model: Any) -> None:
        """Put itself between the model and its tower; see `of`."""
        self._inner = _inner(model)
        self._original = self._inner.get_image_features
        self._pictures: Pictures | None = None
        self._inner.get_image_features = self._features
        self.by_grid = "image_grid_thw" in inspect.signature(self._original).parameters
        """Whether pictures of all sizes come as one list of patches; only then a batch may leave some out."""

    @classmethod
    def of(cls, model: Any) -> "Tower | None":
        """Return the tower of a model, None where something of it learns or the model is built another way."""
        inner = _inner(model)
        return None if inner is None or learns(model) else cls(model)

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
        pictures = self._pictures
        if pictures is None:
            return self._original(pixel_values, **options)
        options["image_grid_thw"] = image_grid_thw[[pictures.first[place] for place in pictures.made]]
        made = _levels(self._original(pixel_values, **options))
        levels = [[level[place] for place in pictures.shown] for level in made]
        return SimpleNamespace(pooler_output=levels[0], deepstack_features=levels[1:])


def _levels(features: Any) -> list[tuple[torch.Tensor, ...]]:
    """Return the features of each picture [tokens, hidden size], at the end of the tower, then at each DeepStack level.

    Raises StageError where a family gives something else.
    """
    last = features.pooler_output
    if not isinstance(last, tuple | list):
        message = f"the tower answers with a {type(last).__name__}, expected the features of each picture"
        raise StageError("vision tower", message)
    return [tuple(last), *(tuple(level) for level in getattr(features, "deepstack_features", None) or ())]


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
