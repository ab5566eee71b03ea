"""OpenAI-style messages taken apart into turns: what came in before each reply, and the reply.

Content is a text or a list of parts (`text`, `image_url` with a path or a data URL, `image`); with a list `images`
beside the messages, each `<image>` in a text stands for the next of it. Replies of tools come as messages of the role
`tool`, or as user texts in `<tool_response>` or after `Tool call result:` (MobileWorld, Qwen3-VL's agents).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from .refusal import Refused, shortened

MARK = "<image>"
RESULT = "Tool call result:"


class Message(Struct):
    """One message as it is logged."""

    role: str
    content: Any = None
    name: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Turn(NamedTuple):
    """What came in since the reply before, and the reply; `reply` is None behind the last one."""

    number: int
    """Of the reply's message, from 0."""
    images: tuple[str, ...]
    texts: tuple[str, ...]
    results: tuple[tuple[str, str | None], ...]
    """What tools returned, each with the tool's name where the message says it."""
    reply: Message | None


class Conversation(NamedTuple):
    """A log taken apart."""

    system: str
    goal: str | None
    turns: tuple[Turn, ...]


def read(messages: Sequence[Message], images: Sequence[str] | None) -> Conversation:
    """Take a log apart; raises Refused for roles and parts that have no known meaning."""
    left = None if images is None else iter(images)
    system: list[str] = []
    goal: str | None = None
    turns: list[Turn] = []
    shown: list[str] = []
    texts: list[str] = []
    results: list[tuple[str, str | None]] = []
    for number, message in enumerate(messages):
        parts = list(_parts(message.content, None if message.role == "assistant" else left))
        match message.role:
            case "system" | "developer":
                system += [text for kind, text in parts if kind == "text"]
            case "assistant":
                turns.append(Turn(number, tuple(shown), tuple(texts), tuple(results), message))
                shown, texts, results = [], [], []
            case "user" | "tool" | "function":
                shown += [value for kind, value in parts if kind == "image"]
                for text in (value.strip() for kind, value in parts if kind == "text" and value.strip()):
                    result, asked = _result(text), _asked(text)
                    if message.role != "user" or result is not None:
                        results.append((text if result is None else result, message.name))
                    elif goal is None:
                        goal = asked or text
                    elif asked is None:
                        texts.append(text)
            case _:
                raise Refused("unsupported", f"a message of the role {shortened(message.role)}",
                              "system, user, assistant or tool")  # fmt: skip
    if left is not None and next(left, None) is not None:
        raise Refused("shape", f"more images than {MARK} marks", "one for each")
    turns.append(Turn(len(messages), tuple(shown), tuple(texts), tuple(results), None))
    return Conversation("\n".join(system), goal, tuple(turns))


def text_of(content: Any) -> str:
    """Return the texts of a reply."""
    return "\n".join(value for kind, value in _parts(content, None) if kind == "text")


def _result(text: str) -> str | None:
    """Return what a tool returned, where a user text hands it over; None where it does not."""
    inner = text.removeprefix(RESULT).strip()
    if inner.startswith("<tool_response>") and inner.endswith("</tool_response>"):
        return inner.removeprefix("<tool_response>").removesuffix("</tool_response>").strip()
    return inner if text.startswith(RESULT) else None


def _asked(text: str) -> str | None:
    """Return the task that an agent wraps in its template, each turn anew; None where the text is in no known one.

    The mobile cookbook of Qwen3-VL, and the agents that people run in OSWorld.
    """
    if text.startswith("The user query:"):
        return text.removeprefix("The user query:").partition("\nTask progress")[0].strip() or None
    _, marked, rest = text.partition("Instruction:")
    task, told, _ = rest.partition("Previous actions:")
    return task.strip() or None if marked and told else None


def _parts(content: Any, images: Iterator[str] | None) -> Iterator[tuple[str, str]]:
    """Yield ("text", text) and ("image", path or data URL); marks take the next of `images`."""
    for part in [] if content is None else content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        kind = str(part.get("type")) if isinstance(part, dict) else None
        value = None
        if kind in {"text", "input_text", "output_text"}:
            value = part.get("text")
            if isinstance(value, str):
                yield from _split(value, images)
        elif kind in {"image_url", "input_image"}:
            value = part.get("image_url")
            value = value.get("url") if isinstance(value, dict) else value
        elif kind == "image":
            value = part.get("image") or part.get("path")
            if value is None and images is not None:
                value = next(images, None)
        if not isinstance(value, str):
            raise Refused("unsupported", f"a part {shortened(part)}", "a text or an image by path or data URL")
        if kind not in {"text", "input_text", "output_text"}:
            yield "image", value


def _split(text: str, images: Iterator[str] | None) -> Iterator[tuple[str, str]]:
    """Yield a text's pieces and the images that its marks stand for."""
    if images is None:
        yield "text", text
        return
    first, *rest = text.split(MARK)
    yield "text", first
    for piece in rest:
        image = next(images, None)
        if image is None:
            raise Refused("shape", f"more {MARK} marks than images", "one for each")
        yield "image", image
        yield "text", piece
