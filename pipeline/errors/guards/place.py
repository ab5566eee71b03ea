"""What forbids a tap: on a place (scene, number of the element that is tapped or None, point), or on an element."""

from pipeline.actions import Point
from pipeline.errors.scene import Scene, inert
from pipeline.records import Element
from pipeline.screens.states import short_role

SURFACES = frozenset(
    {"canvas", "iframe", "map", "mapview", "surfaceview", "textureview", "video", "videoview", "webview"}
)
"""Roles of areas that draw themselves: what reacts in them is not in the list of elements."""


def reacts(scene: Scene, number: int, point: Point) -> bool:
    """Tell whether the element itself may take a tap."""
    return not inert(scene.elements[number])


def inside_control(scene: Scene, number: int, point: Point) -> bool:
    """Tell whether something around the element may take the tap."""
    return scene.enclosed[number]


def covered(scene: Scene, number: int, point: Point) -> bool:
    """Tell whether something may lie over the element."""
    return scene.elements[number].topmost is not True


def near_control(scene: Scene, number: int | None, point: Point) -> bool:
    """Tell whether a control is so near that the tap may count as one on it."""
    return scene.crowded(point)


def live_surface(scene: Scene, number: int | None, point: Point) -> bool:
    """Tell whether the place is on a video, a map or the like, which reacts without telling."""
    return bool(scene.roles & SURFACES) and any(short_role(scene.elements[n].role) in SURFACES for n in scene.at(point))


def label_wired(scene: Scene, number: int | None, point: Point) -> bool:
    """Tell whether a tap on the place is passed on to a control, by the text itself or by what is around it."""
    return scene.passed_on(number, point)


def wiring_unknown(scene: Scene, number: int | None, point: Point) -> bool:
    """Tell whether the recording does not say if a tap on the text is passed on to a control."""
    places = scene.at(point) if number is None else [number]
    return any(scene.elements[n].text and scene.elements[n].wired is None for n in places)


def off_screen(scene: Scene, number: int | None, point: Point) -> bool:
    """Tell whether the point is outside of the screenshot."""
    return not (0 <= point[0] < 1 and 0 <= point[1] < 1)


def toggles(element: Element) -> bool:
    """Tell whether it switches or fills something."""
    return element.checked is not None or element.editable is True


def disabled_answers(element: Element) -> bool:
    """Tell whether a tap on the disabled element may show a message."""
    return element.notifies is not False
