"""The report in a browser at phone width, and its small numbers."""

from pathlib import Path
from typing import Any

import build
import pytest
from msgspec.structs import replace
from pages import BROWSER

from pipeline.overview import drift
from pipeline.overview import write as overview
from pipeline.storage.dataset import Dataset

LONG = "Acme.enterprise.collaboration.documents.viewer.release"


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> overview.Looked:
    """One sample, one of two refused, against a dataset of an app whose name has no place to break at."""
    folder = tmp_path_factory.mktemp("report")
    document = build.trajectory("other", 3, first_screen=20)
    for step in document["steps"]:
        step["observation"]["app"] = LONG
    build.write(folder / "there", document)
    build.sliced(folder / "there", folder / "theirs", max_pixels=200_000, val_fraction=0)
    plain = build.sliced(build.corpus(folder / "in", 1), folder / "plain", max_pixels=131072, val_fraction=0)
    own = build.edited(plain, folder / "own", lambda samples: [replace(samples[0], goal=""), samples[1]])
    report = build.validated(Path(own.path), folder / "out")
    return overview.look(report, Dataset.open(folder / "theirs"))


def told(looked: overview.Looked, folder: Path) -> str:
    """Write the report and return its page."""
    overview.write(looked, folder)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_one_is_no_plural(looked: overview.Looked, tmp_path: Path) -> None:
    """One sample, one trajectory, one refused row."""
    text = told(looked, tmp_path / "report")
    for right in ("<b>1</b>sample<", "<b>1</b>trajectory<", "The refused row</a>"):
        assert right in text


@pytest.mark.parametrize(
    ("values", "middle", "ends"),
    [([1207, 1908, 2384], "1,908", "from 1,207 to 2,384"), ([1, 2], "1.5", "from 1 to 2"),
     ([0, 0], "0", "all the same"), ([1234567, 1234568], "1,234,567.5", "from 1,234,567 to 1,234,568")],
)  # fmt: skip
def test_numbers_are_written_alike(
    looked: overview.Looked, tmp_path: Path, values: list[int], middle: str, ends: str
) -> None:
    """A median has the separators of the numbers beside it, on the page and in words."""
    measures = replace(looked.measures, values={**looked.measures.values, "tokens": values})
    assert f"median {middle}, {ends}" in told(replace(looked, measures=measures), tmp_path / "report")
    assert looked.other is not None
    other = replace(measures, values={**measures.values, "tokens": [value + 10**7 for value in values]})
    moved = drift.compare(looked.dataset, looked.other, measures, other)
    assert moved.moved["tokens"].endswith(f"median {middle} here")


class TestInABrowser:
    """At the width of a phone."""

    pytestmark = BROWSER

    def test_nothing_of_a_table_is_cut_off(self, page: Any, looked: overview.Looked, tmp_path: Path) -> None:
        """Every cell lies on the screen, whatever names stand in it, and is no wider inside than outside."""
        assert looked.moved is not None
        assert LONG in looked.moved.moved["app"]
        told(looked, tmp_path / "report")
        for width in (390, 320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(f"file://{tmp_path / 'report' / 'report.html'}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            cells = page.locator("td:visible, th:visible").all()
            assert len(cells) > 10
            for cell in cells:
                box = cell.bounding_box()
                assert box["x"] + box["width"] <= width, cell.inner_text()
                assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth + 1"), cell.inner_text()
