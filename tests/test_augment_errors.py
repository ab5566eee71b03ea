"""`gdp augment-errors`: the wrong turn is shown, the correction trained; rates hold; nothing is added twice."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import build
import pytest

from pipeline.augment_errors import AugmentConfig, choose_kinds, read_weights
from pipeline.errors import KINDS
from pipeline.exceptions import ConfigError
from pipeline.records import Sample
from pipeline.report import NEEDING_NO_ELEMENTS, StageReport
from pipeline.storage.dataset import Dataset


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slice twelve trajectories of six steps, some in Chinese, and three with recorded steps back."""
    root = tmp_path_factory.mktemp("augment")
    for number in range(12):
        document = build.trajectory(f"t{number:02d}", 6, first_screen=100 + number * 10)
        if number % 3 == 0:
            document.update(goal=f"打开第{number}项", lang="zh")
        build.write(root / "in", document)
    build.back_corpus(root / "in")
    build.sliced(root / "in", root / "d", val_fraction=0.2)
    return root / "d"


@pytest.fixture(scope="module")
def augmented(source: Path) -> Dataset:
    """Augment with as many errors as can be made."""
    kinds = ("labelled", "tap_dead", "accidental_back")
    return build.augmented(source, source.parent / "all", rate=0.5, kinds=kinds)


def errors(dataset: Dataset, kind: str | None = None) -> list[Sample]:
    """Return the error-correction samples, of one kind or all."""
    return [s for s in dataset.samples() if s.origin == "error_correction" and kind in (None, s.error_kind)]


def test_the_wrong_turn_is_shown_and_the_correction_trained(augmented: Dataset) -> None:
    """The wrong turn is shown and the correction trained."""
    assert {sample.error_kind for sample in errors(augmented)} == {"tap_dead", "accidental_back"}
    for sample in errors(augmented):
        *_, wrong, right = sample.turns
        assert (wrong.role, right.role) == ("error", "recovery")
        assert [turn.loss_weight for turn in sample.turns] == [0.0] * (len(sample.turns) - 1) + [1.0]
        assert [message.loss_weight for message in sample.messages] == [0.0] * (len(sample.messages) - 1) + [1.0]
        assert sample.target.actions == right.actions
        assert wrong.image == len(sample.images) - 2
        assert right.image == len(sample.images) - 1
        shown = sample.messages[-1].content[0].text or ""
        assert right.thought in shown
        assert wrong.thought in (sample.messages[-3].content[0].text or "")


def test_the_screens_are_those_that_the_device_would_show(source: Path, augmented: Dataset) -> None:
    """The screens are those that the device would show."""
    recorded = {(row["trajectory_id"], row["step_index"]): row for row in build.rows(augmented, "steps")}
    for sample in errors(augmented):
        decision = int(sample.sample_id.rsplit("/", 1)[1].split("+")[0])
        before, after = sample.images[-2], sample.images[-1]
        at = recorded[sample.trajectory_id, decision]["image"]
        assert before.sha256 == at["sha256"]
        if sample.error_kind == "tap_dead":
            assert after == before
        else:
            assert after.sha256 == recorded[sample.trajectory_id, decision - 1]["image"]["sha256"] != before.sha256
        assert augmented.image(after) == Dataset.open(source).image(after)


def test_thoughts_are_in_the_language_of_the_goal(augmented: Dataset) -> None:
    """Thoughts are in the language of the goal."""
    languages = Counter()
    for sample in errors(augmented):
        languages[sample.lang] += 1
        for turn in sample.turns[-2:]:
            assert any("\u3400" <= c <= "\u9fff" for c in turn.thought or "") is (sample.lang == "zh")
        target = sample.turns[-1]
        aimed = f"Open {_screen_of(sample, target.step_index)}"
        assert aimed in (target.thought or "")
        assert not any(f"{number}" in (target.thought or "") for number in (499, 500, 450, 0.45, 0.5))
    assert min(languages["en"], languages["zh"]) > 3


def _screen_of(sample: Sample, step_index: int) -> int:
    number = int(sample.trajectory_id[1:])
    if sample.trajectory_id.startswith("b"):
        return number * 10 + (0, 1, 0, 1, 2, 3)[step_index]
    return 100 + number * 10 + step_index


