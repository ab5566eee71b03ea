"""The guards as state machines: what each says, when it says nothing, and that a log tells the same again."""

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.exceptions import ConfigError
from train.config import load
from train.watching.guards import SETTLED, Finding, GuardConfig, Guards, replay

UNIFORM = math.log(1000)


def guarded(config: GuardConfig | None = None, *, steps: int = 1000, warmup: int = 0, start: float = 2.0) -> Guards:
    """Return the guards of a run that began with an eval loss."""
    guards = Guards(config or GuardConfig(), uniform=UNIFORM)
    assert guards.evaluation(0, start) == []
    guards.begin(steps=steps, warmup=warmup)
    return guards


def feed(guards: Guards, losses: list[float], norm: float | None = 1.0, first: int = 1) -> list[Finding]:
    """Take steps with these losses; return all findings."""
    return [each for step, loss in enumerate(losses, first) for each in guards.step(step, loss, norm)]


def test_a_run_that_learns_is_left_alone() -> None:
    """A falling, noisy loss, an eval loss that follows, gradients of usual size: nothing to say, also at the end."""
    guards = guarded()
    for part in range(10):
        losses = [2.0 * 0.8**part * (1.3 if step % 7 == 0 else 1.0) for step in range(40)]
        assert feed(guards, losses, 3.0, first=40 * part + 1) == []
        assert guards.evaluation(40 * (part + 1), 2.1 * 0.8**part) == []
    assert guards.end(400) == []


@pytest.mark.parametrize(("loss", "norm", "what"), [(math.nan, 1.0, "loss is nan"), (2.0, math.inf, "norm is inf")])
def test_what_is_no_number_always_stops(loss: float, norm: float, what: str) -> None:
    """Whatever is configured, and nothing else is said about that step."""
    off = GuardConfig(**{each.name: "off" for each in fields(GuardConfig) if each.default in ("warn", "stop")})
    (found,) = guarded(off).step(1, loss, norm)
    assert found.stops
    assert what in found.found
    assert guarded(off).evaluation(3, math.inf)[0].stops


def test_a_short_window_for_spikes_leaves_divergence_watched() -> None:
    """The median of 8 steps is kept whatever `loss_spike_window` says; 3 of them remembered told nothing."""
    guards = guarded(GuardConfig(loss_spike="off", loss_spike_window=3))
    found = feed(guards, [2.0] * 8 + [9.0] * 8)
    assert "divergence" in {each.guard for each in found}
    assert [each.guard for each in guards.end(16)] == ["divergence"]


def test_an_unknown_norm_is_not_judged() -> None:
    """A step that the fp16 scaler skips has none."""
    assert guarded().step(1, 2.0, None) == []


@pytest.mark.parametrize(("start", "said"), [(UNIFORM * 1.45, False), (UNIFORM * 1.55, True)])
def test_the_initial_loss_is_held_to_the_vocabulary(start: float, said: bool) -> None:
    """Random weights with a tied head are allowed for; a model that does worse than knowing nothing is stopped."""
    found = Guards(GuardConfig(), uniform=UNIFORM).evaluation(0, start)
    assert [(each.guard, each.stops) for each in found] == [("initial_loss", True)] * said


def test_only_the_first_evaluation_is_the_initial_one() -> None:
    """Later ones are held to the start, not to the vocabulary."""
    guards = guarded(start=UNIFORM)
    assert guards.evaluation(10, UNIFORM * 1.4) == []
    assert [each.guard for each in guards.evaluation(20, UNIFORM * 1.55)] == ["divergence"]


def test_a_spike_is_far_above_the_median() -> None:
    """Both the multiple and a nat: a loss near zero may double, one of 2 may not quadruple."""
    guards = guarded()
    assert feed(guards, [0.02] * 20 + [0.2] + [0.02] * 5) == []
    guards = guarded()
    (found,) = feed(guards, [2.0] * 20 + [8.5] + [2.0] * 5)
    assert (found.guard, found.step, found.action) == ("loss_spike", 21, "warn")
    assert "4.2 times its running median of 2.00" in found.found


def test_the_first_losses_are_no_spikes() -> None:
    """A median of a few numbers is none."""
    assert feed(guarded(), [0.1] * (SETTLED - 1) + [2.5]) == []


def test_the_median_forgets() -> None:
    """A window later, a new level is the level."""
    guards = guarded(GuardConfig(loss_spike_window=10, divergence="off"), start=10.0)
    found = feed(guards, [1.0] * 10 + [5.0] * 10)
    assert [each.step for each in found if each.guard == "loss_spike"] == [11, 12, 13, 14, 15]


def test_a_large_gradient_is_said_with_its_norm() -> None:
    """Above the limit, not at it."""
    guards = guarded()
    assert guards.step(1, 2.0, 10.0) == []
    (found,) = guards.step(2, 2.0, 10.1)
    assert (found.guard, found.found) == ("grad_norm", "the gradient norm before clipping is 10.1")


@pytest.mark.parametrize(("level", "said"), [(2.0, True), (1.99, True), (1.9, False)])
def test_a_loss_that_does_not_fall_is_said_every_window(level: float, said: bool) -> None:
    """After warm-up and a window; less than a hundredth is no fall."""
    found = feed(guarded(warmup=30), [2.0] * 50 + [level] * 150)
    steps = [each.step for each in found if each.guard == "no_progress"]
    assert steps == [100, 150, 200] * said


