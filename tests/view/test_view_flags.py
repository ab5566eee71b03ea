"""What a page says of one sample: why it is flagged, its id once, a caption under each picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import build
import pytest
from msgspec.structs import replace
from pages import BROWSER, served

from pipeline.checks import CHECKS
from pipeline.storage.dataset import Dataset

pytestmark = BROWSER
FLAGS = ("border", "retired_check")
"""A check of today, and one that another version had."""


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset whose first sample has two flags."""
    folder = tmp_path_factory.mktemp("flags")
    plain = build.sliced(build.corpus(folder / "in", 1), folder / "plain", max_pixels=131072, val_fraction=0)
    return build.edited(plain, folder / "out", lambda samples: [replace(samples[0], flags=FLAGS), *samples[1:]])


@pytest.fixture(scope="module", params=["served", "exported"])
def start(flagged: Dataset, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where its pages are."""
    if request.param == "served":
        with served(Path(flagged.path)) as (url, _):
            yield url
    else:
        folder = tmp_path_factory.mktemp("exported") / "pages"
        build.gdp("view", flagged.path, "--export", folder)
        yield f"file://{folder / 'index.html'}"


def test_a_flag_says_what_should_hold(page: Any, start: str) -> None:
    """In the list as a tooltip, beside the sample as text; of a check that is no more only the name."""
    page.goto(start)
    page.wait_for_selector(".card")
    badges = page.locator(".card .badge.flag")
    assert badges.all_inner_texts() == list(FLAGS)
    assert CHECKS["border"].meaning in badges.nth(0).get_attribute("title")
    page.click(".card >> nth=0")
    page.wait_for_selector(".message.learns")
    told = page.locator(".flags li").all_inner_texts()
    assert [each.split()[0] for each in told] == list(FLAGS)
    assert CHECKS["border"].meaning in told[0]
    assert page.locator("text=retired_check >> visible=true").count() == 1
    assert page.locator(".flags").count() == 1


def test_the_id_stands_once_above_the_sample(page: Any, start: str, flagged: Dataset) -> None:
    """Once is enough to copy it."""
    name = next(iter(flagged.samples())).sample_id
    page.goto(f"{start}#/sample/{name}")
    page.wait_for_selector(".message.learns")
    page.wait_for_selector(f"#status:has-text('{name}')")
    head = page.inner_text("main").split("Conversation")[0]
    assert head.count(name) == 1


@pytest.mark.parametrize("width", [1280, 390])
def test_each_picture_has_its_caption_under_it(page: Any, start: str, flagged: Dataset, width: int) -> None:
    """Both are at one scale, and each caption begins at its picture's left edge, right below it."""
    name = next(iter(flagged.samples())).sample_id
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{start}#/sample/{name}")
    page.click(".sizes summary")
    pictures, captions = page.locator(".pair .frame"), page.locator(".pair .caption")
    captions.nth(1).wait_for()
    assert pictures.count() == captions.count() == 2
    boxes = [(pictures.nth(n).bounding_box(), captions.nth(n).bounding_box()) for n in range(2)]
    for picture, caption in boxes:
        assert caption["x"] == pytest.approx(picture["x"], abs=1)
        assert 0 <= caption["y"] - picture["y"] - picture["height"] < 12
        assert caption["width"] <= picture["width"] + 1
    sizes = [int(text.split("×")[0]) for text in captions.all_inner_texts()]
    assert boxes[0][0]["width"] / boxes[1][0]["width"] == pytest.approx(sizes[0] / sizes[1], rel=0.01)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
