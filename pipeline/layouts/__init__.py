"""What each model family expects; a new family is a new module here and a line in `LAYOUTS`."""

from pipeline.exceptions import ConfigError

from .calls import GrammarError
from .conversation import Renderer, first_spoken, render, spoken
from .conversation import check as check_prompts
from .layout import Layout, Reply, visible_turns
from .mai_ui import MaiUi
from .qwen2_5_vl import Qwen25VL
from .qwen3_vl import Qwen3VL
from .qwen3_vl_computer import Qwen3VLComputer
from .ui_tars import UiTars15

LAYOUTS: dict[str, Layout] = {
    "mai-ui": MaiUi(),
    "qwen3-vl": Qwen3VL(),
    "qwen3-vl-computer": Qwen3VLComputer(),
    "qwen2.5-vl": Qwen25VL(),
    "ui-tars-1.5": UiTars15(),
}

__all__ = [
    "LAYOUTS",
    "GrammarError",
    "Layout",
    "Renderer",
    "Reply",
    "check_prompts",
    "first_spoken",
    "get",
    "render",
    "spoken",
    "visible_turns",
]


def get(name: str) -> Layout:
    """Return the layout called `name`; raises ConfigError for an unknown one."""
    try:
        return LAYOUTS[name]
    except KeyError:
        raise ConfigError("--layout", f"found {name!r}, expected one of {', '.join(LAYOUTS)}") from None
