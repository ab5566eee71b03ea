"""Datasets with one thing wrong, and what `gdp validate` refuses of them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import build
from msgspec.structs import replace

from pipeline.layouts import LAYOUTS, render
from pipeline.records import Sample, Turn
from pipeline.slicing.policy import Prompts
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import sample_row

Edit = Callable[[Sample], Sample | dict[str, Any]]


def clean(root: Path) -> Dataset:
    """Slice trajectories and add errors: nothing is wrong with them."""
    build.back_corpus(root / "in")
    build.sliced(root / "in", root / "sliced", val_fraction=0)
    return build.augmented(root / "sliced", root / "d", rate=0.4)


def refused(tmp_path: Path, dataset: Dataset) -> list[dict[str, Any]]:
    """Validate into a new dataset; return what was refused, having checked the books and that the rest is clean."""
    report = build.validated(Path(dataset.path), tmp_path / "clean")
    clean = Dataset.open(tmp_path / "clean")
    rows = [row for row in build.rows(clean, "rejected") if row["stage"] == "validate"]
    flow = clean.manifest.counts["samples"]
    assert (flow.into, flow.out, flow.rejected) == (
        len(build.rows(dataset, "samples")), len(build.rows(clean, "samples")), len(rows),
    )  # fmt: skip
    assert report.exit_code == (1 if rows else 0)
    assert len(report.refused) == len(rows)
    assert [row["message"] for row in build.validated(Path(dataset.path)).refused] == [row["message"] for row in rows]
    again = build.validated(tmp_path / "clean", tmp_path / "again")
    assert again.findings == 0
    assert build.tree(tmp_path / "clean" / "samples") == build.tree(tmp_path / "again" / "samples")
    return rows


def spoil(tmp_path: Path, good: Dataset, edit: Edit, which: int = -1) -> list[dict[str, Any]]:
    """Spoil one sample and return what is refused."""

    def edits(samples: list[Sample]) -> Iterable[Sample | dict[str, Any]]:
        samples = sorted(samples, key=lambda s: (s.origin != "clean", s.trajectory_id, s.step_index))
        clean = [sample for sample in samples if sample.origin == "clean"]
        chosen = clean[2] if which == -1 else clean[which]
        return [edit(sample) if sample is chosen else sample for sample in samples]

    return refused(tmp_path, build.edited(good, tmp_path / "bad", edits))


def rendered(sample: Sample, *turns: Turn) -> Sample:
    """Return the sample with other turns, everything that follows from them made anew."""
    layout = LAYOUTS[sample.layout]
    messages = render(layout, layout.history, Prompts(), sample.goal, turns)
    target = replace(sample.target, actions=turns[-1].actions)
    return replace(sample, turns=turns, messages=messages, target=target)


def last(sample: Sample, **changes: Any) -> Sample:
    """Change the trained turn."""
    return rendered(sample, *sample.turns[:-1], replace(sample.turns[-1], **changes))


def message(sample: Sample, number: int, **changes: Any) -> Sample:
    """Change one message."""
    messages = list(sample.messages)
    messages[number] = replace(messages[number], **changes)
    return replace(sample, messages=tuple(messages))


def row(sample: Sample, **columns: Any) -> dict[str, Any]:
    """Return the sample's row with other columns, whatever they say."""
    return {**sample_row(sample), **columns}


def ref(sample: Sample, **changes: Any) -> Sample:
    """Change where the last screenshot is said to be."""
    return replace(sample, images=(*sample.images[:-1], replace(sample.images[-1], **changes)))


def moved(point: tuple[float, float]) -> Edit:
    """Move the trained click elsewhere."""
    return lambda sample: last(sample, actions=(replace(sample.turns[-1].actions[0], point=point),))


def reordered(sample: Sample, *steps: int) -> Sample:
    """Keep only these steps, in this order, each with its own screenshot."""
    turns = (replace(sample.turns[step], image=number) for number, step in enumerate(steps))
    return replace(rendered(sample, *turns), images=tuple(sample.images[step] for step in steps))
