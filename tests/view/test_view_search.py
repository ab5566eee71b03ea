"""The search field: exported pages find what served ones do, and field, list and history agree."""

import re
from pathlib import Path
from typing import Any

import build
import pytest
from pages import ATTACK, BROWSER

from pipeline.storage.dataset import Dataset
from pipeline.view.catalogue import Catalogue

pytestmark = BROWSER


def counted(page: Any) -> int:
    """Return how many samples the list says there are, once it has come to rest."""
    page.wait_for_selector("#page:not([aria-busy])")
    return int(page.inner_text("#status").split()[0])


def test_an_export_finds_what_the_served_pages_find(page: Any, folders: tuple[Path, Path], tmp_path: Path) -> None:
    """In thoughts, actions, goals and ids, in any case, characters of patterns taken as they are; never in prompts."""
    dataset = Dataset.open(folders[1])
    catalogue = Catalogue(dataset)
    build.gdp("view", dataset.path, "--export", tmp_path / "shared")
    thought = next(s for s in dataset.samples() if s.error_kind == "tap_dead").turns[-1].thought
    assert thought
    found = []
    for text in (thought[:12], "EVERYTHING is done", "mobile_use", "T1/", ATTACK[:12], "[", "You operate a device"):
        page.goto("about:blank")
        page.goto(f"file://{tmp_path / 'shared' / 'index.html'}")
        page.wait_for_selector(".card")
        page.fill("#text", text)
        page.wait_for_url("**text=**")
        found.append(counted(page))
        assert found[-1] == len(catalogue.select({}, text)), text
    assert 0 < found[0] < len(catalogue)
    assert found[-1] == 0


def test_texts_of_an_export_are_told_once(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """A thought stands in every later sample of its trajectory; the file for the search has it once."""
    build.gdp("view", folders[1], "--export", tmp_path / "shared")
    told = (tmp_path / "shared/data/texts.js").read_text(encoding="utf-8")
    thought = next(s for s in Dataset.open(folders[1]).samples() if s.step_index == 0).turns[-1].thought
    shown = sum(
        thought in (part.text or "")
        for sample in Dataset.open(folders[1]).samples()
        for message in sample.messages
        for part in message.content
    )
    assert shown > told.count(thought) > 0


@pytest.mark.parametrize("pause", [0, 500], ids=["at once", "after a pause"])
def test_escape_takes_the_search_back(page: Any, address: str, pause: int) -> None:
    """The field is empty and the list whole, whether or not the search had begun; the filters stay."""
    page.goto(f"{address}#/samples?origin=clean")
    page.wait_for_selector(".card")
    total = counted(page)
    page.keyboard.press("/")
    page.keyboard.type("t2/0001")
    if pause:
        page.wait_for_url("**text=t2**")
        assert 0 < counted(page) < total
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "text" not in url)
    page.wait_for_timeout(400)  # nothing of what was typed comes after it
    assert page.input_value("#text") == ""
    assert page.inner_text("#active") == "(1)"
    assert counted(page) == total
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.matches('a.card')")


def test_escape_beside_a_sample_leaves_it_open(page: Any, address: str) -> None:
    """What was not searched for yet is forgotten; the field says again what the list was found by."""
    page.goto(f"{address}#/samples?text=t2")
    page.click(".card >> nth=0")
    page.wait_for_selector(".message.learns")
    shown = page.url
    page.keyboard.press("/")
    page.keyboard.type("x")
    page.keyboard.press("Escape")
    page.wait_for_timeout(400)
    assert page.url == shown
    assert page.input_value("#text") == "t2"


def test_enter_goes_on_to_what_was_found(page: Any, address: str) -> None:
    """The search stays, and the keys of the list work."""
    page.goto(address)
    page.wait_for_selector(".card")
    page.keyboard.press("/")
    page.keyboard.type("t2/0001")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=t2**")
    assert counted(page) >= 1
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".message.learns")


def test_typing_is_no_history(page: Any, address: str) -> None:
    """However often one pauses in a word, Back leads to where one came from; a choice is a step of its own."""
    page.goto(address)
    page.wait_for_selector(".card")
    page.select_option("#facet-origin", "clean")
    page.wait_for_url("**origin=clean**")
    before = page.evaluate("history.length")
    for end in range(1, 5):
        page.type("#text", "open"[end - 1])
        page.wait_for_url(re.compile(rf"text={'open'[:end]}(&|$)"))
    assert page.evaluate("history.length") == before
    page.go_back()
    page.wait_for_url(lambda url: "origin" not in url)
    assert page.input_value("#text") == ""
