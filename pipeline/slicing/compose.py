"""From recorded steps to a sample: the one place where turns, screenshots and messages come together."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Action, Box, Scroll
from pipeline.describe import sentences
from pipeline.layouts import Layout, first_spoken, render, visible_turns
from pipeline.records import ImageRef, Label, Lang, Message, Observation, Role, Sample, Screenshot, Split, Target, Turn
from pipeline.screens.geometry import model_size
from pipeline.screens.screen import label as name_of
from pipeline.screens.screen import target_element
from pipeline.storage.manifest import Contract, Slicing
from pipeline.storage.tables import StepFacts

from .policy import Prompts
from .shrink import View, fullest, views
from .token_count import TokenCount, counter
from .windows import Window

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
    slicing: Slicing = Slicing()
    tokenizer: str | None = None
    """The file that counts tokens; without it bytes do."""

    @property
    def image_window(self) -> int:
        """Screenshots that a sample shows at most."""
        return self.contract.history.image_window

    @property
    def count(self) -> TokenCount:
        """What tells the size of samples; it remembers the texts that it counted."""
        return _counter(self.tokenizer, self.contract.factor)


_counter = cache(counter)


class Subject(Struct, frozen=True):
    """Whose sample it is."""

    trajectory_id: str
    goal: str
    lang: Lang
    split: Split


def turn_of(index: int, facts: StepFacts, observation: Observation, lang: Lang) -> Turn:
    """Return the step as a turn without loss; a missing instruction is described from the actions and their targets."""
    actions = tuple(_page_units(action, observation) for action in facts.actions)
    elements = observation.elements
    targets = [target_element(elements, action) for action in actions]
    names = [None if target is None else name_of(elements, target) for target in targets]
    return Turn(
        step_index=index,
        actions=actions,
        thought=facts.text.thought,
        instruction=facts.text.instruction or sentences(actions, lang, names),
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


class TooLong(Struct, frozen=True):
    """A sample that no permitted view brings within the budget."""

    tokens: int
    """Of the barest view."""
    image_tokens: int
    most: int
    exact: bool
    """Whether a tokenizer counted, and not the bytes."""

    @property
    def message(self) -> str:
        """What was found and expected."""
        how = "" if self.exact else "up to "
        why = "" if self.exact else " (bytes were counted; --tokenizer counts tokens)"
        found = f"found {how}{self.tokens} tokens, {self.image_tokens} of them screenshots, with the least history"
        return f"{found}, expected at most {self.most}{why}"


class _Conversation(Struct, frozen=True):
    """Turns as they are told, and what becomes of them."""

    turns: tuple[Turn, ...]
    messages: tuple[Message, ...]
    images: tuple[ImageRef, ...]


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
    evidence: int = 1,
) -> Sample | TooLong:
    """Return the sample that trains the last turn and shows what policy and budget leave of the others.

    Every visible turn must have its screenshot (`missing_screenshots`), every turn that is said as a call (`said`) must
    be one that the layout accepts and know its size (`with_size`). The last `evidence` turns keep their screenshots,
    however small the budget.
    """
    fitted = _fitted(layout, setting, subject.goal, shown, evidence)
    if isinstance(fitted, TooLong):
        return fitted
    conversation, shrinkage = fitted
    return _sample(
        setting,
        subject,
        conversation,
        (bbox,),
        sample_id=sample_id,
        provenance={**_without_shrinkage(provenance), **shrinkage},
        origin=origin,
        error_kind=error_kind,
    )


def too_long(
    layout: Layout, setting: Setting, goal: str, shown: Sequence[Shown], *, evidence: int = 1
) -> TooLong | None:
    """Return why the budget leaves no sample of these turns, or None; without a budget there is no reason."""
    if setting.slicing.max_tokens is None:
        return None
    fitted = _fitted(layout, setting, goal, shown, evidence)
    return fitted if isinstance(fitted, TooLong) else None


def _fitted(
    layout: Layout, setting: Setting, goal: str, shown: Sequence[Shown], evidence: int
) -> tuple[_Conversation, dict[str, str]] | TooLong:
    """Return the fullest conversation that the budget allows, and what provenance says of the rest."""
    last = len(shown) - 1
    showing = visible_turns(layout, [item.turn for item in shown], len(shown))
    choices = views(showing, last, setting.slicing, image_window=setting.image_window, evidence=evidence)

    def conversation(view: View) -> _Conversation:
        return _conversation(layout, setting, goal, shown, view, (last,))

    most = setting.slicing.max_tokens
    if most is None:
        return conversation(choices[0]), {}
    view = fullest(choices, lambda view: _tokens(setting, conversation(view)), most)
    if view is None:
        return _too_long(setting, conversation(choices[-1]))
    return conversation(view), _shrinkage(choices[0], view, last)


def compose_window(
    layout: Layout,
    setting: Setting,
    subject: Subject,
    shown: Sequence[Shown],
    window: Window,
    boxes: Sequence[Box | None],
    *,
    sample_id: str,
    provenance: dict[str, str],
) -> Sample:
    """Return the sample that trains several decisions, each on its own screenshot; `boxes` are their targets'."""
    conversation = _window(layout, setting, subject, shown, window)
    return _sample(setting, subject, conversation, boxes, sample_id=sample_id, provenance=provenance)


def window_tokens(
    layout: Layout, setting: Setting, subject: Subject, shown: Sequence[Shown], window: Window
) -> TooLong:
    """Return the size of a window."""
    return _too_long(setting, _window(layout, setting, subject, shown, window))


def _window(
    layout: Layout, setting: Setting, subject: Subject, shown: Sequence[Shown], window: Window
) -> _Conversation:
    turns = [item.turn for item in shown[: window.end + 1]]
    visible = tuple(n for n in visible_turns(layout, turns, len(turns)) if n >= window.start)
    view = View(window.first, visible)
    return _conversation(layout, setting, subject.goal, shown[: window.end + 1], view, window.trained)


