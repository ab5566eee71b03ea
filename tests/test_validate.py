"""`gdp validate`: for each thing that can be wrong a dataset with just that, and the check that says so."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import build
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from pipeline.checks import CHECKS, Thresholds, pictures
from pipeline.checks.rules import levels
from pipeline.dataset import Dataset
from pipeline.exceptions import ConfigError
from pipeline.images import decode
from pipeline.layouts import LAYOUTS, render
from pipeline.policy import Prompts
from pipeline.records import ImageRef, Message, Part, Sample, Turn
from pipeline.tables import SCHEMAS, sample_row

Edit = Callable[[Sample], Sample | dict[str, Any]]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Slice two trajectories and add errors: nothing is wrong with them."""
    root = tmp_path_factory.mktemp("good")
    build.back_corpus(root / "in")
    build.sliced(root / "in", root / "sliced", val_fraction=0)
    return build.augmented(root / "sliced", root / "d", rate=0.4)


def refused(tmp_path: Path, dataset: Dataset) -> list[dict[str, Any]]:
    """Validate into a new dataset; return what was refused, having checked the books and that the rest is clean."""
    report = build.validated(Path(dataset.path), tmp_path / "clean")
    clean = Dataset.open(tmp_path / "clean")
    rows = [row for row in build.rows(clean, "rejected") if row["stage"] == "validate"]
    flow = clean.manifest.counts["samples"]
    assert (flow.into, flow.out, flow.rejected) == (
        len(build.rows(dataset, "samples")), len(build.rows(clean, "samples")), len(rows),
    )  # fmt: skip
    assert report.exit_code == (1 if rows else 0)
    assert len(report.refused) == len(rows)
    assert [row["message"] for row in build.validated(Path(dataset.path)).refused] == [row["message"] for row in rows]
    again = build.validated(tmp_path / "clean", tmp_path / "again")
    assert again.findings == 0
    assert build.tree(tmp_path / "clean" / "samples") == build.tree(tmp_path / "again" / "samples")
    return rows


def spoil(tmp_path: Path, good: Dataset, edit: Edit, which: int = -1) -> list[dict[str, Any]]:
    """Spoil one sample and return what is refused."""

    def edits(samples: list[Sample]) -> Iterable[Sample | dict[str, Any]]:
        samples = sorted(samples, key=lambda s: (s.origin != "clean", s.trajectory_id, s.step_index))
        clean = [sample for sample in samples if sample.origin == "clean"]
        chosen = clean[2] if which == -1 else clean[which]
        return [edit(sample) if sample is chosen else sample for sample in samples]

    return refused(tmp_path, build.edited(good, tmp_path / "bad", edits))


def rendered(sample: Sample, *turns: Turn) -> Sample:
    """Return the sample with other turns, everything that follows from them made anew."""
    layout = LAYOUTS[sample.layout]
    messages = render(layout, layout.history, Prompts(), sample.goal, turns)
    target = replace(sample.target, actions=turns[-1].actions)
    return replace(sample, turns=turns, messages=messages, target=target)


def last(sample: Sample, **changes: Any) -> Sample:
    """Change the trained turn."""
    return rendered(sample, *sample.turns[:-1], replace(sample.turns[-1], **changes))


def message(sample: Sample, number: int, **changes: Any) -> Sample:
    """Change one message."""
    messages = list(sample.messages)
    messages[number] = replace(messages[number], **changes)
    return replace(sample, messages=tuple(messages))


def row(sample: Sample, **columns: Any) -> dict[str, Any]:
    """Return the sample's row with other columns, whatever they say."""
    return {**sample_row(sample), **columns}


def ref(sample: Sample, **changes: Any) -> Sample:
    """Change where the last screenshot is said to be."""
    return replace(sample, images=(*sample.images[:-1], replace(sample.images[-1], **changes)))


def moved(point: tuple[float, float]) -> Edit:
    """Move the trained click elsewhere."""
    return lambda sample: last(sample, actions=(replace(sample.turns[-1].actions[0], point=point),))


