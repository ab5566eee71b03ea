"""Whether something was changed on the way: then what other recordings saw elsewhere may not hold in this one.

Put something into the basket, and every page that shows the basket differs from the one that another recording saw,
although the page in between looks the same. What gives a change away is a page of this recording that was seen in two
states, with most of its elements in the same places.
"""

from collections import Counter
from collections.abc import Sequence

from pipeline.screens.states import GRID_PX

from .scene import Scene

ALIKE = 0.5
"""Two screens that have more than this share of their elements in common show the same page."""
LOOKED_AT = 8
"""Earlier states of one page that a screen is compared with, the last ones."""

Shape = Counter[tuple[object, ...]]


def first_change(scenes: Sequence[Scene], states: Sequence[int]) -> int:
    """Return the first step whose page was seen otherwise before; the number of steps if there is none."""
    seen: dict[tuple[object, ...], list[tuple[int, Shape]]] = {}
    for index, (scene, state) in enumerate(zip(scenes, states, strict=True)):
        if scene.observation.overlay or scene.observation.keyboard:
            continue
        known = seen.setdefault(_page(scene), [])
        shape = _shape(scene)
        if any(state != other and _alike(shape, before) for other, before in known[-LOOKED_AT:]):
            return index
        if all(state != other for other, _ in known):
            known.append((state, shape))
    return len(scenes)


def _page(scene: Scene) -> tuple[object, ...]:
    seen = scene.observation
    scrolled = tuple((e.scroll.x, e.scroll.y) for e in scene.elements if e.scroll is not None)
    return (seen.app, seen.activity, seen.url, scrolled)


def _shape(scene: Scene) -> Shape:
    across, down = scene.width / GRID_PX, scene.height / GRID_PX
    return Counter(
        (int(e.bbox[0] * across), int(e.bbox[1] * down), int(e.bbox[2] * across), int(e.bbox[3] * down), e.text, e.role)
        for e in scene.elements
    )


def _alike(one: Shape, other: Shape) -> bool:
    """Tell whether both show the same page; without elements nobody can tell that they do not."""
    if not one or not other:
        return True
    return (one & other).total() > ALIKE * max(one.total(), other.total())
