"""What is drawn on a screenshot for an action: shapes in fractions of it, and the same points in every frame."""

from typing import Any

import msgspec

from pipeline.actions import Action, Box, Direction, Drag, Point, Scroll, SelectText, Swipe, points, target_point
from pipeline.records import ImageRef
from pipeline.screens.geometry import to_grid
from pipeline.storage.manifest import Contract

REACH = 0.15
"""How long an arrow is drawn, in fractions, where the record names a direction only."""
_WAYS: dict[Direction, Point] = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}
_CENTRE: Point = (0.5, 0.5)


def shapes(action: Action, bbox: Box | None = None) -> list[dict[str, Any]]:
    """Return boxes, points and lines, each `{"shape": …, "at": …}`; nothing for an action without a place."""
    drawn: list[dict[str, Any]] = []
    box = bbox or getattr(action, "bbox", None)
    if box is not None:
        drawn.append({"shape": "box", "at": list(box)})
    line = _line(action)
    if line:
        drawn.append({"shape": "line", "at": [list(point) for point in line]})
    else:
        point = target_point(action)
        if point is not None:
            drawn.append({"shape": "point", "at": list(point)})
    return drawn


def _line(action: Action) -> tuple[Point, ...]:
    match action:
        case Drag(path=path) if len(path) > 1:
            return path
        case Swipe(start=start, end=end, path=path) if start is not None and end is not None:
            return (start, *path, end)
        case Swipe(direction=finger, start=start) if finger is not None:
            return _arrow(start or _CENTRE, _WAYS[finger])
        case Scroll(point=point) if (way := _content(action)) is not None:
            return _arrow(point or _CENTRE, way)
        case SelectText(start=start, end=end):
            return (start, end)
        case _:
            return ()


def _content(action: Scroll) -> Point | None:
    """Return the side on which a scroll shows more."""
    if action.direction is not None:
        return _WAYS[action.direction]
    dx, dy = action.dx or 0.0, action.dy or 0.0
    if dx == dy == 0:
        return None
    return _WAYS[("right" if dx > 0 else "left") if abs(dx) > abs(dy) else ("down" if dy > 0 else "up")]


def _arrow(start: Point, way: Point) -> tuple[Point, ...]:
    end = (min(max(start[0] + REACH * way[0], 0.0), 1.0), min(max(start[1] + REACH * way[1], 0.0), 1.0))
    return (start, end)


def readings(action: Action, image: ImageRef, source: tuple[int, int], contract: Contract) -> list[dict[str, Any]]:
    """Return each point of the action in the model's frame and in pixels of the stored and the recorded screenshot."""
    found = []
    for x, y in points(action):
        stored = [round(x * image.width), round(y * image.height)]
        model = to_grid((x, y), contract.scale) if contract.scale else stored
        found.append({"model": model, "stored": stored, "recorded": [round(x * source[0]), round(y * source[1])]})
    return found


def arguments(action: Action) -> dict[str, Any]:
    """Return what the action says beside its points: all that a page can show as text."""
    plain = msgspec.to_builtins(action)
    hidden = {"type", "src", "frame", "point", "bbox", "path", "start", "end"}
    return {name: value for name, value in plain.items() if name not in hidden}
