"""DroidBot's views: where one is, and the tree of them as elements."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.actions import Box, Frame
from pipeline.records import Element

from .coordinates import corners
from .refusal import Refused, shortened


class View(Struct):
    """One view of a state or of an event."""

    bounds: list[list[int]] | None = None
    text: str | None = None
    content_description: str | None = None
    class_name: str | None = msgspec.field(default=None, name="class")
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
    """Return the views that are on the screen; a parent that is not is left out of the chain."""
    parents = {view.temp_id: view.parent for view in views}
    kept: dict[int | None, int] = {}
    elements: list[Element] = []
    for view in views:
        box = box_of(view, frame)
        if view.visible is False:
            continue
        if box is None or box[0] == box[2] or box[1] == box[3]:
            notes["view outside the screen"] += 1
            continue
        kept[view.temp_id] = len(elements)
        elements.append(_element(view, box, _ancestor(view, parents, kept)))
    return tuple(elements)


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