def reordered(sample: Sample, *steps: int) -> Sample:
    """Keep only these steps, in this order, each with its own screenshot."""
    turns = (replace(sample.turns[step], image=number) for number, step in enumerate(steps))
    return replace(rendered(sample, *turns), images=tuple(sample.images[step] for step in steps))


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


def spoil_image(good: Dataset, tmp_path: Path, change: Callable[[bytes], bytes]) -> list[dict[str, Any]]:
    """Change the bytes of one stored screenshot, the recorded hash with them, and return what is refused."""
    new = ""

    def images(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal new
        data = change(rows[1]["bytes"])
        new = hashlib.sha256(data).hexdigest()
        rows[1] = {**rows[1], "bytes": data, "sha256": new}
        return rows

    def samples(each: list[Sample]) -> list[Sample]:
        def pointed(image: ImageRef) -> ImageRef:
            data = change(build.rows(good, "images")[1]["bytes"])
            return replace(image, sha256=hashlib.sha256(data).hexdigest()) if image.row == 1 else image

        return [replace(sample, images=tuple(map(pointed, sample.images))) for sample in each]

    return refused(tmp_path, build.edited(good, tmp_path / "bad", samples, images=images))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda data: data[: len(data) // 2], "found a picture that cannot be decoded"),
        (lambda data: b"", "found a picture that cannot be decoded"),
        (lambda data: data.replace(b"\xff\xc0", b"\xff\xc7"), "found a picture that cannot be decoded"),
        (lambda data: build.encoded(build.screen(5, 320, 640)), "found 320x640 pixels, expected 352x800"),
        (lambda data: build.encoded(build.screen(5, 352, 800), "GIF"), "found a picture that cannot be decoded"),
    ],
    ids=["truncated", "empty", "unknown coding", "other size", "other format"],
)
def test_a_bad_screenshot_refuses_every_sample_that_shows_it(
    good: Dataset, tmp_path: Path, change: Callable[[bytes], bytes], found: str
) -> None:
    """And no other."""
    showing = {sample.sample_id for sample in good.samples() if any(image.row == 1 for image in sample.images)}
    rows = spoil_image(good, tmp_path, change)
    assert {row["sample_id"] for row in rows} == showing
    assert {row["code"] for row in rows} == {"image_file"}
    assert all(found in row["message"] for row in rows)


def test_without_pixels_no_screenshot_is_looked_at(good: Dataset, tmp_path: Path) -> None:
    """The sizes still are."""
    bad = build.edited(
        good, tmp_path / "bad", lambda each: each, images=lambda rows: [{**row, "bytes": b"x"} for row in rows]
    )
    assert build.validated(tmp_path / "bad").findings == len(list(bad.samples()))
    assert build.validated(tmp_path / "bad", pixels=False).findings == 0


def test_the_val_side_of_a_leak_is_refused(good: Dataset, tmp_path: Path) -> None:
    """One trajectory, or one goal written otherwise, on both sides; the train side stays."""

    def by_trajectory(samples: list[Sample]) -> list[Sample]:
        return [replace(s, split="val" if s.sample_id in {"b0/0000", "b0/0002"} else "train") for s in samples]

    rows = refused(tmp_path / "1", build.edited(good, tmp_path / "1" / "bad", by_trajectory))
    assert [(row["sample_id"], row["code"]) for row in rows] == [("b0/0000", "split"), ("b0/0002", "split")]
    assert "found trajectory 'b0' in train and val" in rows[0]["message"]

    def by_goal(samples: list[Sample]) -> list[Sample]:
        goals = {"b0": "Do it", "b1": "do  IT", "b2": "Do that"}
        changed = []
        for sample in samples:
            named = replace(
                sample, goal=goals[sample.trajectory_id], split="val" if sample.trajectory_id == "b1" else "train"
            )
            changed.append(rendered(named, *named.turns))
        return changed

    rows = refused(tmp_path / "2", build.edited(good, tmp_path / "2" / "bad", by_goal))
    assert {row["trajectory_id"] for row in rows} == {"b1"}
    assert "found goal 'do  IT' in train and val" in rows[0]["message"]


