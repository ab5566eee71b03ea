"""From recorded steps to a sample: the one place where turns, screenshots and messages come together."""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .actions import Action, Box, Scroll
from .describe import sentence
from .geometry import model_size
from .layouts import Layout, render, visible_turns
from .layouts.layout import number_images
from .manifest import Contract
from .policy import Prompts
from .records import ImageRef, Label, Lang, Message, Observation, Role, Sample, Screenshot, Split, Target, Turn
from .screen import label as name_of
from .screen import target_element
from .tables import StepFacts

TOKENS_PER_MESSAGE = 5
"""`<|im_start|>`, the role, a newline, `<|im_end|>`, a newline."""


class Shown(Struct, frozen=True):
    """A turn and the screenshot that it may show."""

    turn: Turn
    image: ImageRef | None


class Setting(Struct, frozen=True):
    """What every sample of a dataset has in common."""

    contract: Contract
    prompts: Prompts = Prompts()


class Subject(Struct, frozen=True):
    """Whose sample it is."""

    trajectory_id: str
    goal: str
    lang: Lang
    split: Split


def turn_of(index: int, facts: StepFacts, observation: Observation, lang: Lang) -> Turn:
    """Return the step as a turn without loss; a missing instruction is described from the action and its target."""
    actions = tuple(_page_units(action, observation) for action in facts.actions)
    element = target_element(observation.elements, actions[0])
    name = None if element is None else name_of(observation.elements, element)
    return Turn(
        step_index=index,
        actions=actions,
        thought=facts.text.thought,
        instruction=facts.text.instruction or sentence(actions[0], lang, name),
        inbound=facts.inbound,
        role=judged(facts.label),
    )


def with_size(turn: Turn, image: ImageRef | None, recorded: Screenshot, contract: Contract) -> Turn:
    """Return the turn with the size of its screenshot: as it is stored, or would be if it were any good."""
    if image is not None:
        return replace(turn, size=(image.width, image.height))
    limits = {"factor": contract.factor, "min_pixels": contract.min_pixels, "max_pixels": contract.max_pixels}
    try:
        return replace(turn, size=model_size(recorded.width, recorded.height, **limits, max_dim=contract.max_dim))
    except ValueError:  # no processor takes such a shape; a layout that needs the size refuses the turn
        return replace(turn, size=None)


def judged(label: Label) -> Role:
    """Return the step's role; what the recording calls incorrect is an error, whatever else it says."""
    return "error" if label.correct is False else label.role


def compose(
    layout: Layout,
    setting: Setting,
    subject: Subject,
    shown: Sequence[Shown],
    *,
    sample_id: str,
    bbox: Box | None,
    provenance: dict[str, str],
    origin: Literal["clean", "error_correction"] = "clean",
    error_kind: str | None = None,
) -> Sample:
    """Return the sample that trains the last turn and shows what the history policy leaves of the others.

    Every visible turn must have its screenshot (`missing_screenshots`), every turn must be one that the layout accepts
    and know its size (`with_size`).
    """
    history = setting.contract.history
    turns = [replace(item.turn, loss_weight=0.0) for item in shown]
    turns[-1] = replace(turns[-1], loss_weight=1.0)
    visible = visible_turns(layout, turns, history.image_window)
    images = tuple(image for position in visible if (image := shown[position].image) is not None)
    assert len(images) == len(visible), "a visible turn without a screenshot"
    numbered = number_images(turns, visible)
    messages = render(layout, history, setting.prompts, subject.goal, numbered)
    return Sample(
        sample_id=sample_id,
        trajectory_id=subject.trajectory_id,
        step_index=numbered[-1].step_index,
        split=subject.split,
        goal=subject.goal,
        lang=subject.lang,
        layout=layout.name,
        messages=messages,
        images=images,
        turns=numbered,
        target=Target(numbered[-1].step_index, numbered[-1].actions, bbox),
        text_tokens_estimate=estimate_tokens(messages),
        image_tokens=sum(image.width * image.height for image in images) // setting.contract.factor**2,
        provenance=provenance,
        origin=origin,
        error_kind=error_kind,
    )


def with_turns(layout: Layout, setting: Setting, sample: Sample, turns: Sequence[Turn]) -> Sample:
    """Return the sample with other words or actions in its turns, rendered again; the layout must accept them."""
    messages = render(layout, setting.contract.history, setting.prompts, sample.goal, turns)
    return replace(
        sample,
        turns=tuple(turns),
        messages=messages,
        target=replace(sample.target, actions=turns[-1].actions),
        text_tokens_estimate=estimate_tokens(messages),
    )


def with_action(layout: Layout, setting: Setting, sample: Sample, action: Action) -> Sample:
    """Return the sample with another trained action, rendered again; the layout must accept it."""
    return with_turns(layout, setting, sample, (*sample.turns[:-1], replace(sample.turns[-1], actions=(action,))))


def missing_screenshots(layout: Layout, setting: Setting, shown: Sequence[Shown]) -> list[int]:
    """Return the positions of visible turns that have no screenshot."""
    visible = visible_turns(layout, [item.turn for item in shown], setting.contract.history.image_window)
    return [position for position in visible if shown[position].image is None]


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Return about how many text tokens the messages take: 4 Latin characters or 1.5 Chinese ones to a token."""
    wide = narrow = 0
    for message in messages:
        for part in message.content:
            characters = len(part.text or "")
            latin = sum(map(str.isascii, part.text or ""))
            narrow, wide = narrow + latin, wide + characters - latin
    return math.ceil(narrow / 4 + wide / 1.5) + TOKENS_PER_MESSAGE * len(messages)


def _page_units(action: Action, observation: Observation) -> Action:
    """Express a scroll by pixels in screenfuls, so that a turn means the same at every resolution."""
    if not isinstance(action, Scroll) or action.unit != "px":
        return action
    dx = None if action.dx is None else action.dx / observation.image.width
    dy = None if action.dy is None else action.dy / observation.image.height
    return msgspec.structs.replace(action, dx=dx, dy=dy, unit="page")
