"""What walks through the market are made of: moves, and the words of the interface in either language."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.actions import Button, LongPress, Scroll, Terminate, Type
from pipeline.records import Lang
from sample_data.scripts.script import ErrorKind, Move, Target, mistake

WORDS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "app" / "words.js").read_text(encoding="utf-8").partition("=")[2].strip().rstrip(";")
)


class Words:
    """The words of the interface in one language, as attributes; `goods[i]` is the name of one of the goods."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang
        self.goods = [good[0] for good in WORDS[lang]["goods"]]
        self.letters_ = [words for _, words in WORDS[lang]["notes"]]

    def __getattr__(self, key: str) -> str:
        word: str = WORDS[self.lang][key]
        return word


@dataclass(frozen=True)
class Walk:
    """One trajectory to record in the market."""

    name: str
    lang: Lang
    traps: tuple[str, ...]
    moves: tuple[Move, ...]
    events: dict[int, str]
    """What comes from outside before the screen of a step is looked at."""

    @property
    def id(self) -> str:
        """The trajectory's id."""
        return "-".join(("market", self.lang, self.name, *self.traps))

    @property
    def query(self) -> str:
        """The address of the app with these traps."""
        return f"?app=market&lang={self.lang}&traps={','.join(self.traps)}"

    @property
    def goal(self) -> str:
        """What the agent is asked."""
        return {"en": f"Do the round called {self.name}", "zh": f"按照{self.name}走一遍"}[self.lang]


BACK = Move("", "", Button(name="back"))
ENTER = Move("", "", Button(name="enter"))
DONE = Move("", "", Terminate(status="success"))


def tap(text: str, role: str | None = None) -> Move:
    """Tap what shows the text."""
    return Move("", "", target=Target(text, role))


def row(text: str) -> Move:
    """Tap a row of a list."""
    return tap(text, "listitem")


def link(text: str) -> Move:
    """Tap a row that leads elsewhere."""
    return tap(text, "link")


def tab(text: str) -> Move:
    """Tap a tab."""
    return tap(text, "tab")


def button(text: str) -> Move:
    """Tap a button."""
    return tap(text, "button")


def hold(text: str) -> Move:
    """Press a row and hold it."""
    return Move("", "", LongPress(point=(0.5, 0.5)), Target(text, "listitem"))


def typing(text: str) -> Move:
    """Type into the field."""
    return Move("", "", Type(text=text))


def scroll(pixels: int) -> Move:
    """Show what is further down, or further up."""
    way = "down" if pixels > 0 else "up"
    return Move("", "", Scroll(point=(0.48, 0.62), direction=way, dy=float(pixels), unit="px"))


def slip(kind: ErrorKind, move: Move) -> Move:
    """Return the move as a mistake that the recording labels."""
    return mistake(kind, move)


Moves = list[Move]
Script = Callable[[Words], Moves]
