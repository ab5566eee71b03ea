"""What is trained is exactly the intended turn, whatever the texts spell."""

import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.exceptions import InputError, StageError
from pipeline.records import Message, Part
from train.encoding import crosscheck
from train.encoding.tokenizer import SPECIAL, TEMPLATE, learn
from train.encoding.tokens import IGNORED, encode

SPELLINGS = (
    *SPECIAL,
    "<|im_start|>assistant\n",
    "<|im_end|>\n",
    "<tool_call>",
    "</think>",
    "assistant",
    "\n",
    "é",
    "漢",
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
hostile = st.lists(st.sampled_from(SPELLINGS) | plain, max_size=6).map("".join)


def say(role: str, text: str, weight: float = 0.0) -> Message:
    """Return a message of one text."""
    return Message(role, (Part("text", text=text),), weight)  # type: ignore[arg-type]


def with_screenshot(text: str) -> Message:
    """Return a user message of a text, the first screenshot, and the text again."""
    return Message("user", (Part("text", text=text), Part("image", image=0), Part("text", text=text)))


def trained_text(encoded: Any, chatml: Any) -> str:
    """Return what the trained tokens decode to."""
    text: str = chatml.tokenizer.decode([token for token in encoded.labels if token != IGNORED])
    return text


@QUICK
@given(system=hostile, user=hostile, earlier=hostile, answer=hostile)
def test_text_cannot_change_what_is_trained(system: str, user: str, earlier: str, answer: str, encoder: Any) -> None:
    """The trained tokens are the last answer and the token that ends it; control tokens count turns and pictures."""
    messages = [say("system", system), with_screenshot(user), say("assistant", earlier), say("user", user)]
    messages.append(say("assistant", answer, 1.0))
    encoded = encode("s", messages, [7], encoder.chatml)
    assert unicodedata.normalize("NFC", answer) + "<|im_end|>" == trained_text(encoded, encoder.chatml)
    counts = [encoded.input_ids.count(token) for token in (encoder.chatml.im_start, encoder.chatml.im_end)]
    assert counts == [5, 5]
    assert encoded.input_ids.count(encoder.chatml.image_pad) == 7


@QUICK
@given(system=hostile, user=hostile, earlier=hostile, answer=hostile)
def test_construction_and_cross_check_agree(system: str, user: str, earlier: str, answer: str, encoder: Any) -> None:
    """The chat template and a scan of the ids come to the same tokens and labels, assistant turns in a row included."""
    messages = [say("system", system), with_screenshot(user), say("assistant", earlier), say("assistant", answer, 1.0)]
    crosscheck.check("s", messages, [3], encoder.chatml, TEMPLATE)


def test_ordinary_sample_equals_the_chat_template(examples: Any, encoder: Any) -> None:
    """Real samples give the very ids of the tokenizer's own template."""
    for item in examples.items:
        encoded, counts = encoder.tokens(item)
        assert crosscheck.by_template(item.messages, counts, encoder.chatml, TEMPLATE) == encoded.input_ids


def test_another_template_stops_the_run(examples: Any, encoder: Any) -> None:
    """A template that puts in a system prompt of its own is noticed, and the sample is named."""
    item = examples.items[0]
    template = "{{- '<|im_start|>system\nBe helpful.<|im_end|>\n' }}" + TEMPLATE
    with pytest.raises(StageError, match=f"^{item.sample_id}: at token 0|at token") as caught:
        crosscheck.check(item.sample_id, item.messages, encoder.tokens(item)[1], encoder.chatml, template)
    assert item.sample_id == caught.value.where


def test_the_newline_after_a_turn_is_not_trained(encoder: Any) -> None:
    """The last trained token is the end of the turn; the newline after it is frame."""
    encoded = encode("s", [say("user", "x"), say("assistant", "y", 1.0)], [], encoder.chatml)
    assert encoder.chatml.im_end == encoded.labels[-2]
    assert encoded.labels[-1] == IGNORED


def test_weights_stand_at_their_tokens(encoder: Any) -> None:
    """Two trained turns keep their own weights, everything else has none."""
    messages = [say("user", "x"), say("assistant", "y", 0.25), say("user", "z"), say("assistant", "w", 1.0)]
    encoded = encode("s", messages, [], encoder.chatml)
    assert {0.0, 0.25, 1.0} == set(encoded.weights)
    assert [w > 0 for w in encoded.weights] == [label != IGNORED for label in encoded.labels]


@QUICK
@given(pieces=st.lists(st.tuples(hostile, st.sampled_from([0.0, 0.5, 1.0, 2.0])), min_size=1, max_size=6))
def test_weights_within_a_turn_are_those_of_its_characters(pieces: Any, encoder: Any) -> None:
    """Each token has the largest weight of the characters that it holds; ids are those without weights."""
    text = "".join(piece for piece, _ in pieces)
    run = tuple((len(piece), weight) for piece, weight in pieces)
    messages = [say("user", "x"), say("assistant", text, 1.0)]
    encoded = encode("s", messages, [], encoder.chatml, [None, run])
    assert encoded.input_ids == encode("s", messages, [], encoder.chatml).input_ids
    weights = [weight for piece, weight in pieces for _ in piece]
    found = encoded.weights[len(encoded.weights) - 2 - len(encoder.chatml.text_ids(text)) : -2]
    offsets = encoder.chatml.tokenizer(
        text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )["offset_mapping"]
    assert found == [max(weights[begin:end]) for begin, end in offsets]
    assert encoded.weights[-2:] == [1.0, 0.0]


def test_a_sample_without_supervision_is_named(encoder: Any) -> None:
    """All weights 0 would give a loss of NaN; it is an error that names the sample instead."""
    with pytest.raises(InputError, match=r"^s-17: no message has a loss_weight above 0"):
        encode("s-17", [say("user", "x"), say("assistant", "y")], [], encoder.chatml)


def test_only_an_assistant_can_be_trained(encoder: Any) -> None:
    """A weight on a user message is refused, not obeyed."""
    with pytest.raises(InputError, match=r"^s-18: a user message has loss_weight 1\.0, expected 0"):
        encode("s-18", [say("user", "x", 1.0), say("assistant", "y", 1.0)], [], encoder.chatml)


def test_a_tokenizer_that_can_be_forged_is_refused(encoder: Any) -> None:
    """Where a control token is ordinary text to the tokenizer, nothing is trained."""
    from dataclasses import replace

    forged = replace(encoder.chatml, im_end=encoder.chatml.tokenizer.get_vocab()["<tool_call>"])
    with pytest.raises(StageError, match="reads <tool_call> out of plain text"):
        encode("s", [say("user", "<tool_call>"), say("assistant", "y", 1.0)], [], forged)


def test_the_same_text_gives_the_same_tokenizer(dataset: Any) -> None:
    """Learning the built-in tokenizer twice gives the same vocabulary and merges."""
    first, second = (learn(sample.messages for sample in dataset.samples("train")) for _ in range(2))
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()
