"""Each check finds what it is for in a sample or a recording that is otherwise fine, and says nothing of a fine one."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.checks import CHECKS, Check, Context, reasoning, wording
from pipeline.checks.alike import similar_goals
from pipeline.checks.ask import Questions
from pipeline.checks.recordings import Recordings
from pipeline.checks.rules import levels, listing, thresholds
from pipeline.checks.secrets import card_number
from pipeline.checks.vocabulary import vocabulary
from pipeline.describe import words_of
from pipeline.exceptions import ConfigError
from pipeline.records import Sample
from pipeline.screens.screen import takers
from pipeline.storage.dataset import Dataset

Edit = Callable[[Sample], Sample]
STRUCTURE = {name for name, check in CHECKS.items() if check.severity == "error"} - {
    "mojibake", "swapped_axes", "gesture_direction", "false_success",
}  # fmt: skip
"""Checks that test_validate.py is about; an edited turn is no longer what its messages say."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two recordings with elements, nothing wrong with them."""
    root = tmp_path_factory.mktemp("checks")
    build.corpus(root / "in", 2)
    return build.sliced(root / "in", root / "d", val_fraction=0)


def complaints(sample: Sample, about: Context) -> set[str]:
    """Return the checks that find something in the sample, those of its structure left out."""
    return {name for name, _ in Questions(CHECKS.keys() - STRUCTURE, about).of([sample])[0]}


def turned(sample: Sample, **changes: Any) -> Sample:
    """Return the sample with another trained turn."""
    return replace(sample, turns=(*sample.turns[:-1], replace(sample.turns[-1], **changes)))


def aimed(sample: Sample, x: float, y: float) -> Sample:
    """Return the sample with its click elsewhere, in turn and target."""
    action = replace(sample.turns[-1].actions[0], point=(x, y))
    return replace(turned(sample, actions=(action,)), target=replace(sample.target, actions=(action,)))


def thought(text: str) -> Edit:
    """Return an edit that sets the thought."""
    return lambda sample: turned(sample, thought=text)


