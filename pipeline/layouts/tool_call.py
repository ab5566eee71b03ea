"""The `<tool_call>` JSON that the Qwen-VL families answer with: written, and read back without mercy."""

import json
import math
from collections.abc import Mapping
from typing import Any

from pipeline.actions import Point
from pipeline.geometry import from_grid

from .layout import GrammarError

OPEN, CLOSE = "<tool_call>", "</tool_call>"


def wrap(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the call as the models write it."""
    call = json.dumps({"name": name, "arguments": dict(arguments)}, ensure_ascii=False)
    return f"{OPEN}\n{call}\n{CLOSE}"


def spells_call(*texts: str | None) -> bool:
    """Tell whether one of the texts spells a mark that encloses calls: the response could not be read back."""
    return any(mark in text for text in texts if text for mark in (OPEN, CLOSE))


def loads(text: str, what: str, expected: str) -> Any:
    """Return what the JSON text says; raises GrammarError for what JSON does not know or leaves open."""
    try:
        value = json.loads(text, object_pairs_hook=_once)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # ValueError: also numbers too long, and half of a character pair
        raise GrammarError(f"found {what} that is no JSON ({error}), expected {expected}") from error
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(value := dict(pairs)) != len(pairs):
        raise ValueError("a name stands there twice")
    return value


def unwrap(text: str, name: str) -> dict[str, Any]:
    """Return the arguments of the only call in the text; raises GrammarError for anything else."""
    if text.count(OPEN) != 1 or text.count(CLOSE) != 1:
        raise GrammarError(f"found {text.count(OPEN)} {OPEN} and {text.count(CLOSE)} {CLOSE}, expected one of each")
    if not (text.startswith(f"{OPEN}\n") and text.endswith(f"\n{CLOSE}")):
        raise GrammarError(f"found text around the call, expected {OPEN} and {CLOSE} on lines of their own at the end")
    call = loads(text[len(OPEN) : -len(CLOSE)], "a call", "an object")
    if not isinstance(call, dict) or set(call) != {"name", "arguments"} or not isinstance(call["arguments"], dict):
        raise GrammarError("found another object in the call, expected exactly name and arguments")
    if call["name"] != name:
        raise GrammarError(f"found a call of {call['name']!r}, expected {name!r}")
    arguments: dict[str, Any] = call["arguments"]
    return arguments


class Arguments:
    """The arguments of a call, taken out one by one; whatever is left over is an error."""

    def __init__(self, arguments: dict[str, Any], scale: int) -> None:
        self._left = dict(arguments)
        self._scale = scale

    def text(self, key: str, choices: tuple[str, ...] = ()) -> str:
        """Return a text, one of the choices if there are any."""
        value = self._left.pop(key, None)
        if not isinstance(value, str) or (choices and value not in choices):
            expected = f"one of {', '.join(choices)}" if choices else "a text"
            raise GrammarError(f"found {key} = {value!r}, expected {expected}")
        return value

    def number(self, key: str) -> float | None:
        """Return a number, None where it is absent."""
        value = self._left.pop(key, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise GrammarError(f"found {key} = {value!r}, expected a number from 0")
        return value

    def point(self, key: str) -> Point:
        """Return a point as fractions."""
        value = self.optional_point(key)
        if value is None:
            raise GrammarError(f"found no {key}, expected [x, y]")
        return value

    def optional_point(self, key: str) -> Point | None:
        """Return a point as fractions, None where it is absent."""
        value = self._left.pop(key, None)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != 2 or not all(type(number) is int for number in value):
            raise GrammarError(f"found {key} = {value!r}, expected [x, y] of two whole numbers")
        try:
            return from_grid(value[0], value[1], self._scale)
        except ValueError as error:
            raise GrammarError(f"found {error}") from error

    def done(self) -> None:
        """Raise GrammarError if something was not taken."""
        if self._left:
            raise GrammarError(f"found unknown argument {sorted(self._left)[0]!r}, expected none")
