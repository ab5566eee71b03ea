"""How trajectories are cut: windows and sub-tasks, limits of the history, the token budget; each decision once."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import build
import pytest
from msgspec.structs import replace

from pipeline.exceptions import ConfigError, InputError
from pipeline.layouts import LAYOUTS, render
from pipeline.records import Sample
from pipeline.slice import SliceConfig
from pipeline.slicing.policy import Prompts
from pipeline.slicing.token_count import counter, most_tokens
from pipeline.storage.dataset import Dataset

AT = "t/trajectory.json: $.steps"


def one(tmp_path: Path, document: dict[str, Any], **config: Any) -> Dataset:
    """Slice a single trajectory and hold the result to what every mode promises."""
    build.write(tmp_path / "in", document)
    return checked(build.sliced(tmp_path / "in", tmp_path / "out", **config))


def checked(dataset: Dataset) -> Dataset:
    """Each decision is trained or refused, never both; the books add up; validate finds nothing."""
    samples, refused = list(dataset.samples()), build.rows(dataset, "rejected")
    manifest = dataset.manifest
    trained = {(sample.trajectory_id, step) for sample in samples for step in learned(sample)}
    dropped = [(row["trajectory_id"], row["step_index"]) for row in refused if row["scope"] != "trajectory"]
    assert len(set(dropped)) == len(dropped)
    assert not trained & set(dropped)
    flow = manifest.counts["samples"]
    if manifest.slicing.mode == "window":
        decisions = manifest.counts["decisions"]
        assert (decisions.into, decisions.out, decisions.rejected) == (
            len(trained) + len(dropped), len(trained), len(dropped),
        )  # fmt: skip
        assert (flow.into, flow.out, flow.rejected) == (len(samples), len(samples), 0)
        assert {row["scope"] for row in refused} <= {"decision"}
    else:
        assert "decisions" not in manifest.counts
        assert (flow.into, flow.out) == (len(trained) + len(dropped), len(samples)) == (flow.into, len(trained))
    assert manifest.rejected == dict(Counter(row["code"] for row in refused))
    if samples:
        assert build.validated(Path(dataset.path)).findings == 0
    return dataset


def learned(sample: Sample) -> list[int]:
    """Return the steps that the sample trains, having checked that turns, messages and targets say the same."""
    steps = [turn.step_index for turn in sample.turns if turn.loss_weight > 0]
    assert [target.step_index for target in (*sample.earlier_targets, sample.target)] == steps
    assert sum(message.loss_weight > 0 for message in sample.messages) == len(steps)
    assert sample.messages[-1].loss_weight == 1
    assert sample.step_index == steps[-1] == sample.turns[-1].step_index
    return steps


def codes(dataset: Dataset) -> list[tuple[str, str]]:
    """Return place and code of what was refused."""
    return [(row["where"], row["code"]) for row in build.rows(dataset, "rejected")]


def shown(sample: Sample) -> list[int]:
    """Return the steps whose screenshots the sample shows."""
    return [turn.step_index for turn in sample.turns if turn.image is not None]


def test_windows_train_every_right_turn(tmp_path: Path) -> None:
    """Each on its own screenshot, what came before in words; overlapping as the stride says."""
    dataset = one(tmp_path, build.trajectory("t", 7), mode="window", window=3, stride=2)
    samples = list(dataset.samples())
    assert [learned(sample) for sample in samples] == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]
    assert [shown(sample) for sample in samples] == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]
    assert [sample.turns[0].step_index for sample in samples] == [0, 0, 0]
    assert [sample.sample_id for sample in samples] == ["t/0000-0002", "t/0002-0004", "t/0004-0006"]
    assert samples[1].provenance == {"file": "t/trajectory.json", "window": "2-4"}
    assert [target.bbox for target in samples[2].earlier_targets] == [(0.3, 0.4, 0.7, 0.5)] * 2
    assert dataset.manifest.contract.history.image_window == 3
    assert dataset.manifest.slicing.stride == 2


@pytest.mark.parametrize("layout", ["mai-ui", "qwen3-vl"])
def test_a_window_says_what_single_samples_say(tmp_path: Path, layout: str) -> None:
    """The trained answers of a window are, word for word, those of the samples of its decisions, thoughts included."""
    build.write(tmp_path / "in", build.trajectory("t", 6))
    single = build.sliced(tmp_path / "in", tmp_path / "single", layout=layout)
    answers = {sample.step_index: sample.messages[-1] for sample in single.samples()}
    windows = checked(build.sliced(tmp_path / "in", tmp_path / "w", layout=layout, mode="window", window=4, stride=1))
    for sample in windows.samples():
        said = [message for message in sample.messages if message.loss_weight > 0]
        assert said == [answers[step] for step in learned(sample)]


def test_wrong_turns_stand_in_windows_without_loss(tmp_path: Path) -> None:
    """In every window in which they stand; a window never ends with one."""
    document = build.trajectory("t", 8)
    document["steps"][2]["label"] = {"role": "error"}
    document["steps"][5]["label"] = {"correct": False}
    dataset = one(tmp_path, document, mode="window", window=3, stride=1)
    samples = list(dataset.samples())
    assert [learned(sample) for sample in samples] == [[0, 1], [1, 3], [3, 4], [4, 6], [6, 7]]
    assert [shown(sample) for sample in samples] == [[0, 1], [1, 2, 3], [2, 3, 4], [4, 5, 6], [5, 6, 7]]
    assert codes(dataset) == [(f"{AT}[2]", "labelled_error"), (f"{AT}[5]", "labelled_error")]


def test_validate_refuses_a_wrong_turn_that_is_trained(tmp_path: Path) -> None:
    """And a window whose targets are not those of its trained turns."""
    document = build.trajectory("t", 3)
    document["steps"][1]["label"] = {"role": "error"}
    good = one(tmp_path, document, mode="window", window=3)
    (sample,) = good.samples()
    turns = (sample.turns[0], replace(sample.turns[1], loss_weight=1.0), sample.turns[2])
    layout, contract = LAYOUTS["mai-ui"], good.manifest.contract
    trained = replace(sample, turns=turns, messages=render(layout, contract.history, Prompts(), sample.goal, turns))
    for number, (bad, messages) in enumerate(
        (
            (trained, ("found a loss weight on a turn of role error, expected 0",)),
            (replace(sample, earlier_targets=()), ("found targets of steps [], expected those trained, [0]",)),
            (replace(sample, provenance={}), ("found no steps that the window is about, expected first-last",)),
        )
    ):
        build.edited(good, tmp_path / f"bad{number}", lambda _, bad=bad: [bad])  # type: ignore[misc]
        report = build.validated(tmp_path / f"bad{number}")
        found = [each for examples in report.manifest.details["examples"].values() for each in examples]
        assert len(report.refused) == 1
        assert all(any(message in each for each in found) for message in messages), found


def test_what_cannot_be_said_or_seen_ends_a_window(tmp_path: Path) -> None:
    """A step without its screenshot costs itself, one that cannot be said all that would tell it."""
    document = build.trajectory("t", 9)
    document["steps"][6]["actions"] *= 2
    build.write(tmp_path / "in", document)
    (tmp_path / "in" / "t" / "2.png").unlink()
    dataset = checked(build.sliced(tmp_path / "in", tmp_path / "out", mode="window", window=4))
    assert [learned(sample) for sample in dataset.samples()] == [[0, 1], [3, 4, 5]]
    assert [shown(sample) for sample in dataset.samples()] == [[0, 1], [3, 4, 5]]
    assert codes(dataset) == [
        (f"{AT}[2]", "image_missing"), (f"{AT}[6]", "inexpressible"), (f"{AT}[7]", "history_inexpressible"),
        (f"{AT}[8]", "history_inexpressible"),
    ]  # fmt: skip
    short = checked(build.sliced(tmp_path / "in", tmp_path / "short", mode="window", window=4, max_history=1))
    assert [learned(sample) for sample in short.samples()] == [[0, 1], [3, 4, 5], [8]]


@pytest.mark.parametrize("mode", ["step", "window"])
def test_a_step_told_in_words_needs_no_call(tmp_path: Path, mode: str) -> None:
    """It costs itself and the decisions that show it as an answer; all its actions are in the words of later ones."""
    document = build.trajectory("t", 9)
    document["steps"][2]["actions"] = [*document["steps"][2]["actions"], {"type": "type", "text": "plan"}]
    document["steps"][2]["text"]["instruction"] = None
    build.write(tmp_path / "in", document)
    options: dict[str, Any] = {"window": 3} if mode == "window" else {"history_images": 3}
    dataset = checked(build.sliced(tmp_path / "in", tmp_path / "out", layout="qwen3-vl", mode=mode, **options))
    lost = [(f"{AT}[2]", "inexpressible")]
    if mode == "step":
        lost += [(f"{AT}[3]", "history_inexpressible"), (f"{AT}[4]", "history_inexpressible")]
    assert codes(dataset) == lost
    for sample in dataset.samples():
        if sample.step_index > 2:
            assert 'Step 3: Tap "Open 2", then type “plan”; ' in str([part.text for part in sample.messages[1].content])
    if mode == "step":
        augmented = build.augmented(Path(dataset.path), tmp_path / "a", rate=0.5)
        assert build.validated(Path(augmented.path)).findings == 0
    kept = checked(build.sliced(tmp_path / "in", tmp_path / "mai", layout="mai-ui", mode=mode, **options))
    assert {step for sample in kept.samples() for step in learned(sample)} == {0, 1}, "as answers they need one"


def test_a_reply_in_place_of_a_screenshot(tmp_path: Path) -> None:
    """A window that starts with one shows the screen before, which the decision is taken on."""
    document = build.trajectory("t", 6)
    document["steps"][2]["inbound"] = [{"kind": "user_reply", "text": "The blue one"}]
    dataset = one(tmp_path, document, mode="window", window=2, stride=2)
    assert [learned(sample) for sample in dataset.samples()] == [[0, 1], [2, 3], [4, 5]]
    assert [shown(sample) for sample in dataset.samples()] == [[0, 1], [1, 3], [4, 5]]


@pytest.mark.parametrize(("mode", "first"), [("step", [0, 0, 0, 1, 2, 3]), ("window", [0, 0, 2])])
def test_the_history_is_limited(tmp_path: Path, mode: str, first: list[int]) -> None:
    """Older steps are left out altogether; decisions with too little before them are set aside."""
    dataset = one(tmp_path, build.trajectory("t", 6), mode=mode, max_history=2, history_images=None)
    assert [sample.turns[0].step_index for sample in dataset.samples()] == (first if mode == "step" else [0, 1])
    assert dataset.manifest.contract.history.image_window == 3
    later = checked(build.sliced(tmp_path / "in", tmp_path / "later", mode=mode, min_history=2, max_history=2))
    assert sorted({step for sample in later.samples() for step in learned(sample)}) == [2, 3, 4, 5]
    assert codes(later) == [(f"{AT}[0]", "short_history"), (f"{AT}[1]", "short_history")]


def test_subtasks_by_goal(tmp_path: Path) -> None:
    """Steps in a row with the same sub-goal are told among themselves, and stand on the side of their trajectory."""
    for number in range(4):
        document = build.trajectory(f"t{number}", 6, first_screen=number * 10)
        for step, text in zip(
            document["steps"], ("Open  it", "Open it", None, "Fill it", "Fill it", "Open it"), strict=True
        ):
            step["subgoal"] = text
        build.write(tmp_path / "in", document)
    dataset = checked(build.sliced(tmp_path / "in", tmp_path / "out", mode="subtask", val_fraction=0.5))
    told = {
        sample.step_index: (sample.goal, [turn.step_index for turn in sample.turns], sample.provenance["subtask"])
        for sample in dataset.samples()
        if sample.trajectory_id == "t1"
    }
    assert told == {
        0: ("Open it", [0], "0-1"), 1: ("Open it", [0, 1], "0-1"), 3: ("Fill it", [3], "3-4"),
        4: ("Fill it", [3, 4], "3-4"), 5: ("Open it", [5], "5-5"),
    }  # fmt: skip
    assert {code for _, code in codes(dataset)} == {"no_subtask"}
    assert {sample.split for sample in dataset.samples() if sample.goal == "Open it"} == {"train", "val"}
    assert all(sample.goal in str(sample.messages) for sample in dataset.samples())
    assert not any("Do the task" in str(sample.messages) for sample in dataset.samples())


def test_subtasks_by_milestones(tmp_path: Path) -> None:
    """What leads up to a milestone, its goal what the milestone's instruction says; without one there is no goal."""
    document = build.trajectory("t", 7)
    for index, text in ((1, "Open the settings"), (3, None), (5, "Switch it on")):
        document["steps"][index]["milestone"] = True
        document["steps"][index]["text"]["instruction"] = text
    dataset = one(tmp_path, document, mode="subtask")
    assert [(sample.goal, sample.turns[0].step_index, sample.step_index) for sample in dataset.samples()] == [
        ("Open the settings", 0, 0), ("Open the settings", 0, 1), ("Switch it on", 4, 4), ("Switch it on", 4, 5),
    ]  # fmt: skip
    assert [place for place, _ in codes(dataset)] == [f"{AT}[2]", f"{AT}[3]", f"{AT}[6]"]


