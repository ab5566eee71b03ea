"""Every kind of defect that is planted into clean data is found by its check, and clean data is left alone."""

from collections import Counter
from pathlib import Path

import build
import pytest
from planted import corpus

from pipeline.checks import CHECKS
from pipeline.storage.dataset import Dataset

FEW = 0.02
"""Share of the clean rows that may have a warning."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """The datasets that are spoiled."""
    return corpus.bases(tmp_path_factory.mktemp("planted"))


@pytest.mark.parametrize("module", corpus.MODULES, ids=lambda module: module.__name__)
def test_what_is_planted_is_found(clean: dict[str, Dataset], tmp_path: Path, module: object) -> None:
    """All of it, in each of its places."""
    results = [corpus.plant(name, clean[kind.base], tmp_path / str(number))
               for number, (name, kind) in enumerate(module.KINDS.items())]  # fmt: skip
    missed = [each for each in results if each.found < each.planted]
    assert missed == []
    assert {each.planted for each in results} == {3}


def test_every_check_has_a_planting() -> None:
    """Of 60 kinds at least; the check of lengths needs a tokenizer, and has tests of its own."""
    assert {kind.check for kind in corpus.KINDS.values()} == CHECKS.keys() - {"too_long"}
    assert len(corpus.KINDS) >= 60


@pytest.mark.parametrize("base", ["step", "window", "pixels"])
def test_clean_data_is_left_alone(clean: dict[str, Dataset], base: str) -> None:
    """No error, hardly a warning, nothing to say of the dataset as a whole."""
    report = build.validated(Path(clean[base].path))
    details = report.manifest.details
    assert details["errors"] == {}
    assert report.flagged <= FEW * report.manifest.counts["samples"].into, details["examples"]
    assert details["dataset"] == {}


def test_the_page_has_the_table() -> None:
    """docs/checks.md names every kind with its check; `make planted` writes it."""
    page = corpus.PAGE.read_text(encoding="utf-8")
    rows = [line for line in page.partition("<!-- planted -->")[2].splitlines() if line.startswith("| ")][1:]
    told = Counter(tuple(cell.strip(" `") for cell in row.split("|")[1:3]) for row in rows)
    assert told == Counter((name, kind.check) for name, kind in corpus.KINDS.items())
