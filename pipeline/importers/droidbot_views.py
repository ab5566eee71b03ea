"""DroidBot's views: where one is, the tree of them as elements, and what the tree proves about the screen.

DroidBot records one window, the active one (`AccessibilityService.getRootInActiveWindow`), without the drawing order.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Box, Frame
from pipeline.records import Element

from . import view_tree
from .coordinates import corners
from .refusal import Refused, shortened
from .view_tree import Path, Place


class View(Struct):
    """One view of a state or of an event."""

    bounds: list[list[int]] | None = None
    text: str | None = None
    content_description: str | None = None
    class_name: str | None = msgspec.field(default=None, name="class")
    package: str | None = None
    temp_id: int | None = None
    parent: int | None = None
    visible: bool | None = None
    clickable: bool | None = None
    long_clickable: bool | None = None
    enabled: bool | None = None
    editable: bool | None = None
    focused: bool | None = None
    checkable: bool | None = None
    checked: bool | None = None


def sides(bounds: list[list[int]]) -> Any:
    """Return the bounds if they are [[left, top], [right, bottom]]; raises Refused."""
    if len(bounds) != 2 or any(len(pair) != 2 for pair in bounds):
        raise Refused("coordinate", shortened(bounds), "[[left, top], [right, bottom]]")
    return bounds


def box_of(view: View | None, frame: Frame) -> Box | None:
    """Return what of the view is on the screen, None if nothing is; raises Refused."""
    if view is None or view.bounds is None:
        return None
    (left, top), (right, bottom) = sides(view.bounds)
    return corners(frame, (left, top, right, bottom))


def elements_of(views: Sequence[View], frame: Frame, notes: Counter[str]) -> tuple[Element, ...]:
    """Return the views that are on the screen, and which lie on top; a parent that is not is left out of the chain."""
    parents = {view.temp_id: view.parent for view in views}
    numbers = {view.temp_id: number for number, view in enumerate(views)}
    kept: dict[int | None, int] = {}
    elements: list[Element] = []
    paths: list[Path] = []
    for number, view in enumerate(views):
        box = box_of(view, frame)
        if view.visible is False:
            continue
        if box is None or box[0] == box[2] or box[1] == box[3]:
            notes["view outside the screen"] += 1
            continue
        kept[view.temp_id] = len(elements)
        elements.append(_element(view, box, _ancestor(view, parents, kept)))
        paths.append(_path(number, views, numbers))
    if len(numbers) < len(views):
        return tuple(elements)  # numbers that occur twice: who encloses whom is a guess
    on_top = view_tree.topmost(elements, paths)
    return tuple(replace(element, topmost=top) for element, top in zip(elements, on_top, strict=True))


def keyboard_of(views: Sequence[View], app: str | None) -> bool | None:
    """Return False where no keyboard can be meant to be open, else None; see `view_tree.keyboard`."""
    focused = [(view.class_name, view.editable) for view in views if view.focused is not False]
    return view_tree.keyboard(focused, own_window=_is_own(views, app))


def overlay_of(views: Sequence[View], elements: Sequence[Element], app: str | None) -> bool | None:
    """Tell whether a dialog or a menu lies over the page; see `view_tree.overlay`."""
    return view_tree.overlay(elements, own_window=_is_own(views, app))


def _is_own(views: Sequence[View], app: str | None) -> bool:
    return bool(views) and app is not None and views[0].package == app


def _path(number: int, views: Sequence[View], numbers: Mapping[int | None, int]) -> Path:
    """Return the way from the outermost view to one; a loop in broken data ends the walk."""
    way: list[int] = []
    at: int | None = number
    while at is not None and at not in way:
        way.append(at)
        at = None if views[at].parent is None else numbers.get(views[at].parent)
    return tuple(Place(each) for each in reversed(way))


def _ancestor(view: View, parents: Mapping[int | None, int | None], kept: Mapping[int | None, int]) -> int | None:
    parent, seen = view.parent, set()
    while parent is not None and parent not in kept and parent not in seen:
        seen.add(parent)
        parent = parents.get(parent)
    return kept.get(parent) if parent is not None else None


def _element(view: View, box: Box, parent: int | None) -> Element:
    return Element(
        bbox=box,
        text=view.text or view.content_description or None,
        role=(view.class_name or "").rpartition(".")[2] or None,
        source="a11y",
        parent=parent,
        clickable=view.clickable,
        long_clickable=view.long_clickable,
        enabled=view.enabled,
        editable=view.editable,
        focused=view.focused,
        checked=view.checked if view.checkable else None,
    )
