"""What `gdp validate` says at its end: nothing that is not so, every error with its place, 25 lines at most."""

import json
from collections import Counter
from operator import attrgetter
from pathlib import Path
from typing import Any

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from spoiling import clean

from pipeline.checks import CHECKS, Context, Limit, Thresholds, rules
from pipeline.checks.ask import Questions
from pipeline.checks.pictures import Pictures
from pipeline.exceptions import ConfigError
from pipeline.layouts import LAYOUTS
from pipeline.overview import drift
from pipeline.report import StageReport
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import sample_row


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Trajectories with errors added: nothing is wrong with them."""
    return clean(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def broken(good: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The same with two rows that the schema refuses: one that no reader takes for a sample, and one that it does."""

    def spoiled(samples: list[Any]) -> list[Any]:
        rows = [sample_row(sample) for sample in samples]
        for number, weight in ((1, -1.0), (2, -2.0)):
            rows[1]["messages"][number]["loss_weight"] = weight
        rows[1]["split"] = "test"
        rows[2] |= {"split": "dev", "step_index": -3}
        return rows

    return build.edited(good, tmp_path_factory.mktemp("broken") / "d", spoiled)


WRONG = ("$.messages[1].loss_weight: found -1.0", "$.messages[2].loss_weight: found -2.0", '$.split: found "test"',
         '$.split: found "dev"', "$.step_index: found -3")  # fmt: skip


def test_every_error_of_the_schema_has_its_path(broken: Dataset, tmp_path: Path) -> None:
    """In the summary, as JSON, in rejected/, in the report for people and in the one for programs."""
    done = build.gdp("validate", broken.path, "--report", tmp_path / "report", "--format", "json")
    told = json.loads(done.stderr)
    assert told["details"]["errors"]["schema"] == len(WRONG)
    examples = told["details"]["examples"]["schema"]
    page = (tmp_path / "report/rejected/1.html").read_text(encoding="utf-8").replace("&quot;", '"')
    rows = ["".join(f"{row['where']}: {row['message']}") for row in told["refused"]]
    for place in WRONG:
        assert sum(place in each for each in examples) == 1
        assert sum(place in each for each in rows) == 1
        path, _, found = place.partition(": ")
        assert path in page
        assert found in page
    written = json.loads((tmp_path / "report/report.json").read_bytes())
    assert written["findings"][0]["examples"] == examples
    report = build.validated(Path(broken.path))
    (line,) = (line for line in report.render_text().splitlines() if "schema" in line)
    assert line.split()[:2] == ["error", str(len(WRONG))]
    assert f" {WRONG[0]}, expected at least 0" in line
    assert not any("more)" in text for text in (report.detailed(True).render_text(), page))


def test_pictures_are_promised_of_refused_rows_only(good: Dataset, broken: Dataset, tmp_path: Path) -> None:
    """Warnings have examples in the report, and flags in the output."""
    limits = Thresholds(thought_words_min=12)
    warned, refused = build.validated(Path(good.path), thresholds=limits), build.validated(Path(broken.path))
    assert (warned.flagged > 0, warned.findings, refused.findings) == (True, 0, 2)
    for report in (warned, warned.told_in("report.html")):
        assert "screenshot" not in report.render_text()
    assert "shows the refused rows beside their screenshots; --verbose names them all" in refused.render_text()
    assert "each refused row beside its screenshot" in refused.told_in("report.html").render_text()
    (tmp_path / "limits.yaml").write_text("thought_words_min: 12\n")
    options = ["--thresholds", tmp_path / "limits.yaml", "-q", "--report", tmp_path / "report"]
    build.gdp("validate", good.path, *options)
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "kept and has no picture here" in page
    assert "beside their screenshots" not in page
    build.gdp("validate", good.path, *options, "-o", tmp_path / "clean")
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert f"<code>gdp view {tmp_path / 'clean'}</code> filters by flags" in page


@pytest.mark.parametrize("page", [None, "report.html"])
def test_verbose_is_hinted_where_it_names_more(good: Dataset, broken: Dataset, page: str | None) -> None:
    """Not without a refused row, and not when it was given."""
    assert ("--verbose" in build.validated(Path(broken.path)).told_in(page).render_text()) == (page is None)
    limits = Thresholds(thought_words_min=12)
    for report in (build.validated(Path(broken.path)).detailed(True), build.validated(Path(good.path)),
                   build.validated(Path(good.path), thresholds=limits)):  # fmt: skip
        assert "--verbose" not in report.told_in(page).render_text()


