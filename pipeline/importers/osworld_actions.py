"""What one line of an OSWorld rollout executed: pyautogui code in pixels, a word, or a record of `computer_13`.

Facts: OSWorld's `desktop_env/controllers/python.py` executes the records through pyautogui; WAIT, DONE and FAIL are
handled by the environment. Claude's agents log a record with the code in `command`.
"""

import json
from collections import Counter
from typing import Any

import msgspec

from pipeline.actions import Action, Frame, Terminate, Unknown, Wait

from . import pyautogui_code
from .pyautogui_actions import Desk, UnreadableError

_WORDS: dict[str, Action] = {
    "WAIT": Wait(),
    "DONE": Terminate(status="success"),
    "FAIL": Terminate(status="infeasible"),  # "when you think the task can not be done", as the prompts put it
}
_COMPUTER_13 = {
    "MOVE_TO": "moveTo", "CLICK": "click", "RIGHT_CLICK": "rightClick", "DOUBLE_CLICK": "doubleClick",
    "MOUSE_DOWN": "mouseDown", "MOUSE_UP": "mouseUp", "DRAG_TO": "dragTo", "TYPING": "write", "PRESS": "press",
    "KEY_DOWN": "keyDown", "KEY_UP": "keyUp", "HOTKEY": "hotkey",
}  # fmt: skip
"""The action space of records, in pyautogui's words, as OSWorld's controller executes them."""
_PARAMETERS = {"TYPING": {"text": "message"}, "PRESS": {"key": "keys"}, "CLICK": {"num_clicks": "clicks"}}


def read(record: Any, frame: Frame, notes: Counter[str]) -> tuple[Action, ...]:
    """Return what one executed action does."""
    src = json.dumps(record, ensure_ascii=False)
    if isinstance(record, dict):
        if isinstance(record.get("command"), str):
            return pyautogui_code.read(record["command"], frame, notes)
        word = record.get("action_type")
        if not isinstance(word, str) or word not in _WORDS:
            return _recorded(record, src, frame)
        record = word
    if not isinstance(record, str):
        return (Unknown(src=src),)
    word = _WORDS.get(record.strip().upper())
    if word is not None:
        return (msgspec.structs.replace(word, src=src),)
    return pyautogui_code.read(record, frame, notes)


def _recorded(record: dict[str, Any], src: str, frame: Frame) -> tuple[Action, ...]:
    """Read an action of the space `computer_13`; its parameters may stand in the record itself."""
    kind = record.get("action_type")
    inner = record.get("parameters")
    given = dict(inner) if isinstance(inner, dict) else dict(record)
    given.pop("action_type", None)
    desk = Desk(frame)
    try:
        if kind == "SCROLL":
            for name, key in (("hscroll", "dx"), ("vscroll", "dy")):
                if given.get(key):
                    desk.add(name, {"clicks": given[key]}, src)
        elif isinstance(kind, str) and kind in _COMPUTER_13:
            names = _PARAMETERS.get(kind, {})
            desk.add(_COMPUTER_13[kind], {names.get(key, key): value for key, value in given.items()}, src)
    except UnreadableError:
        desk = Desk(frame)
    if not desk:
        desk.unknown(src)
    return desk.actions(lambda sources: sources[0])
