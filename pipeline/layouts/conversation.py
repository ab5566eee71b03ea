"""From turns to messages: the one renderer, which obeys the history policy that the layout declares.

Prompts are templates: `{goal}`, `{progress}` (the steps before the window), `{width}` and `{height}` (of the current
screenshot as the model sees it) and `{apps}` (a JSON list) are filled in; all other braces are text.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from pipeline.exceptions import ConfigError
from pipeline.policy import History, Prompts
from pipeline.records import Message, Part, Turn, joined

from .layout import Layout

APPS = "\n\nApps on this device: {apps}"
"""Stands at the end of our own system prompts where the apps are given."""

PLACES = ("goal", "progress", "width", "height", "apps")
"""What a prompt may name in braces; other braces are text."""


Say = Callable[[Turn, bool], tuple[Part, ...]]
"""Returns a turn's response as parts, with its thought or without."""


def render(
    layout: Layout, history: History, prompts: Prompts, goal: str, turns: Sequence[Turn], say: Say | None = None
) -> tuple[Message, ...]:
    """Return the conversation up to and including the last turn's response.

    The window is the turns from the first one that shows its screenshot on; what is before it is told as the policy
    says, with what came back since; the other replies stand in the turn that they precede. Every turn that is said as a
    call (`spoken`) must be one that the layout accepts. `say` is for who renders a turn often and remembers responses.
    """
    say = say or (lambda turn, thought: layout.parts(turn, thought=thought))
    first = _window(turns)
    before, window = turns[:first], turns[first:]
    told = layout.told(before, window[0].inbound, history.summary_source) if history.summary_source else ""
    width, height = turns[-1].size or ("", "")
    apps = json.dumps(prompts.apps, ensure_ascii=False)
    words = {"goal": goal, "progress": told, "width": str(width), "height": str(height), "apps": apps}
    own = layout.system + (APPS if prompts.apps else "")
    messages = [text_message("system", fill(prompts.system or own, words))]
    opening = [_opening(prompts.user or layout.user, words, layout.tokens)]
    if history.instruction_at == "own_turn":
        messages.append(Message("user", opening.pop()))
    if history.older == "assistant_turns":
        for turn in before:
            messages += [text_message("user", layout.reply(reply)) for reply in turn.inbound]
            messages.append(Message("assistant", say(turn, history.keep_thought == "all")))
    for position, turn in enumerate(window):
        texts = opening if position == 0 else []
        if position > 0 or not history.summary_source:
            texts = [*texts, *((Part("text", text=layout.reply(reply)),) for reply in turn.inbound)]
        messages += _user_turns(history, texts, turn.image)
        thought = turn.loss_weight > 0 or position == len(window) - 1 or history.keep_thought != "none"
        messages.append(Message("assistant", say(turn, thought), turn.loss_weight))
    return tuple(messages)


def spoken(history: History, turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return the turns, last ones, whose calls the conversation holds; the others are sentences, which need no call."""
    return turns[first_spoken(history, _window(turns)) :]


def first_spoken(history: History, window: int) -> int:
    """Return the position of the first turn that is said as a call where the window begins at position `window`.

    What is before the window is told in the instructions' words, or else as calls: as answers, or as JSON in the lines.
    """
    in_words = history.older == "user_text" and history.summary_source == "instruction"
    return window if in_words else 0


def _window(turns: Sequence[Turn]) -> int:
    """Return the position of the first turn that shows its screenshot; of the last turn if none does."""
    return next((n for n, turn in enumerate(turns) if turn.image is not None), len(turns) - 1)


def _opening(template: str, words: Mapping[str, str], tokens: Sequence[str]) -> tuple[Part, ...]:
    """Return the opening text; the template's own control tokens are parts of their own, those of a goal are text."""
    pieces = re.split(f"({'|'.join(map(re.escape, tokens))})", template) if tokens else [template]
    parts = (Part("token", piece) if n % 2 else Part("text", fill(piece, words)) for n, piece in enumerate(pieces))
    return tuple(part for part in parts if part.text)


def _user_turns(history: History, texts: Sequence[tuple[Part, ...]], image: int | None) -> list[Message]:
    """Return a step's user turns: one, unless texts and screenshots never share a turn."""
    shown = [] if image is None else [Part("image", image=image)]
    if history.order == "image_alone":
        apart = [Message("user", text) for text in texts]
        return [*apart, Message("user", tuple(shown))] if shown else apart
    said = [part for n, text in enumerate(texts) for part in (*([Part("text", "\n")] if n else []), *text)]
    return [Message("user", joined([*shown, *said] if history.order == "image_first" else [*said, *shown]))]


def fill(template: str, words: Mapping[str, str]) -> str:
    """Return the template with `{goal}`, `{progress}`, `{width}`, `{height}`, `{apps}` replaced, all at once.

    >>> fill("{goal} {x}", {"goal": "{apps}", "apps": "A"})
    '{apps} {x}'
    """
    pieces = _pieces(template)
    if len(pieces) == 1:
        return template
    return "".join(words.get(piece, f"{{{piece}}}") if n % 2 else piece for n, piece in enumerate(pieces))


@lru_cache(maxsize=64)
def _pieces(template: str) -> tuple[str, ...]:
    """Return texts and names of places in turn: a template stands in every sample."""
    return tuple(_PLACE.split(template))


def check(layout: Layout, prompts: Prompts) -> None:
    """Raise ConfigError for prompts that leave out what they must say, or name what there is not."""
    if prompts.user is not None:
        _check_user(layout, prompts.user)
    for option, text in (("--system-prompt", prompts.system), ("--user-prompt", prompts.user)):
        named = _named(text or "")
        if len(named & {"width", "height"}) == 1:
            raise ConfigError(option, "found only one of {width} and {height}, expected both or neither")
        if "apps" in named and not prompts.apps:
            raise ConfigError(option, "found {apps} and no --apps, expected the names to put there")
    if prompts.apps and prompts.system is None and not layout.opens_apps:
        raise ConfigError("--apps", f"found it with {layout.name}, which has no action that opens an app by its name")
    if prompts.apps and prompts.system is not None and "apps" not in _named(prompts.system + (prompts.user or "")):
        raise ConfigError("--apps", "found it beside a prompt without {apps}, expected the place for the names")


def _check_user(layout: Layout, template: str) -> None:
    named = _named(template)
    known = ", ".join(f"{{{place}}}" for place in PLACES)
    if unknown := sorted(named - set(PLACES)):
        raise ConfigError("--user-prompt", f"found {{{unknown[0]}}}, expected only {known} in braces")
    if "goal" not in named:
        raise ConfigError("--user-prompt", "found no {goal}, expected the place where the instruction stands")
    lines = layout.history.older == "user_text"
    if lines and "progress" not in named:
        raise ConfigError("--user-prompt", "found no {progress}, expected the place where the steps so far stand")
    if not lines and "progress" in named:
        raise ConfigError(
            "--user-prompt", f"found {{progress}}, expected none: {layout.name} keeps older steps as turns"
        )


def _named(template: str) -> set[str]:
    """Return the words that stand in braces, known or not; braces around anything else are text."""
    return set(_WORD.findall(template))


_PLACE = re.compile(rf"\{{({'|'.join(PLACES)})\}}")
_WORD = re.compile(r"\{([a-z_]+)\}")


def text_message(role: str, text: str, loss_weight: float = 0.0) -> Message:
    """Return a message of one text."""
    assert role in {"system", "user", "assistant"}
    return Message(role, (Part("text", text=text),), loss_weight)  # type: ignore[arg-type]  # asserted above
