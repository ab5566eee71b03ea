"""What a script is made of: moves, and the few calls that write them down."""

from dataclasses import dataclass, replace
from typing import Literal

from pipeline.actions import Action, Answer, Button, Scroll, Terminate, Type

ErrorKind = Literal["wrong_element", "no_effect"]


@dataclass(frozen=True)
class Target:
    """The element to tap, by the text and, where that is not enough, the role that it has on the screen."""

    text: str
    role: str | None = None


@dataclass(frozen=True)
class Move:
    """One step: what is done (`action`, or a tap on `target`), the sentence for it, and the thought before it."""

    say: str
    think: str
    action: Action | None = None
    target: Target | None = None
    error: ErrorKind | None = None
    """Set where the step is a mistake."""
    repairs: bool = False
    """True where the step repairs the last mistake."""


@dataclass(frozen=True)
class Script:
    """One trajectory to record. `check` is JavaScript that is true where the goal was reached."""

    id: str
    app: Literal["drive", "notes"]
    lang: Literal["en", "zh"]
    goal: str
    moves: tuple[Move, ...]
    check: str
    reason: str
    """Why the outcome is what it is; written into the record."""
    success: bool = True
    desktop: bool = False


def tap(text: str, say: str, think: str, role: str | None = None) -> Move:
    """Tap the element that shows `text`."""
    return Move(say, think, target=Target(text, role))


def typing(text: str, say: str, think: str) -> Move:
    """Type into the focused field."""
    return Move(say, think, Type(text=text))


def enter(say: str, think: str) -> Move:
    """Press Enter."""
    return Move(say, think, Button(name="enter"))


def back(say: str, think: str) -> Move:
    """Press the system's back button."""
    return Move(say, think, Button(name="back"))


def scroll_down(pixels: int, say: str, think: str) -> Move:
    """Show what is `pixels` of the screenshot further down."""
    return Move(say, think, Scroll(point=(0.48, 0.52), direction="down", dy=float(pixels), unit="px"))


def answer(text: str, say: str, think: str) -> Move:
    """Tell the user the result."""
    return Move(say, think, Answer(text=text))


def done(say: str, think: str, *, success: bool = True) -> Move:
    """End the episode."""
    return Move(say, think, Terminate(status="success" if success else "failure"))


def mistake(kind: ErrorKind, move: Move) -> Move:
    """Return the move as a labelled mistake."""
    return replace(move, error=kind)


def repair(move: Move) -> Move:
    """Return the move as the labelled repair of the last mistake."""
    return replace(move, repairs=True)