def test_warnings_are_those_of_this_validation(good: Dataset, tmp_path: Path) -> None:
    """Written or not, whatever flags an earlier one left; with what was never validated they are not compared."""
    (tmp_path / "limits.yaml").write_text("thought_words_min: 12\n")
    limits = ["--thresholds", tmp_path / "limits.yaml", "-q"]
    build.gdp("validate", good.path, "-o", tmp_path / "clean", *limits, "--report", tmp_path / "one")
    flags = Counter(flag for sample in Dataset.open(tmp_path / "clean").samples() for flag in sample.flags)
    assert flags["thought_length"] > 0
    for against, moved in ((good.path, None), (tmp_path / "clean", 0)):
        build.gdp("validate", good.path, *limits, "--report", tmp_path / "two", "--against", against)
        one, two = (json.loads((tmp_path / name / "report.json").read_bytes()) for name in ("one", "two"))
        assert one["distributions"]["flag"] == two["distributions"]["flag"] == flags
        assert two["flagged"] == one["flagged"] >= flags["thought_length"]
        assert two["against"]["distances"].get("flag") == moved
        page = (tmp_path / "two/report.html").read_text(encoding="utf-8")
        assert f"<title>thought_length: {flags['thought_length']}, " in page
    build.gdp("validate", tmp_path / "clean", "-q", "--report", tmp_path / "two")
    again = json.loads((tmp_path / "two/report.json").read_bytes())["distributions"]["flag"]
    assert 0 < again["thought_length"] < flags["thought_length"]


@pytest.mark.parametrize(("pixels", "limit", "layout"), [
    (True, True, "mai-ui"), (False, True, "mai-ui"), (True, False, "mai-ui"), (False, False, "qwen2.5-vl"),
])  # fmt: skip
def test_what_was_never_asked_has_not_passed(good: Dataset, pixels: bool, limit: bool, layout: str) -> None:
    """The reasons told are those for which `Questions` asks nothing."""
    from pipeline.checks.facts import Facts
    from pipeline.slicing.token_count import counter
    from pipeline.validation.unasked import n_asked, unasked

    some = Facts(sentences={"I": 0.5}, duplicates={"a": "b"}, near_duplicates={"a": "b"}, contradictions={"a": {}},
                 repeated=frozenset("a"), leaking={"a": "b"}, seen={"a": {}})  # fmt: skip
    most = Limit(1000, counter(None, 32)) if limit else None
    context = Context(good, LAYOUTS[layout], 0, some, Pictures(good), pixels=pixels, limit=most)
    questions = Questions(CHECKS, context)
    kinds = ("record", "sample", "outline", "decision", "thought", "screenshot", "text")
    asked = {name for kind in kinds for name, _ in attrgetter(f"_of_{kind}")(questions)}
    config = {"checks": rules.levels((), (), ()), "pixels": pixels, "max_tokens": 1000 if limit else None}
    contract = replace(good.manifest.contract, layout=layout)
    manifest = replace(good.manifest, config=config, contract=contract)
    of_dataset = {name for name, check in CHECKS.items() if check.of_dataset}
    assert set(unasked(manifest)) == set(CHECKS) - asked - of_dataset
    assert n_asked(manifest) == len(asked | of_dataset)


def test_what_could_not_be_asked_is_named_with_the_reason(good: Dataset, tmp_path: Path) -> None:
    """In the summary, as JSON and on the page, apart from what was found to be fine."""
    command = ["validate", good.path, "--no-pixels", "--select", "image_file", "--select", "too_long"]
    told = build.gdp(*command, "--report", tmp_path / "report").stderr
    assert "  nothing   was asked\n" in told
    assert "  not asked too_long: no --max-tokens was given\n" in told
    assert "  not asked image_file: --no-pixels decodes no screenshot\n" in told
    told = build.gdp(*command, "--select", "goal", "--format", "json", "--report", tmp_path / "report").stderr
    for document in (json.loads(told), json.loads((tmp_path / "report/report.json").read_bytes())):
        assert list(document["not_asked"]) == ["too_long", "image_file"]
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "Nothing found by 1 check." in page
    silent, _, rest = page.partition("checks that could not be asked")
    assert "<code>goal</code>" in silent
    assert "<code>too_long</code>" not in silent
    assert "<code>image_file</code>: --no-pixels decodes no screenshot" in rest
    report = build.validated(Path(good.path), tmp_path / "clean", redact=True)
    assert "  not asked email, phone and 3 more: --redact replaces what they find" in report.render_text()
    assert "  not asked email, phone, card, iban, credential: " in report.detailed(True).render_text()


def test_a_folder_is_printed_only_if_every_sample_passes(good: Dataset, broken: Dataset) -> None:
    """Whatever makes the exit code 1: the next stage would train what was refused."""
    done = build.gdp("validate", broken.path, "--fail-on", "never")
    assert (done.returncode, done.stdout) == (0, "")
    assert "hint: no folder is printed for the next stage: 2 samples did not pass\n" in done.stderr
    assert "hint: next: gdp train OUT -o run" in done.stderr
    done = build.gdp("validate", good.path, "--fail-on", "never")
    assert (done.returncode, done.stdout) == (0, f"{good.path}\n")