PLANTED: dict[str, tuple[Edit, ...]] = {
    "mojibake": (
        thought("The cafÃ© has a button, so I tap that."),
        thought("The button \ufffd\ufffd is what I need, so I tap it."),
        lambda sample: replace(sample, goal="Open the â€œthing and tap it"),
        lambda sample: turned(sample, instruction="Tap 锟斤拷"),
    ),
    "unseen": (
        thought("The button is here,\u200b so I tap it."),
        lambda sample: replace(sample, goal="Open\x07 it"),
        lambda sample: turned(sample, instruction="Tap \u202eti"),
    ),
    "swapped_axes": (
        lambda sample: replace(aimed(sample, 0.42, 0.35), target=replace(
            aimed(sample, 0.42, 0.35).target, bbox=(0.3, 0.4, 0.4, 0.5))),
        lambda sample: replace(aimed(sample, 0.45, 0.31), target=replace(
            aimed(sample, 0.45, 0.31).target, bbox=(0.3, 0.4, 0.4, 0.5))),
        lambda sample: replace(aimed(sample, 0.62, 0.2), target=replace(
            aimed(sample, 0.62, 0.2).target, bbox=(0.1, 0.6, 0.3, 0.7))),
    ),
    "covered_target": tuple(
        lambda sample, x=x: replace(aimed(sample, x, 0.45), target=replace(
            aimed(sample, x, 0.45).target, bbox=(x - 0.05, 0.35, 0.9, 0.48)))
        for x in (0.4, 0.5, 0.6)
    ),
    "border": tuple(lambda sample, x=x, y=y: aimed(sample, x, y)
                    for x, y in ((0.3002, 0.45), (0.5, 0.4001), (0.6999, 0.45))),
    "gesture_direction": tuple(
        lambda sample, words=words, way=way: _gesture(sample, words, way)
        for words, way in (("Scroll down to the end", "up"), ("向上滚动", "down"), ("Scroll back up", "down"))
    ),
    "thought_length": (thought("Tap."), thought("Yes, ok"), thought("word " * 401)),
    "thought_language": (thought("屏幕上有需要的按钮，所以点击它。"), thought("我需要先打开这个页面再继续。"),
                         thought("接下来点击“Open 1”按钮即可完成。")),
    "thought_coordinates": (thought("The button is at [500, 450], so I tap it."),
                            thought("I tap the button at x=500 on the screen."),
                            thought("The button I need is at (0.5, 0.45), tap it.")),
    "thought_marks": (thought("The red circle marks the button that I need."),
                      thought("The bounding box shows the button that I need."),
                      thought("This is the ground truth action, so I take it.")),
    "email": (thought("I write to anna.lind@mail.se as the task says."),
              lambda sample: replace(sample, goal="Mail bob@corp.io"),
              lambda sample: turned(sample, instruction="Type x.y+z@a-b.co.uk")),
    "phone": (thought("I call +46 70 123 45 67 as the task says."), thought("The number 13912345678 is what I type."),
              lambda sample: replace(sample, goal="Call (030) 1234 5678 now")),
    "card": (thought("The card is 4111 1111 1111 1111 so I type it."), thought("I type 5500-0000-0000-0004 here now."),
             lambda sample: replace(sample, goal="Pay with 378282246310005")),
    "iban": (thought("I pay to DE89 3704 0044 0532 0130 00 as the task says."),
             thought("The account GB82WEST12345698765432 is what I type."),
             lambda sample: replace(sample, goal="Send it to FR14 2004 1010 0505 0001 3M02 606")),
    "credential": (thought("The key sk-proj-abcdefghij0123456789 is what I type."),
                   thought("I log in, the password: hunter2secret is known."),
                   lambda sample: replace(sample, goal="Use ghp_abcdefghijklmnopqrstuvwxyz0123456789")),
}  # fmt: skip
"""Of each defect at least three plantings."""
THEN_TOO = {"thought_action", "thought_reason", "target_gone"}
"""What a bare text in the place of a thought, or a box that is no element's, may be short of beside the defect."""


def _gesture(sample: Sample, words: str, way: str) -> Sample:
    from pipeline.actions import Scroll

    return turned(sample, instruction=words, actions=(Scroll(direction=way),))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_found_by_its_check_alone(good: Dataset, name: str) -> None:
    """All plantings of a kind, and no other check complains of them."""
    about = build.checking(good)
    sample = next(sample for sample in good.samples() if sample.step_index == 1)
    assert len(PLANTED[name]) >= 3
    for edit in PLANTED[name]:
        assert complaints(edit(sample), about) - (THEN_TOO - {name}) == {name}


def test_people_say_scroll_up_of_a_finger_that_goes_up(good: Dataset) -> None:
    """AITZ does: a swipe is judged by what is said of swipes, and only by that."""
    from pipeline.actions import Swipe

    about = build.checking(good)
    sample = next(sample for sample in good.samples() if sample.step_index == 1)
    up = (Swipe(start=(0.5, 0.8), end=(0.5, 0.2)),)
    for words, wrong in (("scroll up", set()), ("swipe up", set()), ("swipe down", {"gesture_direction"})):
        scrolls = turned(sample, instruction=words, actions=up, thought="I need what is below, so I scroll.")
        assert complaints(scrolls, about) == wrong, words


def test_clean_samples_are_left_alone(good: Dataset) -> None:
    """No check complains of a fine sample."""
    about = build.checking(good)
    found = {sample.sample_id: complaints(sample, about) for sample in good.samples()}
    assert {key: value for key, value in found.items() if value - {"thought_length"}} == {}


def test_fine_things_that_look_like_defects(good: Dataset) -> None:
    """Names in another language in quotes, invented addresses, dates, prices and versions are nobody's secret."""
    about = build.checking(good)
    sample = next(sample for sample in good.samples() if sample.step_index == 1)
    for text in ("The row “打开文件” is the one I need, so I tap it.", "I write to anna@example.com as the task says.",
                 "The meeting on 2026-03-12 09:30 is what I open.", "It costs 1 299 kr and version 1.2.3.4 is out.",
                 "There are 12 files (3 new, 9 old), so I tap on."):  # fmt: skip
        assert complaints(turned(sample, thought=text), about) - THEN_TOO == set(), text