def _conversation(
    layout: Layout, setting: Setting, goal: str, shown: Sequence[Shown], view: View, trained: Sequence[int]
) -> _Conversation:
    """Return the turns from the view's first on, rendered; positions are those in `shown`."""
    numbers = {position: number for number, position in enumerate(view.visible)}
    turns = tuple(
        replace(shown[n].turn, image=numbers.get(n), loss_weight=1.0 if n in trained else 0.0)
        for n in range(view.first, len(shown))
    )
    images = tuple(image for position in view.visible if (image := shown[position].image) is not None)
    assert len(images) == len(view.visible), "a visible turn without a screenshot"
    messages = render(layout, setting.contract.history, setting.prompts, goal, turns)
    return _Conversation(turns, messages, images)


def _sample(
    setting: Setting,
    subject: Subject,
    conversation: _Conversation,
    boxes: Sequence[Box | None],
    *,
    sample_id: str,
    provenance: dict[str, str],
    origin: Literal["clean", "error_correction"] = "clean",
    error_kind: str | None = None,
) -> Sample:
    trained = [turn for turn in conversation.turns if turn.loss_weight > 0]
    targets = [Target(turn.step_index, turn.actions, bbox) for turn, bbox in zip(trained, boxes, strict=True)]
    return Sample(
        sample_id=sample_id,
        trajectory_id=subject.trajectory_id,
        step_index=targets[-1].step_index,
        split=subject.split,
        goal=subject.goal,
        lang=subject.lang,
        layout=setting.contract.layout,
        messages=conversation.messages,
        images=conversation.images,
        turns=conversation.turns,
        target=targets[-1],
        text_tokens_estimate=text_tokens(setting, conversation.messages),
        image_tokens=setting.count.images(conversation.images),
        provenance=provenance,
        origin=origin,
        error_kind=error_kind,
        earlier_targets=tuple(targets[:-1]),
    )


def _tokens(setting: Setting, conversation: _Conversation) -> int:
    return setting.count.sample(conversation.messages, conversation.images)


def _too_long(setting: Setting, conversation: _Conversation) -> TooLong:
    images = setting.count.images(conversation.images)
    return TooLong(
        _tokens(setting, conversation), images, setting.slicing.max_tokens or 0, setting.tokenizer is not None
    )


STEPS, SCREENSHOTS = "steps", "screenshots"
"""Entries of a sample's provenance where the budget left less of the past than the policy shows."""
DONOR = "donor"
"""Entry of a sample's provenance that goes on as another recording did: nobody recorded all of its steps in a row."""


def _shrinkage(full: View, view: View, last: int) -> dict[str, str]:
    said = {}
    if len(view.visible) < len(full.visible):
        said[SCREENSHOTS] = f"{len(view.visible)} of {len(full.visible)}"
    if view.first > full.first:
        said[STEPS] = f"{last - view.first} of {last - full.first}"
    return said


def _without_shrinkage(provenance: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in provenance.items() if key not in {STEPS, SCREENSHOTS}}


def with_turns(layout: Layout, setting: Setting, sample: Sample, turns: Sequence[Turn]) -> Sample | TooLong:
    """Return the sample with other words or actions in its turns, rendered again; the layout must accept them."""
    messages = render(layout, setting.contract.history, setting.prompts, sample.goal, turns)
    conversation = _Conversation(tuple(turns), messages, sample.images)
    if setting.slicing.max_tokens is not None and _tokens(setting, conversation) > setting.slicing.max_tokens:
        return _too_long(setting, conversation)
    trained = [turn for turn in turns if turn.loss_weight > 0]
    targets = [
        replace(target, actions=turn.actions)
        for target, turn in zip((*sample.earlier_targets, sample.target), trained, strict=True)
    ]
    return replace(
        sample,
        turns=tuple(turns),
        messages=messages,
        target=targets[-1],
        earlier_targets=tuple(targets[:-1]),
        text_tokens_estimate=text_tokens(setting, messages),
    )


def with_action(layout: Layout, setting: Setting, sample: Sample, action: Action) -> Sample | TooLong:
    """Return the sample with another trained action, rendered again; the layout must accept it."""
    return with_turns(layout, setting, sample, (*sample.turns[:-1], replace(sample.turns[-1], actions=(action,))))


def missing_screenshots(layout: Layout, setting: Setting, shown: Sequence[Shown]) -> list[int]:
    """Return the positions of turns that policy makes visible but that have no screenshot."""
    first = 0 if setting.slicing.max_history is None else max(0, len(shown) - 1 - setting.slicing.max_history)
    visible = visible_turns(layout, [item.turn for item in shown], setting.image_window)
    return [position for position in visible if position >= first and shown[position].image is None]


def said(layout: Layout, setting: Setting, turns: Sequence[Turn], *, images: int | None = None) -> range:
    """Return the positions of the turns that the sample of the last one says as calls; it tells the others in words.

    So it is as the policy shows it; where a budget shows fewer screenshots, only more is told in words. `images` are
    the screenshots shown at most, by default the policy's.
    """
    last = len(turns) - 1
    window = setting.image_window if images is None else images
    view = views(visible_turns(layout, turns, len(turns)), last, setting.slicing, image_window=window)[0]
    start = view.visible[0] if view.visible else last
    return range(max(view.first, first_spoken(setting.contract.history, start)), len(turns))


def text_tokens(setting: Setting, messages: Sequence[Message]) -> int:
    """Return how many text tokens the messages take, exactly where there is a tokenizer."""
    return estimate_tokens(messages) if setting.tokenizer is None else setting.count.text(messages)


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
