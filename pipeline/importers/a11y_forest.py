"""Android's accessibility forest, as `android_env` records it: windows, each with a tree of nodes, to elements.

Field numbers: github.com/google-deepmind/android_env, android_env/proto/a11y/*.proto. In proto3 a false flag is left
out, so within a node every flag is known. What the trees prove beyond their flags: see `view_tree`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from pipeline.actions import Frame
from pipeline.records import Element
from pipeline.screens.geometry import area

from . import view_tree
from .coordinates import corners
from .protobuf import fields, varints
from .view_tree import Path, Place

APPLICATION, INPUT_METHOD = 1, 2
"""Types of windows: an app's page or dialog, a keyboard."""
BAR = 0.1
"""Share of the screen that a window of the system takes at most if it is one of the bars at its edges."""


class Screen(NamedTuple):
    """What the forest says about a screen."""

    elements: tuple[Element, ...]
    app: str | None
    keyboard: bool | None
    overlay: bool | None


class _Node(NamedTuple):
    bounds: tuple[int, int, int, int]
    texts: dict[int, str]
    flags: frozenset[int]
    unique_id: int
    children: tuple[int, ...]
    order: int
    """When it is drawn among its siblings, from 1."""


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
    paths: list[Path] = []
    overlay: list[bool | None] = []
    for number, window in enumerate(windows):
        own, ways = _elements(window.nodes, len(elements), frame, notes)
        overlay += _overlay(window, own, len(elements))
        elements += own
        # Above the numbers of nodes, which are told apart within their window only.
        paths += [(Place(-1 - number, window.layer), *way) for way in ways]
    on_top = view_tree.topmost(elements, paths)
    elements = [replace(element, topmost=top) for element, top in zip(elements, on_top, strict=True)]
    active = next((window for window in windows if window.active), None)
    app = next((text for node in active.nodes if (text := node.texts.get(_PACKAGE))), None) if active else None
    keyboard = any(window.kind == INPUT_METHOD for window in windows) if windows else None
    return Screen(tuple(elements), app, keyboard, overlay[0] if len(overlay) == 1 else None)


class _Window(NamedTuple):
    layer: int
    kind: int
    active: bool
    nodes: Sequence[_Node]


def _overlay(window: _Window, elements: Sequence[Element], offset: int) -> list[bool | None]:
    """Return what a window says about dialogs and menus: nothing if it is a keyboard or a bar, unsure if it is none."""
    if window.kind == INPUT_METHOD:
        return []
    if window.kind != APPLICATION:
        return [] if all(area(element.bbox) <= BAR for element in elements) else [None]
    own = [replace(e, parent=None if e.parent is None else e.parent - offset) for e in elements]
    return [view_tree.overlay(own, own_window=window.active)]


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
    bounds, unique_id, order = (0, 0, 0, 0), 0, 0
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
            case 30, int():
                order = _signed(value)
    return _Node(bounds, texts, frozenset(flags), unique_id, tuple(children), order)


def _rectangle(data: bytes) -> tuple[int, int, int, int]:
    sides = {number: _signed(value) for number, _, value in fields(data) if isinstance(value, int)}
    return (sides.get(1, 0), sides.get(2, 0), sides.get(3, 0), sides.get(4, 0))


def _elements(
    nodes: Sequence[_Node], offset: int, frame: Frame, notes: Counter[str]
) -> tuple[list[Element], list[Path]]:
    """Return the elements of a window, the first of which is number `offset`, and their ways from its root."""
    parents = {child: node.unique_id for node in nodes for child in node.children}
    orders = {node.unique_id: node.order for node in nodes}
    paths: list[Path] = []
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
        way = _way(node.unique_id, parents)
        parent = next((each for each in way[-2::-1] if each in kept), None)
        paths.append(tuple(Place(each, orders.get(each, 0)) for each in way))
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
    return elements, paths


def _way(number: int, parents: Mapping[int, int]) -> list[int]:
    """Return the nodes from the outermost one to a node; a loop in broken data ends the walk."""
    way: list[int] = []
    at: int | None = number
    while at is not None and at not in way:
        way.append(at)
        at = parents.get(at)
    return way[::-1]


def _signed(value: int) -> int:
    """Return an int32 as it was meant: negative ones are written as 64 bits."""
    return value - (1 << 64) if value >> 63 else value
