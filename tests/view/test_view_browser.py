"""The pages in a real browser: load, filter, open, keys, exact drawings, hostile text, phone width, size."""

from pathlib import Path
from typing import Any

import build
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import ATTACK, BROWSER, served

from pipeline.actions import Click
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import MANIFEST, Shard
from pipeline.storage.place import Place
from pipeline.storage.shards import _sha256
from pipeline.storage.tables import SAMPLES

pytestmark = BROWSER


def test_filter_open_and_come_back(page: Any, address: str, folders: tuple[Path, Path]) -> None:
    """A filter narrows the list, a sample opens, Escape returns to the filtered list."""
    samples = list(Dataset.open(folders[1]).samples())
    errors = [sample for sample in samples if sample.origin == "error_correction"]
    page.goto(address)
    page.wait_for_selector(".card")
    assert page.inner_text("#status") == f"{len(samples)} samples"
    page.select_option("#facet-origin", "error_correction")
    page.wait_for_selector(f"#status:has-text('{len(errors)} samples')")
    assert "origin=error_correction" in page.url
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".message.learns")
    assert page.inner_text(".sample .message.learns header").endswith("trained")
    assert page.locator(".message.errs").count() >= 1
    assert page.locator(".slip .film li").count() >= 2
    first = page.url
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"#status:has-text({_quoted(errors[1].sample_id)})")
    assert page.url != first
    page.keyboard.press("Escape")
    page.wait_for_selector(".card")
    assert page.locator(".card").count() == len(errors)
    page.reload()
    page.wait_for_selector(".card")
    assert page.locator(".card").count() == len(errors)  # the address holds the filter


def test_search_and_film_strips(page: Any, address: str) -> None:
    """Typing searches; the other view shows the same trajectories as strips."""
    page.goto(address)
    page.wait_for_selector(".card")
    page.keyboard.press("/")
    page.keyboard.type("t2/0001")
    page.wait_for_selector("#status:has-text('1 sample'), #status:has-text('2 samples')")
    page.click("#to-trajectories")
    page.wait_for_selector("#status:text-is('1 trajectory')")
    assert page.locator(".film li").count() == 4
    page.click("text=Show all")
    page.wait_for_selector(".strip >> nth=3")


def test_drawings_lie_where_the_record_says(page: Any, address: str, folders: tuple[Path, Path]) -> None:
    """Points and boxes on the screen are within a pixel of the recorded fractions, and the numbers beside agree."""
    sample = next(s for s in Dataset.open(folders[1]).samples() if s.error_kind == "tap_dead")
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{address}#/sample/{sample.sample_id}")
        page.reload()
        page.wait_for_selector(".message.learns")
        figures = page.locator(".shot")
        for number in range(figures.count()):
            turn = next(turn for turn in sample.turns if turn.image == number)
            action: Any = turn.actions[0]
            if not isinstance(action, Click):
                continue
            frame = figures.nth(number).locator(".open .frame")
            frame.scroll_into_view_if_needed()
            picture = frame.locator("img").bounding_box()
            x, y = action.point
            dot = frame.locator(".dot").bounding_box()
            assert dot["x"] + dot["width"] / 2 == pytest.approx(picture["x"] + x * picture["width"], abs=1)
            assert dot["y"] + dot["height"] / 2 == pytest.approx(picture["y"] + y * picture["height"], abs=1)
            box = frame.locator("rect.box").bounding_box()  # measured with its line: 1 px on each side
            x1, y1, x2, y2 = action.bbox
            assert box["x"] == pytest.approx(picture["x"] + x1 * picture["width"], abs=1.5)
            assert box["y"] == pytest.approx(picture["y"] + y1 * picture["height"], abs=1.5)
            assert box["width"] == pytest.approx((x2 - x1) * picture["width"], abs=3)
            assert box["height"] == pytest.approx((y2 - y1) * picture["height"], abs=3)
            cells = figures.nth(number).locator(".readings td").all_inner_texts()
            assert cells[0] == f"{round(x * 999)}, {round(y * 999)}"
            assert cells[2] == f"{round(x * build.WIDTH)}, {round(y * build.HEIGHT)}"


def test_hostile_text_is_only_text(page: Any, address: str, folders: tuple[Path, Path], tmp_path: Path) -> None:
    """A goal that is a script is read, not run, on every page, served or exported."""
    build.gdp("view", folders[1], "--export", tmp_path / "shared")
    sample = next(s for s in Dataset.open(folders[1]).samples() if ATTACK in s.goal)
    for start in (address, f"file://{tmp_path / 'shared' / 'index.html'}"):
        for view in ("samples", "trajectories"):
            page.goto(f"{start}#/{view}?text=onerror")
            page.reload()
            page.locator("main").get_by_text(ATTACK[:20]).first.wait_for()
        page.goto(f"{start}#/sample/{_encoded(sample.sample_id)}")
        page.reload()
        page.wait_for_selector(".message.learns")
        assert ATTACK in page.inner_text(".message.learns")
        assert page.locator("main script, main img[src=x]").count() == 0
        assert page.title() not in {"owned", "1"}
    assert page.locator("main *[onerror]").count() == 0