def test_repeated_ids_are_refused(good: Dataset, tmp_path: Path) -> None:
    """Both of them: nobody can say which is meant."""
    rows = refused(tmp_path, build.edited(good, tmp_path / "bad", lambda samples: [*samples, samples[0]]))
    assert [row["sample_id"] for row in rows] == ["b0/0000", "b0/0000"]
    assert {row["code"] for row in rows} == {"repeated_id"}
    assert "more than once" in rows[0]["message"]


def test_an_error_out_of_view_is_refused(good: Dataset, tmp_path: Path) -> None:
    """An error-correction sample whose wrong turn is called normal, or lost its screen."""

    def renamed(samples: list[Sample]) -> list[Sample]:
        chosen = next(s for s in samples if s.error_kind == "tap_dead")
        turns = (*chosen.turns[:-2], replace(chosen.turns[-2], role="normal"), chosen.turns[-1])
        return [rendered(s, *turns) if s is chosen else s for s in samples]

    (row,) = refused(tmp_path, build.edited(good, tmp_path / "bad", renamed))
    assert row["code"] == "error_seen"
    assert "without both its screens in view" in row["message"]


@pytest.mark.parametrize(
    ("kind", "roles", "found"),
    [
        ("noop_twice", ("error", "error", "normal"), "found a decision of the role 'normal'"),
        ("tap_dead", ("error", "recovery"), None),
        ("noop_twice", ("error", "error", "recovery"), None),
    ],
)
def test_an_injected_error_has_the_turns_of_its_kind(
    good: Dataset, tmp_path: Path, kind: str, roles: tuple[str, ...], found: str | None
) -> None:
    """So many wrong turns at most, and then the repair."""

    def renamed(samples: list[Sample]) -> list[Sample]:
        chosen = next(s for s in samples if s.error_kind == kind)
        tail = [replace(turn, role=role) for turn, role in zip(chosen.turns[-len(roles) :], roles, strict=True)]
        return [rendered(s, *s.turns[: -len(roles)], *tail) if s is chosen else s for s in samples]

    rows = refused(tmp_path, build.edited(good, tmp_path / "bad", renamed))
    assert [row["code"] for row in rows] == ["error_turns"] * (found is not None)
    assert all(str(found) in row["message"] for row in rows)


def test_more_wrong_turns_than_the_kind_makes(good: Dataset, tmp_path: Path) -> None:
    """Two dead taps that call themselves one."""

    def renamed(samples: list[Sample]) -> list[Sample]:
        chosen = next(s for s in samples if s.error_kind == "noop_twice")
        return [replace(s, error_kind="tap_dead") if s is chosen else s for s in samples]

    (row,) = refused(tmp_path, build.edited(good, tmp_path / "bad", renamed))
    assert row["code"] == "error_turns"
    assert "found 2 wrong turns before the correction, expected 1 to 1" in row["message"]


def test_the_first_reason_counts_and_the_others_are_told(good: Dataset, tmp_path: Path) -> None:
    """A sample is refused once, however much is wrong with it."""
    (row,) = spoil(tmp_path, good, lambda s: message(last(s, thought=None), 1, loss_weight=1.0))
    assert row["code"] == "trained_turns"
    assert row["message"].endswith("(and 3 more)")


def test_scrolls_pass_whatever_lies_under_them(tmp_path: Path) -> None:
    """The finger path of a scroll starts beside the point that the record names."""
    document = build.trajectory("t", 3)
    document["steps"][1]["actions"] = [
        {"type": "scroll", "point": [0.5, 0.45], "direction": "down", "dy": 400, "unit": "px"}
    ]
    build.write(tmp_path / "in", document)
    for layout in LAYOUTS:
        build.sliced(tmp_path / "in", tmp_path / layout, layout=layout)
        assert build.validated(tmp_path / layout).findings == 0


def test_an_earlier_validation_is_not_told_again(good: Dataset, tmp_path: Path) -> None:
    """Its refused rows are carried along, but the second run refused nothing."""
    spoil(tmp_path, good, lambda s: last(s, thought=None))
    assert build.validated(tmp_path / "clean", tmp_path / "third").refused == ()


