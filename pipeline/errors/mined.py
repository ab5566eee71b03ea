"""What kinds have in common that find mistakes in a recording which nobody labelled."""

import re

from msgspec.structs import replace

from pipeline.records import Turn
from pipeline.slicing.compose import Shown

from .kind import Episode
from .turns import Saying

DIAGNOSIS = re.compile(
    r"\b(wrong|mistake|mistaken|mistakenly|instead|unchanged|nothing|no effect|not what|did not|didn't|does not|"
    r"doesn't|isn't|is not|not the|accident\w*|error)\b|错|误|没有|并不|不是|没反应|无效|不对|不能",
    re.IGNORECASE,
)
"""Words by which a recorded thought says itself what went wrong."""


def slip_of(turn: Turn) -> str:
    """Return the sentence of a recorded mistake."""
    return (turn.instruction or "").rstrip(" .。")


def called_wrong(episode: Episode, index: int) -> Shown:
    """Return a recorded turn, told to be a mistake."""
    shown = episode.turn(index)
    return Shown(replace(shown.turn, role="error"), shown.image)


def called_repair(episode: Episode, index: int, kind: str, saying: Saying) -> Shown:
    """Return a recorded turn as the repair of the one before; its thought stays if it says what went wrong."""
    shown = episode.turn(index)
    thought = shown.turn.thought or ""
    if not DIAGNOSIS.search(thought):
        thought = saying.text(episode, kind, episode.name, index)
    return Shown(replace(shown.turn, thought=thought, role="recovery"), shown.image)