def test_a_warning_that_fails_says_so(good: Dataset) -> None:
    """And is not followed by the next stage's command, which without the option it is."""
    limits = Thresholds(thought_words_min=12)
    report = build.validated(Path(good.path), thresholds=limits)
    assert f"hint: next: gdp train {good.path} -o run" in report.render_text()
    failing = report.failing_on("warning")
    assert failing.exit_code == 1
    told = failing.render_text()
    assert f"  failed    {report.flagged} samples with a warning" in told
    assert "; --fail-on warning was given\n" in told
    assert "next:" not in told
    of_dataset = build.validated(
        Path(good.path), levels=rules.levels(("correction_share",), (), ()), thresholds=Thresholds(correction_share=0)
    )
    told = of_dataset.failing_on("warning").render_text()
    assert "  failed    1 warning about the whole dataset; --fail-on warning was given" in told
    assert "next:" not in told


@given(
    errors=st.integers(0, 40), warnings=st.integers(0, 40), settings=st.integers(0, 30), moved=st.integers(0, 14),
    refused=st.booleans(), written=st.booleans(), against=st.booleans(), redacted=st.booleans(),
    page=st.sampled_from([None, "p.html"]), fail_on=st.sampled_from(["error", "warning", "never"]),
    layout=st.sampled_from(["mai-ui", "qwen2.5-vl"]),
)  # fmt: skip
def test_the_summary_fits(
    good: Dataset, *, errors: int, warnings: int, settings: int, moved: int, refused: bool, written: bool,
    against: bool, redacted: bool, page: str | None, fail_on: str, layout: str,
) -> None:  # fmt: skip
    """At most 25 lines with the folder below them; the worst first; nothing is left out without being counted."""
    from pipeline.validation import verdict

    flow = replace(good.manifest.counts["samples"], rejected=int(refused))
    details: dict[str, Any] = {"errors": {f"e{n}": n + 1 for n in range(errors)}, "flagged": warnings,
               "warnings": {f"w{n}": n + 1 for n in range(warnings)}}  # fmt: skip
    manifest = replace(
        good.manifest, stage="validate", counts={"samples": flow}, rejected={"thought": 1} if refused else {},
        details={**details, "redacted": {"email": 1}} if redacted else details,
        contract=replace(good.manifest.contract, layout=layout),
        config={"checks": rules.levels((), (), ()), "pixels": False, "redact": redacted},
    )  # fmt: skip
    report = StageReport("d", manifest, (), written=written, page=page, fail_on=fail_on)
    names = [f"m{n}" for n in range(moved)]
    apart = drift.Drift({f"s{n}": (1, 2) for n in range(settings)}, {"equal": 1},
                        {name: 1 - n / 20 for n, name in enumerate(names)}, dict.fromkeys(names, "more"))  # fmt: skip

    def beside(room: int | None) -> list[str]:
        return drift.lines(apart, "other", room) if against else []

    told = verdict.lines(report, beside)
    assert len(told) <= 24
    whole = verdict.lines(report.detailed(True), beside)
    assert len([line for line in whole if line.split()[0] in {"error", "warning"}]) == errors + warnings
    levels = [line.split() for line in told if line.split()[0] in {"error", "warning"}]
    assert [(level, -int(times)) for level, times, *_ in levels] == sorted((a, -int(b)) for a, b, *_ in levels)
    left = sum(range(errors + 1)) + sum(range(warnings + 1)) - sum(int(times) for _, times, *_ in levels)
    rest = [line.split() for line in told if line.startswith("  …")]
    assert [int(words[1]) for words in rest] == ([left] if left else [])
    assert sum(int(words[3]) for words in rest) == errors + warnings - len(levels)
    if against:
        for label, count in (("setting", settings), ("moved", moved)):
            lines = [line.split() for line in told if line.split()[0] == label and "nothing:" not in line]
            more = [int(words[3]) for words in lines if words[1] == "…"]
            assert len(lines) - len(more) + sum(more) == count
            assert sum(line.split()[0] == label for line in whole) >= count


@pytest.mark.parametrize(("text", "found"), [
    ("thought_words_min: abc", 'found thought_words_min: "abc", expected a whole number, 0 or more'),
    ("thought_words_max: -1", "found thought_words_max: -1, expected a whole number, 0 or more"),
    ("border_share: 2", "found border_share: 2, expected a number from 0 to 1"),
    ("border_px: [1]", "found border_px: [1], expected a number, 0 or more"),
    ("border_px:", "found border_px: null, expected a number, 0 or more"),
])  # fmt: skip
def test_a_threshold_that_is_none_is_told_in_words(tmp_path: Path, text: str, found: str) -> None:
    """Which one, what it says, and what it takes."""
    (tmp_path / "limits.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        rules.thresholds(tmp_path / "limits.yaml")
    assert str(caught.value) == f"{tmp_path / 'limits.yaml'}: {found}"


def test_one_of_a_kind_is_singular(good: Dataset, tmp_path: Path) -> None:
    """One check, one task."""
    told = build.validated(Path(good.path), levels=rules.levels(("goal",), (), ())).render_text()
    assert "  nothing   was found by 1 check\n" in told
    build.write(tmp_path / "in", build.trajectory("t", 3))
    report = StageReport.of(build.sliced(tmp_path / "in", tmp_path / "d", val_fraction=0))
    assert "  grouped         0 near-duplicates, 1 task\n" in report.render_text()
