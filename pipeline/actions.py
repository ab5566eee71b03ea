"""The canonical action space: one frozen record per action type, told apart by the field `type`.

Coordinates are fractions of the step's stored screenshot, x first, in [0, 1]; boxes are [x1, y1, x2, y2]; times are
seconds. `scroll` moves the content, `swipe` moves the finger: opposite directions, so never one field. An unknown
value is absent, never guessed; a value that no source recorded is marked with `synth`.
"""

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

Unit = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]
Point = tuple[Unit, Unit]
Box = tuple[Unit, Unit, Unit, Unit]
Direction = Literal["up", "down", "left", "right"]
Path = Annotated[tuple[Point, ...], Meta(min_length=1)]
Keys = Annotated[tuple[str, ...], Meta(min_length=1)]
MouseButton = Literal["left", "right", "middle"]
Modifiers = tuple[Literal["alt", "ctrl", "meta", "shift"], ...]


class Frame(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The coordinate frame that the source used, kept so that its numbers can be regenerated exactly."""

    kind: Literal["px", "resized_px", "norm", "grid"]
    size: tuple[int, int] | None = None
    """Width and height in pixels, for the pixel frames."""
    scale: Literal[1, 999, 1000] | None = None
    axes: Literal["xy", "yx"] = "xy"


class _Action(
    Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True, tag_field="type", gc=False
):
    """What every action carries beside its own arguments."""

    src: str | None = None
    """The source's own action, verbatim, as JSON text."""
    frame: Frame | None = None
    synth: bool = False
    """True where the converter made the action or one of its values up."""


class Click(_Action, frozen=True, tag="click"):
    """Tap or mouse click; without a point, at the cursor."""

    point: Point | None = None
    bbox: Box | None = None
    button: MouseButton = "left"
    count: Annotated[int, Meta(ge=1, le=3)] = 1
    modifiers: Modifiers = ()


class LongPress(_Action, frozen=True, tag="long_press"):
    """Press and hold."""

    point: Point
    duration: Seconds | None = None


class Hover(_Action, frozen=True, tag="hover"):
    """Move the mouse without pressing."""

    point: Point


class Drag(_Action, frozen=True, tag="drag"):
    """Press, move along the path, release; a path of one point is an end whose start is the cursor."""

    path: Path
    from_cursor: bool = False
    button: MouseButton = "left"
    duration: Seconds | None = None


class Swipe(_Action, frozen=True, tag="swipe"):
    """The finger moves; `direction` is the finger's."""

    start: Point | None = None
    end: Point | None = None
    direction: Direction | None = None
    distance: Unit | None = None
    path: tuple[Point, ...] = ()
    duration: Seconds | None = None


class Scroll(_Action, frozen=True, tag="scroll"):
    """The content moves; `direction` says on which side more is shown. `dx`, `dy` > 0 show more right and below."""

    point: Point | None = None
    direction: Direction | None = None
    dx: float | None = None
    dy: float | None = None
    unit: Literal["wheel", "px", "page"] | None = None
    """Of dx and dy: wheel clicks, pixels of the stored screenshot, or screenfuls."""
    modifiers: Modifiers = ()


class Type(_Action, frozen=True, tag="type"):
    """Enter text; with a point, click there first; `submit` presses Enter afterwards, `clear` empties the field."""

    text: str
    point: Point | None = None
    bbox: Box | None = None
    clear: bool | None = None
    submit: bool | None = None


class Key(_Action, frozen=True, tag="key"):
    """Keyboard keys, together (chord) or one after the other (sequence)."""

    keys: Keys
    mode: Literal["chord", "sequence"] = "chord"
    presses: Annotated[int, Meta(ge=1)] = 1
    hold: Seconds | None = None


class KeyDown(_Action, frozen=True, tag="key_down"):
    """Press a key and keep it down."""

    key: str


class KeyUp(_Action, frozen=True, tag="key_up"):
    """Release a key."""

    key: str


class MouseDown(_Action, frozen=True, tag="mouse_down"):
    """Press a mouse button and keep it down."""

    button: MouseButton = "left"


class MouseUp(_Action, frozen=True, tag="mouse_up"):
    """Release a mouse button."""

    button: MouseButton = "left"


class Button(_Action, frozen=True, tag="button"):
    """A button of the device or its navigation bar."""

    name: Literal["back", "home", "recent", "menu", "enter", "power", "volume_up", "volume_down"]


class OpenApp(_Action, frozen=True, tag="open_app"):
    """Start an application by name."""

    name: str


class OpenUrl(_Action, frozen=True, tag="open_url"):
    """Load an address."""

    url: str


class Browser(_Action, frozen=True, tag="browser"):
    """A browser's own controls."""

    op: Literal["back", "forward", "new_tab", "close_tab", "focus_tab"]
    index: int | None = None


class SelectOption(_Action, frozen=True, tag="select_option"):
    """Choose a value of a select element."""

    value: str
    point: Point | None = None
    bbox: Box | None = None


class SelectText(_Action, frozen=True, tag="select_text"):
    """Mark text from start to end."""

    start: Point
    end: Point


class Copy(_Action, frozen=True, tag="copy"):
    """Copy the selection, or the given text."""

    text: str | None = None


class Wait(_Action, frozen=True, tag="wait"):
    """Do nothing for a while."""

    seconds: Seconds | None = None


class Answer(_Action, frozen=True, tag="answer"):
    """Tell the user the result that they asked for."""

    text: str


class AskUser(_Action, frozen=True, tag="ask_user"):
    """Ask the user for something that only they know."""

    text: str


class Takeover(_Action, frozen=True, tag="takeover"):
    """Hand the device to the user."""

    text: str


class Memorize(_Action, frozen=True, tag="memorize"):
    """Note something for later."""

    text: str


class CallTool(_Action, frozen=True, tag="call_tool"):
    """Call a tool that is no GUI action."""

    name: str
    arguments: str = "{}"
    """JSON text."""


class Screenshot(_Action, frozen=True, tag="screenshot"):
    """Ask for a new screenshot."""


class Terminate(_Action, frozen=True, tag="terminate"):
    """End the episode."""

    status: Literal["success", "failure", "infeasible", "already_done", "interrupted"]
    text: str | None = None


class Unknown(_Action, frozen=True, tag="unknown"):
    """An action that the importer could not understand; `src` holds it."""


Action = (
    Click | LongPress | Hover | Drag | Swipe | Scroll | Type | Key | KeyDown | KeyUp | MouseDown | MouseUp | Button
    | OpenApp | OpenUrl | Browser | SelectOption | SelectText | Copy | Wait | Answer | AskUser | Takeover | Memorize
    | CallTool | Screenshot | Terminate | Unknown
)  # fmt: skip

TAPS = (Click, LongPress)
"""Actions whose point is that of a control."""
OPPOSITE: dict[Direction, Direction] = {"up": "down", "down": "up", "left": "right", "right": "left"}


def kind(action: Action) -> str:
    """Return the action's type as the records write it, such as `click`."""
    return str(type(action).__struct_config__.tag)


def target_point(action: Action) -> Point | None:
    """Return the point that the action lands on or starts from, or None where it has none."""
    match action:
        case Click() | LongPress() | Hover() | Scroll() | Type() | SelectOption():
            return action.point
        case Drag():
            return action.path[0]
        case Swipe():
            return action.start
        case SelectText():
            return action.start
        case _:
            return None


def mapped(action: Action, point: Callable[[Point], Point], box: Callable[[Box], Box]) -> Action:
    """Return the action on a screenshot of another frame: every point and box of it moved along."""
    match action:
        case Click() | Type() | SelectOption():
            return replace(
                action,
                point=None if action.point is None else point(action.point),
                bbox=None if action.bbox is None else box(action.bbox),
            )
        case LongPress() | Hover():
            return replace(action, point=point(action.point))
        case Scroll():
            return action if action.point is None else replace(action, point=point(action.point))
        case Drag():
            return replace(action, path=tuple(map(point, action.path)))
        case Swipe():
            return replace(
                action,
                start=None if action.start is None else point(action.start),
                end=None if action.end is None else point(action.end),
                path=tuple(map(point, action.path)),
            )
        case SelectText():
            return replace(action, start=point(action.start), end=point(action.end))
        case _:
            return action


def points(action: Action) -> tuple[Point, ...]:
    """Return every point that the action names, in order."""
    match action:
        case Drag():
            return action.path
        case Swipe():
            ends = tuple(p for p in (action.start, action.end) if p is not None)
            return ends + action.path
        case SelectText():
            return (action.start, action.end)
        case _:
            point = target_point(action)
            return () if point is None else (point,)
