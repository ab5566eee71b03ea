"""Every family that `gdp train` takes, as a tiny model of the real classes with random weights."""

from pathlib import Path

import pytest
import tiny_models


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_a_tiny_model_is_an_ordinary_model_folder(family: str, tmp_path: Path) -> None:
    """AutoModel loads it by its config alone, complete, and building it again gives the same bytes."""
    from transformers import AutoModelForImageTextToText

    folders = [tiny_models.save(family, tmp_path / name) for name in "ab"]
    _, info = AutoModelForImageTextToText.from_pretrained(folders[0], output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    for path in sorted(folders[0].iterdir()):
        assert path.read_bytes() == (folders[1] / path.name).read_bytes(), path.name
