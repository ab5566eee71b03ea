"""Metrics: published rules by hand-worked cases, and what has to hold for every layout, action and text."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_layouts import LAYOUTS, any_action, each_layout, texts

from pipeline.actions import Action
from pipeline.errors.thoughts import CELLS
from pipeline.layouts import Layout
from pipeline.records import ImageRef, Message, Part, Sample, Target, Turn
from train.metrics import METRICS, PRESETS, judge, summarize, wilson
from train.metrics import text as texts_alike
from train.metrics.aim import Screen
from train.metrics.case import Case, Truth, case
from train.metrics.judge import compare
from train.metrics.move import move
from train.metrics.reflection import claims_error
from train.metrics.tally import difference

GOLDEN = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text(encoding="utf-8"))
SIZE = (1092, 2408)
each_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)


def action(document: dict[str, Any]) -> Action:
    """Return the action that the JSON describes."""
    return msgspec.convert(document, type=Action)


@pytest.mark.parametrize("golden", GOLDEN, ids=[f"{each['preset']}: {each['rule']}" for each in GOLDEN])
def test_published_rules(golden: dict[str, Any]) -> None:
    """Each hand-worked case of a preset comes out as its rule says, borders included."""
    truth, guess = action(golden["truth"]), action(golden["guess"])
    screen = msgspec.convert(golden.get("screen", {}), type=Screen)
    found = compare(Truth((truth,), (move(truth),), (screen,)), (guess,), PRESETS[golden["preset"]])
    assert (found.action_type, found.step_success) == (golden["type"], golden["success"])


def test_every_preset_has_cases() -> None:
    """No preset stands there unproved, and each has cases that pass and cases that fail."""
    for name in PRESETS:
        outcomes = {each["success"] for each in GOLDEN if each["preset"] == name}
        assert outcomes == {True, False}, name


def sample(layout: Layout, turn: Turn, **changes: Any) -> Sample:
    """Return a sample of one turn."""
    messages = (Message("user", (Part("text", text="task"),)), Message("assistant", layout.parts(turn), 1.0))
    fields: dict[str, Any] = {
        "sample_id": "s", "trajectory_id": "t", "step_index": 0, "split": "val", "goal": "g", "lang": "en",
        "layout": layout.name, "messages": messages,
        "images": (ImageRef("0" * 64, 0, 0, *SIZE),), "turns": (turn,), "target": Target(0, turn.actions),
        "text_tokens_estimate": 1, "image_tokens": 1, **changes,
    }  # fmt: skip
    return Sample(**fields)


def cased(layout: Layout, actions: tuple[Action, ...], thought: str = "I go on.", **changes: Any) -> Case | None:
    """Return the case of a decision, None where the layout cannot say it."""
    turn = Turn(0, actions, image=0, size=SIZE, thought=thought, instruction="Go on", loss_weight=1.0)
    return None if layout.refuse(turn) is not None else case(sample(layout, turn, **changes), None)


@each_preset
@each_layout
@settings(max_examples=60)
@given(actions=st.lists(any_action, min_size=1, max_size=2).map(tuple), thought=texts,
       origin=st.sampled_from(["clean", "error_correction"]))  # fmt: skip
def test_the_truth_is_right(
    layout: Layout, preset: Any, actions: tuple[Action, ...], thought: str, origin: str
) -> None:
    """What a sample trains, taken as the prediction, is right in everything that can be asked of it."""
    made = cased(layout, actions, thought, origin=origin)
    if made is None:
        return
    verdict = judge(made, made.response, preset)
    wrong = {"false_reflection", "claimed_error", "went_back", "repeated_error", "noticed_error"}
    for name in METRICS:
        if name not in wrong:
            assert getattr(verdict, name) in {True, None}, (name, verdict)
        elif METRICS[name].greater_is_better is False:
            assert not getattr(verdict, name), (name, verdict)
    assert verdict.distance in {0, None}
    assert verdict.text_similarity in {1, None}


@each_layout
@given(garbage=st.one_of(st.text(), texts), origin=st.sampled_from(["clean", "error_correction"]))
def test_garbage_is_judged(layout: Layout, garbage: str, origin: str) -> None:
    """No text of a model raises; one that is no answer of the layout is right in nothing."""
    made = cased(layout, (action({"type": "click", "point": [0.5, 0.5]}),), origin=origin)
    assert made is not None
    for preset in PRESETS.values():
        verdict = judge(made, garbage, preset)
        if not verdict.format_valid:
            assert verdict.problem
            right = (verdict.action_type, verdict.step_success, verdict.grounding, verdict.recovery)
            assert not any(right)


def test_cut_off_and_several_answers() -> None:
    """An answer that stops in the middle, and one with something behind it, are none; spaces around it are nothing."""
    made = cased(LAYOUTS["mai-ui"], (action({"type": "button", "name": "back"}),))
    assert made is not None
    preset = PRESETS["default"]
    assert judge(made, f"\n{made.response} \n", preset).step_success
    for broken in (made.response[:-3], made.response + made.response, made.response + " done", ""):
        assert not judge(made, broken, preset).format_valid


def test_points_without_their_control_tokens() -> None:
    """Servers print UI-TARS without the tokens around points; the answer is still the same."""
    made = cased(LAYOUTS["ui-tars-1.5"], (action({"type": "click", "point": [0.5, 0.5]}),))
    assert made is not None
    bare = made.response.replace("<|box_start|>", "").replace("<|box_end|>", "")
    assert bare != made.response
    assert judge(made, bare, PRESETS["default"]).step_success


def test_swipes_and_drags_of_one_finger() -> None:
    """A swipe is right in each form that a layout has for it; where something was dragged, its ends count."""
    layout = LAYOUTS["mai-ui"]
    preset = PRESETS["default"]

    def verdict(recorded: dict[str, Any], said: dict[str, Any]) -> bool:
        made, other = cased(layout, (action(recorded),)), cased(layout, (action(said),))
        assert made is not None
        assert other is not None
        return judge(made, other.response, preset).step_success

    up = {"type": "swipe", "direction": "up"}
    long_up, drag_up = ([[0.5, 0.8], [0.5, 0.3]], [[0.3, 0.7], [0.3, 0.4]])
    swiped = {"type": "swipe", "start": long_up[0], "end": long_up[1]}
    assert verdict(up, {"type": "scroll", "direction": "down"})
    assert verdict(swiped, up)
    assert verdict(up, swiped)
    assert verdict(swiped, {"type": "drag", "path": drag_up})
    assert not verdict({"type": "drag", "path": long_up}, {"type": "drag", "path": drag_up})
    assert not verdict({"type": "drag", "path": long_up}, up)


def reflections() -> Iterator[tuple[str, str, bool]]:
    """Yield language, wording and whether it speaks of an error, of all wordings of our own errors but popups'."""
    slots = {"wrong": "“A1”", "target": "“B2”", "text": "“C3”", "close": "“D4”", "slip": "Tap “Wi-Fi”", "way": "down"}
    for name, wordings in CELLS.items():
        for lang, lines in wordings.items():
            if not name.startswith("popup"):
                for line in lines:
                    yield (
                        lang,
                        line.format(**{**slots, **({"way": "下"} if lang == "zh" else {})}),
                        "_wrong" not in name,
                    )


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_reflections_are_found(lang: str) -> None:
    """Of our own wordings of noticed errors most are found, of those that notice none not a single one."""
    said = [claims_error(text) for language, text, error in reflections() if language == lang and error]
    assert sum(said) / len(said) > 0.85
    assert not [
        text for language, text, error in reflections() if language == lang and not error and claims_error(text)
    ]


