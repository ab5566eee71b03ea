"""Errors that are true: each kind is a module here and a line in `KINDS`.

A kind looks at one decision of a recording and either proposes a wrong turn with its correction or names the guard that
forbids it. When in doubt it proposes nothing: wrong reflections teach worse than none.
"""

from pipeline.errors.accidental_back import AccidentalBack
from pipeline.errors.kind import Episode, ErrorKind, Proposal, Refusal
from pipeline.errors.labelled import Labelled
from pipeline.errors.long_press_instead import LongPressInstead
from pipeline.errors.mined_detour import MinedDetour
from pipeline.errors.mined_noop import MinedNoop
from pipeline.errors.missed_finish import MissedFinish
from pipeline.errors.noop_twice import NoopTwice
from pipeline.errors.popup_real import PopupReal
from pipeline.errors.scroll_edge import ScrollEdge
from pipeline.errors.tap_dead import TapDead
from pipeline.errors.tap_disabled import TapDisabled
from pipeline.errors.tap_label import TapLabel
from pipeline.errors.tap_near_miss import TapNearMiss
from pipeline.errors.type_unfocused import TypeUnfocused
from pipeline.errors.undo_scroll import UndoScroll
from pipeline.errors.wait_needless import WaitNeedless
from pipeline.errors.wrong_element import WrongElement
from pipeline.errors.wrong_tab import WrongTab

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