def test_a_short_run_is_judged_by_its_quarters() -> None:
    """The window is never longer than the run allows."""
    found = feed(guarded(steps=16), [2.0] * 16)
    assert [each.step for each in found] == [8, 12, 16]


def test_a_warm_up_excuses() -> None:
    """Nothing is expected of the loss while the learning rate still rises."""
    assert feed(guarded(warmup=150), [2.0] * 199) == []


@pytest.mark.parametrize(
    ("trains", "evals", "steps"),
    [
        ([1.0, 0.8, 0.6, 0.4], [1.0, 1.1, 1.2, 1.3], [30, 40]),
        ([1.0, 0.8, 0.6, 0.4], [1.0, 1.1, 0.9, 1.0], []),
        ([1.0, 0.8, 0.6, 0.4], [1.0, 1.01, 1.01, 1.01], []),
        ([1.0, 1.1, 1.2, 1.3], [1.0, 1.1, 1.2, 1.3], []),
    ],
    ids=["overfits", "recovers", "level", "both rise"],
)
def test_overfitting_is_both_at_once(trains: list[float], evals: list[float], steps: list[int]) -> None:
    """The eval loss above its best, twice in a row, while the train loss falls."""
    guards = guarded()
    found = []
    for number, (train, val) in enumerate(zip(trains, evals, strict=True)):
        feed(guards, [train] * 10, first=10 * number + 1)
        found += guards.evaluation(10 * (number + 1), val)
    assert [each.step for each in found if each.guard == "overfitting"] == steps
    assert all("of step 10 are" in each.hint for each in found)


def test_a_diverged_run_is_stopped_by_its_train_loss() -> None:
    """The median of the last steps, so that one bad batch is not enough; far above the start of the run."""
    guards = guarded()
    assert feed(guards, [2.0] * 20 + [3.5] * 4) == []
    (found,) = feed(guards, [3.5], first=25)
    assert (found.guard, found.stops) == ("divergence", True)


def test_a_gradient_of_zero_is_no_learning() -> None:
    """Unless nothing is left to learn."""
    assert guarded().step(1, 0.001, 0.0) == []
    guards = guarded(GuardConfig(divergence="warn"))
    (found,) = guards.step(1, 2.0, 0.0)
    assert "exactly zero" in found.found
    assert guards.end(1)[0].stops


@given(st.sampled_from(["off", "warn", "stop"]), st.floats(1.05, 20), st.booleans())
def test_a_diverged_run_is_never_a_success(action: Any, start: float, by_train: bool) -> None:
    """At its end, whatever the guard was told to do on the way."""
    config = GuardConfig(divergence=action, initial_loss="off")
    guards = Guards(config, uniform=UNIFORM)
    guards.evaluation(0, start)
    guards.begin(steps=100, warmup=0)
    far = max(1.5 * start, start + 1) + 0.01
    feed(guards, [far if by_train else start] * 9 if not by_train else [start] + [far] * 9)
    guards.evaluation(100, start if by_train else far)
    assert any(each.stops and each.guard == "divergence" for each in guards.end(100))


numbers = st.floats(0, 30) | st.just(math.nan)


@given(st.lists(st.tuples(numbers, st.floats(0, 50), st.booleans()), max_size=60), st.integers(1, 7))
def test_the_log_tells_what_the_run_told(run: list[tuple[float, float, bool]], every: int) -> None:
    """Replaying the lines gives the same findings, in whatever intervals they were written."""
    config = GuardConfig(loss_spike_window=10, no_progress_steps=5)
    guards = Guards(config, uniform=3.0)
    told = guards.evaluation(0, 3.0)
    guards.begin(steps=60, warmup=2)
    lines: list[dict[str, Any]] = [{"step": 0, "eval_loss": 3.0}]
    lines.append({"step": 0, "event": "begin", "steps": 60, "warmup_steps": 2, "uniform_loss": 3.0})
    losses: list[float | None] = []
    norms: list[float] = []
    for step, (loss, norm, evaluated) in enumerate(run, 1):
        told += [each for each in guards.step(step, loss, norm) if each.guard != "non_finite"]
        losses.append(loss if math.isfinite(loss) else None)
        norms.append(norm)
        if step % every == 0 or evaluated or step == len(run):
            lines.append({"step": step, "losses": losses, "grad_norms": norms})
            losses, norms = [], []
        if evaluated and math.isfinite(loss):
            told += guards.evaluation(step, loss)
            lines.append({"step": step, "eval_loss": loss})
    assert replay(config, lines) == told


def test_a_bare_off_is_off(tmp_path: Path) -> None:
    """And so is false; a typo is answered with the key that was meant."""
    path = tmp_path / "config.yaml"
    path.write_text("training: {guards: {grad_norm: off, loss_spike: stop, loss_spike_multiple: 3}}")
    guards = load(path).guards
    assert guards == replace(GuardConfig(), grad_norm="off", loss_spike="stop", loss_spike_multiple=3.0)
    path.write_text("training: {guards: {grad_norm: false}}")
    assert load(path).guards == GuardConfig(grad_norm="off")
    path.write_text("training: {guards: {grad_norm: true}}")
    with pytest.raises(ConfigError, match="grad_norm: found true, expected one of off"):
        load(path)
    path.write_text("training: {guards: {grad_nrm: off}}")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.hint == "did you mean grad_norm?"
