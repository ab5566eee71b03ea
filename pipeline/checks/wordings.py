"""What is known of a message's words, worked out once: most messages stand in several samples."""

import re

from msgspec import Struct

from pipeline.records import Part, joined

SPECIAL = re.compile(r"<\|[a-z_]+\|>")
"""How the Qwen families spell their control tokens."""
_WORD = re.compile(r"\w")


class Wording(Struct, frozen=True):
    """What one message says."""

    content: tuple[Part, ...]
    empty: bool
    """Whether it has no content, or a text without a word."""
    spelled: tuple[int, str] | None
    """Which part spells a control token, and the token."""
    images: tuple[int | None, ...]
    """The screenshots that it shows."""


class Wordings:
    """The messages of a shard."""

    def __init__(self) -> None:
        self._known: dict[int, Wording] = {}  # by identity of the content; as it is kept within, no other takes it

    def of(self, content: tuple[Part, ...]) -> Wording:
        """Return what is known of a message's content."""
        return self._known.get(id(content)) or self._look(content)

    def _look(self, content: tuple[Part, ...]) -> Wording:
        parts = content if len(content) == 1 else joined(content, tokens=True)
        empty = not parts or any(part.type != "image" and not _WORD.search(part.text or "") for part in parts)
        texts = ((place, part.text) for place, part in enumerate(content) if part.type == "text" and part.text)
        spelled = next(((place, found[0]) for place, text in texts if (found := SPECIAL.search(text))), None)
        images = tuple(part.image for part in content if part.type == "image")
        return self._known.setdefault(id(content), Wording(content, empty, spelled, images))
