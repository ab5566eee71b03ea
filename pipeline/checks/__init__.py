"""What `gdp validate` looks for: each check is a function in a module here and a line in `CHECKS`."""

from . import (
    aim,
    coordinates,
    episode,
    gesture,
    history,
    images,
    messages,
    schema,
    secrets,
    split,
    text,
    thought,
    wording,
)
from .check import SEVERITIES, Check, Context, Finding, Severity
from .facts import Facts, gather
from .thresholds import Thresholds

CHECKS: dict[str, Check] = {
    "schema": Check("error", "the sample is what the JSON Schema says", schema.check),
    "messages": Check("error", "the messages are the turns as the layout renders them, the right ones trained",
                      messages.check),
    "coordinates": Check("error", "the trained points are on the screenshot and in their target", coordinates.check),
    "images": Check("error", "each screenshot is whole, of the recorded size, and of the contract's", images.check),
    "split": Check("error", "train and val are apart, ids are unique", split.check),
    "history": Check("error", "every earlier step, the instruction and both screens of an error are there",
                     history.check),
    "thought": Check("error", "the trained turn has a thought", thought.check),
    "mojibake": Check("error", "no text was read in the wrong character set", text.mojibake),
    "unseen": Check("warning", "no text has invisible characters", text.unseen),
    "swapped_axes": Check("error", "no point lies on its target only with x and y exchanged", aim.swapped),
    "covered_target": Check("warning", "nothing else lies on the target at the point", aim.covered),
    "border": Check("warning", "the point is well inside its target", aim.border),
    "ambiguous_target": Check("warning", "no two controls overlap at the point", aim.ambiguous),
    "marked_screenshot": Check("warning", "no screenshot that is shown has marks painted into it", images.marked),
    "gesture_direction": Check("error", "a scroll or swipe goes the way that its instruction says",
                               gesture.contradicted),
    "thought_length": Check("warning", "the thought is neither a word nor an essay", wording.length),
    "thought_language": Check("warning", "the thought is in the goal's language", wording.tongue),
    "thought_coordinates": Check("warning", "the thought recites no coordinates", wording.coordinates),
    "thought_marks": Check("warning", "the thought speaks of no marks or labels", wording.marks),
    "thought_repeated": Check("warning", "the thought is not said over and over", wording.repeated),
    "loop": Check("warning", "the decision does not repeat itself", episode.loop),
    "no_end": Check("warning", "the recording's last step ends the task", episode.no_end),
    "false_success": Check("error", "no success is claimed in a recording that failed", episode.failed),
    "duplicate": Check("warning", "the recording is there once", episode.duplicate),
    "contradiction": Check("warning", "no other recording decides differently here", episode.contradiction),
    "email": Check("warning", "no e-mail address is told", secrets.email),
    "phone": Check("warning", "no telephone number is told", secrets.phone),
    "card": Check("warning", "no payment card number is told", secrets.card),
    "credential": Check("warning", "no key, token or password is told", secrets.credential),
}  # fmt: skip

__all__ = ["CHECKS", "SEVERITIES", "Check", "Context", "Facts", "Finding", "Severity", "Thresholds", "gather"]
