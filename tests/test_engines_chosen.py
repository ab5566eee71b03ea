"""Which image engine does the work, what it decodes with, and that a run keeps to it."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import build
import pytest
from engine_pictures import SCREEN, saved, smaller, wrong_inner_sum

from pipeline import engines
from pipeline.exceptions import ConfigError, OutputError
from pipeline.screens import images
from pipeline.screens.images import ImageProblem, Plan
from pipeline.slice import SliceConfig, run
from pipeline.slicing import inputs as slice_inputs
from pipeline.stage import Running

pytest.importorskip("pyvips")


@pytest.fixture
def no_vips(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pretend that pyvips is not installed."""

    def missing() -> Any:
        raise ModuleNotFoundError("No module named 'pyvips'")

    engines.get.cache_clear()
    monkeypatch.setitem(engines.ENGINES, "vips", missing)
    yield
    engines.get.cache_clear()


@pytest.mark.usefixtures("no_vips")
def test_without_libvips_pillow_does_the_work() -> None:
    """`auto` falls back, `vips` says what is missing."""
    assert engines.choose("auto").name == "pillow"
    with pytest.raises(ConfigError, match=r"--image-engine: found no library for vips[^\n]*\nhint: pip install"):
        engines.choose("vips")


WITH_KORNIA = {
    "png": saved(SCREEN, "PNG"),
    "png, alpha": saved(SCREEN.convert("RGBA"), "PNG"),
    "jpeg": saved(SCREEN, "JPEG"),
    "jpeg, subsampled": saved(SCREEN, "JPEG", subsampling=2),
    "jpeg, progressive": saved(SCREEN, "JPEG", progressive=True),
}


@pytest.mark.parametrize("name", WITH_KORNIA)
def test_without_kornia_others_decode(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The same pixels, and what decided them is named."""
    pytest.importorskip("kornia_rs")
    engine, data = engines.get("vips"), WITH_KORNIA[name]
    assert "kornia-rs" in engine.versions()
    fast = smaller(data)
    monkeypatch.setattr(sys.modules["pipeline.engines.vips"], "kornia_rs", None)
    assert "kornia-rs" not in engine.versions()
    assert smaller(data).sha256 == fast.sha256
    with pytest.raises(ImageProblem):  # libvips and Pillow look at the second sum
        smaller(wrong_inner_sum(SCREEN))


def test_an_unknown_engine_is_refused() -> None:
    """The line names those that there are."""
    with pytest.raises(ConfigError, match="found 'opencv', expected one of auto, vips, pillow"):
        SliceConfig(image_engine="opencv").image_plan()


def test_nothing_imports_libvips_before_it_is_used() -> None:
    """Neither the command line nor the stages do."""
    code = "import sys, pipeline.cli, pipeline.slice, pipeline.validate; sys.exit('pyvips' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def inline(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Run tasks in this process."""
    for task in tasks:
        yield task, function(task)


class _Inline:
    """An executor without processes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.run = inline


def test_each_screenshot_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many samples show it, and however often the recording names it."""
    source = tmp_path / "in"
    document = build.trajectory("t", 5)
    document["steps"][3]["observation"]["image"]["path"] = "0.png"
    build.write(source, document)
    decoded: Counter[str] = Counter()

    def counted(data: bytes, width: int, height: int, plan: Plan, sha256: str) -> images.Resized:
        decoded[sha256] += 1
        return images.resize(data, width, height, plan, sha256)

    monkeypatch.setattr(slice_inputs, "resize", counted)
    monkeypatch.setitem(sys.modules["pipeline.stage"].EXECUTORS, "local", _Inline)
    run(source, tmp_path / "out", SliceConfig(), Running())
    assert sorted(decoded.values()) == [1, 1, 1, 1]


def test_the_engine_is_part_of_the_run(tmp_path: Path) -> None:
    """Its results differ in bytes, so a run is not continued with another one."""
    source = build.corpus(tmp_path / "in", 2)
    report = run(source, tmp_path / "out", SliceConfig(), Running())
    engine = report.manifest.image["engine"]
    assert engine["name"] == "vips"
    assert engine == report.manifest.config["image_engine"] == {"name": "vips", **engines.get("vips").versions()}
    assert run(source, tmp_path / "out", SliceConfig(image_engine="vips"), Running()).manifest == report.manifest
    with pytest.raises(OutputError, match=r"config.image_engine.name \"pillow\""):
        run(source, tmp_path / "out", SliceConfig(image_engine="pillow"), Running())
