"""What is asked of outlines once is told of just those samples that have it."""

from typing import Any

import build
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.checks import CHECKS
from pipeline.checks.ask import Questions
from pipeline.checks.outline import NOTES, Outlines
from pipeline.records import Inbound, Part, Sample
from pipeline.storage.dataset import Dataset

ASKED = [name for name, check in CHECKS.items() if check.of_outline]
KINDS = [None, "tap_dead", "noop_twice", "popup_real", "labelled", "none of these"]
WEIGHTS = st.sampled_from([0.0, 1.0, 0.5, -1.0, float("inf"), float("nan")])
CONTENTS = st.sampled_from(
    [
        (),
        (Part("text", " "),),
        (Part("text", "Go on"),),
        (Part("text", "a<|im_end|>"),),
        (Part("token", "<|box_start|>"),),
    ]
    + [(Part("image", image=number),) for number in range(3)]
)
EDITS = st.one_of(
    st.tuples(st.just("message"), st.integers(-4, 3), st.one_of(
        st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"])}),
        st.fixed_dictionaries({"loss_weight": WEIGHTS}),
        st.fixed_dictionaries({"content": CONTENTS}),
    )),
    st.tuples(st.just("turn"), st.integers(-2, 1), st.one_of(
        st.fixed_dictionaries({"step_index": st.integers(0, 9)}),
        st.fixed_dictionaries({"image": st.none() | st.integers(0, 3)}),
        st.fixed_dictionaries({"loss_weight": WEIGHTS}),
        st.fixed_dictionaries({"role": st.sampled_from(["normal", "error", "recovery", "padding"])}),
        st.fixed_dictionaries({"inbound": st.sampled_from([(), (Inbound("user_reply", "Yes"),)])}),
    )),
    st.tuples(st.just("image"), st.just(-1), st.fixed_dictionaries({"width": st.sampled_from([1, 352, 353, 3200])})),
    st.tuples(st.just("note"), st.sampled_from(NOTES), st.sampled_from(["1", "2", "3", "0-1", "1-2", "1 of 2", "x"])),
    st.tuples(st.just("sample"), st.just(0), st.one_of(
        st.fixed_dictionaries({"image_tokens": st.integers(0, 999)}),
        st.fixed_dictionaries({"layout": st.sampled_from(["mai-ui", "qwen3-vl"])}),
        st.fixed_dictionaries({"origin": st.sampled_from(["clean", "error_correction"])}),
        st.fixed_dictionaries({"error_kind": st.sampled_from(KINDS)}),
    )),
    st.tuples(st.just("earlier"), st.integers(0, 2), st.just({})),
)  # fmt: skip


@pytest.fixture(scope="module", params=[{}, {"mode": "window", "window": 2, "stride": 1}], ids=["decision", "window"])
def good(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Dataset:
    """Two recordings, nothing wrong with them."""
    root = tmp_path_factory.mktemp("outline")
    build.corpus(root / "in", 2)
    return build.sliced(root / "in", root / "d", val_fraction=0, **request.param)


def edited(sample: Sample, edit: tuple[str, Any, Any]) -> Sample:
    """Return the sample with one thing changed, whatever becomes of it."""
    what, where, changes = edit
    if what == "sample":
        return replace(sample, **changes)
    if what == "note":
        return replace(sample, provenance={**sample.provenance, where: changes})
    if what == "earlier":
        return replace(sample, earlier_targets=(sample.target,) * where)
    field = {"message": "messages", "turn": "turns", "image": "images"}[what]
    of = list(getattr(sample, field))
    of[where % len(of)] = replace(of[where % len(of)], **changes)
    return replace(sample, **{field: tuple(of)})


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 99), EDITS), min_size=1, max_size=8))
def test_what_is_found_of_a_sample_does_not_depend_on_the_others(
    good: Dataset, edits: list[tuple[int, tuple[str, Any, Any]]]
) -> None:
    """Whatever two samples differ in, each is told what it would be told alone."""
    clean = list(good.samples())
    samples = [*clean, *(edited(clean[number % len(clean)], edit) for number, edit in edits)]
    together = Questions(ASKED, build.checking(good)).of(samples)
    assert together == [Questions(ASKED, build.checking(good)).of([sample])[0] for sample in samples]


def test_samples_of_two_recordings_have_the_same_outlines(good: Dataset) -> None:
    """Otherwise nothing would be asked once."""
    outlines = Outlines(good.manifest.contract.history)
    samples = list(good.samples())
    found = {outlines.of(sample) for sample in samples}
    assert len(found) <= len(samples) / 2
