"""What an augmented dataset claims: these actions, one after the other, show these screens."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from pipeline import layouts
from pipeline.actions import Action, Click, LongPress
from pipeline.records import Device, Lang, Observation, Sample, Trajectory, Turn
from pipeline.storage.dataset import Dataset


@dataclass(frozen=True)
class Recording:
    """A recorded trajectory and how to bring its app back to any of its steps."""

    trajectory: Trajectory
    folder: Path
    address: str
    device: Device
    lang: Lang
    events: dict[int, str] = field(default_factory=dict)
    """What comes from outside before a step's screen."""

    def screen(self, index: int) -> Path:
        """Return the picture of a step, or the final one."""
        return self.folder / self.seen(index).image.path

    def seen(self, index: int) -> Observation:
        """Return what was seen at a step, or at the end."""
        steps, final = self.trajectory.steps, self.trajectory.final_observation
        if index < len(steps):
            return steps[index].observation
        assert final is not None
        return final


@dataclass(frozen=True)
class Shown:
    """One turn of a sample: the screen that it shows, if it shows one, and what is done there."""

    turn: Turn
    screens: tuple[Path, ...]
    """Recorded pictures that are stored as this one."""
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Claim:
    """One error-correction sample, with all that it says about the app."""

    kind: str
    sample_id: str
    recording: Recording
    shown: tuple[Shown, ...]
    tail: int
    """Position of the first turn that belongs to the error."""
    goes_on: int
    """The step whose screen comes after the correction: the recorded path again."""

    @property
    def after(self) -> Path:
        """The screen after the correction."""
        return self.recording.screen(self.goes_on)

    @property
    def index(self) -> int:
        """The step before whose decision the error is."""
        return self.shown[self.tail].turn.step_index

    @property
    def decision(self) -> tuple[object, ...]:
        """The decision that the error comes before, and the way there."""
        return (self.recording.address, self.index, *(a for item in self.shown[: self.tail] for a in item.actions))

    @property
    def page(self) -> str:
        """The page on which it happens, as the app calls it."""
        return self.recording.seen(self.index).activity or ""

    @property
    def key(self) -> tuple[object, ...]:
        """What two claims have in common that say the same about the same app."""
        acts = tuple(msgspec.json.encode(replace(a, src=None)) for item in self.shown for a in item.actions)
        screens = tuple(path.read_bytes() for item in self.shown for path in item.screens)
        return (self.kind, self.recording.address, acts, screens, self.after.read_bytes())


def claims(dataset: Dataset, recordings: dict[str, Recording]) -> Iterator[Claim]:
    """Yield what the error-correction samples of the dataset claim."""
    stored = _stored(dataset, recordings)
    for sample in dataset.samples():
        if sample.origin == "error_correction":
            yield _claim(sample, recordings[sample.trajectory_id], stored)


def _stored(dataset: Dataset, recordings: dict[str, Recording]) -> dict[str, list[Path]]:
    """Return the recorded pictures of every stored screenshot, one for each that differs."""
    found: dict[str, dict[str | None, Path]] = defaultdict(dict)
    for number in dataset.manifest.shard_numbers():
        for row in dataset.steps(number):
            if row.image is not None:
                recording = recordings[row.trajectory_id]
                image = recording.seen(row.step_index).image
                found[row.image.sha256][image.sha256] = recording.folder / image.path
    return {sha256: list(paths.values()) for sha256, paths in found.items()}


def _claim(sample: Sample, recording: Recording, stored: dict[str, list[Path]]) -> Claim:
    texts = [message for message in sample.messages if message.role == "assistant"]
    assert len(texts) == len(sample.turns), sample.sample_id
    tail = len(sample.turns) - int(sample.provenance["turns"])
    layout = layouts.get(sample.layout)
    shown = []
    for position, turn in enumerate(sample.turns):
        actions = turn.actions
        if position >= tail:  # as the model reads it: on the layout's grid
            said = layout.parse("".join(part.text or "" for part in texts[position].content)).action
            actions = tuple(_on_grid(action, said) for action in actions)
        screens = () if turn.image is None else tuple(stored[sample.images[turn.image].sha256])
        shown.append(Shown(turn, screens, actions))
    # A way out leads back to where the error was made; every other correction is a step of the recorded path.
    way_out = sample.sample_id.endswith("-escape") or sample.error_kind == "popup_real"
    goes_on = sample.turns[tail].step_index if way_out else sample.turns[-1].step_index + 1
    return Claim(sample.error_kind or "", sample.sample_id, recording, tuple(shown), tail, goes_on)


def _on_grid(action: Action, said: Action) -> Action:
    if isinstance(action, Click | LongPress) and type(said) is type(action) and said.point is not None:
        return replace(action, point=said.point)
    return action
