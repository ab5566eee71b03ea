"""`gdp validate`: for each thing that can be wrong a dataset with just that, and the check that says so."""

import json
from pathlib import Path
from typing import Any

import build
import msgspec
import pytest
from msgspec.structs import replace
from spoiling import Edit, clean, last, message, moved, ref, refused, rendered, reordered, row, spoil

from pipeline.checks import CHECKS
from pipeline.checks.rules import levels
from pipeline.records import Message, Part, Sample
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import sample_row


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Trajectories with errors added: nothing is wrong with them."""
    return clean(tmp_path_factory.mktemp("good"))


TEXT = Part("text", text="Hello")


CASES: dict[str, tuple[str, str, Edit]] = {
    "split of its own": ("schema", 'found "test"', lambda s: row(s, split="test")),
    "no hash": ("schema", 'found "abc"', lambda s: ref(s, sha256="abc")),
    "negative row": ("schema", "found -1", lambda s: ref(s, row=-1)),
    "empty id": ("schema", 'found ""', lambda s: replace(s, sample_id="")),
    "no messages": ("schema", "found 0 items", lambda s: row(s, messages=[])),
    "no turns": ("schema", "found 0 items", lambda s: row(s, turns="[]")),
    "weight on a user turn": ("trained_turns", "found trained turns", lambda s: message(s, 1, loss_weight=1.0)),
    "weight on an earlier answer": ("trained_turns", "found trained turns", lambda s: message(s, 3, loss_weight=1.0)),
    "no weight at all": ("trained_turns", "found trained turns []", lambda s: message(s, -1, loss_weight=0.0)),
    "no system turn": ("roles", "found roles user", lambda s: replace(s, messages=s.messages[1:])),
    "ends with the user": ("roles", "found roles", lambda s: replace(s, messages=s.messages[:-1])),
    "an image twice": ("image_order", "found images [0, 1, 1]",
        lambda s: message(s, -2, content=(Part("image", image=1),))),
    "an answer of another hand": ("rendering", "found another text", lambda s: message(s, -1, content=(TEXT,))),
    "another history text": ("rendering", "found another text", lambda s: message(s, 3, content=(TEXT,))),
    "empty text": ("empty_turn", "found an empty text", lambda s: message(s, 1, content=(Part("text", text=" \n"),))),
    "another layout": ("layout", "found 'qwen3-vl', expected 'mai-ui'", lambda s: replace(s, layout="qwen3-vl")),
    "control token in the thought": (
        "control_token", "found text that spells the control token <|im_end|>",
        lambda s: last(s, thought="I stop.<|im_end|> Really."),
    ),
    "control token in the goal": (
        "control_token", "found text that spells the control token <|im_start|>",
        lambda s: rendered(replace(s, goal="Hi<|im_start|>assistant"), *s.turns),
    ),
    "an answer that does not parse": (
        "response", "found a thought that spells", lambda s: row(s, turns=sample_row(s)["turns"].replace(
            "so I tap it", "</thinking>")),
    ),
    "two actions": (
        "response", "found 2 actions", lambda s: row(s, turns=_doubled(s), target=json.dumps(
            {"step_index": 2, "actions": json.loads(_doubled(s))[-1]["actions"]})),
    ),
    "beside the target": ("beside_target", "found the recorded point [0.2, 0.45]", moved((0.2, 0.45))),
    "on the target's right edge": ("beside_target", "found the recorded point [0.7, 0.45]", moved((0.7, 0.45))),
    "off the target on the grid": ("beside_target", "found the rendered point",
        lambda s: replace(s, target=replace(s.target, bbox=(0.4998, 0.4, 0.5002, 0.5)))),
    "target of another action": (
        "target", "found other actions",
        lambda s: replace(s, target=replace(s.target, actions=s.turns[0].actions * 2)),
    ),
    "another step": ("target", "found steps 7, 2 and 2", lambda s: replace(s, step_index=7)),
    "no such row": ("image_file", "found a damaged shard", lambda s: ref(s, row=999)),
    "no such shard": ("image_file", "found a shard that the manifest does not name", lambda s: ref(s, shard=9)),
    "another picture": ("image_file", "found other bytes", lambda s: ref(s, row=1)),
    "another hash": ("image_file", "found other bytes", lambda s: ref(s, sha256="0" * 64)),
    "another width": ("image_file", "found 352x800 pixels, expected 384x800", lambda s: ref(s, width=384)),
    "not the processor's size": ("image_size", "found 353x800, expected 352x800", lambda s: ref(s, width=353)),
    "a strip": ("image_size", "found aspect ratio 800:1", lambda s: ref(s, width=1)),
    "too many": (
        "image_budget", "found 4 screenshots, expected at most 3",
        lambda s: replace(s, images=(*s.images, s.images[0]), messages=_with_image(s)),
    ),
    "a step is missing": ("history_steps", "found steps [1] before the decision", lambda s: reordered(s, 1, 2)),
    "steps in another order": ("history_steps", "found steps [1, 0]", lambda s: reordered(s, 1, 0, 2)),
    "the instruction is missing": (
        "goal", "found no user turn with the goal", lambda s: replace(s, goal="Fly away"),
    ),
    "a screenshot is missing": (
        "history_screens", "found screenshots on turns [1, 2], expected them on [0, 1, 2]",
        lambda s: replace(rendered(s, replace(s.turns[0], image=None), *(
            replace(t, image=t.image - 1) for t in s.turns[1:])), images=s.images[1:]),
    ),
    "no thought": ("thought", "found no thought", lambda s: last(s, thought=None)),
    "a thought of spaces": ("thought", "found no thought", lambda s: last(s, thought=" \n ")),
}  # fmt: skip


RENDERED = {"rendering"}


ALSO = {  # where one wrong thing cannot but show in several checks
    "weight on a user turn": RENDERED,
    "weight on an earlier answer": RENDERED,
    "no weight at all": RENDERED,
    "no system turn": RENDERED,
    "ends with the user": {"rendering", "trained_turns"},
    "an image twice": RENDERED,
    "an answer of another hand": {"response"},
    "empty text": {"goal", "rendering"},
    "another hash": {"step_screen"},
    "another width": {"image_tokens", "turn_size"},
    "not the processor's size": {"image_file", "turn_size"},
    "a strip": {"image_file", "image_tokens", "turn_size"},
    "too many": {"image_order", "image_tokens", "rendering"},
    "a step is missing": {"image_tokens"},
    "the instruction is missing": RENDERED,
    "a screenshot is missing": {"image_tokens"},
}


def _doubled(sample: Sample) -> str:
    turns = json.loads(sample_row(sample)["turns"])
    turns[-1]["actions"] *= 2
    return json.dumps(turns)


def _with_image(sample: Sample) -> tuple[Message, ...]:
    extra = Message("user", (Part("image", image=len(sample.images)),))
    return (*sample.messages[:-1], extra, sample.messages[-1])


def test_nothing_is_wrong_with_the_good_one(good: Dataset, tmp_path: Path) -> None:
    """Clean and error-correction samples alike."""
    assert refused(tmp_path, good) == []
    assert {sample.error_kind for sample in good.samples()} == {None, "tap_dead", "noop_twice", "accidental_back"}
    assert refused(tmp_path / "copy", build.edited(good, tmp_path / "copied", lambda samples: samples)) == []


@pytest.mark.parametrize("case", CASES)
def test_one_wrong_thing_is_found_by_its_check(good: Dataset, tmp_path: Path, case: str) -> None:
    """Only that sample is refused; its row is kept whole, with place and reason."""
    code, found, edit = CASES[case]
    (found_row,) = spoil(tmp_path, good, edit)
    checks = {code, *ALSO.get(case, ())}
    assert found_row["code"] == min(checks, key=list(CHECKS).index), found_row["message"]
    assert set(Dataset.open(tmp_path / "clean").manifest.details["errors"]) == checks
    (alone,) = build.validated(tmp_path / "bad", levels=levels((code,), (), ())).refused
    assert found in alone["message"]
    assert ", expected " in found_row["message"]
    written = next(row for n, row in enumerate(build.rows(Dataset.open(tmp_path / "bad"), "samples")) if n == 2)
    kept = json.loads(found_row["row"])
    assert kept["messages"] == json.loads(msgspec.json.encode(_messages(written)))
    assert kept["sample_id"] == written["sample_id"] == found_row["sample_id"]
    assert found_row["where"].startswith(f"samples/00000.parquet[2] {written['sample_id']} $")
    assert kept["turns"] == json.loads(written["turns"])


def _messages(written: dict[str, Any]) -> list[Message]:
    return [
        Message(m["role"], tuple(Part(**part) for part in m["content"]), m["loss_weight"]) for m in written["messages"]
    ]
