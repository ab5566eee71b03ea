"""What is known of a message's words, worked out once: most messages stand in several samples."""

import re

from msgspec import Struct

from pipeline.records import Message, joined

SPECIAL = re.compile(r"<\|[a-z_]+\|>")
"""How the Qwen families spell their control tokens."""
_WORD = re.compile(r"\w")


class Wording(Struct, frozen=True):
    """One message."""

    message: Message
    empty: bool
    """Whether it has no content, or a text without a word."""
    spelled: tuple[int, str] | None
    """Which part spells a control token, and the token."""
    images: tuple[int | None, ...]
    """The screenshots that it shows."""


class Wordings:
    """The messages of a shard."""

    def __init__(self) -> None:
        self._known: dict[int, Wording] = {}  # by identity; the message within keeps its id taken

    def of(self, message: Message) -> Wording:
        """Return what is known of a message."""
        known = self._known.get(id(message))
        if known is None:
            known = self._known[id(message)] = _look(message)
        return known


def _look(message: Message) -> Wording:
    parts = message.content if len(message.content) == 1 else joined(message.content, tokens=True)
    empty = not parts or any(part.type != "image" and not _WORD.search(part.text or "") for part in parts)
    texts = ((place, part.text) for place, part in enumerate(message.content) if part.type == "text" and part.text)
    spelled = next(((place, found[0]) for place, text in texts if (found := SPECIAL.search(text))), None)
    images = tuple(part.image for part in message.content if part.type == "image")
    return Wording(message, empty, spelled, images)
