"""What a model wrote, taken apart: thinking, the sentence that names the action, tool calls.

Layouts read replies without mercy, since what they render must come back as it was; rollouts hold what models really
write. Read here: `<thinking>`, `<think>` and a `</think>` or `</thinking>` whose opening stands in the prompt (MAI-UI,
Qwen3); lines `Thought:` and `Action:` (Qwen3-VL's cookbook, OSWorld agents); calls as JSON in `<tool_call>` and as
`<function=…><parameter=…>` (Qwen3.5). Several calls may follow each other. The reply itself is always kept verbatim.
"""

import json
import re
from typing import Any

from msgspec import Struct

from pipeline.layouts import GrammarError
from pipeline.layouts.tool_call import loads

_CLOSED = re.compile(r"\A(.*?)</think(?:ing)?>", re.DOTALL)
_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_THOUGHT = re.compile(r"\A\s*Thoughts?:[ \t]*(.*?)(?=^Action:|<tool_call>|\Z)", re.DOTALL | re.MULTILINE)
_ACTION = re.compile(r"^Action:", re.MULTILINE)
_FUNCTION = re.compile(r"<function=([^>\s]+)>(.*)</function>\Z", re.DOTALL)


class Call(Struct, frozen=True):
    """A tool call: its name, its arguments, its text as the model wrote it."""

    name: str
    arguments: dict[str, Any]
    text: str


class ModelReply(Struct, frozen=True):
    """A reply taken apart; what it does not say is None, what is no readable call is in `broken`."""

    thought: str | None = None
    instruction: str | None = None
    calls: tuple[Call, ...] = ()
    broken: tuple[str, ...] = ()
    """Texts of calls that could not be read."""


def read(text: str) -> ModelReply:
    """Take a reply apart; never raises: what is no call is reported as broken, what is missing as None."""
    closed = _CLOSED.match(text)
    thought = None
    if closed:
        thought = re.sub(r"\A\s*<think(?:ing)?>", "", closed[1]).strip()
        text = text[closed.end() :]
    elif spoken := _THOUGHT.match(text):
        thought = spoken[1].strip()
        text = text[spoken.end() :]
    calls: list[Call] = []
    broken: list[str] = []
    for match in _CALL.finditer(text):
        try:
            calls.append(call(match[1]))
        except GrammarError:
            broken.append(match[0])
    said = text.partition("<tool_call>")[0]
    sentence = _ACTION.search(said)
    instruction = _sentence(said[sentence.end() :].strip()) if sentence else None
    return ModelReply(thought or None, instruction, tuple(calls), tuple(broken))


def call(text: str) -> Call:
    """Read one call; raises GrammarError where it has no name or no arguments."""
    if function := _FUNCTION.match(text.strip()):
        return Call(function[1], dict(map(_parameter, function[2].split("<parameter=")[1:])), text)
    written = loads(text.strip(), "a call", "an object")
    if not isinstance(written, dict) or not isinstance(written.get("name"), str):
        raise GrammarError("found a call without a name, expected name and arguments")
    arguments = written.get("arguments", {})
    if isinstance(arguments, str):  # JSON within JSON, as the OpenAI interface hands it over
        arguments = loads(arguments, "arguments", "an object")
    if not isinstance(arguments, dict):
        raise GrammarError("found arguments that are no object, expected one")
    return Call(written["name"], arguments, text)


def _parameter(text: str) -> tuple[str, Any]:
    """Return a parameter's name and what it means: JSON where it is some, unless the parameter is a text."""
    name, _, rest = text.partition(">")
    written, closed, _ = rest.partition("</parameter>")
    if not closed:
        raise GrammarError(f"found a parameter {name!r:.40} that is not closed, expected one that is")
    written = written.removeprefix("\n").removesuffix("\n")
    if name == "text":
        return name, written
    try:
        value = loads(written, "a parameter", "JSON")
    except GrammarError:
        return name, written
    return name, written if isinstance(value, str) else value


def _sentence(text: str) -> str | None:
    """Return the sentence; Qwen's cookbook puts it in quotes."""
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        try:
            text = json.loads(text)
        except ValueError:
            text = text[1:-1]
    return text.strip() or None
