"""What forbids an error at a decision, asked of the episode and the decision's number."""

from pipeline.actions import Action, Browser, Button
from pipeline.errors.kind import Episode


def edge_of_trajectory(episode: Episode, index: int) -> bool:
    """Tell whether it is the first decision or the last."""
    return index == 0 or index == len(episode.steps) - 1


def labelled_neighbour(episode: Episode, index: int) -> bool:
    """Tell whether the step or the one before is a labelled mistake or repair: errors are not piled up."""
    return any(episode.role(n) != "normal" for n in (index - 1, index) if n >= 0)


def aimless(episode: Episode, index: int) -> bool:
    """Tell whether nobody says what the step was for: then it cannot be told to be a mistake."""
    facts = episode.steps[index].facts
    return facts is None or not (facts.text.thought or facts.text.instruction)


def back_is_right(episode: Episode, index: int) -> bool:
    """Tell whether the recording itself goes back here."""
    return goes_back(episode.scenes[index].action)


def changed_before(episode: Episode, index: int) -> bool:
    """Tell whether something was changed on the way here: it may show where another recording did not change it."""
    return episode.first_change <= index


def goes_back(action: Action | None) -> bool:
    """Tell whether the action leaves the page for the one before it."""
    return (isinstance(action, Button) and action.name == "back") or (
        isinstance(action, Browser) and action.op == "back"
    )
