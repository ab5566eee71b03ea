"""Errors that are true: each kind is a module here and a line in `KINDS`.

A kind looks at one decision of a recording and either proposes a wrong turn with its correction or names the guard that
forbids it. When in doubt it proposes nothing: wrong reflections teach worse than none.
"""

from .accidental_back import AccidentalBack
from .kind import Episode, ErrorKind, Proposal, Refusal
from .labelled import Labelled
from .long_press_instead import LongPressInstead
from .mined_detour import MinedDetour
from .mined_noop import MinedNoop
from .missed_finish import MissedFinish
from .noop_twice import NoopTwice
from .popup_real import PopupReal
from .scroll_edge import ScrollEdge
from .tap_dead import TapDead
from .tap_disabled import TapDisabled
from .tap_label import TapLabel
from .tap_near_miss import TapNearMiss
from .type_unfocused import TypeUnfocused
from .undo_scroll import UndoScroll
from .wait_needless import WaitNeedless
from .wrong_element import WrongElement
from .wrong_tab import WrongTab

KINDS: dict[str, ErrorKind] = {
    # recorded mistakes and their recorded repairs
    "labelled": Labelled(),
    "mined_noop": MinedNoop(),
    "mined_detour": MinedDetour(),
    # the screen stays the same
    "tap_dead": TapDead(),
    "tap_label": TapLabel(),
    "tap_disabled": TapDisabled(),
    "tap_near_miss": TapNearMiss(),
    "type_unfocused": TypeUnfocused(),
    "scroll_edge": ScrollEdge(),
    "wait_needless": WaitNeedless(),
    "noop_twice": NoopTwice(),
    "missed_finish": MissedFinish(),
    # the screen after the error is a recorded one
    "accidental_back": AccidentalBack(),
    "undo_scroll": UndoScroll(),
    "wrong_element": WrongElement(),
    "wrong_tab": WrongTab(),
    "long_press_instead": LongPressInstead(),
    "popup_real": PopupReal(),
}

__all__ = ["KINDS", "Episode", "ErrorKind", "Proposal", "Refusal"]
