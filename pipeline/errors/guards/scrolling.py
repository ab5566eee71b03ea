"""What forbids a scroll: asked of what is scrolled, and the side on which more would be shown."""

from pipeline.actions import OPPOSITE, Point, Scroll
from pipeline.errors.kind import Episode
from pipeline.errors.scene import Scene
from pipeline.records import ScrollState

from .switches import is_on


def not_at_edge(scroll: ScrollState, way: str) -> bool:
    """Tell whether there is more to show on this side."""
    left = {"up": scroll.y, "down": scroll.max_y - scroll.y, "left": scroll.x, "right": scroll.max_x - scroll.x}[way]
    return not -1 <= left <= 0  # further than it goes: how far that is was not recorded


def pull_to_refresh(scroll: ScrollState, way: str) -> bool:
    """Tell whether pulling beyond the top may load the content again."""
    return way == "up" and scroll.refresh is not False


def endless_list(scroll: ScrollState, way: str) -> bool:
    """Tell whether scrolling beyond the end may load more."""
    return way in {"down", "right"} and scroll.endless is not False


def scroll_chained(scene: Scene, point: Point, way: str) -> bool:
    """Tell whether something around the scrolled element would scroll in its place."""
    around = (scene.elements[number].scroll for number in scene.at(point))
    return is_on("not_at_edge") and any(not_at_edge(scroll, way) for scroll in around if scroll is not None)


def scroll_not_exact(episode: Episode, index: int) -> bool:
    """Tell whether nothing proves that scrolling back restores the screen before to the pixel.

    The proof is a recording that did so between equal screens, or a platform that scrolls exactly, and far enough from
    the edges for the same amount back to lead to the same place.
    """
    scroll = episode.scenes[index - 1].action
    assert isinstance(scroll, Scroll)
    before = episode.around(index - 1).state
    for route in episode.around(index).routes:
        back = route.edge.action
        if isinstance(back, Scroll) and route.edge.state == before and reverses(back, scroll):
            return False
    return not scrolled_exactly(episode.scenes[index - 1], episode.scenes[index], scroll)


def reverses(back: Scroll, scroll: Scroll) -> bool:
    """Tell whether one scroll is the other the other way round."""
    if scroll.dx is None and scroll.dy is None:
        return scroll.direction is not None and back.direction == OPPOSITE[scroll.direction]
    amounts = ((back.dx or 0) + (scroll.dx or 0), (back.dy or 0) + (scroll.dy or 0))
    return back.unit == scroll.unit and amounts == (0, 0)


def scrolled_exactly(before: Scene, after: Scene, scroll: Scroll) -> bool:
    """Tell whether what was scrolled says that it scrolls exactly, and has moved by exactly what was asked for."""
    facts = before.step.facts
    if scroll.point is None or scroll.unit != "px" or scroll.modifiers or facts is None or len(facts.actions) != 1:
        return False
    asked = (scroll.dx or 0, scroll.dy or 0)
    for number in before.at(scroll.point):
        was = before.elements[number].scroll
        if was is None:
            continue
        now = [e.scroll for e in after.elements if e.scroll is not None and e.bbox == before.elements[number].bbox]
        return (
            len(now) == 1
            and was.exact is True is now[0].exact
            and (was.max_x, was.max_y) == (now[0].max_x, now[0].max_y)
            and abs(now[0].x - was.x - asked[0]) < 0.5
            and abs(now[0].y - was.y - asked[1]) < 0.5
        )
    return False
