"""pyautogui snippets (AgentNet, OpenCUA, OSWorld agents) read through their syntax tree; nothing of them ever runs.

A statement is a call of `pyautogui`, `computer` or `time.sleep` with plain values, or it is kept as an `unknown`
action with its text: loops, conditions, variables, other modules, f-strings, calls of something else. Imports of
pyautogui and time, and the settings `pyautogui.PAUSE` and `FAILSAFE`, do nothing by themselves and are passed over.
"""

import ast
import json
import warnings
from collections import Counter
from typing import Any

from pipeline.actions import Action, Frame

from .pyautogui_actions import Desk, UnreadableError

MAX_CODE = 200_000
"""Characters; longer snippets are no step of an agent."""

NO_PYTHON = "code that is no Python"

_MOUSE = ("x", "y", "duration", "tween", "logScreenshot", "_pause")
_POSITIONAL: dict[str, tuple[str, ...]] = {
    "click": ("x", "y", "clicks", "interval", "button", "duration", "tween", "logScreenshot", "_pause"),
    "rightClick": ("x", "y", "interval", *_MOUSE[2:]),
    "middleClick": ("x", "y", "interval", *_MOUSE[2:]),
    "leftClick": ("x", "y", "interval", *_MOUSE[2:]),
    "doubleClick": ("x", "y", "interval", "button", *_MOUSE[2:]),
    "tripleClick": ("x", "y", "interval", "button", *_MOUSE[2:]),
    "triple_click": ("x", "y"),
    "moveTo": _MOUSE,
    "dragTo": ("x", "y", "duration", "tween", "button", "logScreenshot", "_pause", "mouseDownUp"),
    "mouseDown": ("x", "y", "button", *_MOUSE[2:]),
    "mouseUp": ("x", "y", "button", *_MOUSE[2:]),
    "scroll": ("clicks", "x", "y", "logScreenshot", "_pause"),
    "vscroll": ("clicks", "x", "y", "logScreenshot", "_pause"),
    "hscroll": ("clicks", "x", "y", "logScreenshot", "_pause"),
    "write": ("message", "interval", "logScreenshot", "_pause"),
    "typewrite": ("message", "interval", "logScreenshot", "_pause"),
    "press": ("keys", "presses", "interval", "logScreenshot", "_pause"),
    "keyDown": ("key", "logScreenshot", "_pause"),
    "keyUp": ("key", "logScreenshot", "_pause"),
    "wait": ("seconds",),
    "terminate": ("status", "answer"),
}
"""Parameters in order, as pyautogui 0.9.54 and OpenCUA declare them."""

_PACE = frozenset({"interval", "tween", "logScreenshot", "_pause", "mouseDownUp"})
"""Parameters that say how fast a call runs or what it logs, not what it does."""

_OF_COMPUTER = frozenset({"triple_click", "wait", "terminate"})
_SETTINGS = frozenset({"pyautogui.PAUSE", "pyautogui.FAILSAFE"})
_MODULES = frozenset({"pyautogui", "time"})


