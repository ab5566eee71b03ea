"""Which decisions stand in a window together: arithmetic on positions, without a text or a picture.

A window is a run of decisions that a model takes one after the other in one conversation, each on its own screenshot;
every one that may be trained is. What came before it is told as the history policy says. Windows start `stride`
decisions apart, or earlier where the one before had to end; every trainable decision is in one at least, and each
window trains one that those before it do not. A step that cannot be said ends the run: no later window tells it, unless
the policy tells older steps in words. A step without its screenshot ends it, too; later windows tell it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pipeline.layouts import first_spoken
from pipeline.storage.manifest import Slicing

from .policy import History


class Fact(Struct, frozen=True):
    """What matters of a turn here."""

    sayable: bool = True
    """Whether the layout has a call for it."""
    shows: bool = True
    """Whether a screenshot belongs to it; a reply may stand in its place."""
    stored: bool = True
    """Whether that screenshot is there."""
    trained: bool = True
    """Whether its decision is one to learn from."""
    frame: tuple[int, int] | None = None
    """The size of its screenshot where prompts name it: a window has one."""

    @property
    def joins(self) -> bool:
        """Whether it can stand in a window."""
        return self.sayable and (self.stored or not self.shows)


class Window(Struct, frozen=True):
    """Positions of a trajectory's turns."""

    first: int
    """The first one that is told."""
    start: int
    """The first one that shows its screenshot; before `begin` where that turn answers a reply, without one."""
    begin: int
    """The first one that the window is about; what is before it is history."""
    trained: tuple[int, ...]
    """The decisions that are learned, in order; the last one ends the window."""

    @property
    def end(self) -> int:
        """The last turn."""
        return self.trained[-1]


Cost = Callable[[Window], int]


def windows(facts: Sequence[Fact], slicing: Slicing, history: History, cost: Cost | None = None) -> Iterator[Window]:
    """Yield the windows of a trajectory, in order; with `cost`, none of more than `max_tokens`.

    A window that costs too much is cut shorter, and the next one starts where it ends. Where a single decision is too
    much, the steps before it are left out, oldest first, down to `min_history`; what then is too much still, is in no
    window.
    """
    assert slicing.window is not None
    stride = slicing.stride or slicing.window
    start, reached = 0, -1
    while start < len(facts):
        place = _begin(facts, start, slicing, history)
        if place is None:
            start += 1
            continue
        end = _end(facts, start, place, slicing.window)
        trained = tuple(n for n in range(start, end + 1) if facts[n].trained)
        begun = start
        ended = end - start + 1 < slicing.window or not _follows(facts, end + 1, place)
        start = end + 1 if ended else start + stride
        if not trained:
            continue
        fitted = _fitted(facts, replace(place, trained=trained), slicing, history, cost)
        if fitted is None:
            start = min(start, trained[0] + 1)
            continue
        if fitted.end > reached:  # else the one before trains all of it
            yield fitted
            reached = fitted.end
        if fitted.end < trained[-1]:
            start = min(begun + stride, fitted.end + 1)


def blocked(facts: Sequence[Fact], position: int, slicing: Slicing, history: History) -> int | None:
    """Return the last step before a window from the position on that it says as a call and cannot, None without one."""
    first = _first(position, slicing)
    seen = screen(facts, position, first)
    said = max(first, first_spoken(history, position if seen is None else seen))
    return next((n for n in range(position - 1, said - 1, -1) if not facts[n].sayable), None)


def screen(facts: Sequence[Fact], position: int, first: int) -> int | None:
    """Return whose screenshot the decision is taken on: its own, or the last one before a reply in its place."""
    return next((n for n in range(position, first - 1, -1) if facts[n].shows), None)


def _first(position: int, slicing: Slicing) -> int:
    return 0 if slicing.max_history is None else max(0, position - slicing.max_history)


def _begin(facts: Sequence[Fact], start: int, slicing: Slicing, history: History) -> Window | None:
    """Return a window without decisions that begins with the turn, None where none can."""
    first = _first(start, slicing)
    if not facts[start].joins or blocked(facts, start, slicing, history) is not None:
        return None
    seen = screen(facts, start, first)
    if seen is None:  # nothing to look at: the model answers a reply
        return Window(first, start, start, ())
    return Window(first, seen, start, ()) if facts[seen].stored else None


def _end(facts: Sequence[Fact], start: int, place: Window, most: int) -> int:
    """Return the last turn that a window from `start` on may hold."""
    if not facts[place.start].shows:
        return start
    end = start
    while end + 1 < start + most and _follows(facts, end + 1, place):
        end += 1
    return end


def _follows(facts: Sequence[Fact], position: int, place: Window) -> bool:
    """Tell whether there is such a turn, and whether it can stand in the window."""
    if position == len(facts) or not facts[position].joins:
        return False
    return not facts[position].shows or facts[position].frame == facts[place.start].frame


def _fitted(
    facts: Sequence[Fact], window: Window, slicing: Slicing, history: History, cost: Cost | None
) -> Window | None:
    """Return the longest window from the same start that the budget allows, or its first decision with less history."""
    most = slicing.max_tokens
    if cost is None or most is None:
        return window
    for count in range(len(window.trained), 0, -1):
        shorter = replace(window, trained=window.trained[:count])
        if cost(shorter) <= most:
            return shorter
    decision = window.trained[0]
    alone = _begin(facts, decision, slicing, history)
    if alone is None:
        return None
    last = max(alone.first, min(alone.start, decision - slicing.min_history))
    candidates = [Window(first, alone.start, decision, (decision,)) for first in range(alone.first, last + 1)]
    place = bisect_left(candidates, True, key=lambda each: cost(each) <= most)
    return candidates[place] if place < len(candidates) else None
