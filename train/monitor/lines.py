"""The lines of a run's log that are whole: a file that is written at this moment, or was damaged, holds others too."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

LARGEST = 1e100
"""No number of a run is as large; the sums and spans that curves need stay finite."""

Step = Annotated[int, Meta(ge=0, lt=2**53)]
Number = Annotated[int, Meta(gt=-(2**53), lt=2**53)] | Annotated[float, Meta(gt=-LARGEST, lt=LARGEST)] | None


class _Line(msgspec.Struct):
    """What the program writes, as far as it is read; docs/monitoring.md has the fields."""

    step: Step
    loss: Number = None
    eval_loss: Number = None
    losses: list[Number] = []
    grad_norms: list[Number] = []
    samples: list[str] = []
    timing: dict[str, Number] = {}


class _Begin(msgspec.Struct):
    step: Step
    steps: Step
    warmup_steps: Step
    uniform_loss: Number


class _Told(msgspec.Struct):
    step: Step
    message: str
    guard: str = ""
    hint: str = ""


KINDS: dict[Any, Any] = {None: _Line, "begin": _Begin, "warning": _Told, "stop": _Told, "early_stop": _Told}
"""By the line's `event`."""


def whole(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the lines that are what the program writes, and how many are not; one without an end is still written."""
    lines, damaged = [], 0
    for text in data.splitlines(keepends=True):
        try:
            line = msgspec.json.decode(text)
            msgspec.convert(line, KINDS[line.get("event")])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            damaged += text.endswith(b"\n")
            continue
        lines.append(line)
    return lines, damaged


def is_number(value: Any) -> bool:
    """Return whether a value can be drawn."""
    return isinstance(value, int | float) and abs(value) < LARGEST
