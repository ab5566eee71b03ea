"""What each model family expects; a new family is a new module here and a line in `LAYOUTS`."""

from pipeline.exceptions import ConfigError
from pipeline.layouts.calls import GrammarError
from pipeline.layouts.conversation import Renderer, first_spoken, render, spoken
from pipeline.layouts.conversation import check as check_prompts
from pipeline.layouts.layout import Layout, Reply, visible_turns
from pipeline.layouts.mai_ui import MaiUi
from pipeline.layouts.qwen2_5_vl import Qwen25VL
from pipeline.layouts.qwen3_vl import Qwen3VL
from pipeline.layouts.qwen3_vl_computer import Qwen3VLComputer
from pipeline.layouts.ui_tars import UiTars15

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
