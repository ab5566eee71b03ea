"""`labelled`: a mistake that the recording itself contains and repairs, as the source labels it.

Nothing is invented: turns and screens are the recorded ones. The sample of the repairing step becomes an
error-correction sample; its thought is completed where it does not say what went wrong.
"""

from msgspec.structs import replace

from pipeline.slicing.compose import Shown

from .kind import Episode, Outcome, Proposal, Refusal, Truth
from .mined import DIAGNOSIS
from .thoughts import say


class Labelled:
    """The kind `labelled`."""

    name = "labelled"
    meaning = "a recorded mistake and its recorded repair"
    truth: Truth = "recorded"
    replaces = True
    depth = 1
    weight = 1.0
    share = 1.0

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return the recorded history of a repairing step."""
        facts = episode.steps[index].facts
        if facts is None or facts.label.role != "recovery":
            return None
        wrong = facts.label.corrects_step
        if wrong is None:
            wrong = next((n for n in range(index - 1, -1, -1) if episode.role(n) == "error"), None)
        if wrong is None or episode.role(wrong) != "error":
            return Refusal("no_labelled_error")
        mistake = episode.steps[wrong].facts
        if mistake is not None and mistake.execution is not None and mistake.execution.status == "skipped":
            return Refusal("not_carried_out")  # the screen after it is not what it would have led to
        target = episode.turn(index)
        thought = (target.turn.thought or "").strip()
        if not DIAGNOSIS.search(thought):
            if wrong != index - 1:
                return Refusal("diagnosis_missing")  # our wordings speak of the last action
            slip = episode.turn(wrong).turn.instruction or ""
            diagnosis = say("labelled_diagnosis", episode.lang, episode.seed, episode.name, index, slip=slip)
            gap = "" if episode.lang == "zh" else " "
            thought = f"{diagnosis}{gap}{thought}".strip()
        corrected = Shown(replace(target.turn, thought=thought), target.image)
        tail = (*episode.shown(index)[wrong:], corrected)
        return (Proposal(wrong, tail, evidence=len(tail)),)

    def slips(self, episode: Episode, index: int) -> tuple[int, ...]:
        """Return no step: `gdp slice` makes no samples of mistakes that are labelled."""
        return ()
