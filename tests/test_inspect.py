"""`gdp inspect`: one sample in the terminal, and nothing of it that the terminal would obey."""

import build
import pytest
from msgspec.structs import replace

from pipeline.checks import CHECKS
from pipeline.inspect import lines
from pipeline.storage.dataset import Dataset
from pipeline.terminal import GREEN, RED, RESET


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset with error samples, one of whose goals tries to clear the screen."""
    folder = tmp_path_factory.mktemp("inspect")
    build.back_corpus(folder / "in")
    build.write(folder / "in", build.trajectory("evil", first_screen=50, goal="Open it \x1b[2J\x9b2J now"))
    build.sliced(folder / "in", folder / "sliced", max_pixels=131072)
    return build.augmented(folder / "sliced", folder / "out", rate=0.4)


def test_what_is_trained_and_what_is_wrong_can_be_seen(dataset: Dataset) -> None:
    """The trained text stands in marks, alone; the erroneous turn is called one; pictures say where they are."""
    sample = next(s for s in dataset.samples() if s.error_kind == "tap_dead")
    done = build.gdp("inspect", dataset.path, sample.sample_id)
    assert done.returncode == 0, done.stderr
    trained = done.stdout[done.stdout.index("⟦") + 1 : done.stdout.index("⟧")]
    assert trained == sample.messages[-1].content[0].text
    assert done.stdout.count("⟦") == 1
    assert done.stdout.count("── assistant · no loss: the error") == 1
    for number, image in enumerate(sample.images):
        place = f"images/{image.shard:05d}.parquet[{image.row}]"
        assert f"image {number} {image.width}x{image.height}  {place}" in done.stdout
        assert done.stdout.count(f"<image {number}>") == 1


def test_colours_mark_the_same(dataset: Dataset) -> None:
    """With colours the trained text is green, the error's head red."""
    sample = next(s for s in dataset.samples() if s.error_kind == "tap_dead")
    text = "\n".join(lines(sample, colour=True))
    assert f"{GREEN}{sample.messages[-1].content[0].text}{RESET}" in text
    assert f"{RED}── assistant · no loss: the error{RESET}" in text


def test_a_flag_says_what_should_hold(dataset: Dataset) -> None:
    """Each on a line of its own; of a check that is no more only the name."""
    sample = replace(next(dataset.samples()), flags=("border", "retired\x1bcheck"))
    told = [line for line in lines(sample, colour=False) if line.startswith("  flag ")]
    assert told == [f"  flag    border; what should hold: {CHECKS['border'].meaning}", "  flag    retired␛check"]
    assert not any(line.startswith("  flag ") for line in lines(replace(sample, flags=()), colour=False))


def test_data_cannot_steer_the_terminal(dataset: Dataset) -> None:
    """Escape sequences of the data arrive as pictures of themselves."""
    done = build.gdp("inspect", dataset.path, "evil/0001")
    assert "␛[2J␦2J now" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\x9b" not in done.stdout


def test_every_token_has_its_label(dataset: Dataset) -> None:
    """The trained rows spell the trained text and the end of the turn; no other row has a label."""
    done = build.gdp("inspect", dataset.path, "b0/0001", "--tokens")
    assert done.returncode == 0, done.stderr
    rows = [line.split(maxsplit=4) for line in done.stdout.splitlines()[1:]]
    trained = [row for row in rows if row[2] != "-"]
    assert {row[2] == row[1] for row in trained} == {True}
    assert {row[3] for row in trained} == {"1"}
    assert trained[-1][4] == "<|im_end|>"
    assert any("<|image_pad|>×" in row[4] for row in rows if len(row) > 4)
    assert int(rows[-1][0]) + 1 >= len(rows)


def test_an_unknown_id_names_the_nearest(dataset: Dataset) -> None:
    """A typing mistake is one line with a hint."""
    done = build.gdp("inspect", dataset.path, "b0/001")
    assert done.returncode == 1
    assert "found no sample 'b0/001', expected one of its ids" in done.stderr
    assert "b0/0001" in done.stderr
    done = build.gdp("inspect", dataset.path, "b0/0001", "--model", "x")
    assert done.returncode == 2
    assert "--model: found it without --tokens" in done.stderr
