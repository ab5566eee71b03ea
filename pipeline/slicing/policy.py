"""What a sample shows of the past: the history policy, field by field, and the prompts that stand around it.

Agents differ in little else than these fields, so each layout declares them and one renderer obeys them
(`pipeline.layouts.conversation`). The resolved policy is part of the manifest's contract: whoever serves a model builds
the same conversation from it.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

KeepThought = Literal["none", "window", "all"]


class History(Struct, frozen=True, forbid_unknown_fields=True):
    """One family's history policy. The window is the turns from the first visible screenshot on."""

    image_window: Annotated[int, Meta(ge=1)]
    """Screenshots shown at most, the current one included."""
    older: Literal["user_text", "assistant_turns"]
    """What steps before the window become: lines of the opening text, or answers without their screenshots."""
    keep_thought: KeepThought
    """Whose thoughts stay beside the current one's: nobody's, those of the window, all."""
    instruction_at: Literal["own_turn", "window_first"]
    """Where the opening text stands: a user turn of its own, or in the first user turn of the window."""
    order: Literal["image_alone", "image_first", "text_first"]
    """In a user turn: a screenshot never beside text, before it, or after it."""
    summary_source: Literal["instruction", "action_json"] | None = None
    """What a line on an older step says; None where older steps are no lines."""


class Prompts(Struct, frozen=True, forbid_unknown_fields=True):
    """The texts that take the place of a layout's own, and what fills their places."""

    system: str | None = None
    user: str | None = None
    """Template of the opening text: `{goal}`, and what else the layout's own template names."""
    apps: tuple[str, ...] = ()
    """Names of the applications that the device has, where the prompt lists them."""
