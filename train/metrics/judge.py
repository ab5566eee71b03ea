"""The verdict on one response: what of it matches the recorded decision, by the rules of a preset."""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pipeline import layouts
from pipeline.actions import Action
from pipeline.layouts import GrammarError

from . import aim
from .case import Case, Truth
from .move import Move, guessed_move, move
from .presets import POINTING, PRESETS, Preset, same_effect
from .reflection import claims_error
from .text import similarity

Flag = bool | None
"""None where the question does not arise: no point to hit, no text to compare, no clean sample."""


class Verdict(Struct, frozen=True):
    """What is right about a response; see `METRICS` for the meaning of each."""

    format_valid: bool
    action_type: bool
    step_success: bool
    grounding: Flag = None
    text: Flag = None
    direction: Flag = None
    arguments: Flag = None
    false_reflection: Flag = None
    claimed_error: Flag = None
    went_back: Flag = None
    recovery: Flag = None
    noticed_error: Flag = None
    repeated_error: Flag = None
    distance: float | None = None
    text_similarity: float | None = None
    kind: str = ""
    """The truth's type in the preset."""
    guess: str = ""
    """The prediction's."""
    point: tuple[float, float] | None = None
    """Where the prediction points, in fractions of the screenshot."""
    problem: str | None = None
    """Why the response does not parse."""


def judge(case: Case, response: str, preset: Preset) -> Verdict:
    """Return the verdict; any text is judged, none raises."""
    actions, thought, problem = _read(case, response)
    best = compare(case.truth, actions, preset)
    others = [compare(truth, actions, preset) for truth in case.alternatives]
    alternative = next((found for found in others if found.step_success), None)
    if preset.alternatives and not best.step_success and alternative is not None:
        best = alternative
    if case.origin == "clean":
        more = _reflection(case, actions, thought)
    else:
        more = _recovery(case, actions, thought, good=best.step_success or alternative is not None)
    return replace(best, format_valid=problem is None, problem=problem, **more)


def _read(case: Case, response: str) -> tuple[tuple[Action, ...], str, str | None]:
    """Return the actions, what is said beside them (all of it where nothing parses), and why it does not parse."""
    layout = layouts.get(case.layout)
    text = response.strip()
    if layout.tokens and not any(token in text for token in layout.tokens):
        text = BARE_POINT.sub(rf"='{layout.tokens[0]}\1{layout.tokens[1]}'", text)
    try:
        reply = layout.parse(text, case.truth.screens[0].size)
    except (GrammarError, RecursionError) as error:
        return (), response, str(error)
    return reply.actions, f"{reply.thought or ''}\n{reply.instruction or ''}", None


BARE_POINT = re.compile(r"='(\(\d+,\d+\))'")
"""A point whose control tokens a server left out, as servers do when they print."""


def compare(truth: Truth, actions: tuple[Action, ...], preset: Preset) -> Verdict:
    """Return what of the actions matches the truth: all of a turn's moves have to, in order."""
    pairs = list(zip(truth.moves, truth.said, truth.screens, strict=True))
    whole = len(actions) == len(pairs)
    guesses = [guessed_move(guess, said, true) for guess, (true, said, _) in zip(actions, pairs, strict=False)]
    types, success = whole, whole
    facets: dict[str, bool] = {}
    for place, (true, _, screen) in enumerate(pairs):
        guess = guesses[place] if place < len(guesses) else None
        matching = guess is not None and preset.type_of(guess) == preset.type_of(true)
        also = guess is not None and preset.also is not None and preset.also(true, guess, screen)
        right = matching or also
        for facet in preset.facets(true):
            found = also or (guess is not None and matching and preset.match(facet, true, guess, screen))
            facets[facet] = facets.get(facet, True) and found
            right = right and found
        types, success = types and (matching or also), success and right
    first = next((place for place, (true, _, _) in enumerate(pairs) if true.point is not None), 0)
    one = pairs[first][0]
    other = guesses[first] if first < len(guesses) else None
    return Verdict(
        format_valid=True,
        action_type=types,
        step_success=success,
        grounding=facets.get("grounding"),
        text=facets.get("text"),
        direction=facets.get("direction"),
        arguments=facets.get("arguments") if any(true.name for true in truth.moves) else None,
        distance=_distance(one, other),
        text_similarity=_alike([true for true, _, _ in pairs], guesses),
        kind=preset.type_of(pairs[0][0]),
        guess=preset.type_of(guesses[0]) if guesses else "",
        point=None if other is None else other.point,
    )


def _distance(truth: Move, guess: Move | None) -> float | None:
    if guess is None or truth.kind not in {*POINTING, "drag"}:
        return None
    if truth.point is None or guess.point is None or guess.kind not in {*POINTING, "drag"}:
        return None
    return aim.apart(truth.point, guess.point)


def _alike(truths: list[Move], guesses: list[Move]) -> float | None:
    pairs = zip(truths, guesses, strict=False)
    return next((similarity(t.text, g.text or "") for t, g in pairs if t.text is not None and t.kind == g.kind), None)


def _goes_back(moves: Iterable[Move]) -> bool:
    return any((each.kind, each.name[:1]) in BACKWARDS for each in moves)


BACKWARDS = {("button", ("back",)), ("browser", ("back",))}


def _reflection(case: Case, actions: tuple[Action, ...], thought: str) -> dict[str, Any]:
    """Return whether the response corrects what was right; nothing where the recording itself reflects or goes back."""
    if claims_error(case.thought) or _goes_back(case.truth.moves):
        return {}
    claimed, back = claims_error(thought), _goes_back(map(move, actions))
    return {"false_reflection": claimed or back, "claimed_error": claimed, "went_back": back}


def _recovery(case: Case, actions: tuple[Action, ...], thought: str, *, good: bool) -> dict[str, Any]:
    """Return whether the response repairs the error, says that there was one, and does not make it again."""
    if not good and len(actions) == len(case.truth.moves) == 1:
        guess = guessed_move(actions[0], case.truth.said[0], case.truth.moves[0])
        good = same_effect(case.truth.moves[0], guess, case.truth.screens[0])
    again = None
    if case.slip is not None:
        again = not good and _same(case.slip, actions)
    thinks = layouts.get(case.layout).thinks
    return {"recovery": good, "noticed_error": claims_error(thought) if thinks else None, "repeated_error": again}


def _same(slip: Truth, actions: tuple[Action, ...]) -> bool:
    return compare(slip, actions, PRESETS["default"]).step_success
