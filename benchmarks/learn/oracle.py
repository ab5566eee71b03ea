"""Who always knows what to do: it writes the recordings, says how far an agent is from its goal, plans wrong turns."""

from dataclasses import dataclass
from typing import Any, Literal

from .goals import FOLDERS, LEARNED, OTHER_PLACES, PLACES, TITLES, Goal


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


OVERLAYS = {"share": "share", "options": "fileMenu"}
"""What is open in the end, as the app calls it."""
BACK, DONE, START = Move("back"), Move("done"), Move("tap", "Start", "button")


@dataclass
class Oracle:
    """Follows one episode: `see` each screen, then ask."""

    goal: Goal
    untouched: dict[str, Any]
    """What the app holds before anything was done."""
    opened: bool = False
    """Whether what was to be looked at was seen."""

    def see(self, facts: Facts) -> None:
        """Note where the agent has come."""
        self.opened = self.opened or (self._seen is not None and facts.path == self._seen)

    def succeeded(self, facts: Facts) -> bool:
        """Tell whether the episode may end here: what was asked for is done, and nothing else."""
        return self._there(facts) and facts.result == self.goal.result(self.untouched)

    def _there(self, facts: Facts) -> bool:
        if self.goal.verb == "star":
            return True
        if self.goal.verb == "visit":
            return facts.path == self._seen
        if self._seen is not None:
            return self.opened and facts.overlay is None and facts.path == self._from
        return facts.path == self._page and facts.overlay == OVERLAYS[self.goal.verb]

    def next(self, facts: Facts) -> Move:
        """Return the right move."""
        if self.succeeded(facts):
            return DONE
        if facts.path == "/welcome":
            return START
        if facts.overlay is None and not self.opened:
            if facts.path == "/":
                return self._first
            if self._place:
                return BACK
            if facts.path == self._folder:
                return Move("tap", self.goal.entry, "listitem")
            if facts.path == self._page:
                return Move("tap", self._button, "button")
        return BACK

    def distance(self, facts: Facts) -> int:
        """Return how many moves are left, the end included."""
        if self.succeeded(facts):
            return 1
        over = facts.overlay is not None
        if self._place:
            return over + {self._place: 2, "/": 2 + (self.goal.verb == "peek")}.get(facts.path, 4)
        if facts.path == self._page:
            return over + 2
        if facts.path == self._folder:
            return over + 3
        if facts.path.startswith("/file/"):
            return over + (4 if facts.path.startswith(f"/file/{self.goal.folder}-") else 6)
        return over + (4 if facts.path == "/" else 5)

    def slips(self, facts: Facts) -> list[Slip]:
        """Return the wrong turns that can be planted on this screen, none of which changes anything."""
        if facts.overlay or self._seen is not None or self.succeeded(facts):
            return []
        if facts.path == "/":
            folders = [Slip("wrong_folder", self._to(TITLES[f])) for f in LEARNED if f != self.goal.folder]
            return [*folders, *(Slip("wrong_place", self._to(name)) for name in OTHER_PLACES)]
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

    @property
    def _place(self) -> str | None:
        """Return the page that a goal about a place is about."""
        return PLACES.get(self.goal.file)

    @property
    def _seen(self) -> str | None:
        """Return the page that is only to be seen, if any is."""
        return self._page if self.goal.verb == "look" else self._place

    @property
    def _from(self) -> str:
        """Return the page that one comes back to from there."""
        return "/" if self._place else self._folder

    @property
    def _first(self) -> Move:
        return self._to(self.goal.file if self._place else TITLES[self.goal.folder])

    @staticmethod
    def _to(place: str) -> Move:
        return Move("tap", place, "button")

    @property
    def _button(self) -> str:
        names = {"star": "Add star", "share": "Share", "options": f"More options for {self.goal.entry}"}
        return names[self.goal.verb]
