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
HELD_OUT_LAYOUTS = ("sand,low", "dark,low")
"""Their parts occur in training, in other combinations."""
TRAIN_LAYOUTS = tuple(layout for layout in LAYOUTS if layout not in HELD_OUT_LAYOUTS)


@dataclass(frozen=True)
class Goal:
    """One task: to star a file, or to look at it and come back.

    Looking is only learned from. It is where a recording shows that Back leads back.
    """

    file: str
    look: bool = False

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
        return f"{'look' if self.look else 'star'}-{self.file.lower()}"

    @property
    def text(self) -> str:
        """What the agent is asked."""
        return f"{'Look' if self.look else 'Star'} {self.file}."

    @property
    def entry(self) -> str:
        """The file's name on the screen."""
        return f"{self.file}.{ENDINGS[self.folder]}"

    def result(self, untouched: dict[str, Any]) -> dict[str, Any]:
        """Return what the app has to end up with, given what it holds where nothing was changed."""
        return untouched if self.look else {**untouched, "files": [[self.folder, self.entry, True, False, [], False]]}


GOALS = tuple(Goal(file) for files in FOLDERS.values() for file in files if file != VALIDATION)
"""What the models act on."""
LOOKS = tuple(Goal(goal.file, look=True) for goal in GOALS)


def curriculum() -> list[tuple[str, Goal]]:
    """Return what is recorded: layouts and goals."""
    return [*product(TRAIN_LAYOUTS, (*GOALS, *LOOKS)), ("", Goal(VALIDATION))]
