"""One recorded screen, asked many times: what is computed once is kept."""

from functools import cached_property, lru_cache

from pipeline.actions import Action, Box, Click, LongPress, Point
from pipeline.records import Element, Observation
from pipeline.screens.geometry import area, centre, distance, inside
from pipeline.screens.screen import ancestors, interactive, label, target_element
from pipeline.screens.states import short_role
from pipeline.storage.tables import StepRow

MARGIN_PX = 2.0
"""Added to a recorded reach: a model's grid may move a point by a pixel."""
CLEARANCE_DP = 16
"""A finger's slop, assumed around controls where the recording does not say how far a tap still counts."""
LONGEST_NAME = 40
FIELDS = frozenset(
    {"autocompletetextview", "edittext", "input", "searchbox", "securetextfield", "textarea", "textbox", "textfield"}
)
"""Roles of what can be typed into."""
TEXTS = frozenset({"", "caption", "heading", "label", "paragraph", "statictext", "text", "textview"})
PHONE_WIDTH_DP = 360
"""Assumed for the shorter side where the recording does not say how many pixels a dp has."""


class Scene:
    """A step's screen and its elements."""

    def __init__(self, step: StepRow) -> None:
        self.step = step
        self.observation: Observation = step.observation
        self.elements = step.observation.elements
        self.width = step.observation.image.width
        self.height = step.observation.image.height

    @property
    def action(self) -> Action | None:
        """The first action of the step."""
        return None if self.step.facts is None else self.step.facts.actions[0]

    @cached_property
    def roles(self) -> frozenset[str]:
        """All roles that occur, as `short_role` has them."""
        return frozenset(short_role(element.role) for element in self.elements)

    @cached_property
    def texts(self) -> list[int]:
        """The elements that show a text of their own, short enough to quote."""
        return [
            number
            for number, element in enumerate(self.elements)
            if element.text and short_role(element.role) in TEXTS and 1 < len(text_of(element)) <= LONGEST_NAME
        ]

    @cached_property
    def is_dialog(self) -> bool:
        """Whether all elements are those of a dialog's own window, so that a tap on any of them is one inside it.

        So in accessibility trees of one window: their only root is then shorter than the screen in both directions.
        """
        roots = [element for element in self.elements if element.parent is None]
        if self.observation.overlay is not True or len(roots) != 1 or roots[0].source != "a11y":
            return False
        left, top, right, bottom = roots[0].bbox
        return right - left < 1 and bottom - top < 1 and all(inside(e.bbox, roots[0].bbox) for e in self.elements)

    @cached_property
    def fields(self) -> list[Element]:
        """The elements that can be typed into, as far as the recording does not deny it."""
        return [element for element in self.elements if may_be_field(element)]

    @cached_property
    def holds_focus(self) -> bool:
        """Whether a field or a control has the focus; what only holds others may have it without showing it."""
        focused = [n for n, element in enumerate(self.elements) if element.focused]
        if not focused:
            return False
        around = {element.parent for element in self.elements}
        return any(n not in around or may_be_field(self.elements[n]) for n in focused)

    @cached_property
    def scale(self) -> float:
        """Pixels of the screenshot in a dp."""
        return self.step.scale or min(self.width, self.height) / PHONE_WIDTH_DP

    @cached_property
    def reach(self) -> float:
        """How far around a control a tap may still count as one on it, in pixels."""
        recorded = self.observation.touch_radius
        return CLEARANCE_DP * self.scale if recorded is None else recorded + MARGIN_PX

    @cached_property
    def live(self) -> list[Box]:
        """Boxes of everything that may react to a tap, as far as the recording does not deny it."""
        return [element.bbox for element in self.elements if not inert(element)]

    @cached_property
    def enclosed(self) -> list[bool]:
        """For each element, whether something that may react to a tap encloses it."""
        found: list[bool | None] = [None] * len(self.elements)
        for number in range(len(self.elements)):
            trail: list[int] = []
            at: int | None = number
            while at is not None and at < len(found) and found[at] is None and at not in trail:
                trail.append(at)
                at = self.elements[at].parent
            known = at is not None and at < len(found) and at not in trail
            above = known and (bool(found[at]) or not inert(self.elements[at]))  # type: ignore[index]  # known
            above = above or at in trail  # a loop: nobody knows what is around what
            for each in reversed(trail):
                found[each] = above
                above = above or not inert(self.elements[each])
        return [bool(each) for each in found]

    def crowded(self, point: Point) -> bool:
        """Tell whether something that may react is within reach of a point."""
        x, y, reach = point[0], point[1], self.reach
        across, down = reach / self.width, reach / self.height
        return any(
            distance(box, point, self.width, self.height) < reach
            for box in self.live
            if box[0] - across <= x <= box[2] + across and box[1] - down <= y <= box[3] + down
        )

    @cached_property
    def wired(self) -> list[int]:
        """The elements that pass taps on to others."""
        return [number for number, element in enumerate(self.elements) if element.wired]

    def passed_on(self, number: int | None, point: Point) -> bool:
        """Tell whether a tap on the element, or on the place, is passed on by it or by something around it."""
        if not self.wired:
            return False
        around = () if number is None else (self.elements[number], *ancestors(self.elements, number))
        return any(e.wired for e in around) or any(
            distance(self.elements[n].bbox, point, self.width, self.height) < MARGIN_PX for n in self.wired
        )

    def at(self, point: Point) -> list[int]:
        """Return the elements whose closed boxes contain the point, the smallest first."""
        x, y = point
        found = [n for n, e in enumerate(self.elements) if e.bbox[0] <= x <= e.bbox[2] and e.bbox[1] <= y <= e.bbox[3]]
        return sorted(found, key=lambda n: (area(self.elements[n].bbox), -n))

    @cached_property
    def target(self) -> Element | None:
        """The element that the step's action aims at."""
        action = self.action
        return None if action is None else target_element(self.elements, action)

    @cached_property
    def target_name(self) -> str | None:
        """What a person would call the target."""
        return None if self.target is None else label(self.elements, self.target)

    def named(self, action: Click | LongPress) -> tuple[Element, str] | None:
        """Return the element on this screen that an action aims at, and its name; None if either is missing."""
        element = target_element(self.elements, action)
        name = None if element is None else label(self.elements, element)
        return None if element is None or name is None else (element, name)

    def offset(self, element: Element, point: Point) -> float:
        """Return the distance in pixels from a point to an element."""
        return distance(element.bbox, point, self.width, self.height)


def inert(element: Element) -> bool:
    """Tell whether the recording says that the element takes no tap; not to say so is not enough."""
    return element.clickable is False and not interactive(element) and not may_be_field(element)


def may_be_field(element: Element) -> bool:
    """Tell whether the element can be typed into; where the recording does not say, its role and its focus do."""
    if element.editable is None:
        return element.focused is True or short_role(element.role) in FIELDS
    return element.editable


def text_of(element: Element) -> str:
    """Return the element's text on one line."""
    return " ".join((element.text or "").split())


def middle(element: Element) -> Point:
    """Return where a tap on the element would go."""
    return centre(element.bbox)


@lru_cache(maxsize=65536)
def words(text: str) -> frozenset[str]:
    """Return the words of a text, in Chinese its characters."""
    lower = text.casefold()
    latin = "".join(c if c.isascii() and c.isalnum() else " " for c in lower).split()
    return frozenset(w for w in latin if len(w) > 2) | {c for c in lower if not c.isascii() and c.isalpha()}