def test_an_exported_page_works_from_disk(page: Any, folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Filters, pictures and links work without a server."""
    build.gdp("view", folders[1], "--export", tmp_path / "shared")
    page.goto(f"file://{tmp_path / 'shared' / 'index.html'}")
    page.wait_for_selector(".card")
    page.select_option("#facet-error_kind", "tap_dead")
    page.wait_for_selector(".card .badge.recovery >> nth=0")
    page.click(".card >> nth=0")
    page.wait_for_selector(".message.learns")
    pictures = page.locator(".shot .open img")
    assert pictures.count() >= 2
    pictures.first.scroll_into_view_if_needed()
    assert pictures.first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    page.click("a[rel=prev], a[rel=next]")
    page.wait_for_selector(".message.learns")


def test_it_fits_a_phone_and_names_its_controls(page: Any, address: str) -> None:
    """No sideways scrolling at phone width; every control has a name; both colour schemes keep contrast."""
    page.set_viewport_size({"width": 390, "height": 844})
    for view in ("#/samples", "#/trajectories", "#/samples?origin=error_correction"):
        page.goto(address + view)
        page.reload()
        page.wait_for_selector(".card, .film")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click(".card >> nth=0")
    page.wait_for_selector(".message.learns")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for control in page.locator("input, select").all():
        assert control.evaluate("element => element.labels.length") == 1
    for picture in page.locator("main img").all():
        assert picture.get_attribute("alt")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for selector in (".goal, .sample h2", ".badge.trained", ".badge.error", "a"):
            for each in page.locator(selector).all()[:2]:
                assert _contrast(each) >= 4.5, (scheme, selector)


def test_a_hundred_thousand_samples_are_no_burden(page: Any, folders: tuple[Path, Path], tmp_path: Path) -> None:
    """List, filter, search and open a sample of a dataset of 100,000; the server stays small."""
    _multiplied(Dataset.open(folders[1]), tmp_path / "large", 100_000)
    with served(tmp_path / "large") as (url, process):
        page.goto(url)
        page.wait_for_selector("#status:has-text('100,000 samples')")
        page.select_option("#facet-origin", "error_correction")
        page.wait_for_selector(".card .badge.recovery >> nth=0")
        page.fill("#text", "copy-99")
        page.wait_for_url("**text=copy-99**")
        page.wait_for_selector(".card code:has-text('copy-99') >> nth=0")
        page.click(".card >> nth=0")
        page.wait_for_selector(".message.learns")
        status = Path(f"/proc/{process}/status")
        if status.exists():
            peak = int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])
            assert peak < 700_000, f"{peak} kB"


def _multiplied(dataset: Dataset, out: Path, count: int) -> None:
    """Write a dataset with so many samples, copies of one shard's under ids of their own."""
    table = pq.read_table(dataset.place.local / "samples" / "00000.parquet") if dataset.place.local else None
    assert table is not None
    kept = [shard for shard in dataset.manifest.shards if shard.name.endswith("00000.parquet")]
    for shard in kept:
        (out / shard.name).parent.mkdir(parents=True, exist_ok=True)
        (out / shard.name).hardlink_to(dataset.place.local / shard.name)  # type: ignore[operator]
    copies = -(-count // table.num_rows)
    large = pa.concat_tables([table] * copies).slice(0, count)
    ids = [f"copy-{number}/{each}" for number, each in enumerate(large.column("sample_id").to_pylist())]
    place = large.schema.get_field_index("sample_id")
    large = large.set_column(place, "sample_id", pa.array(ids)).cast(SAMPLES)
    target = out / "samples" / "00000.parquet"
    target.unlink()
    pq.write_table(large, target, row_group_size=1024, compression="zstd", write_page_checksum=True)
    shards = [shard for shard in kept if not shard.name.startswith("samples")]
    shards.append(Shard("samples/00000.parquet", count, target.stat().st_size, _sha256(target)))
    manifest = msgspec.structs.replace(dataset.manifest, shards=tuple(sorted(shards, key=lambda each: each.name)))
    Place(str(out)).write(MANIFEST, manifest.to_json(), "manifest")


def _contrast(element: Any) -> float:
    """Return the contrast of an element's text with what it lies on (WCAG 2.1, relative luminance)."""
    colours = element.evaluate(
        """element => {
          const ink = getComputedStyle(element).color;
          for (let each = element; each; each = each.parentElement) {
            const back = getComputedStyle(each).backgroundColor;
            if (!/, 0\\)$|transparent/.test(back)) return [ink, back];
          }
        }"""
    )
    lights = sorted(_luminance(colour) for colour in colours)
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(colour: str) -> float:
    import re

    parts = [float(part) for part in re.findall(r"[\d.]+", colour)[:3]]
    values = parts if colour.startswith("color(") else [part / 255 for part in parts]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"


def _encoded(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