def size(sample: Sample) -> int:
    """Return the sample's tokens where a byte of text counts as one."""
    return counter(None, 32).sample(sample.messages, sample.images)


@pytest.mark.parametrize("layout", ["mai-ui", "qwen3-vl"])
def test_the_budget_shrinks_the_history_in_order(tmp_path: Path, layout: str) -> None:
    """First screenshots, then steps, the oldest first, no more than needed; what cannot fit is refused."""
    build.write(tmp_path / "in", build.trajectory("t", 8))
    free = {
        s.step_index: s
        for s in build.sliced(tmp_path / "in", tmp_path / "f", layout=layout, history_images=3).samples()
    }
    before: dict[int, tuple[int, int]] = {}
    for most in range(max(map(size, free.values())) + 1, 800, -180):
        out = tmp_path / str(most)
        dataset = checked(build.sliced(tmp_path / "in", out, layout=layout, history_images=3, max_tokens=most))
        shortened: Counter[str] = Counter()
        for sample in dataset.samples():
            full, step = free[sample.step_index], sample.step_index
            assert size(sample) <= most
            told = (len(shown(sample)), len(sample.turns))
            assert told <= before.get(step, told), "a smaller budget never shows more"
            before[step] = told
            fuller = (len(shown(full)), len(full.turns))
            assert told == fuller or size(full) > most, "nothing is left out that fits"
            assert len(sample.turns) == len(full.turns) or len(shown(sample)) == 1, "screenshots go before steps"
            expected = {"file": "t/trajectory.json"}
            if told[0] < fuller[0]:
                expected["screenshots"] = f"{told[0]} of {fuller[0]}"
            if told[1] < fuller[1]:
                expected["steps"] = f"{told[1] - 1} of {fuller[1] - 1}"
            assert sample.provenance == expected
            shortened.update(expected.keys() - {"file"})
        for row in build.rows(dataset, "rejected"):
            assert row["code"] == "too_long"
            found = re.match(r"found up to (\d+) tokens", row["message"])  # an upper bound, and called one
            assert found
            assert int(found[1]) > most
            assert f"expected at most {most} (bytes were counted" in row["message"]
        assert dataset.manifest.details["shortened"] == dict(sorted(shortened.items()))
        assert dataset.manifest.slicing.max_tokens == most
    assert any(turns < step for step, (_, turns) in before.items()), "the smallest budgets left out steps"


