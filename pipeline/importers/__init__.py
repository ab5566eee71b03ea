"""Other people's formats: each is a module here and a line in `IMPORTERS`."""

from pipeline.importers.agentnet import AgentNet
from pipeline.importers.agentnetbench import AgentNetBench
from pipeline.importers.aitz import Aitz
from pipeline.importers.album import Album
from pipeline.importers.android_control import AndroidControl
from pipeline.importers.androidworld import AndroidWorld
from pipeline.importers.droidbot import DroidBot
from pipeline.importers.folder import SourceFolder
from pipeline.importers.gui_odyssey import GuiOdyssey
from pipeline.importers.importer import Episode, Importer, Option, numbered, origin, steps_of, verbatim
from pipeline.importers.jsonl import Jsonl
from pipeline.importers.mobileworld import MobileWorld
from pipeline.importers.osworld import OSWorld
from pipeline.importers.qwen_messages import QwenMessages
from pipeline.importers.refusal import REASONS, Refusal, Refused
from pipeline.importers.screenagent import ScreenAgent

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
