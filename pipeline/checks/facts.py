"""What no single sample or shard shows, as `gather` finds it before the shards are checked."""

from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")


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

    members: dict[int, frozenset[str]] = {}
    """By shard, the trajectories that it has samples of."""
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
    contradictions: dict[str, dict[int, str]] = {}
    """By trajectory and step, another step on the same screen for the same goal that does something else."""
    seen: dict[str, dict[int, str]] = {}
    """By trajectory and step on the val side, a step of train with nearly the same screen, the same action and a
    similar goal."""
    thoughts: dict[str, int] = {}
    """Thoughts that several recorded steps share, and how many."""
    sentences: dict[str, float] = {}
    """Sentences of thoughts that are over-represented, and their share of the decisions."""
    tally: Tally = Tally()

    def of(self, number: int) -> "Facts":
        """Return what concerns the samples of a shard."""
        members = self.members.get(number, frozenset())

        def some(values: dict[str, T]) -> dict[str, T]:
            return {name: values[name] for name in members if name in values}

        return Facts(
            leaking=some(self.leaking),
            repeated=self.repeated,
            outcomes=some(self.outcomes),
            devices=some(self.devices),
            duplicates=some(self.duplicates),
            near_duplicates=some(self.near_duplicates),
            contradictions=some(self.contradictions),
            seen=some(self.seen),
            thoughts=self.thoughts,
            sentences=self.sentences,
        )
