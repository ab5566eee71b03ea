"""Who always knows what to do: it writes the recordings, says how far an agent is from its goal, plans wrong turns."""

from dataclasses import dataclass
from typing import Any, Literal

from .goals import FOLDERS, LEARNED, TITLES, Goal


@dataclass(frozen=True)
class Facts:
    """What the app says about itself (`App.facts`)."""

    path: str
    overlay: str | None
    result: dict[str, Any]


@dataclass(frozen=True)
class Move:
    """What is done next: a tap on the element with that name and role, Back, or the end."""

    do: Literal["tap", "back", "done"]
    name: str = ""
    role: str | None = None


@dataclass(frozen=True)
class Slip:
    """A wrong turn that can be planted here."""

    kind: str
    move: Move


BACK, DONE, START = Move("back"), Move("done"), Move("tap", "Start", "button")


@dataclass
class Oracle:
    """Follows one episode: `see` each screen, then ask."""

    goal: Goal
    untouched: dict[str, Any]
    """What the app holds before anything was done."""
    opened: bool = False
    """Whether the file's page was seen."""

    def see(self, facts: Facts) -> None:
        """Note where the agent has come."""
        self.opened = self.opened or facts.path == self._page

    def succeeded(self, facts: Facts) -> bool:
        """Tell whether the episode may end here: what was asked for is done, and nothing else."""
        there = not self.goal.look or (self.opened and facts.path == "/" and facts.overlay is None)
        return there and facts.result == self.goal.result(self.untouched)

    def next(self, facts: Facts) -> Move:
        """Return the right move."""
        if self.succeeded(facts):
            return DONE
        if facts.path == "/welcome":
            return START
        if facts.overlay is None and not (self.goal.look and self.opened):
            if facts.path == "/":
                return Move("tap", TITLES[self.goal.folder], "button")
            if facts.path == self._folder:
                return Move("tap", self.goal.entry, "listitem")
            if facts.path == self._page:
                return Move("tap", "Add star", "button")
        return BACK

    def distance(self, facts: Facts) -> int:
        """Return how many moves are left, the end included."""
        if self.succeeded(facts):
            return 1
        over = facts.overlay is not None
        if self.goal.look:
            if self.opened:
                return over + (3 if facts.path == self._page else 2)
            return over + {"/": 5, self._folder: 4}.get(facts.path, 6)
        if facts.path == self._page:
            return over + 2
        if facts.path == self._folder:
            return over + 3
        if facts.path.startswith("/file/"):
            return over + (4 if facts.path.startswith(f"/file/{self.goal.folder}-") else 6)
        return over + (4 if facts.path == "/" else 5)

    def slips(self, facts: Facts) -> list[Slip]:
        """Return the wrong turns that can be planted on this screen, none of which changes anything."""
        if facts.overlay or self.goal.look or self.succeeded(facts):
            return []
        if facts.path == "/":
            return [Slip("wrong_folder", Move("tap", TITLES[f], "button")) for f in LEARNED if f != self.goal.folder]
        back = Slip("back", BACK)
        if facts.path == self._folder:
            others = [Goal(file).entry for file in FOLDERS[self.goal.folder] if file != self.goal.file]
            dead = Slip("dead_tap", Move("tap", TITLES[self.goal.folder], "heading"))
            return [*(Slip("wrong_file", Move("tap", name, "listitem")) for name in others), back, dead]
        if facts.path == self._page:
            return [back, Slip("dead_tap", Move("tap", "Details", "heading"))]
        return []

    @property
    def _folder(self) -> str:
        return f"/folder/{self.goal.folder}"

    @property
    def _page(self) -> str:
        return f"/file/{self.goal.id}"
