"""The history is complete: every earlier step is there, the instruction too, and both screens of an error are seen."""

from collections.abc import Iterator

from pipeline.actions import Action, Scroll
from pipeline.layouts import visible_turns
from pipeline.slicing.compose import SCREENSHOTS, STEPS

from .case import Case
from .check import Context, Finding
from .outline import Outline


def steps(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield gaps in the steps before the decision, and steps that are missing although policy and budget keep them."""
    turns, injected = outline.turns, outline.own
    own = injected or 1
    past = [turn.step_index for turn in turns[:-own]]
    first = past[0] if past else turns[-own].step_index
    if past != list(range(first, first + len(past))):
        yield Finding("$.turns", f"found steps {past} before the decision, expected all from {first} on, in order")
    decision = turns[-1].step_index
    if not injected and decision != first + len(past):
        yield Finding("$.turns", f"found a decision at step {decision}, expected {first + len(past)}, the one after")
    slicing, window = context.manifest.slicing, outline.span("window")
    if slicing.mode == "window" and window is None:
        yield Finding("$.provenance.window", "found no steps that the window is about, expected first-last")
    told = len(turns) - 1 if window is None else window[0] - first
    begin, _ = outline.span("subtask") or (0, 0)
    full = told + first - begin
    if slicing.max_history is not None:
        full = min(full, slicing.max_history)
    said = outline.notes.get(STEPS)
    if said is not None and (slicing.max_tokens is None or said != f"{told} of {full}" or told >= full):
        yield Finding(f"$.provenance.{STEPS}", f"found {said!r} where {told} of {full} are told, expected what is true")
    elif told != full and said is None:
        yield Finding("$.turns", f"found steps {past} before the decision, {told} of them its history, expected {full}")


def goal(case: Case, context: Context) -> Iterator[Finding]:
    """Yield a conversation that does not say what is to be done."""
    sample = case.sample
    goal, asked = sample.goal, (message.content for message in sample.messages if message.role == "user")
    if not goal.strip() or not any(part.text and goal in part.text for content in asked for part in content):
        yield Finding("$.messages", "found no user turn with the goal, expected the instruction")


def screens(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield screenshots that the policy would show or drop differently."""
    shown, expected = list(outline.shown), _visible(outline, context)
    if shown != expected:
        yield Finding("$.turns", f"found screenshots on turns {shown}, expected them on {expected}")


def error_seen(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield a correction whose error is out of sight, before it or after it."""
    if outline.origin == "error_correction" and (outline.kind is None or outline.kind.depth):
        last = len(outline.turns) - 1
        wrong = [position for position, turn in enumerate(outline.turns) if turn.role == "error"]
        if not wrong or not {wrong[-1], min(wrong[-1] + 1, last), last} <= outline.shown.keys():
            yield Finding("$.turns", "found an error without both its screens in view, expected to see what it did")


def error_turns(outline: Outline, context: Context) -> Iterator[Finding]:
    """Yield turns of an error and its correction that are not what the kind of error makes."""
    kind, own = outline.kind, outline.own
    if kind is None:
        if outline.error_kind is not None:
            yield Finding("$.error_kind", f"found {outline.error_kind!r}, expected a kind that this version knows")
        return
    *before, last = outline.turns[-own:] if own else outline.turns[-1:]
    wrong = sum(turn.role == "error" for turn in before)
    if own and (wrong > kind.depth or (kind.depth and not wrong)):
        turns, most = "turn" if wrong == 1 else "turns", f"1 to {kind.depth}" if kind.depth > 1 else f"{kind.depth}"
        yield Finding("$.turns", f"found {wrong} wrong {turns} before the correction, expected {most}")
    if last.role != ("recovery" if kind.depth else "normal"):
        yield Finding("$.turns", f"found a decision of the role {last.role!r} after an error of the kind {kind.name}")


def recorded(case: Case, context: Context) -> Iterator[Finding]:
    """Yield earlier turns that do something else than the recording did at their step."""
    turns, steps, true = case.sample.turns, case.steps, context.true[case.sample.trajectory_id]
    for number, told in enumerate(case.told[: len(turns) - max(case.outline.own, 1)]):
        if told in true:
            continue
        turn = turns[number]
        if turn.loss_weight != 0 or turn.step_index >= len(steps):
            continue
        facts = steps[turn.step_index].facts
        if facts is None or not (turn.actions == facts.actions or _same(turn.actions, facts.actions)):
            said = f"found another action than the recorded one of step {turn.step_index}, expected what was done"
            yield Finding(f"$.turns[{number}].actions", said)
        else:
            true.add(told)


def _same(told: tuple[Action, ...], done: tuple[Action, ...]) -> bool:
    """Tell whether actions are the same: scrolls are told in screenfuls, whatever they were recorded in."""
    return len(done) == len(told) and all(
        one == other or (isinstance(one, Scroll) and isinstance(other, Scroll) and one.direction == other.direction)
        for one, other in zip(told, done, strict=True)
    )


def _visible(outline: Outline, context: Context) -> list[int]:
    """Return the turns that policy and budget let show their screenshots."""
    slicing, most = context.manifest.slicing, context.manifest.contract.history.image_window
    showing = visible_turns(context.layout, outline.turns, len(outline.turns))
    window = outline.span("window")
    if slicing.mode == "window" and window is not None:
        before = [n for n in showing if outline.turns[n].step_index <= window[0]]
        return [n for n in showing if n >= (before[-1] if before else 0)]
    fewer, _, full = outline.notes.get(SCREENSHOTS, "").partition(" of ")
    if slicing.max_tokens is not None and fewer.isdecimal() and full.isdecimal() and int(fewer) < int(full) <= most:
        most = max(1, int(fewer))
    return showing[-most:]