def recorded(tmp_path: Path, *documents: dict[str, Any]) -> tuple[list[Sample], Context]:
    """Slice recordings; return their samples and what checks may look at."""
    for document in documents:
        build.write(tmp_path / "in", document)
    dataset = build.sliced(tmp_path / "in", tmp_path / "d", val_fraction=0)
    return list(dataset.samples()), build.checking(dataset)


def found(name: str, samples: list[Sample], about: Context) -> list[str]:
    """Return the samples that the check complains of."""
    told = Questions([name], about).of(samples)
    return [sample.sample_id for sample, findings in zip(samples, told, strict=True) if findings]


def test_loops(tmp_path: Path) -> None:
    """The third same action on a screen, and A B A B, are loops; two tries are not."""
    document = build.trajectory("loop", 6)
    for index in (0, 1, 2):
        document["steps"][index]["observation"] = build.step(0, 9)["observation"]
    other = build.trajectory("abab", 6, first_screen=20)
    for index in range(4):
        other["steps"][index]["observation"] = build.step(0, 20 + index % 2)["observation"]
    samples, about = recorded(tmp_path, document, other, build.trajectory("fine", first_screen=40))
    assert found("loop", samples, about) == ["abab/0003", "loop/0002"]


def test_recorded_elements_are_those_of_the_row(tmp_path: Path) -> None:
    """Whether they were kept or are read again: taps on one control, in doubt, on none; no tap; a final observation."""
    document = build.trajectory("aims", 6)
    over = {**build.elements(1)[2], "text": "Over it"}
    document["steps"][1]["observation"]["elements"].append(over)
    document["steps"][2]["actions"] = [{"type": "click", "point": [0.02, 0.98]}]
    document["steps"][3]["actions"] = [{"type": "wait"}]
    document["final_observation"] = build.step(6, 5)["observation"]
    _, about = recorded(tmp_path, document)
    rows = list(about.dataset.steps(0))
    for asked_first in (False, True):
        steps = Recordings(about.dataset, 0).steps("aims")
        assert {step._elements is None for step in steps} == {True, False}
        for step, row in zip(steps, rows, strict=True):
            wanted = row.observation.elements
            if asked_first:
                assert step.elements == wanted
                assert step.elements is step.elements
            for point in ((0.5, 0.45), (0.02, 0.98), (0.5, 0.65), (0.05, 0.6), *(point for point, _ in step.tapped)):
                assert step.controls(point) == takers(wanted, point)
            assert step.elements == wanted


def test_a_tapped_control_is_called_by_its_text_or_that_within(tmp_path: Path) -> None:
    """Of controls within each other it is the smallest; asked before and after all elements were read again."""
    document = build.trajectory("row", 3)
    card, row = [0.2, 0.3, 0.8, 0.55], [0.05, 0.6, 0.95, 0.7]
    document["steps"][0]["actions"] = [{"type": "click", "point": [0.5, 0.65], "bbox": row}]
    around = {"bbox": card, "text": "Card", "source": "dom", "clickable": True, "topmost": True}
    document["steps"][1]["observation"]["elements"].insert(0, around)
    samples, about = recorded(tmp_path, document)
    for number, (name, other) in enumerate((("Row 0", "Open 0"), ("Open 1", "Card"))):
        for _ in range(2):
            names_it, names_another = (turned(samples[number], thought=f"“{each}” it is.") for each in (name, other))
            assert found("thought_target", [names_it, names_another], about) == [names_another.sample_id]
            assert found("thought_target", [names_it], about) == []
            assert about.recordings.steps("row")[number].elements


