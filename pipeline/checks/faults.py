"""Faults of single texts: each text is looked at once, in however many samples of a shard it stands."""

from collections.abc import Callable, Iterator

from pipeline.records import Turn

from .secrets import secrets
from .text import damage

Look = Callable[[str], Iterator[tuple[str, str]]]
"""Yields (check, what is wrong) of a text."""

LOOKS: tuple[Look, ...] = (damage, secrets)


class Faults:
    """What is wrong with the texts of a shard."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[tuple[str, str], ...]] = {}
        self._turns: dict[int, tuple[Turn, tuple[tuple[str, str, str], ...]]] = {}

    def of_text(self, text: str) -> tuple[tuple[str, str], ...]:
        """Return (check, what is wrong) for each fault of a text."""
        found = self._texts.get(text)
        if found is None:
            found = self._texts[text] = tuple(fault for look in LOOKS for fault in look(text))
        return found

    def of_turn(self, turn: Turn) -> tuple[tuple[str, str, str], ...]:
        """Return (place within the turn, check, what is wrong) for each fault of its texts."""
        known = self._turns.get(id(turn))
        if known is None:
            found = tuple([(place, *fault) for place, text in texts(turn) for fault in self.of_text(text)])
            known = self._turns[id(turn)] = (turn, found)  # the turn beside it keeps its id taken
        return known[1]


def texts(turn: Turn) -> Iterator[tuple[str, str]]:
    """Yield the words of a turn, each with its place."""
    if turn.thought:
        yield ".thought", turn.thought
    if turn.instruction:
        yield ".instruction", turn.instruction
    for number, action in enumerate(turn.actions):
        if value := getattr(action, "text", None):
            yield f".actions[{number}].text", value
    for number, reply in enumerate(turn.inbound):
        yield f".inbound[{number}].text", reply.text