def test_false_reflection() -> None:
    """On a clean sample a claim or a Back counts, unless the recording itself reflects or goes back."""
    layout, preset = LAYOUTS["mai-ui"], PRESETS["default"]
    tap = (action({"type": "click", "point": [0.5, 0.5]}),)
    back = (action({"type": "button", "name": "back"}),)
    made = cased(layout, tap)
    assert made is not None

    def flags(case: Case, actions: tuple[Action, ...], thought: str) -> tuple[Any, ...]:
        other = cased(layout, actions, thought)
        assert other is not None
        found = judge(case, other.response, preset)
        return found.false_reflection, found.claimed_error, found.went_back

    assert flags(made, tap, "The button is here.") == (False, False, False)
    assert flags(made, tap, "My last tap did not open it.") == (True, True, False)
    assert flags(made, back, "I go to the list.") == (True, False, True)
    reflecting, returning = cased(layout, tap, "That was the wrong page."), cased(layout, back)
    assert reflecting is not None
    assert returning is not None
    assert flags(reflecting, back, "Nothing happened.") == (None, None, None)
    assert flags(returning, back, "I go back.") == (None, None, None)
    wrong = judge(made, "I made a mistake, nothing happened.", preset)
    assert (wrong.false_reflection, wrong.claimed_error, wrong.went_back) == (True, True, False)


