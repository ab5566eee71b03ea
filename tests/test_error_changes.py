"""A page seen in two states gives away that something was changed on the way."""

from typing import Any

import pytest
from episodes import BUTTON, DEAD, element, episode, screen, step

from pipeline.errors.changes import first_change
from pipeline.records import Element, ScrollState

OTHER = element(BUTTON, text="Elsewhere", bbox=(0.1, 0.7, 0.2, 0.8))
PAGE = Element(bbox=(0.0, 0.1, 1.0, 1.0), role="main")
NEW = {n: element(DEAD, text=f"page {n}", bbox=(0.1, 0.1 + n / 10, 0.9, 0.15 + n / 10)) for n in range(4)}


def scrolled(y: float) -> Element:
    return element(PAGE, scroll=ScrollState(y=y, max_y=900))


def change(states: list[int], *facts: dict[str, Any]) -> int:
    """Return the first change in a recording of these states, with these facts."""
    return first_change(episode(*(step(n, **each) for n, each in enumerate(facts))).scenes, states)


@pytest.mark.parametrize(
    ("found", "states", "facts"),
    [
        (3, [0, 1, 0], [{}, {"activity": "b"}, {}]),  # back on the very same screen
        (2, [0, 1, 2], [{}, {"activity": "b"}, {}]),  # back on the same page, and it differs
        (1, [0, 1], [{}, {}]),  # changed in place
        (2, [0, 1], [{}, {"url": "#/b"}]),
        (2, [0, 1], [{}, {"overlay": True}]),  # a dialog over the page is no change of it
        (3, [0, 1, 0], [{}, {"overlay": True}, {}]),
        (2, [0, 1, 2], [{}, {"overlay": True}, {}]),  # but what the dialog did is
        (2, [0, 1], [screen(BUTTON, NEW[0]), screen(OTHER, NEW[1])]),  # another page of the same activity
        (1, [0, 1], [screen(BUTTON, DEAD, NEW[0]), screen(BUTTON, DEAD, NEW[1])]),
        (2, [0, 1], [screen(BUTTON, scrolled(0)), screen(BUTTON, scrolled(300))]),  # only scrolled
        (1, [0, 1], [screen(BUTTON), screen()]),  # without elements nobody knows
        (2, [0, 0], [{}, {}]),
    ],
)
def test_the_first_change(found: int, states: list[int], facts: list[dict[str, Any]]) -> None:
    assert change(states, *facts) == found
