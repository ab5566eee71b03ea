"""The records that flow through the pipeline: frozen, no I/O. `schemas/*.schema.json` say the same, field by field.

Coordinates are fractions of the step's stored screenshot, x first, in [0, 1] (see `pipeline.actions`).
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from .actions import Action, Box

Lang = Literal["en", "zh"]
Split = Literal["train", "val"]
Role = Literal["normal", "error", "recovery", "padding"]
Pixels = Annotated[int, Meta(ge=1)]
Index = Annotated[int, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class _Record(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Immutable, refuses unknown fields, leaves defaults out when written.

    Frozen records form no cycles, so the garbage collector skips them: it would take most of the time of reading.
    """


class Screenshot(_Record, frozen=True):
    """A stored picture: its path relative to the trajectory file, and its size in pixels."""

    path: str
    width: Pixels
    height: Pixels
    sha256: str | None = None
    mime: str | None = None
    marked: bool = False
    """True where marks (set-of-marks, click circles) are burnt into the pixels."""


class ScrollState(_Record, frozen=True):
    """How far an element is scrolled and could be, in pixels of the stored screenshot."""

    x: float = 0
    y: float = 0
    max_x: float = 0
    max_y: float = 0
    exact: bool | None = None
    """True where scrolling back by the same amount restores the screen to the pixel: no fling, nothing loaded late."""
    refresh: bool | None = None
    """True where pulling beyond the top loads the content again."""
    endless: bool | None = None
    """True where more is loaded at the end."""


class Element(_Record, frozen=True):
    """One visible element of the screen; what the source does not say is null."""

    bbox: Box
    text: str | None = None
    role: str | None = None
    source: Literal["a11y", "ocr", "dom", "sam", "human"] | None = None
    parent: Index | None = None
    """Index of the enclosing element in the same list."""
    clickable: bool | None = None
    enabled: bool | None = None
    editable: bool | None = None
    focused: bool | None = None
    checked: bool | None = None
    topmost: bool | None = None
    """True where nothing else covers the element's centre."""
    scroll: ScrollState | None = None
    """Present on elements that scroll."""
    long_clickable: bool | None = None
    """True where pressing and holding does something of its own."""
    wired: bool | None = None
    """True where a tap is passed on to another element, as by an HTML `label` with `for`."""
    notifies: bool | None = None
    """True where a tap on the disabled element shows a message."""
    radius: float | None = None
    """Of rounded corners, in pixels of the stored screenshot: the corners of the box lie outside the element."""


class Observation(_Record, frozen=True):
    """What the agent sees before it acts."""

    image: Screenshot
    elements: tuple[Element, ...] = ()
    text: str | None = None
    app: str | None = None
    activity: str | None = None
    url: str | None = None
    keyboard: bool | None = None
    """True while an on-screen keyboard is shown."""
    overlay: bool | None = None
    """True while a dialog, menu or sheet lies over the page."""
    settled: bool | None = None
    """True where the recorder waited until nothing loaded or moved any more."""
    shortcuts: bool | None = None
    """True where keys do something without a focused field: shortcuts, a search that any letter opens."""
    touch_radius: float | None = None
    """How far around a control a tap still counts as one on it, in pixels of the stored screenshot."""
    dynamic: tuple[Box, ...] | None = None
    """Regions that change on their own: clocks, counters, videos; empty where it is known that there are none."""
    timestamp: float | None = None


class Inbound(_Record, frozen=True):
    """Something that came back since the last response: a reply of the user or of a tool."""

    kind: Literal["user_reply", "tool_response", "user_message"]
    text: str
    tool: str | None = None


class StepText(_Record, frozen=True):
    """The texts around a step, each null where the source has none."""

    observation: str | None = None
    thought: str | None = None
    instruction: str | None = None
    """The action as an imperative sentence."""
    summary: str | None = None
    expected: str | None = None
    reflection: str | None = None
    memory: str | None = None


class Response(_Record, frozen=True):
    """The verbatim output of the model that acted."""

    raw: str
    format: str


class Execution(_Record, frozen=True):
    """What the environment said about the action."""

    status: Literal["ok", "failed", "unparsed", "skipped"]
    error: str | None = None
    reward: float | None = None


class Label(_Record, frozen=True):
    """A judgement on a step: role `error` is a mistake, `recovery` the step that repairs `corrects_step`."""

    role: Role = "normal"
    correct: bool | None = None
    redundant: bool | None = None
    error_kind: str | None = None
    by: Literal["human", "judge", "env", "synthetic"] | None = None
    corrects_step: Index | None = None


class Step(_Record, frozen=True):
    """One observation, one response, one or more actions."""

    index: Index
    observation: Observation
    actions: Annotated[tuple[Action, ...], Meta(min_length=1)]
    text: StepText = StepText()
    inbound: tuple[Inbound, ...] = ()
    response: Response | None = None
    alternatives: tuple[tuple[Action, ...], ...] = ()
    execution: Execution | None = None
    label: Label = Label()
    subgoal: str | None = None
    """The part of the goal that the step serves; steps in a row with the same text are one sub-task."""
    milestone: bool | None = None
    """True where the step reaches something that every way to the goal has to reach."""
    extra: str | None = None


