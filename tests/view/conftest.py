"""A dataset with everything that a page must survive, served."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import build
import pytest
from pages import CHROMIUM, FLAGS, recordings, served


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The recordings, and the dataset made of them with error samples."""
    folder = tmp_path_factory.mktemp("view")
    source = recordings(folder / "recordings")
    build.sliced(source, folder / "sliced", max_pixels=131072, shard_size=3)
    build.augmented(folder / "sliced", folder / "augmented", rate=0.4)
    return source, folder / "augmented"


@pytest.fixture(scope="session")
def address(folders: tuple[Path, Path]) -> Iterator[str]:
    """Where the dataset is served, originals too."""
    with served(folders[1], "--trajectories", str(folders[0])) as (url, _):
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a module."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh page that fails the test if anything went wrong in it, or anything was asked of another host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda request: _local(request.url) or wrong.append(request.url))
    yield opened
    context.close()
    assert wrong == []


def _local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "file:///"))
