"""The `<tool_call>` JSON that the Qwen-VL families answer with: written, and read back without mercy."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pipeline.actions import Action
from pipeline.records import Inbound, Turn

from .calls import Calls, GrammarError
from .layout import Layout, Reply
from .spans import Span, call_text, joined
from .spans import call as call_spans

OPEN, CLOSE = "<tool_call>", "</tool_call>"
SHORT = 400
"""Characters of a call."""


class ToolCallLayout(Layout):
    """A family that says something and then makes a call. A subclass has its words and its table of actions."""

    tool: ClassVar[str]
    _latest: tuple[Turn, list[tuple[dict[str, Any], str]]] | None = None

    def call(self, action: Action) -> tuple[str, dict[str, Any]]:
        """Return the declared call and its values; raises GrammarError where there is none for the action."""
        raise NotImplementedError

    def action(self, name: str, values: Mapping[str, Any]) -> Action:
        """Return what a declared call means."""
        raise NotImplementedError

    def split(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        """Return a turn's actions as those that are a call each; raises GrammarError for more than one answer can do.

        A family that answers with several calls overrides this and `join`.
        """
        if len(actions) != 1:
            raise GrammarError(f"found {len(actions)} actions in one response, expected one a turn")
        return actions

    def join(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        """Return what several calls in one answer mean; raises GrammarError for what `split` does not make."""
        raise GrammarError(f"found {len(actions)} calls, expected one")

    def refuse_words(self, turn: Turn) -> str | None:
        """Return why what is said before the call cannot be written, or None."""
        raise NotImplementedError

    def words(self, turn: Turn, *, thought: bool) -> tuple[Span, ...]:
        """Return what is said before the call, in pieces."""
        raise NotImplementedError

    def read_words(self, text: str) -> tuple[str | None, str | None, str]:
        """Return thought, instruction and the text from the call on; raises GrammarError."""
        raise NotImplementedError

    def refuse(self, turn: Turn) -> str | None:
        """Return why the family cannot express the turn, or None."""
        if (reason := self.refuse_words(turn)) is not None:
            return reason
        try:
            calls = self.json(turn)
        except GrammarError as error:
            return str(error)
        if spells_call(*calls):
            return "found an action's text that spells the layout's own marks, expected none"
        return None

    def spans(self, turn: Turn, *, thought: bool = True) -> tuple[Span, ...]:
        """Return the words and the call, or the calls, each between its marks, in pieces."""
        spans = list(self.words(turn, thought=thought))
        for place, (arguments, _) in enumerate(self._calls(turn)):
            spans.append(Span(f"\n{OPEN}\n" if place else f"{OPEN}\n"))
            spans += call_spans(self.tool, arguments, self.calls.named(arguments["action"]).points)
            spans.append(Span(f"\n{CLOSE}"))
        return tuple(spans)

    def response(self, turn: Turn, *, thought: bool = True) -> str:
        """Return what the spans say together, written at once."""
        return joined(self.words(turn, thought=thought)) + "\n".join(map(wrap, self.json(turn)))

    def parse(self, text: str, size: tuple[int, int] | None = None) -> Reply:
        """Take the answer apart; raises GrammarError."""
        thought, instruction, rest = self.read_words(text)
        actions = tuple(self._read(call, size) for call in between(rest))
        return Reply(actions if len(actions) == 1 else self.join(actions), thought, instruction)

    def _read(self, call: str, size: tuple[int, int] | None) -> Action:
        arguments = unwrap(call, self.tool)
        name = arguments.pop("action", None)
        values = self.calls.decode(name, arguments, lambda: self.frame(size))
        return self.action(self.calls.named(name).name, values)

    def reply(self, inbound: Inbound) -> str:
        """Return what came back as MobileWorld's Qwen3-VL agent tells it, be it from a tool or the user."""
        return f"Tool call result: <tool_response>{inbound.text}</tool_response>"

    def json(self, turn: Turn) -> list[str]:
        """Return the call as JSON text; a text for each where there are several."""
        return [text for _, text in self._calls(turn)]

    def told(
        self, turns: Sequence[Turn], since: Sequence[Inbound], source: Literal["instruction", "action_json"]
    ) -> str:
        """Return the steps as the cookbooks tell them, each with a semicolon and a space after it."""
        return "".join(f"{piece}; " for piece in self.pieces(turns, since, source))

    def pieces(
        self, turns: Sequence[Turn], since: Sequence[Inbound], source: Literal["instruction", "action_json"]
    ) -> list[str]:
        """Return `Step k: …` for each turn, and what came back, in order."""
        pieces: list[str] = []
        for number, turn in enumerate(turns, start=turns[0].step_index + 1 if turns else 1):
            pieces += map(self.reply, turn.inbound)
            said = " ".join(self.json(turn)) if source == "action_json" else one_line(turn.instruction)
            pieces.append(f"Step {number}: {said}")
        return pieces + list(map(self.reply, since))

    def _calls(self, turn: Turn) -> list[tuple[dict[str, Any], str]]:
        """Return each call's arguments and JSON text; raises GrammarError with the reason where the action has none."""
        known = self._latest
        if known is not None and known[0] is turn:  # who has asked whether it can be said, says it
            return known[1]
        said = []
        for name, values in map(self.call, self.split(turn.actions)):
            arguments = {"action": name, **self.calls.encode(name, values, lambda: self.frame(turn.size))}
            said.append((arguments, call_text(self.tool, arguments)))
        self._latest = (turn, said)
        return said


