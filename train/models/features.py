"""What the frozen tower says of a screenshot, kept: `training.sft.cache_vision`.

A screenshot is known by its SHA-256; the folder of a disk cache by everything else that its features depend on. Nothing
is ever thrown out again: what a worker was told to be at hand stays so, and decoding it was rightly left out.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import google_crc32c
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from pipeline.exceptions import ConfigError
from pipeline.seeds import digest
from pipeline.storage.place import Place

QWEN_ONLY = "only those of Qwen-VL families can be kept"
LEARNS = "layers of the vision tower or of the projector learn"


def unkeepable(kind: str, reason: str) -> ConfigError:
    """Return the error where features are to be kept that will change, or that a batch cannot do without."""
    message = f"found {kind}, but {reason}, expected none"
    return ConfigError("training.sft.cache_vision", message, "leave cache_vision out")


class AtHand:
    """Which pictures need not be decoded: flags in shared memory, set by the trainer, read by its data workers."""

    def __init__(self, hashes: Iterable[str]) -> None:
        self._slots = {key: slot for slot, key in enumerate(dict.fromkeys(hashes))}
        flags: Any = torch.zeros(len(self._slots), dtype=torch.uint8)
        self._flags: torch.Tensor = flags.share_memory_()

    def __contains__(self, key: object) -> bool:
        slot = self._slots.get(str(key))
        return slot is not None and bool(self._flags[slot])

    def __len__(self) -> int:
        return int(self._flags.sum())

    def add(self, key: str) -> None:
        """Say that the picture's features are kept, if this run shows it."""
        if key in self._slots:
            self._flags[self._slots[key]] = 1

    def discard(self, key: str) -> None:
        """Say that they are not, after all."""
        self._flags[self._slots[key]] = 0


class Memory:
    """Features in this process's memory."""

    def __init__(self, at_hand: AtHand, quota: int) -> None:
        """Keep `quota` bytes at most, of the pictures that come first."""
        self.at_hand = at_hand
        self._left = quota
        self._kept: dict[str, torch.Tensor] = {}

    def get(self, key: str) -> torch.Tensor | None:
        """Return the features [levels, tokens, hidden size] of a picture, if they are kept."""
        return self._kept.get(key)

    def put(self, key: str, features: torch.Tensor) -> None:
        """Keep the features of a picture while there is room."""
        if key not in self._kept and features.nbytes <= self._left:
            self._left -= features.nbytes
            self._kept[key] = features.cpu()
            self.at_hand.add(key)


class Disk:
    """Features in a folder, a safetensors file for each picture, whole or absent, with a checksum inside."""

    def __init__(self, at_hand: AtHand, quota: int, folder: Path, say: Callable[[str], None]) -> None:
        """Take over what an earlier run left in the folder; keep `quota` bytes at most."""
        self.at_hand = at_hand
        self._say = say
        folder.mkdir(parents=True, exist_ok=True)
        self._place = Place(str(folder))
        self._folder = folder
        self._left = quota
        for path in folder.glob("*.safetensors"):
            self._left -= path.stat().st_size
            at_hand.add(path.stem)

    def get(self, key: str) -> torch.Tensor | None:
        """Return the features [levels, tokens, hidden size] of a picture; None, and no file, where that is corrupt."""
        if key not in self.at_hand:
            return None
        path = self._path(key)
        try:
            with safe_open(path, "pt") as file:
                features: torch.Tensor = file.get_tensor("features")
                expected = (file.metadata() or {}).get("crc32c")
            if _checksum(features) == expected:
                return features
        except (OSError, SafetensorError):
            pass
        self._say(f"train: {path} is corrupt, its features are computed again")
        self._left += path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        self.at_hand.discard(key)
        return None

    def put(self, key: str, features: torch.Tensor) -> None:
        """Write the features of a picture while there is room."""
        if key in self.at_hand or features.nbytes > self._left:
            return
        features = features.cpu().contiguous()
        data = save({"features": features}, {"crc32c": _checksum(features)})
        self._place.write(self._path(key).name, data, "features")
        self._left -= len(data)
        self.at_hand.add(key)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"


def _checksum(features: torch.Tensor) -> str:
    return f"{google_crc32c.value(features.contiguous().view(torch.uint8).numpy().tobytes()):08x}"


def identity(**parts: Any) -> str:
    """Return a name for everything but the picture that features depend on."""
    return digest("features", json.dumps(parts, sort_keys=True, default=str)).hex()[:16]


def bytes_per_token(config: Any, precision: str) -> int:
    """Return the bytes that the features of one image token take, by the model's configuration.

    They are the projected features and those of each DeepStack level, as wide as the language model's hidden states.
    """
    levels = 1 + len(getattr(config.vision_config, "deepstack_visual_indexes", None) or ())
    return int(levels * config.text_config.hidden_size * (4 if precision == "fp32" else 2))
