"""The actions that a layout declares: the one list that its prompt prints, its renderer writes and its parser reads."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

from .coordinates import Coordinates

Frame = Callable[[], Coordinates]
"""How points are written; asked only where a call has one, as it may take a size that the turn does not know."""
Kind = Literal["point", "text", "number", "integer", "keys"]


class GrammarError(ValueError):
    """A response is not in the layout's grammar; the message says what was found and expected."""


class Argument(Struct, frozen=True):
    """One argument of a call, by the name that the family gave it."""

    name: str
    kind: Kind
    meaning: str = ""
    choices: tuple[str, ...] = ()
    """The only texts allowed; any if empty."""
    required: bool = True


class Call(Struct, frozen=True):
    """One action of the family."""

    name: str
    meaning: str
    arguments: tuple[Argument, ...] = ()

    @property
    def points(self) -> list[str]:
        """The arguments that are [x, y]."""
        return [argument.name for argument in self.arguments if argument.kind == "point"]


class Calls:
    """A layout's actions by name; values are canonical here: points are fractions, keys a list."""

    def __init__(self, *calls: Call) -> None:
        self._calls = {call.name: call for call in calls}

    def __iter__(self) -> Any:
        return iter(self._calls.values())

    def named(self, name: object) -> Call:
        """Return the call; raises GrammarError for one that the layout does not declare."""
        call = self._calls.get(name) if isinstance(name, str) else None
        if call is None:
            raise GrammarError(f"found action {name!r}, expected one that the layout declares")
        return call

    def encode(self, name: str, values: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
        """Return the arguments as JSON values, in declared order; `values` must be exactly declared ones."""
        said: dict[str, Any] = {}
        for argument in self._calls[name].arguments:
            if argument.name in values:
                value = values[argument.name]
                said[argument.name] = frame().write(value) if argument.kind == "point" else value
            else:
                assert not argument.required, f"{name} declares {argument.name}, not {values}"
        assert len(said) == len(values), f"{name} declares no such values as {values}"
        return said

    def decode(self, name: object, found: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
        """Return the values of a call that was read; raises GrammarError unless they are exactly declared ones."""
        call, left = self.named(name), dict(found)
        values: dict[str, Any] = {}
        for argument in call.arguments:
            value = left.pop(argument.name, None)
            if value is not None:
                values[argument.name] = READERS[argument.kind](argument, value, frame)
            elif argument.required:
                raise GrammarError(f"found no {argument.name}, expected {EXPECTED[argument.kind]}")
        if left:
            raise GrammarError(f"found unknown argument {sorted(left)[0]!r}, expected none")
        return values


def _text(argument: Argument, value: Any, _: Frame) -> str:
    if not isinstance(value, str) or (argument.choices and value not in argument.choices):
        expected = f"one of {', '.join(argument.choices)}" if argument.choices else EXPECTED["text"]
        raise GrammarError(f"found {argument.name} = {value!r}, expected {expected}")
    return value


def _number(argument: Argument, value: Any, _: Frame) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise GrammarError(f"found {argument.name} = {value!r}, expected {EXPECTED['number']}")
    return value


def _integer(argument: Argument, value: Any, _: Frame) -> int:
    if type(value) is not int:
        raise GrammarError(f"found {argument.name} = {value!r}, expected {EXPECTED['integer']}")
    return value


def _keys(argument: Argument, value: Any, _: Frame) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(key, str) and key for key in value):
        raise GrammarError(f"found {argument.name} = {value!r}, expected {EXPECTED['keys']}")
    return value


def _point(argument: Argument, value: Any, frame: Frame) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2 or type(value[0]) is not int or type(value[1]) is not int:
        raise GrammarError(f"found {argument.name} = {value!r}, expected [x, y] of two whole numbers")
    try:
        return frame().read(value[0], value[1])
    except ValueError as error:
        raise GrammarError(f"found {error}") from error


READERS = {"text": _text, "number": _number, "integer": _integer, "keys": _keys, "point": _point}
EXPECTED = {
    "text": "a text",
    "number": "a number from 0",
    "integer": "a whole number",
    "keys": "a list of keys",
    "point": "[x, y]",
}