def test_a_turn_that_cannot_be_said_is_told_by_its_number(tmp_path: Path) -> None:
    """Also where the turns before it are told in words, as sentences, and in each sample that says it."""
    build.write(tmp_path / "in", build.trajectory("t", 8))
    dataset = build.sliced(tmp_path / "in", tmp_path / "d", layout="qwen3-vl", val_fraction=0)
    samples, about = list(dataset.samples()), build.checking(dataset)
    bad = [turned(sample, thought="So </tool_call> it is.") for sample in (*samples[-2:], samples[-1])]
    told = [[finding.path for _, finding in each] for each in Questions(["response"], about).of([*samples, *bad])]
    assert told == [[] for _ in samples] + [["$.turns[6]"], ["$.turns[7]"], ["$.turns[7]"]]
    assert about.known.outlines.of(samples[-1]).first_call > 0


def test_marked_screenshots(tmp_path: Path) -> None:
    """Where the recording says so: in every sample that shows one, and not in those that only tell of the step."""
    document = build.trajectory("marked", 6)
    document["steps"][1]["observation"]["image"]["marked"] = True
    samples, about = recorded(tmp_path, document, build.trajectory("fine", first_screen=40))
    assert found("marked_screenshot", samples, about) == ["marked/0001", "marked/0002", "marked/0003"]
    (((_, finding),),) = Questions(["marked_screenshot"], about).of([samples[-3]])
    assert (finding.path, finding.message) == (
        "$.images[0]", "found marks painted into the screenshot of step 1, expected none"
    )  # fmt: skip


def test_what_is_found_once_is_told_wherever_it_stands(good: Dataset) -> None:
    """A text is looked at once; its finding has the place that the text has in each sample."""
    about = build.checking(good)
    samples = sorted(good.samples(), key=lambda sample: (sample.trajectory_id, sample.step_index))[:4]
    told = replace(samples[0].turns[0], thought="I write to anna.lind@mail.se as the task says.")
    made = [replace(sample, turns=(*sample.turns[1:][:before], told, *sample.turns[1:][before:]))
            for before, sample in enumerate(samples)]  # fmt: skip
    places = [[finding.path for _, finding in found] for found in Questions(["email"], about).of(made)]
    assert places == [[f"$.turns[{number}].thought"] for number in range(4)]


def test_each_check_is_about_one_thing() -> None:
    """Its one question says which."""
    kinds = [field.name for field in dataclasses.fields(Check) if field.name.startswith("of_")]
    for name, check in CHECKS.items():
        assert len([kind for kind in kinds if getattr(check, kind)]) == 1, name


def test_ends(tmp_path: Path) -> None:
    """A recording that just stops; one that fails but claims success; one that fails and says so."""
    stops = build.trajectory("stops")
    stops["steps"][-1]["actions"] = [{"type": "wait"}]
    fails = build.trajectory("fails", first_screen=10, outcome={"status": "failure", "by": "env"})
    honest = build.trajectory("honest", first_screen=20, outcome={"status": "failure", "by": "env"})
    honest["steps"][-1]["actions"] = [{"type": "terminate", "status": "failure"}]
    samples, about = recorded(tmp_path, stops, fails, honest, build.trajectory("fine", first_screen=30))
    assert found("no_end", samples, about) == ["stops/0003"]
    assert found("false_success", samples, about) == ["fails/0003"]


def test_duplicates_and_contradictions(tmp_path: Path) -> None:
    """The same recording under another id; another decision on the same screen for the same goal."""
    first = build.trajectory("first", goal="Open it")
    again = build.trajectory("second", goal="open  it")
    contrary = build.trajectory("third", goal="Open it")
    contrary["steps"][2]["actions"] = [{"type": "button", "name": "back"}]
    near = build.trajectory("fourth", goal="Open it", first_screen=30)
    samples, about = recorded(tmp_path, first, again, contrary, near)
    assert found("duplicate", samples, about) == ["second/0000"]
    assert found("contradiction", samples, about) == ["first/0002", "second/0002", "third/0002"]


GOALS = st.sets(st.frozensets(st.sampled_from("abcdefghij"), max_size=10), max_size=12)


