"""Errors that are true: each kind is a module here and a line in `KINDS`.

A kind looks at one decision of a recording and either proposes a wrong turn with its correction or names the guard that
forbids it. When in doubt it proposes nothing: wrong reflections teach worse than none.
"""

from .accidental_back import AccidentalBack
from .kind import Episode, ErrorKind, Proposal, Refusal
from .labelled import Labelled
from .tap_dead import TapDead

KINDS: dict[str, ErrorKind] = {
    "labelled": Labelled(),
    "tap_dead": TapDead(),
    "accidental_back": AccidentalBack(),
}

__all__ = ["KINDS", "Episode", "ErrorKind", "Proposal", "Refusal"]
