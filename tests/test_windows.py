"""Windows: each trainable decision in one, the stride kept, nothing told that cannot be said, within the budget."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.layouts import LAYOUTS
from pipeline.slicing.policy import History
from pipeline.slicing.windows import Fact, Window, blocked, screen, windows
from pipeline.storage.manifest import Slicing

often = st.sampled_from((True, True, True, False))
facts_of = st.lists(
    st.builds(
        Fact, sayable=often, shows=often, stored=often, trained=often, frame=st.sampled_from((None, None, (1, 2)))
    ),
    max_size=14,
)
CALLS, WORDS = LAYOUTS["mai-ui"].history, LAYOUTS["qwen3-vl"].history
policies = st.sampled_from((CALLS, WORDS))
"""Older steps are told as calls, or in words."""
plain = st.lists(st.builds(Fact, trained=often), max_size=20)


@st.composite
def slicings(draw: Callable[[st.SearchStrategy[int]], int], *, budget: bool = False) -> Slicing:
    """Return any setting of windows that `gdp slice` accepts."""
    window = draw(st.integers(1, 6))
    most = draw(st.one_of(st.none(), st.integers(0, 6)))  # type: ignore[arg-type]
    return Slicing(
        mode="window",
        window=window,
        stride=draw(st.integers(1, window)),
        max_history=most,
        min_history=draw(st.integers(0, 3 if most is None else most)),
        max_tokens=draw(st.integers(1, 60)) if budget else None,
    )


def cost(facts: list[Fact]) -> Callable[[Window], int]:
    """Return a cost that grows with what is told and shown: 1 for a step in words, 5 with a screenshot."""

    def of(window: Window) -> int:
        shown = sum(facts[n].shows for n in range(window.start, window.end + 1))
        return window.end + 1 - window.first + 4 * shown

    return of


def check(facts: list[Fact], slicing: Slicing, history: History, found: list[Window]) -> None:
    """Hold every window to what it promises."""
    assert slicing.window is not None
    for window in found:
        assert window.first <= window.start <= window.begin <= window.trained[0]
        assert list(window.trained) == sorted(set(window.trained))
        told_as_calls = window.start if history == WORDS else window.first
        assert all(facts[n].sayable for n in range(told_as_calls, window.end + 1))
        assert all(facts[n].joins for n in range(window.start, window.end + 1))
        assert all(facts[n].trained for n in window.trained)
        assert sum(facts[n].shows for n in range(window.start, window.end + 1)) <= slicing.window
        assert len({facts[n].frame for n in range(window.start, window.end + 1) if facts[n].shows}) <= 1
        assert window.trained[-1] - window.trained[0] < slicing.window
        seen = screen(facts, window.trained[0], window.first)
        assert seen is None or seen >= window.start, "the first decision sees its screen"
    starts, ends = [window.begin for window in found], [window.end for window in found]
    assert starts == sorted(set(starts))
    assert ends == sorted(set(ends)), "each trains something new"


@given(facts_of, slicings(), policies)
def test_every_trainable_decision_is_in_a_window(facts: list[Fact], slicing: Slicing, history: History) -> None:
    """Unless its history cannot be said, or the screen that it is taken on is not there; then it is in none."""
    found = list(windows(facts, slicing, history))
    check(facts, slicing, history, found)
    covered = {n for window in found for n in window.trained}
    for position, fact in enumerate(facts):
        first = 0 if slicing.max_history is None else max(0, position - slicing.max_history)
        seen = screen(facts, position, first)
        possible = (
            fact.trained
            and fact.joins
            and blocked(facts, position, slicing, history) is None
            and (seen is None or facts[seen].stored)
        )
        if possible:
            assert position in covered
        elif not fact.trained or not fact.joins or blocked(facts, position, slicing, history) is not None:
            assert position not in covered


@given(plain, slicings(), policies)
def test_the_stride(facts: list[Fact], slicing: Slicing, history: History) -> None:
    """Where nothing is in the way, windows start a stride apart and end with their last trained decision."""
    assert slicing.window is not None
    assert slicing.stride is not None
    expected = []
    for start in range(0, len(facts), slicing.stride):
        end = min(start + slicing.window, len(facts))
        trained = tuple(n for n in range(start, end) if facts[n].trained)
        first = 0 if slicing.max_history is None else max(0, start - slicing.max_history)
        if trained and (not expected or trained[-1] > expected[-1].end):
            expected.append(Window(first, start, start, trained))
        if end == len(facts):
            break
    assert list(windows(facts, slicing, history)) == expected


@given(facts_of, slicings(budget=True), policies)
def test_no_window_exceeds_the_budget(facts: list[Fact], slicing: Slicing, history: History) -> None:
    """What is in no window does not fit with the shortest history either; more room loses nothing."""
    price = cost(facts)
    found = list(windows(facts, slicing, history, price))
    check(facts, slicing, history, found)
    assert slicing.max_tokens is not None
    assert all(price(window) <= slicing.max_tokens for window in found)
    covered = {n for window in found for n in window.trained}
    free = {n for window in windows(facts, slicing, history) for n in window.trained}
    for position in free - covered:
        first = 0 if slicing.max_history is None else max(0, position - slicing.max_history)
        seen = screen(facts, position, first)
        start = position if seen is None else seen
        last = max(first, min(start, position - slicing.min_history))
        assert price(Window(last, start, position, (position,))) > slicing.max_tokens
    roomier = Slicing(**{name: getattr(slicing, name) for name in slicing.__struct_fields__} | {"max_tokens": 10**6})
    assert list(windows(facts, roomier, history, price)) == list(windows(facts, slicing, history))
    assert covered <= {n for window in windows(facts, roomier, history, price) for n in window.trained}


@given(facts_of, slicings(budget=True), policies)
def test_history_is_cut_only_where_a_decision_stands_alone(
    facts: list[Fact], slicing: Slicing, history: History
) -> None:
    """First the window gets shorter, then the oldest steps go, and never more of them than needed."""
    price = cost(facts)
    assert slicing.max_tokens is not None
    for window in windows(facts, slicing, history, price):
        fullest = 0 if slicing.max_history is None else max(0, window.trained[0] - slicing.max_history)
        if len(window.trained) > 1 or window.first <= fullest:
            continue
        assert window.trained[0] - window.first >= min(slicing.min_history, window.trained[0] - fullest)
        assert price(replace(window, first=window.first - 1)) > slicing.max_tokens


def test_only_what_is_told_as_a_call_must_be_sayable() -> None:
    """In words, a step without a call costs the windows that would show it, and no later one."""
    facts = [Fact(sayable=n != 2) for n in range(7)]
    slicing = Slicing(mode="window", window=3, stride=3)
    assert [window.trained for window in windows(facts, slicing, CALLS)] == [(0, 1)]
    found = list(windows(facts, slicing, WORDS))
    assert [window.trained for window in found] == [(0, 1), (3, 4, 5), (6,)]
    assert [window.first for window in found] == [0, 0, 0], "which tell it nevertheless"
