"""`window`: several decisions in a row as one conversation, each on its own screenshot, every right one trained."""

from collections.abc import Iterator

from pipeline.records import Sample
from pipeline.screens.screen import target_box
from pipeline.slicing.compose import STEPS, TooLong, compose_window, window_tokens
from pipeline.slicing.windows import Fact, Window, screen, windows

from .mode import Recording, Refused


def cut(recording: Recording) -> Iterator[Sample | Refused]:
    """Yield the windows in order, then a refusal for each decision that none of them trains."""
    refused = [recording.refused(index, images=1) for index in range(len(recording.steps))]
    facts = [_fact(recording, index, refused[index] is None) for index in range(len(recording.steps))]
    costs: dict[Window, TooLong] = {}

    def cost(window: Window) -> int:
        costs[window] = window_tokens(recording.layout, recording.setting, recording.subject, recording.shown, window)
        return costs[window].tokens

    bounded = recording.setting.slicing.max_tokens is not None
    trained: set[int] = set()
    history = recording.setting.contract.history
    for window in windows(facts, recording.setting.slicing, history, cost if bounded else None):
        trained.update(window.trained)
        yield _sample(recording, window)
    for index, reason in enumerate(refused):
        if index not in trained:
            yield reason or _unplaced(recording, facts, index, costs)


def _fact(recording: Recording, index: int, trained: bool) -> Fact:
    item, layout = recording.shown[index], recording.layout
    return Fact(
        sayable=recording.unsayable[index] is None,
        shows=not (layout.reply_replaces_image and item.turn.inbound),
        stored=item.image is not None,
        trained=trained,
        frame=item.turn.size if layout.scale is None else None,
    )


def _sample(recording: Recording, window: Window) -> Sample:
    steps = [recording.steps[index] for index in window.trained]
    span = f"{window.begin}-{window.end}"
    name = f"{recording.subject.trajectory_id}/{window.trained[0]:04d}-{window.end:04d}"
    return compose_window(
        recording.layout,
        recording.setting,
        recording.subject,
        recording.shown,
        window,
        [target_box(step.observation.elements, step.actions[0]) for step in steps],
        sample_id=name,
        provenance={"file": recording.where, "window": span, **_shrinkage(recording, window)},
    )


def _shrinkage(recording: Recording, window: Window) -> dict[str, str]:
    """Return what the provenance says where the budget left out steps before the window."""
    most = recording.setting.slicing.max_history
    full = window.begin if most is None else min(window.begin, most)
    told = window.begin - window.first
    return {} if told == full else {STEPS: f"{told} of {full}"}


def _unplaced(recording: Recording, facts: list[Fact], index: int, costs: dict[Window, TooLong]) -> Refused:
    """Return why a decision to learn from is in no window: the screen that it is taken on is missing, or its size."""
    most = recording.setting.slicing.max_history
    seen = screen(facts, index, 0 if most is None else max(0, index - most))
    if seen is not None and not facts[seen].stored:
        return recording.unseen(index, seen)
    tried = min((cost for window, cost in costs.items() if window.trained == (index,)), key=lambda cost: cost.tokens)
    return Refused(index, "too_long", tried.message)
