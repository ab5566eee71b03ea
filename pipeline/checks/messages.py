"""The messages are a conversation that the layout would render; the last turn is trained, in a window others too."""

import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec.structs import replace

from pipeline.layouts import GrammarError, Layout, render, spoken
from pipeline.records import Message, Sample, Turn, joined

from .check import Context, Finding

SPECIAL = re.compile(r"<\|[a-z_]+\|>")
"""How the Qwen families spell their control tokens."""


def check(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield what is wrong with the structure, the weights, the responses and the texts."""
    yield from _structure(sample, context)
    yield from _texts(sample.messages)
    if sample.layout != context.layout.name:
        yield Finding("$.layout", f"found {sample.layout!r}, expected {context.layout.name!r} as in the manifest")
    said = spoken(context.manifest.contract.history, sample.turns)
    refused = next((reason for turn in said if (reason := context.layout.refuse(turn))), None)
    if refused is not None:
        yield Finding("$.turns", refused)
        return
    yield from _responses(sample, context)


def _structure(sample: Sample, context: Context) -> Iterator[Finding]:
    roles = [message.role for message in sample.messages]
    if roles[:2] != ["system", "user"] or roles[-1] != "assistant" or "system" in roles[1:]:
        message = f"found roles {' '.join(roles[:2])} … {roles[-1]}, expected system user … assistant"
        yield Finding("$.messages", message)
    trained = [n for n, message in enumerate(sample.messages) if message.loss_weight > 0]
    if context.manifest.slicing.mode == "window":
        if trained[-1:] != [len(roles) - 1]:
            yield Finding(
                "$.messages", f"found trained turns {trained}, expected the last, {len(roles) - 1}, among them"
            )
    elif trained != [len(roles) - 1]:
        yield Finding("$.messages", f"found trained turns {trained}, expected only the last, {len(roles) - 1}")
    wrong = [n for n, turn in enumerate(sample.turns) if turn.loss_weight > 0 and turn.role in {"error", "padding"}]
    if wrong:
        yield Finding(
            f"$.turns[{wrong[0]}]", f"found a loss weight on a turn of role {sample.turns[wrong[0]].role}, expected 0"
        )
    if any(message.role != "assistant" for message in sample.messages if message.loss_weight > 0):
        yield Finding("$.messages", "found a loss weight on a turn that is not the assistant's, expected 0 there")
    shown = [part.image for message in sample.messages for part in message.content if part.type == "image"]
    if shown != list(range(len(sample.images))):
        yield Finding("$.messages", f"found images {shown}, expected each of {len(sample.images)} once, in order")


def _texts(messages: tuple[Message, ...]) -> Iterator[Finding]:
    for number, message in enumerate(messages):
        for part in joined(message.content, tokens=True):
            if part.type == "text" and not re.search(r"\w", part.text or ""):
                yield Finding(f"$.messages[{number}].content", "found an empty text, expected words")
        for place, part in enumerate(message.content):
            path = f"$.messages[{number}].content[{place}].text"
            if (
                part.type == "text"
                and part.text
                and message.role != "system"
                and (spelled := SPECIAL.search(part.text))
            ):
                yield Finding(path, f"found text that spells the control token {spelled[0]}, expected none")


def _responses(sample: Sample, context: Context) -> Iterator[Finding]:
    manifest = context.manifest
    rendered = render(context.layout, manifest.contract.history, manifest.prompts, sample.goal, sample.turns)
    if rendered != sample.messages:
        place = next((n for n, (a, b) in enumerate(zip(rendered, sample.messages, strict=False)) if a != b),
                     min(len(rendered), len(sample.messages)))  # fmt: skip
        yield Finding(f"$.messages[{place}]", "found another text than the turns render to, expected the same")
    said = spoken(manifest.contract.history, sample.turns)
    for number, turn in enumerate(said, start=len(sample.turns) - len(said)):
        misread = _misread(context.layout, replace(turn, image=None, loss_weight=0.0))
        if misread is not None:
            yield Finding(f"$.turns[{number}]", misread)


@lru_cache(maxsize=4096)
def _misread(layout: Layout, turn: Turn) -> str | None:
    """Return why the turn's response does not read back, or None; a turn is in all samples after it, and asked once."""
    text = layout.response(turn)
    try:
        reply = layout.parse(text, turn.size)
    except GrammarError as error:
        return f"{error} (the response does not parse)"
    again = replace(turn, actions=reply.actions, thought=reply.thought, instruction=reply.instruction)
    if layout.response(again) != text:
        return "found a response that reads back differently, expected the same"
    return None