def test_back_needs_proof(source: Path, augmented: Dataset) -> None:
    """Only where a recording went back between exactly these screens."""
    found = {(sample.trajectory_id, sample.sample_id[-20:]) for sample in errors(augmented, "accidental_back")}
    assert {name for name, _ in found} <= {"b0", "b1", "b2"}
    details = augmented.manifest.details["accidental_back"]
    assert details["refused: back_is_right"] == 3
    assert details["truthful"] == 3  # step 3 of each; at step 1 Back is the recorded decision, so no slip
    assert details["considered"] == details["truthful"] + sum(
        n for key, n in details.items() if key.startswith("refused")
    )


@pytest.mark.parametrize("change", [{"app": "Other"}, {"app": None}, {"pixels": True}, {"forward": True}])
def test_one_fact_unproves_back(tmp_path: Path, change: dict[str, Any]) -> None:
    """One fact unproves back."""
    build.back_corpus(tmp_path / "in")
    build.sliced(tmp_path / "in", tmp_path / "whole")
    whole = build.augmented(tmp_path / "whole", tmp_path / "whole_out", rate=0.5, kinds=("accidental_back",))
    assert len(errors(whole)) == 3
    for folder in (tmp_path / "in").iterdir():
        file = folder / "trajectory.json"
        document = json.loads(file.read_text())
        second = document["steps"][2]
        if "app" in change:  # the screen to which Back led is another app's, as far as is known
            second["observation"]["app"] = change["app"]
        if "pixels" in change:  # the page to go back from shows something else this time
            picture = build.screen(900 + int(folder.name[1:]))
            picture.save(folder / "900.png")
            document["steps"][3]["observation"]["image"]["path"] = "900.png"
        if "forward" in change:  # it was a tap that led there, no Back
            document["steps"][1]["actions"] = [{"type": "click", "point": [0.5, 0.45]}]
        file.write_text(json.dumps(document))
    build.sliced(tmp_path / "in", tmp_path / "d")
    assert errors(build.augmented(tmp_path / "d", tmp_path / "out", rate=0.5, kinds=("accidental_back",))) == []


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25, 0.35])
def test_the_rate_is_the_share_of_error_samples(source: Path, tmp_path: Path, rate: float) -> None:
    """The rate is the share of error samples."""
    dataset = build.augmented(source, tmp_path / "out", rate=rate)
    samples = list(dataset.samples())
    assert len(errors(dataset)) == pytest.approx(rate * len(samples), abs=0.5)
    flow = dataset.manifest.counts["samples"]
    assert (flow.into, flow.added, flow.out, flow.rejected) == (90, len(samples) - 90, len(samples), 0)
    assert dataset.manifest.details["origin"] == dict(Counter(sample.origin for sample in samples))
    assert dataset.manifest.splits == dict(Counter(sample.split for sample in samples))
    made = {kind: dataset.manifest.details[kind].get("made", 0) for kind in KINDS}
    assert made == {kind: len(errors(dataset, kind)) for kind in made}


def test_clean_samples_stay_as_they_are(source: Path, augmented: Dataset) -> None:
    """One error for each decision at most; the split is that of the trajectory."""
    clean = {sample.sample_id: sample for sample in Dataset.open(source).samples()}
    found = {sample.sample_id: sample for sample in augmented.samples()}
    assert {key: found[key] for key in clean} == clean
    decisions = Counter(sample.sample_id.split("+")[0] for sample in errors(augmented))
    assert set(decisions.values()) == {1}
    sides = {sample.trajectory_id: sample.split for sample in clean.values()}
    assert all(sides[sample.trajectory_id] == sample.split for sample in found.values())


def test_screenshots_are_taken_over_not_written(source: Path, augmented: Dataset) -> None:
    """Screenshots are taken over not written."""
    for table in ("images", "steps", "rejected"):
        one, other = (Path(folder) / table / "00000.parquet" for folder in (source, augmented.path))
        assert one.stat().st_ino == other.stat().st_ino


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_again_on_its_own_output_adds_nothing(source: Path, tmp_path: Path, rate: float) -> None:
    """Again on its own output adds nothing."""
    once = build.augmented(source, tmp_path / "once", rate=rate)
    twice = build.augmented(tmp_path / "once", tmp_path / "twice", rate=rate)
    assert list(twice.samples()) == list(once.samples())
    assert twice.manifest.counts["samples"].added == 0


