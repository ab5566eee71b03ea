"""A conversation as a chat template renders it, and where in that text the trained turns stand.

A turn begins where the template's generation prompt ends: the conversation is rendered up to the turn with that prompt,
and including the turn; the second text has to go on where the first one ends (prefix difference).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.exceptions import InputError
from pipeline.records import Message

Render = Callable[[Sequence[Message], bool], str]
"""From messages, and whether the generation prompt follows them, to text."""

HINT = "slice with a layout whose turns suit the template, such as gdp slice TRAJECTORIES -o DATASET --layout qwen3-vl"


@dataclass(frozen=True, slots=True)
class Turn:
    """A trained turn; places of characters in the rendered text."""

    message: int
    """Its place in the conversation."""
    start: int
    """Where the generation prompt ends and the model would begin to speak."""
    response: int
    """Where the response begins: there, or after white space of the template."""
    said: int
    """Behind the response."""
    end: int
    """Behind the control token that ends the turn; `said` where there is none."""


def turns(where: str, messages: Sequence[Message], render: Render, control: re.Pattern[str]) -> tuple[str, list[Turn]]:
    """Return the rendered conversation and its trained turns, in order; `control` matches a control token.

    Raises InputError, naming the sample, where the text of a turn depends on what comes after it, or where the
    template says something else than the response.
    """
    whole = render(messages, False)
    found = []
    for place, message in enumerate(messages):
        if message.loss_weight > 0:
            prompt, said = render(messages[:place], True), render(messages[: place + 1], False)
            if not said.startswith(prompt) or not whole.startswith(said):
                at = _differ(said, prompt) if not said.startswith(prompt) else _differ(whole, said)
                text = f"the model's chat template writes message {place} otherwise where another follows (near {at!r})"
                raise InputError(where, text, HINT)
            found.append(_turn(where, place, message, said, len(prompt), control))
    return whole, found


def response(message: Message) -> str:
    """Return what an assistant's message says."""
    return "".join(part.text or "" for part in message.content)


def _turn(where: str, place: int, message: Message, said: str, start: int, control: re.Pattern[str]) -> Turn:
    text = response(message)
    lead = said.find(text, start) - start
    if lead < 0 or said[start : start + lead].strip():
        shown = f"{said[start : start + 60]!r} for {text[:60]!r}"
        raise InputError(where, f"the model's chat template does not write the response as it is: {shown}", HINT)
    behind = start + lead + len(text)
    closed = re.compile(rf"\s*(?:{control.pattern})").match(said, behind)
    if not closed and said[behind:].strip():
        shown = repr(said[behind : behind + 60])
        raise InputError(where, f"the model's chat template puts {shown} after the response, expected its end", HINT)
    return Turn(place, start, start + lead, behind, closed.end() if closed else behind)


def _differ(text: str, other: str) -> str:
    at = next(
        (n for n, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), min(len(text), len(other))
    )
    return text[max(0, at - 10) : at + 20]
