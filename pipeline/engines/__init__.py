"""Image engines: a new one is a new module here and a line in `ENGINES`."""

from collections.abc import Callable
from functools import cache

from pipeline.engines.engine import Engine, Header, ImageFormat, Picture, Size, UnreadableError
from pipeline.exceptions import ConfigError


def _vips() -> Engine:
    from pipeline.engines.vips import VipsEngine

    return VipsEngine()


def _pillow() -> Engine:
    from pipeline.engines.pillow import PillowEngine

    return PillowEngine()


ENGINES: dict[str, Callable[[], Engine]] = {"vips": _vips, "pillow": _pillow}
"""Fastest first; each is imported only when it is used."""

__all__ = ["ENGINES", "Engine", "Header", "ImageFormat", "Picture", "Size", "UnreadableError", "choose", "get"]


@cache
def get(name: str) -> Engine:
    """Return the engine called `name`; raises ConfigError for an unknown one or where its library is missing."""
    if name not in ENGINES:
        raise ConfigError("--image-engine", f"found {name!r}, expected one of auto, {', '.join(ENGINES)}")
    try:
        return ENGINES[name]()
    except (ImportError, OSError) as error:  # OSError: the binding is there, the library is not
        hint = "pip install 'pyvips[binary]' kornia-rs, or --image-engine pillow"
        raise ConfigError("--image-engine", f"found no library for {name} ({error}), expected one", hint) from error


def choose(name: str) -> Engine:
    """Return the engine called `name`; `auto` is the first whose library is installed."""
    if name != "auto":
        return get(name)
    for each in ENGINES:
        try:
            return get(each)
        except ConfigError:
            continue
    raise AssertionError("Pillow is always there")