def test_another_seed_draws_other_places_and_words(source: Path, tmp_path: Path) -> None:
    """Another seed draws other places and words."""
    runs = {
        name: build.augmented(source, tmp_path / name, rate=0.1, seed=seed)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    }
    assert build.tree(tmp_path / "a") == build.tree(tmp_path / "b")
    assert {s.sample_id for s in errors(runs["a"])} != {s.sample_id for s in errors(runs["c"])}


def test_only_the_wanted_kinds(source: Path, tmp_path: Path) -> None:
    """Only the wanted kinds."""
    assert choose_kinds((), ()) == tuple(KINDS)
    assert choose_kinds(("accidental_back", "labelled"), ()) == ("labelled", "accidental_back")
    assert choose_kinds((), ("labelled",)) == tuple(KINDS)[1:]
    for wanted, excluded in ((("typo",), ()), ((), ("typo",)), (("labelled",), ("labelled",))):
        with pytest.raises(ConfigError, match=r"found .*, expected "):
            choose_kinds(wanted, excluded)
    only = build.augmented(source, tmp_path / "out", rate=0.5, kinds=("accidental_back",))
    assert {sample.error_kind for sample in errors(only)} == {"accidental_back"}


def test_what_is_said_of_kinds_weights_and_depth() -> None:
    """One clear line each."""
    with pytest.raises(ConfigError, match=r"--kind: found 'typo', expected one of labelled, mined_noop, .*popup_real"):
        choose_kinds(("typo",), ())
    assert read_weights(("wrong_element=2", "tap_dead=0.5")) == {"wrong_element": 2.0, "tap_dead": 0.5}
    for text in ("tap_dead", "tap_dead=", "tap_dead=much"):
        with pytest.raises(ConfigError, match=r"--weight: found .*, expected KIND=W"):
            read_weights((text,))
    for weights in ({"typo": 1.0}, {"tap_dead": -1.0}, {"tap_dead": float("nan")}, {"tap_dead": float("inf")}):
        with pytest.raises(ConfigError, match="--weight: found"):
            AugmentConfig(weights=weights)
    for depth in (0, 3):
        with pytest.raises(ConfigError, match=r"--max-errors: found .*, expected 1 or 2"):
            AugmentConfig(max_errors=depth)


def test_one_wrong_turn_at_most(source: Path, tmp_path: Path) -> None:
    """Then nothing is done twice, and the report says why."""
    dataset = build.augmented(source, tmp_path / "out", rate=0.5, max_errors=1)
    assert not errors(dataset, "noop_twice")
    assert dataset.manifest.details["noop_twice"]["refused: more_errors_than_wanted"] > 0
    assert errors(build.augmented(source, tmp_path / "two", rate=0.5), "noop_twice")


def test_without_elements_the_report_names_the_kinds_that_cannot_fire(tmp_path: Path) -> None:
    """And a rate that is much is told to be."""
    for number in range(3):
        document = build.trajectory(f"t{number}", 5, first_screen=10 * number)
        for step in document["steps"]:
            del step["observation"]["elements"]
        build.write(tmp_path / "in", document)
    build.sliced(tmp_path / "in", tmp_path / "d")
    report = StageReport.of(build.augmented(tmp_path / "d", tmp_path / "out", rate=0.4)).render_text()
    hint = next(line for line in report.splitlines() if "no screen has observation.elements" in line)
    assert {"tap_dead", "tap_label", "tap_near_miss", "noop_twice", "wait_needless"} <= set(re.findall(r"\w+", hint))
    assert "warning: a rate of 0.4 is much" in report
    assert errors(Dataset.open(tmp_path / "out")) == []


