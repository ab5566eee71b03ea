"""What a prediction is held against: the recorded decision, its screen, and what kind of sample it is."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from pipeline import layouts
from pipeline.actions import Action, Box
from pipeline.augmentation.cut import elements_in_view, is_cut
from pipeline.layouts import GrammarError, Layout
from pipeline.records import Element, ImageRef, Sample, Turn
from pipeline.screens.screen import target_box
from pipeline.slicing.glance import host
from pipeline.storage.tables import StepRow
from train.encoding.source import Source

from .aim import Screen
from .move import Move, true_move


class Truth(Struct, frozen=True):
    """An answer that counts as right: as the layout says it, and as metrics compare it."""

    said: tuple[Action, ...]
    moves: tuple[Move, ...]
    screens: tuple[Screen, ...]
    """Of each move: the same screen, with the box of what that move aims at."""


class Case(Struct, frozen=True):
    """One sample to be judged."""

    sample_id: str
    trajectory_id: str
    step_index: int
    split: str
    origin: str
    error_kind: str | None
    app: str | None
    layout: str
    goal: str
    size: tuple[int, int] | None
    """Width and height of the current screenshot as the model sees it, in pixels."""
    image: ImageRef | None
    """The current screenshot."""
    response: str
    """What the sample trains, as text."""
    thought: str
    """What is said there beside the call."""
    truth: Truth
    alternatives: tuple[Truth, ...] = ()
    """Further answers that the recording calls right."""
    slip: Truth | None = None
    """The wrong turn right before, where the sample has one."""


def cases(source: Source, samples: Iterable[Sample]) -> list[Case]:
    """Return the samples as cases, in order; what their screens hold is read from the dataset's steps.

    Raises ConfigError for a dataset of an unknown layout, GrammarError where a sample's turn is none of the layout's.
    """
    listed = list(samples)
    steps = _steps(source, {(sample.trajectory_id, sample.target.step_index) for sample in listed})
    return [case(sample, steps.get((sample.trajectory_id, sample.target.step_index))) for sample in listed]


def case(sample: Sample, step: StepRow | None) -> Case:
    """Return the sample as a case; without its step nothing is known of the screen's elements, nor the app."""
    layout = layouts.get(sample.layout)
    turn = sample.turns[-1]
    image = None if turn.image is None else sample.images[turn.image]
    elements = () if step is None else _elements(sample, step, image)
    observed = step is not None and _shows(sample, step, image)
    facts = None if step is None or not observed else step.facts
    slips = [each for each in sample.turns[:-1] if each.role == "error"]
    return Case(
        sample_id=sample.sample_id,
        trajectory_id=sample.trajectory_id,
        step_index=sample.target.step_index,
        split=sample.split,
        origin=sample.origin,
        error_kind=sample.error_kind,
        app=None if step is None else step.observation.app or host(step.observation.url),
        layout=sample.layout,
        goal=sample.goal,
        size=None if image is None else (image.width, image.height),
        image=image,
        response="".join(part.text or "" for part in sample.messages[-1].content),
        thought=f"{turn.thought or ''}\n{turn.instruction or ''}",
        truth=_truth(layout, turn, sample.target.bbox, elements),
        alternatives=_alternatives(layout, turn, () if facts is None else facts.alternatives, elements),
        slip=_truth(layout, slips[-1], None, ()) if slips and layout.refuse(slips[-1]) is None else None,
    )


def _steps(source: Source, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], StepRow]:
    """Return the wanted steps; shards without one of their trajectories are not read."""
    names = {trajectory for trajectory, _ in wanted}
    found = {}
    for number, part in source.tables("steps", ["trajectory_id"]):
        there = names.intersection(part.column("trajectory_id").to_pylist())
        if there:
            for row in source.steps(number, there):
                if (row.trajectory_id, row.step_index) in wanted:
                    found[row.trajectory_id, row.step_index] = row
    return found


def _shows(sample: Sample, step: StepRow, image: ImageRef | None) -> bool:
    """Tell whether the sample's current screenshot is the step's own; a wrong page's elements are another's."""
    if image is None or step.image is None:
        return False
    return is_cut(sample.sample_id) or image.sha256 == step.image.sha256


def _elements(sample: Sample, step: StepRow, image: ImageRef | None) -> Sequence[Element]:
    return elements_in_view(sample, step.observation.elements, step.image) if _shows(sample, step, image) else ()


def _truth(layout: Layout, turn: Turn, box: Box | None, elements: Sequence[Element]) -> Truth:
    """Return the turn as the layout says it, read back: so its points lie on the layout's grid as a prediction's do."""
    said = layout.parse(layout.response(turn), turn.size).actions
    recorded = turn.actions if len(turn.actions) == len(said) else said
    moves = tuple(true_move(one, other) for one, other in zip(said, recorded, strict=True))
    boxes: dict[int, Box | None] = defaultdict(lambda: None)
    for place, action in enumerate(recorded):
        boxes[place] = target_box(elements, action)
    pointing = [place for place, move in enumerate(moves) if move.point is not None]
    if box is not None and pointing:
        boxes[pointing[0]] = box
    screens = tuple(Screen(turn.size, boxes[place], tuple(elements)) for place in range(len(moves)))
    return Truth(said, moves, screens)


def _alternatives(
    layout: Layout, turn: Turn, alternatives: Iterable[tuple[Action, ...]], elements: Sequence[Element]
) -> tuple[Truth, ...]:
    """Return the other right answers, those left out that the layout cannot say."""
    found = []
    for actions in alternatives:
        other = Turn(turn.step_index, actions, size=turn.size, thought=turn.thought, instruction=turn.instruction)
        if layout.refuse(other) is None:
            try:
                found.append(_truth(layout, other, None, elements))
            except GrammarError:
                continue
    return tuple(found)
