"""Other people's formats: each is a module here and a line in `IMPORTERS`."""

from .agentnet import AgentNet
from .agentnetbench import AgentNetBench
from .aitz import Aitz
from .album import Album
from .android_control import AndroidControl
from .androidworld import AndroidWorld
from .droidbot import DroidBot
from .folder import SourceFolder
from .gui_odyssey import GuiOdyssey
from .importer import Episode, Importer, Option, numbered, origin, steps_of, verbatim
from .jsonl import Jsonl
from .mobileworld import MobileWorld
from .osworld import OSWorld
from .qwen_messages import QwenMessages
from .refusal import REASONS, Refusal, Refused
from .screenagent import ScreenAgent

IMPORTERS: dict[str, Importer] = {
    "aitz": Aitz(),
    "android-control": AndroidControl(),
    "gui-odyssey": GuiOdyssey(),
    "agentnet": AgentNet(),
    "agentnetbench": AgentNetBench(),
    "screenagent": ScreenAgent(),
    "droidbot": DroidBot(),
    "mobileworld": MobileWorld(),
    "osworld": OSWorld(),
    "androidworld": AndroidWorld(),
    "qwen-messages": QwenMessages(),
    "jsonl": Jsonl(),
}

__all__ = [
    "IMPORTERS", "REASONS", "Album", "Episode", "Importer", "Option", "Refusal", "Refused", "SourceFolder", "numbered",
    "origin", "steps_of", "verbatim",
]  # fmt: skip
