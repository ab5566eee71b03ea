"""Wordings name what is on the screen, in the goal's language, and never a coordinate; all of them come up."""

import re
from string import Formatter

import pytest

from pipeline.errors.thoughts import CELLS, LONGEST_TEXT, say
from pipeline.records import Lang

SLOTS = {
    "tap_dead_wrong": "wrong",
    "tap_dead_right": "wrong target",
    "tap_label_wrong": "wrong",
    "tap_label_right": "wrong target",
    "tap_disabled_wrong": "wrong",
    "tap_disabled_right": "wrong target",
    "tap_near_miss_wrong": "target",
    "tap_near_miss_right": "target",
    "type_unfocused_wrong": "text",
    "type_unfocused_right": "text target",
    "scroll_edge_wrong": "way",
    "scroll_edge_right": "way target",
    "wait_needless_wrong": "",
    "wait_needless_right": "target",
    "noop_twice_again": "wrong",
    "noop_twice_right": "wrong target",
    "premature_finish_wrong": "",
    "missed_finish_wrong": "",
    "missed_finish_right": "",
    "mined_noop_right": "slip target",
    "mined_detour_escape": "slip",
    "mined_detour_retry": "slip target",
    "labelled_diagnosis": "slip",
    "back_wrong": "",
    "back_right": "target",
    "undo_scroll_wrong": "way",
    "undo_scroll_right": "way",
    "wrong_element_wrong": "wrong",
    "wrong_element_escape": "wrong",
    "wrong_element_retry": "wrong target",
    "wrong_tab_wrong": "wrong",
    "wrong_tab_right": "wrong target",
    "long_press_wrong": "target",
    "long_press_escape": "target",
    "long_press_retry": "target",
    "popup_escape": "close",
}
PLAIN = {f"{cell}_plain": slots.replace("target", "").strip() for cell, slots in SLOTS.items() if "target" in slots}
ALL = {**SLOTS, **PLAIN, "popup_escape_plain": ""}
NAMES = {
    "wrong": '{odd} "name" {0}',
    "target": "相册 {wrong}",
    "slip": "Tap “x”",
    "text": "a@b.c {x}",
    "close": "✕",
    "way": "down",
}
SHOWN = {**NAMES, "way": {"en": "down", "zh": "下"}}
GIVE_AWAY = re.compile(
    r"synthe|inject|label(l)?ed|ground truth|annotat|marker|circle|training|sample|dataset|标注|注入|合成|数据|样本",
    re.IGNORECASE,
)
BAND: dict[Lang, tuple[int, int]] = {"en": (15, 170), "zh": (6, 60)}
"""Characters of a wording without its names: a thought, not a grunt and not an essay."""

CASES = [(cell, lang) for cell in ALL for lang in ("en", "zh")]


def test_these_are_the_cells() -> None:
    """Every cell has slots of its own here, and no other is left."""
    assert set(CELLS) == set(ALL)


@pytest.mark.parametrize(("cell", "lang"), CASES)
def test_every_wording_has_its_slots_and_speaks_its_language(cell: str, lang: Lang) -> None:
    """Eight each, no two alike; no coordinate, nothing that gives the game away."""
    wordings = CELLS[cell][lang]
    assert len(set(wordings)) == len(wordings) >= 8
    for wording in wordings:
        assert {name for _, name, _, _ in Formatter().parse(wording) if name} == set(ALL[cell].split())
        bare = re.sub(r"\{\w+\}", "", wording)
        assert bool(re.search(r"[\u3400-\u9fff]", bare)) is (lang == "zh")
        assert bool(re.search(r"[a-z]", bare)) is (lang == "en")
        assert not re.search(r"[0-9\[\]]", bare)
        assert not GIVE_AWAY.search(bare)
        assert BAND[lang][0] <= len(bare) <= BAND[lang][1], wording
        assert wording.endswith("。" if lang == "zh" else "."), wording
        if lang == "zh":
            assert not re.search(r"[,.:;?!]", bare), wording


def test_a_wording_stands_in_one_cell_only() -> None:
    """The same words for two mistakes would teach neither."""
    seen = [wording for cell in CELLS.values() for wordings in cell.values() for wording in wordings]
    assert sorted({wording for wording in seen if seen.count(wording) > 1}) == []


@pytest.mark.parametrize(("cell", "lang"), CASES)
def test_a_wording_is_drawn_by_seed_and_quotes_the_names(cell: str, lang: Lang) -> None:
    """All of them come up, and braces, quotes and the other script in a name change nothing."""
    names = {slot: NAMES[slot] for slot in ALL[cell].split()}
    said = {say(cell, lang, 0, n, **names) for n in range(200)}
    assert len(said) == len(CELLS[cell][lang])
    for text in said:
        for slot in names:
            shown = SHOWN[slot]
            assert (shown if isinstance(shown, str) else shown[lang]) in text
    assert said == {say(cell, lang, 0, n, **names) for n in range(200)}


def test_names_are_quoted_as_the_language_does() -> None:
    """A name is quoted once, on one line; a sentence is not quoted again."""
    assert say("back_right", "zh", 1, target="x").count("“x”") == 1
    assert say("back_right", "en", 1, target="x\n  y").count('"x y"') == 1
    assert "(Tap it)" in say("labelled_diagnosis", "en", 1, slip="Tap it")


def test_a_target_without_a_name_takes_the_plain_wording() -> None:
    """And a long text is cut, for a thought names what was typed and does not recite it."""
    for cell, slots in SLOTS.items():
        if "target" in slots:
            names = {slot: NAMES[slot] for slot in slots.split() if slot != "target"}
            assert say(cell, "en", 3, **names, target=None) == say(f"{cell}_plain", "en", 3, **names)
    long = say("type_unfocused_wrong", "en", 0, text="x" * 500)
    assert "x" * (LONGEST_TEXT - 1) + "…" in long
    assert "x" * LONGEST_TEXT not in long


def test_a_missing_slot_or_cell_is_a_mistake_of_ours() -> None:
    """It raises, and no half-filled thought gets out."""
    for cell, names in (("tap_dead_right", {"wrong": "x"}), ("typo", {})):
        with pytest.raises(KeyError):
            say(cell, "en", 0, **names)
