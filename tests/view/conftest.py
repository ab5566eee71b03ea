"""A dataset with everything that a page must survive, served."""

from collections.abc import Iterator
from pathlib import Path

import build
import pytest
from pages import recordings, served


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
