"""Count what a dataset holds: one pass over narrow columns, a few numbers a sample in memory, no screenshot decoded."""

from array import array
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import kind, target_point
from pipeline.describe import words_of
from pipeline.records import Target
from pipeline.slicing.glance import host
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import UNREADABLE

from .clicks import ClickMap, Clicks, Size

NO_APP = "unknown app"

COUNTED = {
    "split": "samples of each split",
    "origin": "clean samples and error-corrections",
    "error_kind": "kinds of errors that are corrected",
    "flag": "samples with a warning of each check",
    "action": "trained actions of each type",
    "app": "trained decisions in each app",
    "language": "languages of the goals",
    "stored_size": "screenshots of each stored size, in pixels",
    "recorded_size": "screenshots of each recorded size, in pixels",
}
"""What `Measures.counts` has, and what it counts."""

MEASURED = {
    "tokens": "tokens of a sample, estimated for its text, exact for its screenshots",
    "history": "earlier steps that a sample tells",
    "images": "screenshots of a sample",
    "screens": "screens of a trajectory, the one after its last step included",
    "thought_words": "words of a trained thought; a Chinese character is one",
}
"""What `Measures.values` has, and what it measures."""


class _Said(Struct):
    """As much of a turn as is measured."""

    thought: str | None = None
    loss_weight: float = 0.0
    size: Size | None = None


class Measures(Struct, frozen=True):
    """What a dataset holds."""

    samples: int
    trajectories: int
    counts: dict[str, dict[str, int]]
    """By the names of `COUNTED`, how often each value occurs, the commonest first; no `flag` where it is not known."""
    values: dict[str, list[int]]
    """By the names of `MEASURED`, the number of every sample, of every trajectory for `screens`; of another dataset no
    `tokens` where they were counted otherwise."""
    clicks: tuple[ClickMap, ...]
    """Where the trained points are, by app and form of screen."""
    unreadable: int = 0
    """Rows among the samples whose turns or targets are none; they stand in no other number."""
    tokenizer: str | None = None
    """SHA-256 of the tokenizer that counted the tokens; None where they are estimated."""
    most: int | None = None
    """Tokens of a sample at most, as that tokenizer counts."""


def measure(dataset: Dataset) -> Measures:
    """Return what the dataset holds; raises InputError where it is damaged."""
    counter = _Counter()
    for number in dataset.manifest.shard_numbers():
        counter.add_steps(dataset.rows("steps", number, ["trajectory_id", "step_index", "app", "url"]))
        counter.add_samples(dataset.rows("samples", number, SAMPLE_COLUMNS))
        columns = ["width", "height", "source_width", "source_height"]
        counter.add_images(dataset.rows("images", number, columns))
    return counter.measures()


SAMPLE_COLUMNS = [
    "trajectory_id", "split", "origin", "error_kind", "lang", "turns", "target", "earlier_targets", "images",
    "text_tokens_estimate", "image_tokens", "flags",
]  # fmt: skip


class _Counter:
    """Reads rows, shard by shard."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
        self._values: dict[str, array[int]] = {name: array("q") for name in MEASURED}
        self._clicks = Clicks()
        self._apps: dict[tuple[str, int], str] = {}
        self._targets = msgspec.json.Decoder(tuple[Target, ...])
        self._target = msgspec.json.Decoder(Target)
        self._said = msgspec.json.Decoder(tuple[_Said, ...])
        self._trajectories: set[str] = set()
        self._samples = self._unreadable = 0

    def add_steps(self, rows: Iterator[dict[str, Any]]) -> None:
        """Take the apps of one shard's steps; its samples come next."""
        self._apps.clear()
        screens: Counter[str] = Counter()
        for row in rows:
            self._apps[row["trajectory_id"], row["step_index"]] = row["app"] or host(row["url"]) or NO_APP
            screens[row["trajectory_id"]] += 1
        self._values["screens"].extend(screens.values())

    def add_samples(self, rows: Iterator[dict[str, Any]]) -> None:
        """Count one shard's samples."""
        for row in rows:
            self._samples += 1
            try:
                said = self._said.decode(row["turns"])
                targets = (*self._targets.decode(row["earlier_targets"]), self._target.decode(row["target"]))
            except UNREADABLE:
                self._unreadable += 1
                continue
            self._trajectories.add(row["trajectory_id"])
            for name, column in (("split", "split"), ("origin", "origin"), ("language", "lang")):
                self._counts[name][row[column]] += 1
            if row["error_kind"]:
                self._counts["error_kind"][row["error_kind"]] += 1
            self._counts["flag"].update(row["flags"])
            self._values["tokens"].append(row["text_tokens_estimate"] + row["image_tokens"])
            self._values["images"].append(len(row["images"]))
            self._values["history"].append(max(len(said) - 1, 0))
            trained = [turn for turn in said if turn.loss_weight > 0]
            self._values["thought_words"].extend(words(turn.thought) for turn in trained if turn.thought)
            last = row["images"][-1] if row["images"] else {"width": 1, "height": 1}
            shown = (last["width"], last["height"])
            sizes = [turn.size or shown for turn in trained]
            for target, size in zip(targets, sizes + [shown] * len(targets), strict=False):
                self._add_target(row["trajectory_id"], target, size)

    def _add_target(self, trajectory_id: str, target: Target, size: Size) -> None:
        app = self._apps.get((trajectory_id, target.step_index), NO_APP)
        self._counts["app"][app] += 1
        for action in target.actions:
            self._counts["action"][kind(action)] += 1
            if (point := target_point(action)) is not None:
                self._clicks.add(app, size, point)

    def add_images(self, rows: Iterator[dict[str, Any]]) -> None:
        """Count one shard's screenshots."""
        for row in rows:
            self._counts["stored_size"][f"{row['width']}x{row['height']}"] += 1
            self._counts["recorded_size"][f"{row['source_width']}x{row['source_height']}"] += 1

    def measures(self) -> Measures:
        """Return the result."""
        counts = {name: _commonest_first(found) for name, found in self._counts.items()}
        values = {name: found.tolist() for name, found in self._values.items()}
        return Measures(self._samples, len(self._trajectories), counts, values, self._clicks.maps(),
                        self._unreadable)  # fmt: skip


def flagged(measures: Measures, flags: dict[str, int] | None) -> Measures:
    """Return the measures with other counts of flags; with none of them, where no validation has asked."""
    counts = {name: found for name, found in measures.counts.items() if name != "flag"}
    return replace(measures, counts=counts if flags is None else {**counts, "flag": _commonest_first(flags)})


def _commonest_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def words(text: str) -> int:
    """Return the number of words of a text; each Chinese character is one."""
    return len(words_of(text))


def shares(counts: dict[str, int]) -> dict[str, float]:
    """Return each value's share of all."""
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()} if total else {}