class Source(_Record, frozen=True):
    """Where a trajectory comes from."""

    dataset: str
    original_id: str | None = None
    split: str | None = None
    licence: str | None = None
    converter: str | None = None
    converter_version: str | None = None


class Device(_Record, frozen=True):
    """The recording device; width and height in its own pixels, scale in device pixels per dp or CSS pixel."""

    name: str | None = None
    width: Pixels | None = None
    height: Pixels | None = None
    scale: Annotated[float, Meta(gt=0)] | None = None


class Goal(_Record, frozen=True):
    """A further wording of the goal."""

    kind: Literal["instruction", "template", "refined", "natural", "user"]
    text: str


class Outcome(_Record, frozen=True):
    """How the episode ended, and who says so."""

    status: Literal["success", "failure", "infeasible", "unknown"]
    by: Literal["human", "env", "judge", "assumed"] = "assumed"
    reward: float | None = None
    reason: str | None = None


class Trajectory(_Record, frozen=True):
    """One recorded episode."""

    schema: Literal["gdp.traj/1"]
    trajectory_id: Name
    goal: Name
    steps: Annotated[tuple[Step, ...], Meta(min_length=1)]
    platform: Literal["android", "ios", "linux", "windows", "macos", "web"] | None = None
    lang: Lang | None = None
    outcome: Outcome = Outcome(status="unknown")
    final_observation: Observation | None = None
    source: Source | None = None
    device: Device | None = None
    goals: tuple[Goal, ...] = ()
    apps: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    """JSON texts of the tools that the agent could call beside the GUI."""
    extra: str | None = None


class Turn(_Record, frozen=True):
    """One decision as a sample shows it; `messages` are a pure function of the turns and the layout."""

    step_index: Index
    actions: tuple[Action, ...]
    image: Index | None = None
    """Index into the sample's images; null where the history policy dropped the screenshot."""
    size: tuple[Pixels, Pixels] | None = None
    """Width and height of the step's screenshot as it is stored, or would be: what pixel coordinates refer to."""
    thought: str | None = None
    instruction: str | None = None
    inbound: tuple[Inbound, ...] = ()
    role: Role = "normal"
    loss_weight: float = 0.0


class Part(_Record, frozen=True):
    """A piece of a message: text, an index into the sample's images, or one control token of the model's vocabulary.

    A text that spells a control token is characters and nothing else; only a part of its own is the token.
    """

    type: Literal["text", "image", "token"]
    text: str | None = None
    image: Index | None = None


def joined(content: Iterable[Part], *, tokens: bool = False) -> tuple[Part, ...]:
    """Return the parts, texts in a row as one; with `tokens` control tokens count as text, for people to read."""
    parts: list[Part] = []
    for part in content:
        part = Part("text", part.text) if tokens and part.type == "token" else part
        if parts and parts[-1].type == part.type == "text":
            parts[-1] = Part("text", f"{parts[-1].text}{part.text}")
        else:
            parts.append(part)
    return tuple(parts)


class Message(_Record, frozen=True, omit_defaults=False):
    """One ChatML turn; `loss_weight` is 0 where nothing is learned."""

    role: Literal["system", "user", "assistant"]
    content: tuple[Part, ...]
    loss_weight: Annotated[float, Meta(ge=0)] = 0.0


class ImageRef(_Record, frozen=True):
    """Where a sample's screenshot is stored, and its stored size in pixels.

    The shard need not be the sample's own: an error may lead to a screen that another trajectory recorded, never to one
    on the other side of the split.
    """

    sha256: Sha256
    shard: Index
    row: Index
    width: Pixels
    height: Pixels


class Target(_Record, frozen=True):
    """The trained decision in canonical form, and the box of the element that it aims at."""

    step_index: Index
    actions: tuple[Action, ...]
    bbox: Box | None = None


class Sample(_Record, frozen=True):
    """One training sample: everything up to and including one decision."""

    sample_id: Name
    trajectory_id: Name
    step_index: Index
    split: Split
    goal: str
    lang: Lang
    layout: str
    messages: Annotated[tuple[Message, ...], Meta(min_length=1)]
    images: tuple[ImageRef, ...]
    turns: Annotated[tuple[Turn, ...], Meta(min_length=1)]
    target: Target
    """The last trained decision, which is the last turn's."""
    text_tokens_estimate: Index
    image_tokens: Index
    provenance: dict[str, str] = field(default_factory=dict)
    origin: Literal["clean", "error_correction"] = "clean"
    error_kind: str | None = None
    earlier_targets: tuple[Target, ...] = ()
    """Of a window the trained decisions before the last, in order."""
    flags: tuple[str, ...] = ()
    """Checks of `gdp validate` that warn of it."""
