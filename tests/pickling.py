"""Pickles as AndroidWorld writes them: objects of classes that exist only while they are written."""

import contextlib
import gzip
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Any

PLACES = {
    "JSONAction": "android_world.env.json_action",
    "UIElement": "android_world.env.representation_utils",
    "BoundingBox": "android_world.env.representation_utils",
    "SeeActElement": "android_world.agents.seeact_utils",
    "Response": "somewhere.models",
}


@contextlib.contextmanager
def classes() -> Iterator[types.SimpleNamespace]:
    """Give the classes, importable inside the block and nowhere else."""
    made = types.SimpleNamespace()
    before = dict(sys.modules)
    try:
        for name, module in PLACES.items():
            kind = type(
                name, (), {"__module__": module, "__init__": lambda self, **fields: self.__dict__.update(fields)}
            )
            setattr(made, name, kind)
            parts = module.split(".")
            for depth in range(1, len(parts) + 1):
                package = ".".join(parts[:depth])
                sys.modules.setdefault(package, types.ModuleType(package))
            setattr(sys.modules[module], name, kind)
        yield made
    finally:
        for module in set(sys.modules) - set(before):
            del sys.modules[module]


def packed(value: Any, protocol: int = 4) -> bytes:
    """Return the checkpoint's bytes."""
    return gzip.compress(pickle.dumps(value, protocol), compresslevel=1)
