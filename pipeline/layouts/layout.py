"""What a layout is: one model family's grammar, coordinates, prompts and history policy."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Action, kind
from pipeline.records import Inbound, Part, Turn
from pipeline.records import joined as joined_parts
from pipeline.slicing.policy import History
from pipeline.storage.manifest import Contract

from .calls import Calls, GrammarError
from .coordinates import Coordinates, grid, pixels
from .spans import Span, joined


class Reply(Struct, frozen=True):
    """A response taken apart; actions are in the layout's normal form, points on its grid."""

    actions: tuple[Action, ...]
    thought: str | None = None
    instruction: str | None = None

    @property
    def action(self) -> Action:
        """The first action."""
        return self.actions[0]


class Layout:
    """One model family. A subclass names its numbers and texts, and writes and reads its responses.

    `response` and `parse` are inverse up to the coordinate grid: parsing a response and writing it again gives the same
    text.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    """The processor whose sizes the screenshots follow."""
    scale: ClassVar[int | None] = None
    """Coordinates are integers from 0 to this; None where they are pixels of the stored screenshot."""
    factor: ClassVar[int]
    min_pixels: ClassVar[int]
    max_pixels: ClassVar[int]
    """The family's own limits; `gdp slice` chooses a budget between them."""
    calls: ClassVar[Calls]
    """The actions, which the prompt lists, the renderer writes and the parser reads."""
    history: ClassVar[History]
    """The policy of the family's agent; a stage may be told otherwise, field by field."""
    thinks: ClassVar[bool] = True
    """Whether responses say the thought."""
    opens_apps: ClassVar[bool] = True
    """Whether there is an action that starts an application by its name."""
    tokens: ClassVar[tuple[str, ...]] = ()
    """Control tokens of the vocabulary that responses hold."""
    reply_replaces_image: ClassVar[bool] = False
    """Whether a turn that starts with a reply (of the user, of a tool) shows it instead of the screenshot."""
    system: ClassVar[str]
    """Our wording of the system prompt; see `conversation.fill` for the places in it."""
    user: ClassVar[str]
    """Our wording of the opening text."""

    @property
    def coordinates(self) -> Literal["grid", "resized_px"]:
        """Which frame points are written in."""
        return "resized_px" if self.scale is None else "grid"

    def frame(self, size: tuple[int, int] | None) -> Coordinates:
        """Return how points are written on a screenshot of that stored size; raises GrammarError if it is missing."""
        if self.scale is not None:
            return grid(self.scale)
        if size is None:
            raise GrammarError("found no size of the turn's screenshot, expected one for its pixel coordinates")
        return pixels(*size)

    def refuse(self, turn: Turn) -> str | None:
        """Return why the family cannot express the turn, or None."""
        raise NotImplementedError

    def spans(self, turn: Turn, *, thought: bool = True) -> tuple[Span, ...]:
        """Return what the assistant says in this turn, in pieces; the turn must not be one that `refuse` refuses."""
        raise NotImplementedError

    def response(self, turn: Turn, *, thought: bool = True) -> str:
        """Return what the assistant says in this turn as text."""
        return joined(self.spans(turn, thought=thought))

    def parts(self, turn: Turn, *, thought: bool = True) -> tuple[Part, ...]:
        """Return the response as parts of a message; control tokens that the model writes are parts of their own."""
        if not self.tokens:
            return (Part("text", self.response(turn, thought=thought)),)
        spans = self.spans(turn, thought=thought)
        return joined_parts(Part("token" if span.token else "text", span.text) for span in spans)

    def no_call(self, action: Action) -> GrammarError:
        """Return the reason why there is no call for an action."""
        what = f"found {kind(action)} with arguments that {self.name} has no call for"
        return GrammarError(f"{what}, expected one of its actions")

    def parse(self, text: str, size: tuple[int, int] | None = None) -> Reply:
        """Take a response apart; raises GrammarError unless it is exactly what the layout would write.

        `size` is that of the turn's screenshot as the model saw it, in pixels; grids need none.
        """
        raise NotImplementedError

    def reply(self, inbound: Inbound) -> str:
        """Return what came back from the user or a tool as the agent shows it."""
        return inbound.text

    def told(
        self, turns: Sequence[Turn], since: Sequence[Inbound], source: Literal["instruction", "action_json"]
    ) -> str:
        """Return the steps before the window, and what came back since, as the opening text tells them."""
        raise NotImplementedError


def contract(layout: Layout, *, max_pixels: int, max_dim: int | None, history: History) -> Contract:
    """Return what a model must agree with to be trained on samples of this layout."""
    return Contract(
        layout=layout.name,
        family=layout.family,
        coordinates=layout.coordinates,
        scale=layout.scale,
        factor=layout.factor,
        min_pixels=layout.min_pixels,
        max_pixels=max_pixels,
        max_dim=max_dim,
        history=history,
    )


class Heard(Protocol):
    """What may have heard something before it: a turn, or its form."""

    @property
    def inbound(self) -> object:
        """What came back; empty or false where nothing did."""


def visible_turns(layout: Layout, turns: Sequence[Heard], image_window: int) -> list[int]:
    """Return the positions of the turns whose screenshot the model sees: the last `image_window` of them."""
    showing = [n for n, turn in enumerate(turns) if not (layout.reply_replaces_image and turn.inbound)]
    return showing[-image_window:]


def number_images(turns: Sequence[Turn], visible: Sequence[int]) -> tuple[Turn, ...]:
    """Return the turns with `image` set to 0, 1, … on the visible ones and to None on the others."""
    order = {position: number for number, position in enumerate(visible)}
    return tuple(replace(turn, image=order.get(position)) for position, turn in enumerate(turns))
