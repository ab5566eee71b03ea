"""The lines of a run's log that are whole: a file that is written at this moment, or was damaged, holds others too."""

import json
from typing import Any

import msgspec

Number = float | int | None


class _Line(msgspec.Struct):
    """What the program writes, as far as it is read; docs/monitoring.md has the fields."""

    step: int
    loss: Number = None
    eval_loss: Number = None
    losses: list[Number] = []
    grad_norms: list[Number] = []
    samples: list[str] = []
    timing: dict[str, Number] = {}


class _Begin(msgspec.Struct):
    step: int
    steps: int
    warmup_steps: int
    uniform_loss: Number


class _Told(msgspec.Struct):
    step: int
    message: str
    guard: str = ""


KINDS: dict[Any, Any] = {None: _Line, "begin": _Begin, "warning": _Told, "stop": _Told, "early_stop": _Told}
"""By the line's `event`."""


def whole(data: bytes) -> list[dict[str, Any]]:
    """Return the lines that are what the program writes."""
    lines = []
    for text in data.splitlines():
        try:
            line = json.loads(text)
            msgspec.convert(line, KINDS[line.get("event")])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        lines.append(line)
    return lines
