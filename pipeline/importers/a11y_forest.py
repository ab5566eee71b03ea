"""Android's accessibility forest, as `android_env` records it: windows, each with a tree of nodes, to elements.

Field numbers: github.com/google-deepmind/android_env, android_env/proto/a11y/*.proto. In proto3 a false flag is left
out, so within a node every flag is known.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.actions import Frame
from pipeline.records import Element

from .coordinates import corners
from .protobuf import fields, varints

INPUT_METHOD = 2
"""The type of a keyboard's window."""


class Screen(NamedTuple):
    """What the forest says about a screen."""

    elements: tuple[Element, ...]
    app: str | None
    keyboard: bool


class _Node(NamedTuple):
    bounds: tuple[int, int, int, int]
    texts: dict[int, str]
    flags: frozenset[int]
    unique_id: int
    children: tuple[int, ...]


_CLASS, _DESCRIPTION, _HINT, _PACKAGE, _TEXT = 3, 4, 5, 6, 7
_CHECKABLE, _CHECKED, _CLICKABLE, _EDITABLE = 12, 13, 14, 15
_ENABLED, _FOCUSED, _LONG_CLICKABLE, _VISIBLE = 16, 18, 19, 23


def screen(data: bytes, frame: Frame, notes: Counter[str]) -> Screen:
    """Return the elements of all windows, those in front last; raises Refused for what is no forest.

    `frame` is that of the screenshot's pixels.
    """
    windows = [_window(value) for number, _, value in fields(data) if number == 1 and isinstance(value, bytes)]
    windows.sort(key=lambda window: window.layer)
    elements: list[Element] = []
    for window in windows:
        elements += _elements(window.nodes, len(elements), frame, notes)
    active = next((window for window in windows if window.active), None)
    app = next((text for node in active.nodes if (text := node.texts.get(_PACKAGE))), None) if active else None
    return Screen(tuple(elements), app, any(window.kind == INPUT_METHOD for window in windows))


class _Window(NamedTuple):
    layer: int
    kind: int
    active: bool
    nodes: Sequence[_Node]


def _window(data: bytes) -> _Window:
    layer, kind, active, nodes = 0, 0, False, []
    for number, _, value in fields(data):
        match number, value:
            case 4, int():
                layer = _signed(value)
            case 6, int():
                kind = value
            case 8, int():
                active = bool(value)
            case 11, bytes():
                nodes = [_node(each) for n, _, each in fields(value) if n == 1 and isinstance(each, bytes)]
    return _Window(layer, kind, active, nodes)


def _node(data: bytes) -> _Node:
    bounds, unique_id = (0, 0, 0, 0), 0
    texts: dict[int, str] = {}
    flags: set[int] = set()
    children: list[int] = []
    for number, _, value in fields(data):
        match number, value:
            case 1, int():
                unique_id = _signed(value)
            case 2, bytes():
                bounds = _rectangle(value)
            case ((3 | 4 | 5 | 6 | 7), bytes()):
                texts[number] = value.decode("utf-8", "replace")
            case ((12 | 13 | 14 | 15 | 16 | 18 | 19 | 23), int()):
                if value:
                    flags.add(number)
            case 25, bytes():
                children += [_signed(each) for each in varints(value)]
            case 25, int():
                children.append(_signed(value))
    return _Node(bounds, texts, frozenset(flags), unique_id, tuple(children))


def _rectangle(data: bytes) -> tuple[int, int, int, int]:
    sides = {number: _signed(value) for number, _, value in fields(data) if isinstance(value, int)}
    return (sides.get(1, 0), sides.get(2, 0), sides.get(3, 0), sides.get(4, 0))


def _elements(nodes: Sequence[_Node], offset: int, frame: Frame, notes: Counter[str]) -> list[Element]:
    parents = {child: node.unique_id for node in nodes for child in node.children}
    kept: dict[int, int] = {}
    elements: list[Element] = []
    for node in nodes:
        if _VISIBLE not in node.flags:
            continue
        box = corners(frame, node.bounds)
        if box is None or box[0] == box[2] or box[1] == box[3]:
            notes["view outside the screen"] += 1
            continue
        kept[node.unique_id] = offset + len(elements)
        parent, seen = parents.get(node.unique_id), {node.unique_id}
        while parent is not None and parent not in kept and parent not in seen:
            seen.add(parent)
            parent = parents.get(parent)
        flags = node.flags
        elements.append(
            Element(
                bbox=box,
                text=node.texts.get(_TEXT) or node.texts.get(_DESCRIPTION) or node.texts.get(_HINT) or None,
                role=node.texts.get(_CLASS, "").rpartition(".")[2] or None,
                source="a11y",
                parent=kept.get(parent) if parent is not None else None,
                clickable=_CLICKABLE in flags,
                long_clickable=_LONG_CLICKABLE in flags,
                enabled=_ENABLED in flags,
                editable=_EDITABLE in flags,
                focused=_FOCUSED in flags,
                checked=_CHECKED in flags if _CHECKABLE in flags else None,
            )
        )
    return elements


def _signed(value: int) -> int:
    """Return an int32 as it was meant: negative ones are written as 64 bits."""
    return value - (1 << 64) if value >> 63 else value