def test_a_good_dataset_is_taken_over(good: Dataset, tmp_path: Path) -> None:
    """Samples byte for byte, screenshots by link."""
    build.validated(Path(good.path), tmp_path / "out")
    kept = [replace(sample, flags=()) for sample in Dataset.open(tmp_path / "out").samples()]
    assert kept == list(good.samples())
    for table in ("images", "steps"):
        name = f"{table}/00000.parquet"
        assert (Path(good.path) / name).samefile(tmp_path / "out" / name)


def test_no_screenshot_is_decoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that samples of two shards show."""
    build.corpus(tmp_path / "in", 2)
    dataset = build.sliced(tmp_path / "in", tmp_path / "d", val_fraction=0, shard_size=1)
    borrowed = next(iter(dataset.shard_samples(0))).images[0]
    rows = list(dataset.rows("samples", 1))
    rows[-1]["images"][0] = msgspec.to_builtins(borrowed)
    path = tmp_path / "d" / "samples" / "00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS["samples"]), path, write_page_checksum=True)
    entry = dataset.shard("samples", 1)
    assert entry is not None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    changed = replace(entry, bytes=path.stat().st_size, sha256=digest)
    shards = tuple(changed if shard == entry else shard for shard in dataset.manifest.shards)
    (tmp_path / "d" / "manifest.json").write_bytes(replace(dataset.manifest, shards=shards).to_json())
    seen: list[bytes] = []
    monkeypatch.setattr(pictures, "decode", lambda data: seen.append(data) or decode(data))
    report = build.validated(tmp_path / "d")
    assert {row["code"] for row in report.refused} == {"step_screen"}
    assert len(seen) == len(set(seen)) == sum(len(list(dataset.rows("images", number))) for number in (0, 1))


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        ("turns", "[{", "turns"),
        ("turns", '[{"step_index": 0}]', "found no 'actions'"),
        ("target", '{"step_index": 2, "actions": [{"type": "tap"}]}', 'found "tap"'),
        ("messages", [{"role": "robot", "content": [], "loss_weight": 0.0}], 'found "robot"'),
        ("provenance", "7", "provenance"),
    ],
)
def test_a_row_that_no_reader_takes_for_a_sample(
    good: Dataset, tmp_path: Path, column: str, value: object, found: str
) -> None:
    """It is refused by the schema alone, with its place; the others are checked."""

    def broken(samples: list[Sample]) -> list[Sample | dict[str, Any]]:
        return [row(sample, **{column: value}) if n == 2 else sample for n, sample in enumerate(samples)]

    dataset = build.edited(good, tmp_path / "bad", broken)
    report = build.validated(Path(dataset.path), tmp_path / "clean")
    (only,) = (each for each in build.rows(Dataset.open(tmp_path / "clean"), "rejected") if each["stage"] == "validate")
    assert (only["code"], report.manifest.counts["samples"].rejected) == ("schema", 1)
    assert found in only["where"] + only["message"]
    assert json.loads(only["row"])["sample_id"] == only["sample_id"]
    (told,) = build.validated(Path(dataset.path), levels=levels(("border",), (), ())).refused
    assert told["code"] == "schema"


def test_what_is_wrong_with_the_whole_dataset_fails_as_it_is_told_to(good: Dataset) -> None:
    """It is counted, named with what was found, and refuses no row."""
    limits = Thresholds(correction_share=0.01)
    for severity, error, warning in (("error", 1, 1), ("warning", 0, 1), ("info", 0, 0)):
        chosen = levels(("correction_share",), (), (f"correction_share={severity}",))
        report = build.validated(Path(good.path), levels=chosen, thresholds=limits)
        assert (report.exit_code, report.failing_on("warning").exit_code) == (error, warning)
        assert report.manifest.details["dataset"] == {severity: 1}
        assert "error-correction samples, expected 1% at most" in report.render_text()
        assert report.refused == ()


def test_a_limit_of_tokens_needs_a_tokenizer(good: Dataset) -> None:
    """And the other way round: bytes are no tokens, and without a limit nothing is counted."""
    for alone in ({"max_tokens": 5}, {"tokenizer": "x/y"}):
        with pytest.raises(ConfigError, match="together with"):
            build.validated(Path(good.path), **alone)