def test_windows_within_the_budget(tmp_path: Path) -> None:
    """A window that is too large becomes several; no decision is lost that fits alone."""
    build.write(tmp_path / "in", build.trajectory("t", 8))
    free = build.sliced(tmp_path / "in", tmp_path / "free", mode="window", window=4)
    largest = max(map(size, free.samples()))
    seen = []
    for most in (largest, largest - 1, largest - 600, 2600, 2300, 1000):
        dataset = checked(build.sliced(tmp_path / "in", tmp_path / str(most), mode="window", window=4, max_tokens=most))
        assert all(size(sample) <= most for sample in dataset.samples())
        seen.append([learned(sample) for sample in dataset.samples()])
    assert seen[0] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(seen[1]) == 3
    assert [sorted({step for window in windows for step in window}) for windows in seen[:4]] == [list(range(8))] * 4
    assert seen[-1] == []


def test_no_text_has_more_tokens_than_counted() -> None:
    """Characters that composing takes apart count for what they become."""
    assert most_tokens("Open") == 4
    assert most_tokens("打开") == 6
    assert most_tokens("\u0958") == 6  # composition excluded: two characters in NFC
    assert most_tokens("e\u0301") == 3  # one character in NFC, but no fewer bytes count


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"mode": "all"}, "--mode: found 'all', expected one of step, window, subtask"),
        ({"window": 3}, "--window: found it with --mode step, expected --mode window"),
        ({"mode": "subtask", "stride": 3}, "--stride: found it with --mode subtask, expected --mode window"),
        ({"mode": "window", "window": 3, "stride": 4}, "--stride: found 4, expected at most --window 3"),
        ({"mode": "window", "stride": 4}, "--stride: found 4, expected at most --window 3"),
        ({"mode": "window", "history_images": 2}, "--history-images: found it with --mode window"),
        ({"min_history": 3, "max_history": 2}, "--min-history: found 3, expected at most --max-history 2"),
        ({"mode": "window", "window": 0}, "--window: found 0, expected at least 1"),
        ({"max_tokens": 0}, "--max-tokens: found 0, expected at least 1"),
        ({"min_history": -1}, "--min-history: found -1, expected at least 0"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together(bad: dict[str, Any], message: str) -> None:
    """One line names the option."""
    with pytest.raises(ConfigError) as caught:
        SliceConfig(**bad)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("mode", ["window", "subtask"])
def test_errors_are_added_to_single_decisions_only(tmp_path: Path, mode: str) -> None:
    """A dataset cut otherwise is refused with one line."""
    document = build.trajectory("t", 4)
    document["steps"][0]["subgoal"] = "Begin"
    dataset = one(tmp_path, document, mode=mode)
    with pytest.raises(InputError, match=f"found samples cut with --mode {mode}, expected one for each decision"):
        build.augmented(Path(dataset.path), tmp_path / "augmented")


def test_errors_keep_to_the_budget_and_the_limit(tmp_path: Path) -> None:
    """Error samples are no longer than the others, and tell no more of the past."""
    build.back_corpus(tmp_path / "in")
    free = build.augmented(Path(build.sliced(tmp_path / "in", tmp_path / "s").path), tmp_path / "free", rate=0.5)
    assert any(sample.origin == "error_correction" for sample in free.samples())
    most = sorted(map(size, free.samples()))[len(list(free.samples())) // 3]
    sliced = checked(build.sliced(tmp_path / "in", tmp_path / "b", max_tokens=most, max_history=4))
    dataset = build.augmented(Path(sliced.path), tmp_path / "augmented", rate=0.5)
    errors = [sample for sample in dataset.samples() if sample.origin == "error_correction"]
    assert errors
    assert all(size(sample) <= most and len(sample.turns) <= 5 for sample in dataset.samples())
    assert build.validated(Path(dataset.path)).findings == 0
    counts = json.dumps(dataset.manifest.details)
    assert "too_long" in counts or any("screenshots" in sample.provenance for sample in errors)
