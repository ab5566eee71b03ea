"""From turns to messages: the one renderer, which obeys the history policy that the layout declares.

Prompts are templates: `{goal}`, `{progress}` (the steps before the window), `{width}` and `{height}` (of the current
screenshot as the model sees it) and `{apps}` (a JSON list) are filled in; all other braces are text.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from pipeline.exceptions import ConfigError
from pipeline.records import Message, Part, Turn, joined
from pipeline.slicing.policy import History, Prompts

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
    return Renderer(layout, history, prompts, say).render(goal, turns)


class Renderer:
    """Renders the conversations of one dataset; it keeps the turns that it sees and makes the messages of each once."""

    def __init__(self, layout: Layout, history: History, prompts: Prompts, say: Say | None = None) -> None:
        self._layout, self._history, self._prompts = layout, history, prompts
        self._say = say or (lambda turn, thought: layout.parts(turn, thought=thought))
        self._apps = json.dumps(prompts.apps, ensure_ascii=False)
        self._system = prompts.system or layout.system + (APPS if prompts.apps else "")
        self._heads: dict[tuple[str, str, tuple[int, int] | None], tuple[Message, list[tuple[Part, ...]]]] = {}
        self._told: dict[int, tuple[Turn, list[Message]]] = {}  # by identity; the turn beside it keeps its id taken
        self._asked: dict[int, tuple[Turn, list[Message]]] = {}
        self._shown: dict[int | None, list[Message]] = {}
        self._answered: dict[tuple[int, bool], tuple[Turn, Message]] = {}

    def render(self, goal: str, turns: Sequence[Turn]) -> tuple[Message, ...]:
        """Return the conversation as `render` does."""
        layout, history = self._layout, self._history
        first = _window(turns)
        before, window = turns[:first], turns[first:]
        told = layout.told(before, window[0].inbound, history.summary_source) if history.summary_source else ""
        system, opening = self._head(goal, told, turns[-1].size)
        messages = [system]
        if history.instruction_at == "own_turn":
            messages.append(Message("user", opening[0]))
            opening = []
        if history.older == "assistant_turns":
            for turn in before:
                known = self._told.get(id(turn)) or self._tell(turn)
                messages += known[1]
        last = len(window) - 1
        for position, turn in enumerate(window):
            if position == 0 and (opening or history.summary_source):
                replies = [] if history.summary_source else self._replies(turn)
                messages += _user_turns(history, [*opening, *replies], turn.image)
            else:
                messages += self._ask(turn)
            thought = turn.loss_weight > 0 or position == last or history.keep_thought != "none"
            answered = self._answered.get((id(turn), thought)) or self._answer(turn, thought)
            messages.append(answered[1])
        return tuple(messages)

    def _head(self, goal: str, told: str, size: tuple[int, int] | None) -> tuple[Message, list[tuple[Part, ...]]]:
        """Return the system's message and the opening text; those of the conversation before are often the same."""
        asked = (goal, told, size)
        if self._heads.keys() != {asked}:
            width, height = size or ("", "")
            words = {"goal": goal, "progress": told, "width": str(width), "height": str(height), "apps": self._apps}
            opening = _opening(self._prompts.user or self._layout.user, words, self._layout.tokens)
            self._heads = {asked: (text_message("system", fill(self._system, words)), [opening])}
        return self._heads[asked]

    def _tell(self, turn: Turn) -> tuple[Turn, list[Message]]:
        """Return an older turn's messages: what came back, then the response."""
        messages = [text_message("user", self._layout.reply(reply)) for reply in turn.inbound]
        messages.append(Message("assistant", self._say(turn, self._history.keep_thought == "all")))
        return self._told.setdefault(id(turn), (turn, messages))

    def _ask(self, turn: Turn) -> list[Message]:
        """Return what the user says and shows in a turn of the window: mostly nothing but a screenshot."""
        if turn.inbound:
            if id(turn) not in self._asked:
                self._asked[id(turn)] = (turn, _user_turns(self._history, self._replies(turn), turn.image))
            return self._asked[id(turn)][1]
        if turn.image not in self._shown:
            self._shown[turn.image] = _user_turns(self._history, [], turn.image)
        return self._shown[turn.image]

    def _answer(self, turn: Turn, thought: bool) -> tuple[Turn, Message]:
        """Return the response of a turn of the window."""
        message = Message("assistant", self._say(turn, thought), turn.loss_weight)
        return self._answered.setdefault((id(turn), thought), (turn, message))

    def _replies(self, turn: Turn) -> list[tuple[Part, ...]]:
        return [(Part("text", text=self._layout.reply(reply)),) for reply in turn.inbound]


def spoken(history: History, turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return the turns, last ones, whose calls the conversation holds; the others are sentences, which need no call."""
    return turns[_window(turns) :] if _told_in_words(history) else turns


def first_spoken(history: History, window: int) -> int:
    """Return the position of the first turn that is said as a call where the window begins at position `window`.

    What is before the window is told in the instructions' words, or else as calls: as answers, or as JSON in the lines.
    """
    return window if _told_in_words(history) else 0


def _told_in_words(history: History) -> bool:
    """Tell whether what is before the window is told in the instructions' words."""
    return history.older == "user_text" and history.summary_source == "instruction"


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
