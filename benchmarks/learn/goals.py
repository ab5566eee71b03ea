"""What is asked for, in which layouts of the app, and what of it is held out."""

from dataclasses import dataclass
from itertools import product
from typing import Any

FOLDERS = {
    "documents": ("Alpha", "Beta"),
    "photos": ("Gamma", "Delta"),
    "work": ("Kappa", "Sigma"),
    "recipes": ("Soup",),
}
"""Folders that goals lead to, and the files in them that goals are about: each file's name occurs once in the app."""
ROWS = (0, 2)
"""Where these files stand in their folder."""
ENDINGS = {"documents": "pdf", "photos": "jpg", "work": "xlsx", "recipes": "docx"}
VALIDATION = "Soup"
"""The file of the one goal that is not learned from: `gdp train` wants something to validate with."""
LEARNED = tuple(folder for folder, files in FOLDERS.items() if VALIDATION not in files)
TITLES = {folder: folder.capitalize() for folder in FOLDERS}

LAYOUTS = tuple(",".join(filter(None, parts)) for parts in product(("", "dark"), ("", "sand"), ("", "low")))
VERBS = ("star", "share", "options")
"""What the models are asked to do with a file."""
PLACES = {
    **{title: f"/folder/{folder}" for folder, title in TITLES.items()},
    **{name: f"/{name.lower()}" for name in ("Starred", "Shared", "Settings")},
}
"""Where one tap on a button of the home page leads."""
OTHER_PLACES = tuple(name for name in PLACES if name.lower() not in LEARNED)
"""Those where no file is that the models act on."""


@dataclass(frozen=True)
class Goal:
    """One task: to star a file, or to open its sheet for sharing or its menu.

    Or, only recorded, to look at a file or to peek into a place and come back, which shows that Back leads back; or to
    visit a place and end there.
    """

    file: str
    verb: str = "star"

    @property
    def folder(self) -> str:
        """Where the file is."""
        return next(folder for folder, files in FOLDERS.items() if self.file in files)

    @property
    def id(self) -> str:
        """The app's name of the file."""
        return f"{self.folder}-{ROWS[FOLDERS[self.folder].index(self.file)]}"

    @property
    def name(self) -> str:
        """An id without spaces."""
        return f"{self.verb}-{self.file.lower()}"

    @property
    def text(self) -> str:
        """What the agent is asked."""
        return f"{self.verb.capitalize()} {self.file}."

    @property
    def entry(self) -> str:
        """The file's name on the screen."""
        return f"{self.file}.{ENDINGS[self.folder]}"

    def result(self, untouched: dict[str, Any]) -> dict[str, Any]:
        """Return what the app has to end up with, given what it holds where nothing was changed."""
        if self.verb != "star":
            return untouched
        return {**untouched, "files": [[self.folder, self.entry, True, False, [], False]]}


FILES = tuple(file for files in FOLDERS.values() for file in files if file != VALIDATION)
GOALS = tuple(Goal(file, verb) for file in FILES for verb in VERBS)
LOOKS = (
    *(Goal(file, "look") for file in FILES),
    *(Goal(name, "peek") for name in PLACES),
    *(Goal(name, "visit") for name in OTHER_PLACES),
)
"""What is only recorded."""


@dataclass(frozen=True)
class Split:
    """What is recorded and learned from, and what the models act on."""

    held_out_layouts: tuple[str, str]
    """Their parts occur in what is recorded, in other combinations."""
    shift: int
    """Which verb of each file is held out; the file is recorded with the others, the verb with other files."""

    @property
    def held_out(self) -> tuple[Goal, ...]:
        """The goals that the models act on: one of each file."""
        return tuple(Goal(file, VERBS[(n + self.shift) % len(VERBS)]) for n, file in enumerate(FILES))

    @property
    def recorded(self) -> tuple[Goal, ...]:
        """The goals that are learned from."""
        return (*(goal for goal in GOALS if goal not in self.held_out), *LOOKS)

    @property
    def layouts(self) -> tuple[str, ...]:
        """The layouts that are learned from."""
        return tuple(layout for layout in LAYOUTS if layout not in self.held_out_layouts)

    def curriculum(self) -> list[tuple[str, Goal]]:
        """Return what is recorded: layouts and goals."""
        return [*product(self.layouts, self.recorded), ("", Goal(VALIDATION))]


SPLITS = {"measured": Split(("sand,low", "dark,low"), 0), "chosen": Split(("dark,sand", "low"), 1)}
"""The table is of the first; the settings were chosen with the second, whose held-out goals and layouts are others."""