def read(code: str, frame: Frame, notes: Counter[str]) -> tuple[Action, ...]:
    """Return the actions of a snippet whose points are in `frame`, and count in `notes` what is left out.

    What is not understood becomes an `unknown` action. Raises Refused for a point off the screen.
    """
    desk = Desk(frame)
    try:
        tree = _parsed(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested beyond reason
        notes[NO_PYTHON] += 1
        desk.unknown(code)
        return desk.actions(_src)
    source = _Source(code)
    for statement in tree.body:
        _statement(desk, statement, source)
    if not desk:
        desk.unknown(code)
    actions = desk.actions(_src)
    notes.update(desk.notes)
    return actions


def _src(sources: list[str]) -> str:
    return json.dumps("\n".join(sources), ensure_ascii=False)


def _parsed(code: str) -> ast.Module:
    if len(code) > MAX_CODE:
        raise ValueError
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\d" in a text to be typed
        return ast.parse(code)


class _Source:
    """The text that statements came from."""

    def __init__(self, code: str) -> None:
        self._lines = code.encode().splitlines(keepends=True)

    def of(self, node: ast.stmt) -> str:
        """Return a statement's own text."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        lines = self._lines[first : last + 1]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"".join(lines).decode()


def _statement(desk: Desk, statement: ast.stmt, source: _Source) -> None:
    src = source.of(statement)
    match statement:
        case ast.Import(names=names) if all(each.name in _MODULES for each in names):
            return
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return
        case ast.Assign(targets=[ast.Attribute() as target], value=ast.Constant()) if _name(target) in _SETTINGS:
            return
        case ast.Expr(value=ast.Call() as call):
            try:
                _call(desk, call, src)
            except UnreadableError:
                desk.unknown(src)
        case ast.With(items=[ast.withitem(context_expr=ast.Call() as call, optional_vars=None)], body=body) if (
            _name(call.func) == "pyautogui.hold"
        ):
            _held(desk, call, body, src, source)
        case _:
            desk.unknown(src)


def _call(desk: Desk, call: ast.Call, src: str) -> None:
    module, _, name = _name(call.func).rpartition(".")
    if (module, name) in {("time", "sleep"), ("pyautogui", "sleep")}:
        desk.pause(_only(_values(call)), src)
    elif module == "pyautogui" and name == "hotkey":
        keys = _values(call)
        alone = keys[0] if len(keys) == 1 and isinstance(keys[0], list) else keys
        desk.add(name, {"keys": alone}, src)
    elif (module == "computer" and name in _OF_COMPUTER) or (module == "pyautogui" and name not in _OF_COMPUTER):
        desk.add(name, _arguments(call, name), src)
    else:
        raise UnreadableError(f"found a call of {module}.{name}")


def _held(desk: Desk, call: ast.Call, body: list[ast.stmt], src: str, source: _Source) -> None:
    """Read `with pyautogui.hold(keys):` as the keys going down, what happens meanwhile, the keys going up."""
    try:
        held = _only(_values(call))
        keys = held if isinstance(held, list) else [held]
        if not all(isinstance(key, str) and key for key in keys):
            raise UnreadableError("found no keys")
    except ValueError:
        desk.unknown(src)
        return
    header = src.split("\n", 1)[0]
    for key in keys:
        desk.add("keyDown", {"key": key}, header)
    for statement in body:
        _statement(desk, statement, source)
    for key in reversed(keys):
        desk.add("keyUp", {"key": key}, header)


def _arguments(call: ast.Call, name: str) -> dict[str, Any]:
    """Return the arguments by name, those that only set the pace left out; raises UnreadableError."""
    if name not in _POSITIONAL:
        raise UnreadableError(f"found a call of {name}")
    order = _POSITIONAL[name]
    if len(call.args) > len(order):
        raise UnreadableError(f"found {len(call.args)} arguments, expected at most {len(order)}")
    given: dict[str, ast.expr] = dict(zip(order, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg not in order or keyword.arg in given:
            raise UnreadableError(f"found the argument {keyword.arg!r}")
        given[keyword.arg] = keyword.value
    return {key: _literal(node) for key, node in given.items() if key not in _PACE}


def _values(call: ast.Call) -> list[Any]:
    """Return the positional arguments; keyword arguments may only set the pace."""
    if any(keyword.arg not in _PACE for keyword in call.keywords):
        raise UnreadableError("found a keyword argument")
    return [_literal(node) for node in call.args]


def _only(values: list[Any]) -> Any:
    if len(values) != 1:
        raise UnreadableError(f"found {len(values)} values, expected one")
    return values[0]


def _literal(node: ast.expr, *, nested: bool = False) -> Any:
    """Return the plain value that a node writes down; raises UnreadableError for anything that would be computed."""
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=parts) | ast.Tuple(elts=parts) if not nested:
            return [_literal(part, nested=True) for part in parts]
        case _:
            raise UnreadableError(f"found {type(node).__name__}, expected a plain value")


def _name(node: ast.expr) -> str:
    """Return `module.name` of what is called, an empty text for anything longer or computed."""
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}"
        case _:
            return ""
