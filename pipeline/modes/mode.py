"""What a mode is: a function from a recorded trajectory to samples, and to the decisions that are in none.

Every decision of the trajectory is trained in a sample or refused with the reason, never both, never neither.
"""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from pipeline.layouts import Layout
from pipeline.records import ImageRef, Sample, Step
from pipeline.screens.images import ImageProblem
from pipeline.screens.screen import target_box
from pipeline.slicing.compose import Setting, Shown, Subject, TooLong, compose, missing_screenshots, said


class Refused(Struct, frozen=True):
    """A decision that is in no sample."""

    step_index: int
    code: str
    message: str


class Recording(Struct, frozen=True):
    """A trajectory, ready to be cut."""

    layout: Layout
    setting: Setting
    subject: Subject
    where: str
    """The place of its file."""
    steps: tuple[Step, ...]
    shown: tuple[Shown, ...]
    """Each step's turn and screenshot."""
    pictures: Sequence[ImageRef | ImageProblem]
    """Where each step's screenshot is stored, or why it is refused."""
    unsayable: tuple[str | None, ...]
    """Why the layout cannot express each step, or None."""

    def decision(
        self, index: int, subject: Subject, start: int = 0, provenance: dict[str, str] | None = None
    ) -> Sample | Refused:
        """Return the sample of one decision, told from step `start` on, or why there is none."""
        refused = self.refused(index, start) or self._missing(index, start)
        if refused is not None:
            return refused
        step = self.steps[index]
        made = compose(
            self.layout,
            self.setting,
            subject,
            self.shown[start : index + 1],
            sample_id=f"{subject.trajectory_id}/{index:04d}",
            bbox=target_box(step.observation.elements, step.actions[0]),
            provenance={"file": self.where, **(provenance or {})},
        )
        return Refused(index, "too_long", made.message) if isinstance(made, TooLong) else made

    def refused(self, index: int, start: int = 0, *, images: int | None = None) -> Refused | None:
        """Return why the decision cannot be one to learn from, whatever its screenshots; None if it can.

        `images` are the screenshots that must be shown, by default as many as the policy shows.
        """
        label = self.steps[index].label
        if label.role == "error" or label.correct is False:
            message = "found a decision that the recording calls wrong, expected one to learn from"
            return Refused(index, "labelled_error", message)
        if label.role == "padding":
            return Refused(index, "padding", "found a padding step, expected a decision")
        if (reason := self.unsayable[index]) is not None:
            return Refused(index, "inexpressible", reason)
        earlier = self._unsayable(index, start, images)
        if earlier is not None:
            why = f"{self.layout.name} has to say as a call and cannot: {self.unsayable[earlier]}"
            message = f"found step {earlier} in the history, which {why}"
            return Refused(index, "history_inexpressible", message)
        least = self.setting.slicing.min_history
        if index - start < least:
            message = f"found {index - start} steps before the decision, expected at least {least}"
            return Refused(index, "short_history", message)
        return None

    def unseen(self, index: int, shown: int) -> Refused:
        """Return that decision `index` is refused for the screenshot of step `shown`, which is refused itself."""
        problem = self.pictures[shown]
        assert isinstance(problem, ImageProblem)
        if shown == index:
            return Refused(index, problem.code, problem.message)
        message = f"{problem.message} (the screenshot of step {shown}, shown as history)"
        return Refused(index, "history_image", message)

    def _unsayable(self, index: int, start: int, images: int | None) -> int | None:
        """Return the first step before the decision that has to be said as a call and cannot be, or None."""
        unsayable = [n for n in range(start, index) if self.unsayable[n] is not None]
        if not unsayable:
            return None
        turns = [item.turn for item in self.shown[start : index + 1]]
        calls = said(self.layout, self.setting, turns, images=images)
        return next((n for n in unsayable if n - start in calls), None)

    def _missing(self, index: int, start: int) -> Refused | None:
        missing = missing_screenshots(self.layout, self.setting, self.shown[start : index + 1])
        return self.unseen(index, start + missing[-1]) if missing else None


Cut = Callable[[Recording], Iterator[Sample | Refused]]