def signature(tool: str, meaning: str, calls: Calls) -> dict[str, Any]:
    """Return the JSON Schema of the tool, made from its declared calls alone."""
    properties: dict[str, Any] = {
        "action": {
            "type": "string",
            "enum": [call.name for call in calls],
            "description": "\n".join(f"`{call.name}` {call.meaning}" for call in calls),
        }
    }
    users: dict[str, list[str]] = {}
    for call in calls:
        for argument in call.arguments:
            choices = {"enum": list(argument.choices)} if argument.choices else {}
            properties.setdefault(
                argument.name, {"type": TYPES[argument.kind], **choices, "description": argument.meaning}
            )
            users.setdefault(argument.name, []).append(call.name if argument.required else f"{call.name} (optional)")
    for name, actions in users.items():
        said = [text for text in (properties[name]["description"], f"for {', '.join(actions)}") if text]
        properties[name]["description"] = "; ".join(said)
    parameters = {"type": "object", "properties": properties, "required": ["action"]}
    return {"type": "function", "function": {"name": tool, "description": meaning, "parameters": parameters}}


TYPES = {"point": "array", "keys": "array", "number": "number", "integer": "integer", "text": "string"}


def one_line(text: str | None) -> str:
    """Return the text with every run of white space as one space."""
    return " ".join((text or "").split())


def wrap(call: str) -> str:
    """Return the call between its marks as the models write it."""
    return f"{OPEN}\n{call}\n{CLOSE}"


def spells_call(*texts: str | None) -> bool:
    """Tell whether one of the texts spells a mark that encloses calls: the response could not be read back."""
    said = "\n".join(filter(None, texts))
    return OPEN in said or CLOSE in said


def loads(text: str, what: str, expected: str) -> Any:
    """Return what the JSON text says; raises GrammarError for what JSON does not know or leaves open."""
    try:
        value = _DECODER.decode(text)
        if len(text) > SHORT or not text.isascii() or "\\" in text:
            dumps(value).encode()  # a short one is not too deep, and half a pair of characters is no ASCII
    except (ValueError, RecursionError) as error:  # ValueError: also numbers too long, and half of a character pair
        raise GrammarError(f"found {what} that is no JSON ({error}), expected {expected}") from error
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(value := dict(pairs)) != len(pairs):
        raise ValueError("a name stands there twice")
    return value


dumps = json.JSONEncoder(ensure_ascii=False).encode
"""What `json.dumps` does, without making an encoder for each text."""
_DECODER = json.JSONDecoder(object_pairs_hook=_once)


def between(text: str) -> list[str]:
    """Return what stands between the marks of each call; raises GrammarError where anything stands around one."""
    if not (text.startswith(f"{OPEN}\n") and text.endswith(f"\n{CLOSE}")):
        raise GrammarError(f"found text around the call, expected {OPEN} and {CLOSE} on lines of their own at the end")
    inner = text[len(OPEN) : -len(CLOSE)]
    if not spells_call(inner):
        return [inner]  # one, as nearly always
    calls = inner.split(f"{CLOSE}\n{OPEN}")
    if spells_call(*calls) or not all(call.startswith("\n") and call.endswith("\n") for call in calls):
        raise GrammarError(f"found {OPEN} or {CLOSE} within a call, expected them on lines of their own around it")
    return calls


def unwrap(text: str, name: str) -> dict[str, Any]:
    """Return the arguments of the call; raises GrammarError for anything else."""
    call = loads(text, "a call", "an object")
    if not isinstance(call, dict) or set(call) != {"name", "arguments"} or not isinstance(call["arguments"], dict):
        raise GrammarError("found another object in the call, expected exactly name and arguments")
    if call["name"] != name:
        raise GrammarError(f"found a call of {call['name']!r}, expected {name!r}")
    arguments: dict[str, Any] = call["arguments"]
    return arguments
