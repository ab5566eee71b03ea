"""What a page shows, as plain data: lists of samples, one sample, film strips. Server and export deliver the same."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.actions import Box, kind
from pipeline.describe import sentence
from pipeline.records import ImageRef, Sample, Turn, joined
from pipeline.screens.screen import label as name_of
from pipeline.screens.screen import target_element
from pipeline.storage.dataset import Dataset
from pipeline.storage.tables import UNREADABLE, Row, StepRow, sample_from_row, step_from_row
from pipeline.validation.flags import meaning

from . import marks
from .catalogue import Catalogue, Entry
from .defect import defect

PAGE = 40
"""Samples on a page; trajectories take a quarter of it."""
STRIPS = PAGE // 4


class Links(Struct, frozen=True):
    """Where a page finds screenshots."""

    stored: Callable[[ImageRef], str]
    """The address of a stored screenshot."""
    recorded: Callable[[str, int], str | None]
    """The address of a step's screenshot as it was recorded, by trajectory and step; None where it is not at hand."""


class Presenter:
    """Make the data of every page of one dataset."""

    def __init__(self, catalogue: Catalogue, links: Links) -> None:
        self.catalogue = catalogue
        self.dataset: Dataset = catalogue.dataset
        self._links = links
        self._steps: dict[str, tuple[int, list[int]]] | None = None
        self._sources: dict[int, list[tuple[int, int]]] = {}

    def summary(self) -> dict[str, Any]:
        """Return what stands above every page, and what can be filtered by."""
        manifest, facets = self.dataset.manifest, self.catalogue.facets()
        contract = manifest.contract
        return {
            "path": self.dataset.path,
            "stage": manifest.stage,
            "layout": contract.layout,
            "frame": f"0-{contract.scale}" if contract.scale else "pixels of the picture",
            "samples": len(self.catalogue),
            "trajectories": len(self.catalogue.trajectories()),
            "rejected": sum(manifest.rejected.values()),
            "facets": facets,
            "meanings": {flag: meaning(flag) for flag in facets["flag"]},
        }

    def samples(self, wanted: Mapping[str, str], text: str, start: int) -> dict[str, Any]:
        """Return a page of the samples that match."""
        numbers = self.catalogue.select(wanted, text)
        entries = self.catalogue.entries(numbers[start : start + PAGE].to_list())
        return {"total": len(numbers), "start": start, "page": PAGE, "items": self.cards(entries)}

    def cards(self, entries: list[Entry]) -> list[dict[str, Any]]:
        """Return samples as a list shows them: the screen of the decision, the action on it, where it comes from."""
        by_shard: dict[int, list[Entry]] = {}
        for entry in entries:
            by_shard.setdefault(entry.shard, []).append(entry)
        made: dict[int, dict[str, Any]] = {}
        for shard, members in by_shard.items():
            rows = self.dataset.pick("samples", shard, [entry.row for entry in members])
            for entry, row in zip(members, rows, strict=True):
                made[entry.number] = self._card(entry, row)
        return [made[entry.number] for entry in entries]

    def _card(self, entry: Entry, row: Row) -> dict[str, Any]:
        sample = _whole(row)
        if isinstance(sample, str):
            says = "This row cannot be shown as a sample"
            return {**_facts(entry), "broken": sample, "says": says, "image": None, "shapes": []}
        trained = sample.turns[-1]
        image = None if trained.image is None else sample.images[trained.image]
        return {
            **_facts(entry),
            "says": trained.instruction or sentence(trained.actions[0], sample.lang),
            "image": None if image is None else self._picture(image),
            "shapes": _shapes(trained, sample.target.bbox),
        }

    def sample(self, sample_id: str) -> dict[str, Any] | None:
        """Return all of one sample, None if there is none of that id; of a row that is none, its text and why."""
        entry = self.catalogue.entry(sample_id)
        if entry is None:
            return None
        row = self.dataset.pick("samples", entry.shard, [entry.row])[0]
        sample, links = _whole(row), self._beside(entry)
        if isinstance(sample, str):
            text = msgspec.json.format(msgspec.json.encode(row), indent=1).decode()
            return {**_facts(entry), **links, "broken": sample, "row": text, "images": []}
        return {
            **_facts(entry),
            **links,
            "layout": sample.layout,
            "lang": sample.lang,
            "tokens": {"text": sample.text_tokens_estimate, "image": sample.image_tokens},
            "provenance": sample.provenance,
            "images": [self._shown(sample, number) for number in range(len(sample.images))],
            "messages": _conversation(sample),
            "turns": [_turn(turn, sample) for turn in sample.turns],
        }

    def _beside(self, entry: Entry) -> dict[str, Any]:
        """Return the ids of the samples before and after it in its trajectory, and of those of the same step."""
        siblings = self.catalogue.of_trajectory(entry.trajectory_id)
        place = next(n for n, each in enumerate(siblings) if each.number == entry.number)
        return {
            "previous": siblings[place - 1].sample_id if place else None,
            "next": siblings[place + 1].sample_id if place + 1 < len(siblings) else None,
            "same_step": [
                {"id": each.sample_id, "origin": each.origin, "error_kind": each.error_kind}
                for each in siblings
                if each.step_index == entry.step_index and each.number != entry.number
            ],
        }

    def _shown(self, sample: Sample, number: int) -> dict[str, Any]:
        """Return a screenshot of a sample with the action that its turn took on it."""
        ref = sample.images[number]
        turn = next(turn for turn in sample.turns if turn.image == number)
        is_last = turn is sample.turns[-1]
        action, contract = turn.actions[0], self.dataset.manifest.contract
        source = self._source(ref)
        return {
            **self._picture(ref),
            "recorded": {
                "width": source[0],
                "height": source[1],
                "url": self._links.recorded(sample.trajectory_id, turn.step_index),
            },
            "step": turn.step_index,
            "role": turn.role,
            "action": kind(action),
            "arguments": marks.arguments(action),
            "says": turn.instruction or sentence(action, sample.lang),
            "weight": turn.loss_weight,
            "shapes": _shapes(turn, sample.target.bbox if is_last else None),
            "readings": marks.readings(action, ref, source, contract),
        }

    def strips(self, wanted: Mapping[str, str], text: str, start: int) -> dict[str, Any]:
        """Return a page of film strips: the trajectories of the samples that match, each with all its steps."""
        numbers = self.catalogue.select(wanted, text)
        ids = self.catalogue.frame["trajectory_id"][numbers].cast(str).unique(maintain_order=True)
        chosen = ids[start : start + STRIPS].to_list()
        return {"total": len(ids), "start": start, "page": STRIPS, "items": [self.strip(each) for each in chosen]}

    def strip(self, trajectory_id: str) -> dict[str, Any]:
        """Return one trajectory's screenshots in order, and the samples that were cut at each."""
        rows = self._recorded(trajectory_id)
        cut: dict[int, list[dict[str, Any]]] = {}
        for entry in self.catalogue.of_trajectory(trajectory_id):
            cut.setdefault(entry.step_index, []).append({"id": entry.sample_id, "origin": entry.origin})
        return {
            "trajectory": trajectory_id,
            "goal": rows[0]["goal"] if rows else "",
            "split": rows[0]["split"] if rows else "",
            "app": rows[0]["app"] if rows else None,
            "steps": [self._frame(row) | {"samples": cut.get(row["step_index"], [])} for row in rows],
        }

    def _frame(self, row: Row) -> dict[str, Any]:
        """Return what a film strip shows of a step."""
        try:
            step = step_from_row(row)
        except UNREADABLE as error:
            told = f"found {error}, expected a recorded step"
            return {"index": row["step_index"], "image": None, "says": told, "role": "normal", "shapes": []}
        return {
            "index": step.step_index,
            "image": None if step.image is None else self._picture(step.image),
            "says": _says(step),
            "role": "normal" if step.facts is None else step.facts.label.role,
            "shapes": [] if step.facts is None else marks.shapes(step.facts.actions[0]),
        }

    def step(self, trajectory_id: str, index: int) -> StepRow | None:
        """Return a recorded step, None if there is none that can be read."""
        row = next((row for row in self._recorded(trajectory_id) if row["step_index"] == index), None)
        try:
            return None if row is None else step_from_row(row)
        except UNREADABLE:
            return None

    def _recorded(self, trajectory_id: str) -> list[Row]:
        """Return the rows of a trajectory's recorded steps, that of its final observation too."""
        if self._steps is None:
            self._steps = {}
            for shard, table in self.dataset.tables("steps", ["trajectory_id"]):
                for row, name in enumerate(table.column(0).to_pylist()):
                    self._steps.setdefault(str(name), (shard, []))[1].append(row)
        shard, rows = self._steps.get(trajectory_id, (0, []))
        return self.dataset.pick("steps", shard, rows) if rows else []

    def _picture(self, ref: ImageRef) -> dict[str, Any]:
        return {"url": self._links.stored(ref), "width": ref.width, "height": ref.height}

    def _source(self, ref: ImageRef) -> tuple[int, int]:
        """Return the size in pixels that the screenshot was recorded at."""
        if ref.shard not in self._sources:
            columns = ["source_width", "source_height"]
            rows = self.dataset.rows("images", ref.shard, columns)
            self._sources[ref.shard] = [(row["source_width"], row["source_height"]) for row in rows]
        known = self._sources[ref.shard]
        return known[ref.row] if 0 <= ref.row < len(known) else (ref.width, ref.height)  # the picture is missing, too


