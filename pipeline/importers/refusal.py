"""What an importer cannot take: a code, a place, what was found and what was expected. Never a silent drop."""

from typing import Literal

from msgspec import Struct

from pipeline.screens.images import ImageProblem

REASONS = {
    "unreadable": "the file cannot be read",
    "too_large": "the file or the record is larger than any real one",
    "json_broken": "the text is empty, no UTF-8 or no JSON, or nested beyond reason",
    "container_broken": "the archive or record file is cut off, or its checksum is wrong",
    "pickle": "the pickle is broken, too large, or asks for more than plain data; nothing of it was run",
    "marked": "the action's target is painted into the screenshot, so a model would find the answer there",
    "shape": "a field is missing or of the wrong kind",
    "no_goal": "the episode does not say what was asked for",
    "no_steps": "the episode holds no action that could be taken",
    "step_gap": "step numbers have a gap or repeat, so the history would be false",
    "history_broken": "an earlier step was refused, so the history would be false",
    "coordinate": "a coordinate is no number, or lies outside the screen",
    "size_mismatch": "the recorded screen size contradicts the screenshot",
    "duplicate": "the same episode was there before",
    "first_screen": "the screen before the first action was not saved",
    "superseded": "a backup of a run that was repeated",
    "unsupported": "the format has no meaning for it that is known",
    "path_escape": "the screenshot's path leads out of the source folder",
    "image_missing": "the screenshot is not there",
    "image_broken": "the screenshot is empty or no PNG, JPEG or WebP",
    "image_too_large": "the screenshot has too many bytes or pixels",
    "record": "what came out would be no valid trajectory",
}
"""Every code that an importer may give, and what it means."""

Scope = Literal["trajectory", "step", "screenshot"]
"""A step whose screenshot alone is refused stays in the history: what it did is known."""


class Refusal(Struct, frozen=True):
    """One thing that was not taken: a line of `rejected.jsonl`."""

    scope: Scope
    code: str
    file: str
    """The source's file, relative to the source folder."""
    found: str
    expected: str
    record: str | None = None
    """The place in the file: a line, an episode, a step."""

    @property
    def where(self) -> str:
        """The place as people write it."""
        return self.file if self.record is None else f"{self.file}: {self.record}"

    @property
    def message(self) -> str:
        """What was found, what was expected."""
        return f"found {self.found}, expected {self.expected}"


class Refused(Exception):  # noqa: N818 - a finding to be counted, not a failure of the program
    """Raised where something cannot be taken; whoever knows the place makes a `Refusal` of it."""

    def __init__(self, code: str, found: str, expected: str) -> None:
        assert code in REASONS, code
        super().__init__(code, found, expected)
        self.code = code
        self.found = found
        self.expected = expected

    @classmethod
    def of(cls, problem: ImageProblem) -> "Refused":
        """Return the same finding about a screenshot."""
        found, _, expected = problem.message.removeprefix("found ").rpartition(", expected ")
        return cls(problem.code, found, expected)

    def at(self, scope: Scope, file: str, record: str | None = None) -> Refusal:
        """Return the row for this place."""
        return Refusal(scope, self.code, file, self.found, self.expected, record)


def shortened(value: object, longest: int = 60) -> str:
    """Return a found value as text that fits in a line."""
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return (text if len(text) <= longest else text[: longest - 1] + "…") or "an empty text"