def test_what_stays_the_same_need_not_have_failed(tmp_path: Path) -> None:
    """Real steps after which nothing changes, and rightly so, are kept, and counted beside the failed ones."""
    document = build.trajectory("t", 6)
    document["steps"][2]["actions"] = [{"type": "wait"}]
    document["steps"][3]["observation"]["image"]["path"] = "2.png"
    build.write(tmp_path / "in", document)
    build.sliced(tmp_path / "in", tmp_path / "d")
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0.3)
    failed = sum(KINDS[sample.error_kind or ""].truth == "same screen" for sample in errors(dataset))
    assert failed > 0
    assert dataset.manifest.details["unchanged"] == {"fine": 1, "failed": failed}
    assert "t/0003" in {sample.sample_id for sample in dataset.samples()}


def test_a_recorded_tap_without_effect_is_not_trained(tmp_path: Path) -> None:
    """Its decision is set aside with its reason, the next one knows of it, and all rows are accounted for."""
    document = build.trajectory("t", 6)
    document["steps"][3]["observation"] = build.step(0, 2)["observation"]
    document["steps"][3]["actions"] = [{"type": "click", "point": [0.52, 0.46]}]
    build.write(tmp_path / "in", document)
    build.sliced(tmp_path / "in", tmp_path / "d")
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0.2)
    names = {sample.sample_id for sample in dataset.samples()}
    assert "t/0003+mined_noop" in names
    assert not names & {"t/0002", "t/0003"}
    assert not {name for name in names if name.startswith(("t/0002+", "t/0003+tap"))}
    (row,) = (row for row in build.rows(dataset, "rejected") if row["stage"] == "augment-errors")
    assert (row["code"], row["sample_id"]) == ("mined_slip", "t/0002")
    report = StageReport.of(dataset)
    assert (report.findings, report.exit_code) == (0, 0)
    assert "set aside       1 mined_slip" in report.render_text()
    assert build.validated(tmp_path / "out").findings == 0
    again = build.augmented(tmp_path / "out", tmp_path / "again", rate=0.2)
    assert list(again.samples()) == list(dataset.samples())


@pytest.mark.parametrize("rate", [-0.1, 0.6, float("nan"), float("inf")])
def test_a_rate_out_of_range_is_refused(rate: float) -> None:
    """A rate out of range is refused."""
    with pytest.raises(ConfigError, match=r"expected a share from 0 to 0\.5"):
        AugmentConfig(rate=rate)


@pytest.mark.parametrize("change", [{"role": "error"}, {"correct": False}])
def test_a_labelled_repair_is_promoted(tmp_path: Path, change: dict[str, Any]) -> None:
    """Its clean sample becomes an error-correction sample, whatever the rate, and passes every check."""
    document = build.trajectory("t", 6)
    document["steps"][2]["label"] = change
    document["steps"][3]["label"] = {"role": "recovery", "corrects_step": 2}
    document["steps"][2]["actions"][0]["synth"] = (
        True  # the importer made a value up; the step is recorded all the same
    )
    build.write(tmp_path / "in", document)
    build.sliced(tmp_path / "in", tmp_path / "d")
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0)
    (sample,) = errors(dataset)
    assert sample.sample_id == "t/0003+labelled"
    assert [s.sample_id for s in dataset.samples()] == ["t/0000", "t/0001", "t/0003+labelled", "t/0004", "t/0005"]
    assert [turn.role for turn in sample.turns] == ["normal", "normal", "error", "recovery"]
    assert dataset.manifest.counts["samples"].added == 0
    assert build.validated(tmp_path / "out").findings == 0
    assert build.validated(tmp_path / "d").findings == 0


@pytest.mark.parametrize(("layout", "made"), [("qwen3-vl", True), ("mai-ui", False)])
def test_an_error_long_after_a_step_without_a_call(tmp_path: Path, layout: str, made: bool) -> None:
    """Told in words, as clean samples tell it, that step forbids nothing; where it has to be a call, no sample does."""
    document = build.trajectory("t", 8)
    document["steps"][1]["actions"] *= 2
    document["steps"][5]["label"] = {"role": "error"}
    document["steps"][6]["label"] = {"role": "recovery", "corrects_step": 5}
    build.write(tmp_path / "in", document)
    build.sliced(tmp_path / "in", tmp_path / "d", layout=layout, history_images=3)
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0.5, kinds=("labelled", "tap_dead"))
    names = {sample.sample_id: sample for sample in errors(dataset)}
    assert ("t/0006+labelled" in names) is made
    assert ("t/0004+tap_dead" in names) is made
    for sample in names.values():
        assert sample.turns[1].image is None
        assert len(sample.turns[1].actions) == 2
    assert build.validated(tmp_path / "out").findings == 0