def _whole(row: Row) -> Sample | str:
    """Return the sample, or why it cannot be drawn."""
    try:
        sample = sample_from_row(row)
    except UNREADABLE as error:
        return str(error)
    return defect(sample) or sample


def _facts(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.sample_id,
        "number": entry.number,
        "trajectory": entry.trajectory_id,
        "step": entry.step_index,
        "split": entry.split,
        "origin": entry.origin,
        "error_kind": entry.error_kind,
        "action": entry.action,
        "app": entry.app,
        "goal": entry.goal,
        "flags": list(entry.flag),
    }


def _conversation(sample: Sample) -> list[dict[str, Any]]:
    """Return the messages; an answer says which turn it is: answers are the last turns, older ones may be folded."""
    answers = sum(message.role == "assistant" for message in sample.messages)
    turn = len(sample.turns) - answers
    shown = []
    for message in sample.messages:
        content = joined(message.content, tokens=True)
        parts = [{"image": part.image} if part.type == "image" else {"text": part.text} for part in content]
        each = {"role": message.role, "weight": message.loss_weight, "parts": parts, "turn": None}
        if message.role == "assistant":
            each["turn"], turn = turn, turn + 1
        shown.append(each)
    return shown


def _turn(turn: Turn, sample: Sample) -> dict[str, Any]:
    return {
        "step": turn.step_index,
        "role": turn.role,
        "weight": turn.loss_weight,
        "image": turn.image,
        "says": turn.instruction or sentence(turn.actions[0], sample.lang),
    }


def _shapes(turn: Turn, bbox: Box | None) -> list[dict[str, Any]]:
    return [shape for action in turn.actions for shape in marks.shapes(action, bbox)]


def _says(step: StepRow) -> str:
    if step.facts is None:
        return ""
    if step.facts.text.instruction:
        return step.facts.text.instruction
    action, elements = step.facts.actions[0], step.observation.elements
    element = target_element(elements, action)
    return sentence(action, step.lang, None if element is None else name_of(elements, element))
