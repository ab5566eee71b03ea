"""The tokens of the report: those that a tokenizer counted, where one did, with the limit; and said to be that."""

import json
import re
from pathlib import Path
from typing import Any

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.overview import charts
from pipeline.slicing.token_count import counter, fingerprint
from pipeline.storage.dataset import Dataset


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer, and a dataset sliced with it and one sliced without."""
    root = tmp_path_factory.mktemp("tokens")
    build.byte_tokenizer(root)
    build.corpus(root / "in", 3)
    build.sliced(root / "in", root / "estimated", shard_size=1)
    build.sliced(root / "in", root / "exact", shard_size=1, max_tokens=100_000, tokenizer=str(root))
    return root


def exact(place: Path, name: str) -> list[int]:
    """Return the tokens of each sample as training counts them."""
    count = counter(str(place / "tokenizer.json"), 32)
    return sorted(count.sample(sample.messages, sample.images) for sample in Dataset.open(place / name).samples())


def report(place: Path, folder: Path, *arguments: object) -> tuple[dict[str, Any], str]:
    """Return the report for programs, and the one for people."""
    build.gdp("validate", *arguments, "--report", folder, "-q", cwd=place)
    page = (folder / "report.html").read_text(encoding="utf-8")
    return json.loads((folder / "report.json").read_bytes()), page


def test_tokens_are_those_that_validation_counted(place: Path, tmp_path: Path) -> None:
    """Of what is kept where it is written, else of all samples; by the same tokenizer, be it here or in slice."""
    numbers = exact(place, "estimated")
    limit = numbers[len(numbers) // 2]
    beyond = sum(number > limit for number in numbers)
    assert 0 < beyond < len(numbers)
    counting = ["--max-tokens", limit, "--tokenizer", place]
    for more, counted in (((), numbers), (("-o", tmp_path / "out"), [n for n in numbers if n <= limit])):
        document, page = report(place, tmp_path / "r", "estimated", *counting, *more)
        left = beyond if not more else 0
        sha = fingerprint(place / "tokenizer.json")
        assert document["tokens"] == {"tokenizer": sha, "limit": limit, "beyond": left}
        assert sum(each["count"] for each in document["histograms"]["tokens"]) == len(counted)
        assert f"counted with the tokenizer of sha256 {sha[:12]}; {left} beyond the limit of {limit:,}; median" in page
        assert f"from {counted[0]:,} to {counted[-1]:,}<" in page
        assert f"<title>the limit: {limit:,}</title>" in page


def test_tokens_that_slice_counted_are_exact(place: Path, tmp_path: Path) -> None:
    """Its limit is told, and not drawn where it is far away; estimates are called that."""
    document, page = report(place, tmp_path / "r", "exact")
    numbers = exact(place, "exact")
    assert document["tokens"] == {"tokenizer": fingerprint(place / "tokenizer.json"), "limit": 100_000, "beyond": 0}
    assert f"from {numbers[0]:,} to {numbers[-1]:,}<" in page
    assert "0 beyond the limit of 100,000" in page
    assert 'class="limit"' not in page
    document, page = report(place, tmp_path / "r", "estimated")
    assert document["tokens"] == {"tokenizer": None, "limit": None, "beyond": None}
    assert "estimated for its text" in page


@pytest.mark.parametrize(("own", "other", "comparable"), [
    ("exact", "estimated", False), ("estimated", "exact", False), ("exact", "exact", True),
    ("estimated", "estimated", True),
])  # fmt: skip
def test_only_what_is_counted_alike_is_compared(
    place: Path, tmp_path: Path, own: str, other: str, comparable: bool
) -> None:
    """An estimate and a count of the same samples are no drift."""
    document, page = report(place, tmp_path / "r", own, "--against", other)
    assert document["against"]["distances"].get("tokens") == (0 if comparable else None)
    assert ("counted otherwise" in page) != comparable


def test_without_secrets_there_are_other_tokens(place: Path, tmp_path: Path) -> None:
    """What was counted before texts were replaced is not told of what is written."""
    limit = ["--max-tokens", 100_000, "--tokenizer", place]
    document, _ = report(place, tmp_path / "r", "estimated", "-o", tmp_path / "out", "--redact", *limit)
    assert document["tokens"]["tokenizer"] is None


@given(st.lists(st.integers(0, 9_000), min_size=1), st.integers(1, 20_000))
def test_a_limit_parts_the_bars(values: list[int], limit: int) -> None:
    """Bars that end before it are left of it, bars that begin behind it right; it stays in the plot."""
    drawn = charts.histogram(values, limit=limit)
    line = re.search(r'<line x1="([\d.]+)" y1="0"', drawn)
    if line is None:
        assert limit > max(values)
        return
    at = float(line[1])
    assert 0 <= at <= charts.WIDTH
    for left, width, title in re.findall(r'<rect x="([\d.]+)" [^>]*?width="([\d.]+)"[^>]*><title>([\d, to]+):', drawn):
        low, high = (int(part.replace(",", "")) for part in (title.split(" to ") * 2)[:2])
        if high <= limit:
            assert float(left) + float(width) <= at + 1
        if low > limit:
            assert float(left) >= at - 1
