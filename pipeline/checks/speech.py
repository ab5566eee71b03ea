"""What a layout makes of a turn, worked out once: a recorded turn stands in every sample after it."""

from collections.abc import Hashable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pipeline.layouts import GrammarError, Layout, Reply
from pipeline.records import Part, Turn


class Read(Struct, frozen=True):
    """A response taken apart."""

    reply: Reply | None
    """None where the response does not parse."""
    misread: str | None
    """Why it is not exactly what the layout would write for what it says; None if it is."""


class Spoken:
    """One turn, whatever of its screenshot is shown and whether it is trained."""

    __slots__ = ("_layout", "_parts", "_read", "refused", "turn")

    def __init__(self, layout: Layout, turn: Turn) -> None:
        self._layout = layout
        self.turn = turn
        """Without its screenshot and its weight."""
        self.refused = layout.refuse(turn)
        """Why the layout cannot express the turn, None if it can."""
        self._parts: dict[bool, tuple[Part, ...]] = {}
        if self.refused is None:
            self.parts(True)  # now, as the layout has its arguments at hand
        self._read: Read | None = None

    def parts(self, thought: bool) -> tuple[Part, ...]:
        """Return the response as the layout writes it."""
        known = self._parts.get(thought)
        if known is None:
            known = self._parts[thought] = self._layout.parts(self.turn, thought=thought)
        return known

    @property
    def read(self) -> Read:
        """The response as it reads back."""
        if self._read is None:
            if self.refused is None:
                self._read = take_apart(self._layout, text_of(self.parts(True)), self.turn)
            else:
                self._read = Read(None, self.refused)
        return self._read


class Speech:
    """The turns and responses of a shard as its layout says and reads them."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._known: dict[int, Spoken] = {}  # by identity of turns in `_kept`, so that no other takes it
        self._kept: list[Turn] = []
        self._said: dict[Hashable, tuple[Spoken, ...]] = {}

    def told(self, turns: Sequence[Turn]) -> list[Spoken]:
        """Return what is known of each turn."""
        known, find = self._known, self._find
        return [known.get(id(turn)) or find(turn) for turn in turns]

    def of(self, turn: Turn) -> Spoken:
        """Return what is known of a turn."""
        return self._known.get(id(turn)) or self._find(turn)

    def _find(self, turn: Turn) -> Spoken:
        """Return what is known of an equal turn, whatever of its screenshot is shown and whether it is trained."""
        key = (turn.step_index, turn.size, turn.thought, turn.instruction)  # actions take long to hash
        candidates = self._said.get(key, ())
        for spoken in candidates:
            other = spoken.turn
            if other.actions == turn.actions and other.inbound == turn.inbound and other.role == turn.role:
                break
        else:
            spoken = Spoken(self.layout, replace(turn, image=None, loss_weight=0.0))
            self._said[key] = (*candidates, spoken)
        self._kept.append(turn)
        return self._known.setdefault(id(turn), spoken)

    def say(self, turn: Turn, thought: bool) -> tuple[Part, ...]:
        """Return the turn's response as parts."""
        return self.of(turn).parts(thought)

    def read(self, content: tuple[Part, ...], turn: Turn) -> Read:
        """Take a response to the turn's screenshot apart, which is nearly always what the turn says."""
        spoken = self.of(turn)
        if spoken.refused is None and content == spoken.parts(True):
            return spoken.read
        return take_apart(self.layout, text_of(content), turn)


def take_apart(layout: Layout, text: str, turn: Turn) -> Read:
    """Return a response to the turn's screenshot, taken apart and compared with what the layout would write."""
    try:
        reply = layout.parse(text, turn.size)
    except GrammarError as error:
        return Read(None, f"{error} (the response does not parse)")
    again = replace(turn, actions=reply.actions, thought=reply.thought, instruction=reply.instruction)
    if layout.response(again) != text:
        return Read(reply, "found a response that reads back differently, expected the same")
    return Read(reply, None)


def text_of(parts: Iterable[Part]) -> str:
    """Return what a response says, its control tokens spelled out."""
    return "".join([part.text or "" for part in parts])