def test_both_screens_must_be_in_view(source: Path, tmp_path: Path) -> None:
    """With one screenshot a sample nothing can be learned from a screen that did not change."""
    shutil.copytree(source.parent / "in" / "t01", tmp_path / "in" / "t01")
    build.sliced(tmp_path / "in", tmp_path / "d", layout="qwen3-vl")
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0.5)
    assert errors(dataset) == []
    assert dataset.manifest.details["tap_dead"]["refused: evidence_outside_window"] == 4


def test_a_reply_in_place_of_the_screen_hides_the_evidence(tmp_path: Path) -> None:
    """A reply in place of the screen hides the evidence."""
    document = build.trajectory("t", 6)
    document["steps"][2]["inbound"] = [{"kind": "user_reply", "text": "Yes"}]
    build.write(tmp_path / "in", document)
    build.sliced(tmp_path / "in", tmp_path / "d")
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0.5)
    assert "t/0002+tap_dead" not in {sample.sample_id for sample in errors(dataset)}
    assert dataset.manifest.details["tap_dead"]["refused: evidence_outside_window"] == 1


@pytest.mark.parametrize("out", [".", "below/it"])
def test_the_input_is_safe_from_fresh(source: Path, tmp_path: Path, out: str) -> None:
    """`-o` on the input itself would remove, with --fresh, what is to be read."""
    from pipeline import augment_errors, validate
    from pipeline.stage import Running

    shutil.copytree(source, tmp_path / "d")
    before = build.tree(tmp_path / "d")
    for run in (
        lambda: augment_errors.run(tmp_path / "d", tmp_path / "d" / out, AugmentConfig(), Running(fresh=True)),
        lambda: validate.run(tmp_path / "d", tmp_path / "d" / out, validate.ValidateConfig(), Running(fresh=True)),
    ):
        with build.in_process(), pytest.raises(ConfigError, match="inside the input"):
            run()
    assert build.tree(tmp_path / "d") == before


def test_the_kinds_can_be_listed() -> None:
    """Without a dataset, each with its meaning."""
    done = build.gdp("augment-errors", "--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(KINDS)
    done = build.gdp("augment-errors", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "-o: found none" in done.stderr


def test_the_share_is_told_where_it_is_not_the_rate(tmp_path: Path) -> None:
    """Too few provable errors, or too many labelled ones, are not passed over in silence."""
    build.corpus(tmp_path / "in", 4)
    build.sliced(tmp_path / "in", tmp_path / "d")
    for rate, kinds, says in ((0.3, ("accidental_back",), "make up 0.00, not 0.3"), (0.2, tuple(KINDS), None)):
        dataset = build.augmented(tmp_path / "d", tmp_path / f"out{rate}", rate=rate, kinds=kinds)
        text = StageReport.of(dataset).render_text()
        assert (says in text) if says else ("warning: " not in text)


def test_recordings_without_elements_say_what_cannot_fire(tmp_path: Path) -> None:
    """Every kind that looks at elements is named, and none of them fires."""
    for number in range(3):
        document = build.trajectory(f"t{number}", first_screen=10 * number)
        for step in document["steps"]:
            del step["observation"]["elements"]
        build.write(tmp_path / "in", document)
    build.sliced(tmp_path / "in", tmp_path / "d")
    dataset = build.augmented(tmp_path / "d", tmp_path / "out", rate=0.5)
    hint = next(line for line in StageReport.of(dataset).render_text().splitlines() if "cannot fire" in line)
    named = hint.split(": ")[-1].split(", ")
    assert set(KINDS) - set(named) == NEEDING_NO_ELEMENTS
    assert {sample.error_kind for sample in dataset.samples()} <= {None, *NEEDING_NO_ELEMENTS}
