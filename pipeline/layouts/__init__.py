"""What each model family expects; a new family is a new module here and a line in `LAYOUTS`."""

from pipeline.exceptions import ConfigError

from .conversation import check as check_prompts
from .conversation import render
from .layout import GrammarError, Layout, Reply, visible_turns
from .mai_ui import MaiUi
from .qwen3_vl import Qwen3VL

LAYOUTS: dict[str, Layout] = {
    "mai-ui": MaiUi(),
    "qwen3-vl": Qwen3VL(),
}

__all__ = ["LAYOUTS", "GrammarError", "Layout", "Reply", "check_prompts", "get", "render", "visible_turns"]


def get(name: str) -> Layout:
    """Return the layout called `name`; raises ConfigError for an unknown one."""
    try:
        return LAYOUTS[name]
    except KeyError:
        raise ConfigError("--layout", f"found {name!r}, expected one of {', '.join(LAYOUTS)}") from None
