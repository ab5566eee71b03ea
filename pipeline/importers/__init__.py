"""Other people's formats: each is a module here and a line in `IMPORTERS`."""

from .agentnet import AgentNet
from .agentnetbench import AgentNetBench
from .album import Album
from .folder import SourceFolder
from .importer import Episode, Importer, Option, numbered, steps_of
from .jsonl import Jsonl
from .mobileworld import MobileWorld
from .osworld import OSWorld
from .refusal import REASONS, Refusal, Refused

IMPORTERS: dict[str, Importer] = {
    "agentnet": AgentNet(),
    "agentnetbench": AgentNetBench(),
    "jsonl": Jsonl(),
    "mobileworld": MobileWorld(),
    "osworld": OSWorld(),
}

__all__ = [
    "IMPORTERS", "REASONS", "Album", "Episode", "Importer", "Option", "Refusal", "Refused", "SourceFolder", "numbered",
    "steps_of",
]  # fmt: skip
