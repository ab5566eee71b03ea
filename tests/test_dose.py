"""The choice of error samples over a whole dataset: the rate, turns by weight, shares, one a decision."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.augmentation.dose import Candidate, choose
from pipeline.errors import KINDS

ADDED = tuple(kind for kind in KINDS if not KINDS[kind].replaces)
EVEN = dict.fromkeys(KINDS, 1.0)


def candidates(n: int, *kinds: str, samples: int = 1) -> list[Candidate]:
    """Return a candidate of each kind for each of n decisions."""
    return [Candidate(f"t/{number:04d}", kind, samples) for number in range(n) for kind in kinds]


def made(chosen: dict[str, tuple[str, int]]) -> Counter[str]:
    """Return how many samples of each kind were chosen."""
    counts: Counter[str] = Counter()
    for kind, n in chosen.values():
        counts[kind] += n
    return counts


@given(
    rate=st.floats(0, 0.5),
    found=st.lists(st.tuples(st.integers(0, 60), st.sampled_from(ADDED), st.integers(1, 2)), max_size=120),
    n_clean=st.integers(1, 200),
    seed=st.integers(0, 3),
)
def test_the_rate_is_met_or_nothing_is_left(
    rate: float, found: list[tuple[int, str, int]], n_clean: int, seed: int
) -> None:
    """To the nearest sample; where it is not met, every kind is used up or at its share."""
    listed = [Candidate(f"t/{number}", kind, n) for number, kind, n in found]
    chosen = choose(listed, samples=n_clean, there={}, rate=rate, weights=EVEN, seed=seed)
    counts = made(chosen)
    wanted = round(rate * n_clean / (1 - rate))
    assert counts.total() <= wanted
    for kind, n in counts.items():
        assert n <= max(KINDS[kind].share * counts.total() + 1, 1)
    if counts.total() < wanted:
        left = {each.kind for each in listed if each.decision not in chosen}
        assert all(KINDS[kind].share < 1 for kind in left)
    assert (
        choose(reversed(listed), samples=n_clean, there={}, rate=rate, weights=EVEN, seed=seed).keys() == chosen.keys()
    )


def test_kinds_take_turns_by_weight() -> None:
    """Twice the weight, twice the samples; weight 0 none."""
    listed = candidates(300, "tap_dead", "accidental_back", "wrong_tab")
    weights = {**EVEN, "accidental_back": 2.0, "wrong_tab": 0.0}
    counts = made(choose(listed, samples=360, there={}, rate=0.2, weights=weights, seed=0))
    assert counts == {"accidental_back": 60, "tap_dead": 30}


@pytest.mark.parametrize(("kind", "share"), [("wait_needless", 0.05), ("noop_twice", 0.2)])
def test_no_kind_goes_beyond_its_share(kind: str, share: float) -> None:
    """Waiting is often right, and a loop is no example; however much weight they get."""
    listed = [*candidates(400, kind), *candidates(400, "tap_dead")]
    weights = {**EVEN, kind: 100.0}
    counts = made(choose(listed, samples=400, there={}, rate=0.2, weights=weights, seed=0))
    assert counts.total() == 100
    assert counts[kind] == share * 100
    assert made(choose(candidates(400, kind), samples=400, there={}, rate=0.2, weights=weights, seed=0)).total() == 0


def test_what_is_there_counts() -> None:
    """Earlier error samples, and those that take the place of clean ones."""
    listed = [*candidates(50, "tap_dead"), Candidate("u/0001", "labelled", 1), Candidate("u/0002", "mined_noop", 1)]
    chosen = choose(listed, samples=100, there={"tap_dead": 8}, rate=0.2, weights=EVEN, seed=0)
    counts = made(chosen)
    assert counts["labelled"] == counts["mined_noop"] == 1
    assert counts.total() + 8 == round(0.2 * (100 - 10) / 0.8)
    assert made(choose(listed, samples=100, there={}, rate=0, weights=EVEN, seed=0)).total() == 2


def test_an_error_of_two_samples_is_cut_to_fit() -> None:
    """The way out comes first; the second try is left off where one sample is all that is wanted."""
    listed = candidates(40, "wrong_element", samples=2)
    chosen = choose(listed, samples=84, there={}, rate=0.2, weights=EVEN, seed=0)
    assert made(chosen).total() == 21
    assert Counter(n for _, n in chosen.values()) == {2: 10, 1: 1}


def test_another_seed_chooses_others() -> None:
    """And the same one the same."""
    runs = [choose(candidates(90, "tap_dead"), samples=90, there={}, rate=0.2, weights=EVEN, seed=n) for n in (0, 0, 1)]
    assert runs[0] == runs[1]
    assert runs[0].keys() != runs[2].keys()
