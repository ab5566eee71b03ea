"""What a layout is, and what the layouts share."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Action
from pipeline.manifest import Contract
from pipeline.records import Message, Part, Turn


class GrammarError(ValueError):
    """A response is not in the layout's grammar; the message says what was found and expected."""


class Reply(Struct, frozen=True):
    """A response taken apart; actions are in the layout's normal form, points on its grid."""

    action: Action
    thought: str | None = None
    instruction: str | None = None


class Layout(Protocol):
    """One model family: its prompts, its action grammar, its coordinates, its history policy.

    `render` and `parse` are inverse up to the coordinate grid: parsing a rendered response and rendering it again
    gives the same text.
    """

    name: str
    family: str
    """The processor whose sizes the screenshots follow."""
    scale: int
    """Coordinates are integers from 0 to this."""
    factor: int
    min_pixels: int
    history_images: int
    """Screenshots shown by default, the current one included; a stage may be told otherwise."""
    reply_replaces_image: bool
    """Whether a turn that starts with a reply (of the user, of a tool) shows it instead of the screenshot."""

    def refuse(self, turn: Turn) -> str | None:
        """Return why the family cannot express the turn, or None."""
        ...

    def response(self, turn: Turn) -> str:
        """Return what the assistant says in this turn; the turn must not be one that `refuse` refuses."""
        ...

    def parse(self, text: str) -> Reply:
        """Take a response apart; raises GrammarError unless it is exactly one thought and one declared call."""
        ...

    def render(self, goal: str, turns: Sequence[Turn], system: str | None = None) -> tuple[Message, ...]:
        """Return the messages for the turns; `system` replaces the built-in system prompt."""
        ...


def contract(layout: Layout, *, max_pixels: int, max_dim: int | None, history_images: int) -> Contract:
    """Return what a model must agree with to be trained on samples of this layout."""
    return Contract(
        layout=layout.name,
        family=layout.family,
        coordinates="grid",
        scale=layout.scale,
        factor=layout.factor,
        min_pixels=layout.min_pixels,
        max_pixels=max_pixels,
        max_dim=max_dim,
        history_images=history_images,
    )


def visible_turns(layout: Layout, turns: Sequence[Turn], history_images: int) -> list[int]:
    """Return the positions of the turns whose screenshot the model sees: the last `history_images` of them."""
    showing = [n for n, turn in enumerate(turns) if not (layout.reply_replaces_image and turn.inbound)]
    return showing[-history_images:]


def number_images(turns: Sequence[Turn], visible: Sequence[int]) -> tuple[Turn, ...]:
    """Return the turns with `image` set to 0, 1, … on the visible ones and to None on the others."""
    order = {position: number for number, position in enumerate(visible)}
    return tuple(replace(turn, image=order.get(position)) for position, turn in enumerate(turns))


def text_message(role: str, text: str, loss_weight: float = 0.0) -> Message:
    """Return a message of one text."""
    assert role in {"system", "user", "assistant"}
    return Message(role, (Part("text", text=text),), loss_weight)  # type: ignore[arg-type]  # asserted above


def image_part(index: int) -> Part:
    """Return the place of a screenshot in a message."""
    return Part("image", image=index)
