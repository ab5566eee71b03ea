"""What no single sample or shard shows, as `gather` finds it before the shards are checked."""

from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")

Step = tuple[str, int]
"""A trajectory's id and the index of a step."""


class Tally(Struct, frozen=True):
    """Counts over the dataset."""

    actions: dict[str, int] = {}
    """Recorded decisions by the type of their first action."""
    apps: dict[str, int] = {}
    """Recorded screens by app."""
    origins: dict[str, int] = {}
    """Samples by origin."""


class Facts(Struct, frozen=True):
    """About the whole dataset, or as much of it as one shard needs."""

    leaking: dict[str, str] = {}
    """By trajectory, what of it stands on both sides of the split: itself, its goal or its app."""
    repeated: frozenset[str] = frozenset()
    """Sample ids that occur more than once."""
    outcomes: dict[str, str] = {}
    """By trajectory, how the recording says that it ended."""
    devices: dict[str, tuple[int, int]] = {}
    """By trajectory, width and height of the recording device, where known."""
    duplicates: dict[str, str] = {}
    """By trajectory, an earlier one with the same screens and actions."""
    near_duplicates: dict[str, str] = {}
    """By trajectory, an earlier one with nearly the same."""
    contradictions: dict[Step, str] = {}
    """By step, another step on the same screen for the same goal that does something else."""
    seen: dict[Step, str] = {}
    """By step on the val side, a step of train with nearly the same screen, the same action and a similar goal."""
    thoughts: dict[str, int] = {}
    """Thoughts that several recorded steps share, and how many."""
    sentences: dict[str, float] = {}
    """Sentences of thoughts that are over-represented, and their share of the decisions."""
    tally: Tally = Tally()

    def of(self, trajectories: frozenset[str]) -> "Facts":
        """Return what concerns the samples of these trajectories."""
        return Facts(
            leaking=_some(self.leaking, trajectories),
            repeated=self.repeated,
            outcomes=_some(self.outcomes, trajectories),
            devices=_some(self.devices, trajectories),
            duplicates=_some(self.duplicates, trajectories),
            near_duplicates=_some(self.near_duplicates, trajectories),
            contradictions=_steps(self.contradictions, trajectories),
            seen=_steps(self.seen, trajectories),
            thoughts=self.thoughts,
            sentences=self.sentences,
        )


def _some(values: dict[str, T], wanted: frozenset[str]) -> dict[str, T]:
    return {key: value for key, value in values.items() if key in wanted}


def _steps(values: dict[Step, str], wanted: frozenset[str]) -> dict[Step, str]:
    return {key: value for key, value in values.items() if key[0] in wanted}