def test_recovery() -> None:
    """After an error the correction is right, its repetition is seen, and Back on the page is as good as Back."""
    layout, preset = LAYOUTS["mai-ui"], PRESETS["default"]
    slip = Turn(0, (action({"type": "click", "point": [0.9, 0.9]}),), size=SIZE, thought="I tap it.", role="error")
    turn = Turn(0, (action({"type": "click", "point": [0.1, 0.1]}),), image=0, size=SIZE, thought="Nothing happened.",
                role="recovery", loss_weight=1.0)  # fmt: skip
    made = case(sample(layout, turn, turns=(slip, turn), origin="error_correction", error_kind="tap_dead"), None)
    right, again = judge(made, made.response, preset), judge(made, layout.response(slip), preset)
    assert (right.recovery, right.noticed_error, right.repeated_error) == (True, True, False)
    assert (again.recovery, again.noticed_error, again.repeated_error) == (False, False, True)
    assert right.false_reflection is None


@given(st.integers(0, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson(counts: tuple[int, int]) -> None:
    """The interval holds the share, lies in [0, 1], and mirrors when successes and failures change places."""
    successes, n = counts
    assert [round(bound, 4) for bound in wilson(8, 10)] == [0.4902, 0.9433]
    low, high = wilson(successes, n)
    assert 0 <= low <= high <= 1
    assert n == 0 or low <= successes / n <= high
    mirrored = wilson(n - successes, n)
    assert math.isclose(mirrored[0], 1 - high, abs_tol=1e-12)
    assert math.isclose(mirrored[1], 1 - low, abs_tol=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_difference(pairs: list[tuple[bool, bool]]) -> None:
    """The difference of a share of the same samples is antisymmetric, and its interval holds a value near it."""
    before, after = [b for b, _ in pairs], [a for _, a in pairs]
    value, low, high = difference(before, after)
    other, other_low, other_high = difference(after, before)
    assert value == -other
    assert math.isclose(low, -other_high, abs_tol=1e-12)
    assert math.isclose(high, -other_low, abs_tol=1e-12)
    assert -1 <= low <= high <= 1


@given(st.text(max_size=12), st.text(max_size=12))
def test_edit_distance(one: str, other: str) -> None:
    """It is symmetric, 0 for equal texts only, within its bounds; both similarities are 1 for equal texts only."""
    found = texts_alike.distance(one, other)
    assert found == texts_alike.distance(other, one)
    assert abs(len(one) - len(other)) <= found <= max(len(one), len(other))
    assert (found == 0) == (one == other) == (texts_alike.similarity(one, other) == 1)
    assert (texts_alike.ratio(one, other) == 1) == (one == other)
    assert texts_alike.distance(one, other, substitution=2) >= found


def test_summary() -> None:
    """Shares, groups and trajectories add up; what cannot be asked of a sample is not in the denominator."""
    layout, preset = LAYOUTS["mai-ui"], PRESETS["default"]
    tap, back = action({"type": "click", "point": [0.5, 0.5]}), action({"type": "button", "name": "back"})
    made = [cased(layout, (each,)) for each in (tap, tap, back)]
    listed = [msgspec.structs.replace(each, step_index=n, app="Notes") for n, each in enumerate(made) if each]
    responses = [listed[0].response, listed[2].response, listed[2].response]
    summary = summarize([(each, judge(each, text, preset)) for each, text in zip(listed, responses, strict=True)])
    assert (summary.rates["step_success"].value, summary.rates["step_success"].n) == (2 / 3, 3)
    assert (summary.rates["grounding"].value, summary.rates["grounding"].n) == (1 / 2, 2)
    assert (summary.rates["false_reflection"].value, summary.rates["false_reflection"].n) == (1 / 2, 2)
    assert "recovery" not in summary.rates
    assert summary.trajectories == {"n": 1, "success": 0.0, "progress": 1 / 3}
    assert {name: part.n for name, part in summary.groups["action type"].items()} == {"button": 1, "click": 2}
    assert summary.groups["app"]["Notes"].n == 3
    assert json.loads(json.dumps(summary.to_dict()))["n"] == 3