@given(GOALS, GOALS)
def test_no_similar_goal_is_passed_over(some: set[frozenset[str]], others: set[frozenset[str]]) -> None:
    """Those that are found without comparing all with all are those that share four of five words."""
    near = {words: {other for other in others if 5 * len(words & other) >= 4 * max(len(words | other), 1)}
            for words in some}  # fmt: skip
    assert {words: set(found) for words, found in similar_goals(some, others).items()} == near


def test_a_thought_said_over_and_over(tmp_path: Path) -> None:
    """Three times may be chance, four is a template."""
    documents = [build.trajectory(f"t{n}", first_screen=10 * n) for n in range(4)]
    for document in documents:
        document["steps"][1]["text"]["thought"] = "The next step is obvious, so I take it."
    for document in documents[:3]:
        document["steps"][2]["text"]["thought"] = "This one stands on three steps and may."
    for number, document in enumerate(documents):
        document["steps"][-1]["text"]["thought"] = f"Everything of task number {number} is done now."
    samples, about = recorded(tmp_path, *documents)
    assert found("thought_repeated", samples, about) == [f"t{n}/0001" for n in range(4)]


def test_a_layout_without_thoughts_wants_none(good: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings without thoughts can be learned where responses do not say one."""
    about, sample = build.checking(good), turned(next(iter(good.samples())), thought=None)
    bad = turned(sample, thought="点击：")
    asked = [name for name in CHECKS if name.startswith("thought")]
    assert Questions(["thought"], about).of([sample])[0]
    assert {name for name, _ in Questions(asked, about).of([bad])[0]} >= {"thought_unfinished", "thought_length"}
    monkeypatch.setattr(type(about.layout), "thinks", False)
    assert not Questions(["thought"], about).of([sample])[0]
    assert not Questions(asked, about).of([bad])[0], "nobody learns that thought"


def test_two_controls_at_the_point(tmp_path: Path) -> None:
    """A floating button over a row is ambiguous, a button within a card is not."""
    document = build.trajectory("over")
    elements = document["steps"][1]["observation"]["elements"]
    elements.append({"bbox": [0.45, 0.3, 0.95, 0.47], "text": "Add", "role": "button", "clickable": True})
    card = build.trajectory("within", first_screen=20)
    card["steps"][1]["observation"]["elements"].append({"bbox": [0.1, 0.3, 0.95, 0.6], "clickable": True})
    samples, about = recorded(tmp_path, document, card)
    assert found("ambiguous_target", samples, about) == ["over/0001"]


WORDS = st.sampled_from([
    *sorted(reasoning._PLAIN_REASONS), "tap", "I", "I'll", "let me", "go back", "typed", "I've", "in", "step",
    "Step 12", "x", "X:", "= 3", "coordinates", "(", "[1,", "2]", "now_so", '"Save"', "scrolled", "我输入", "第3步中",
    "坐标", "İ",
])  # fmt: skip


@given(st.lists(st.tuples(WORDS, st.sampled_from([" ", "", "\n", "."]), st.booleans())))
def test_no_thought_is_passed_over_for_the_words_that_it_lacks(pieces: list[tuple[str, str, bool]]) -> None:
    """What is not searched, as no word of it is there, no search finds; what is taken as said, a search finds."""
    agree("".join(f"{word.upper() if large else word}{gap}" for word, gap, large in pieces))
    for done in ("typed", "entered", "scrolled", "swiped"):
        agree(f"I've just {done} it")
    for wanted in ("tap", "click", "type", "enter", "scroll", "swipe", "wait", "go back"):
        agree(f"Let me now {wanted}.")


def agree(text: str) -> None:
    """Compare what is decided by words with what the searches say."""
    for pattern, words in ((reasoning._INTENT, reasoning._INTENT_WORDS), (reasoning._DONE, reasoning._DONE_WORDS),
                           (reasoning._STEP, reasoning._STEP_WORDS)):  # fmt: skip
        assert wording.may_say(text, words) or not pattern.search(text)
    assert wording._may_recite(text) or not wording._COORDINATES.search(text)
    assert reasoning._reasons(text) == bool(reasoning._REASON.search(text))
    assert wording._words(text) == len(words_of(text))


@given(st.text(st.characters(max_codepoint=127)))
def test_words_of_ascii(text: str) -> None:
    """Made by a table of characters: what a regular expression finds."""
    words = re.findall(r"\w+", text.lower())
    assert vocabulary(text) == (len(words), frozenset(words))


@pytest.mark.parametrize(("digits", "is_card"), [
    ("4242 4242 4242 4242", True), ("4242 4242 4242 4241", False), ("0000 0000 0000 0000", False), ("1234", False),
    ("6011111111111117", True), ("12345678901234567890", False),
])  # fmt: skip
def test_card_numbers_have_a_checksum(digits: str, is_card: bool) -> None:
    """The Luhn check, and as many digits as a card has."""
    assert card_number(digits) is is_card


def test_severities_decide_what_becomes_of_a_row(good: Dataset, tmp_path: Path) -> None:
    """A warning keeps and flags, an error refuses, an info counts; the exit code follows --fail-on."""
    bad = build.edited(good, tmp_path / "bad", lambda samples: samples)
    source = Path(bad.path)
    for severity, flagged, refused in (("warning", 2, 0), ("error", 0, 2), ("info", 0, 0)):
        chosen = levels(("thought_length",), (), (f"thought_length={severity}",))
        report = build.validated(source, tmp_path / severity, levels=chosen)
        out = Dataset.open(tmp_path / severity)
        flags = [sample.flags for sample in out.samples() if sample.flags]
        assert flags == [("thought_length",)] * flagged
        assert report.flagged == flagged
        assert out.manifest.counts["samples"].rejected == refused
        assert out.manifest.details[f"{severity}s"] == {"thought_length": 2}
        assert report.exit_code == (1 if refused else 0)
        assert report.failing_on("never").exit_code == 0
        assert report.failing_on("warning").exit_code == (0 if severity == "info" else 1)


def test_rules_and_their_mistakes(tmp_path: Path) -> None:
    """Selection keeps the fixed order; a wrong name, level or key is one line."""
    assert list(levels(("border", "schema"), (), ())) == ["schema", "border"]
    assert "border" not in levels((), ("border",), ())
    for arguments in ((("borders",), (), ()), ((), ("x",), ()), ((), (), ("border",)), ((), (), ("border=bad",)),
                      (("border",), ("border",), ())):  # fmt: skip
        with pytest.raises(ConfigError, match="expected"):
            levels(*arguments)
    file = tmp_path / "t.yaml"
    file.write_text("border_px: 5\nthought_words_max: 90\n")
    assert (thresholds(file).border_px, thresholds(file).thought_words_max) == (5, 90)
    for text in ("borderpx: 5", "border_px: -1", "border_px: many", "- 5", "border_px: [", ""):
        file.write_text(text)
        with pytest.raises(ConfigError):
            thresholds(file)
    assert [line.split()[:2] for line in listing().splitlines()] == [
        [name, check.severity] for name, check in CHECKS.items()
    ]


def test_the_command_line_takes_the_rules(good: Dataset, tmp_path: Path) -> None:
    """--list needs no dataset; rules reach the run, and the manifest remembers them."""
    done = build.gdp("validate", "--list")
    assert done.returncode == 0
    assert done.stdout.strip() == listing()
    assert "DATASET: found none" in build.gdp("validate").stderr
    options = ("--select", "thought_length", "--fail-on", "warning", "-o", tmp_path / "out")
    done = build.gdp("validate", good.path, *options)
    assert done.returncode == 1
    assert "2 thought_length" in done.stderr
    assert Dataset.open(tmp_path / "out").manifest.config["checks"] == {"thought_length": "warning"}
    again = build.gdp("validate", good.path, "--select", "border", "-o", tmp_path / "out")
    assert "expected" in again.stderr
    assert again.returncode == 1
