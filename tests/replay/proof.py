"""The proof: record, slice, augment, replay; then each negative control, with and without the guards against it."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from unittest import mock

import market
import msgspec
from build import augmented, sliced
from claims import Claim, Recording, claims
from moves import Walk
from replaying import Replayer, Verdict
from traps import CASES, Case
from walks import clean, walk

from pipeline.augmentation.dose import Candidate
from pipeline.errors import KINDS
from pipeline.errors.guards import without
from pipeline.records import Lang, Trajectory
from pipeline.storage.dataset import Dataset
from sample_data.recorder import APP, DESKTOP, PHONE
from sample_data.scripts import SCRIPTS

SEEDS = range(5)
"""With these a negative control is injected, until something false is."""
ENOUGH = 2
AIMED: tuple[tuple[Lang, str], ...] = (("en", "far"), ("en", "order"), ("zh", "accepting"))
"""Walks whose controls are aimed at, with the traps `rounded` and `overlap` on."""
SAMPLES = Path(__file__).resolve().parent.parent.parent / "sample_data" / "trajectories"


@dataclass(frozen=True)
class Control:
    """What came of a negative control."""

    case: Case
    on: tuple[Verdict, ...]
    """What fires with all guards on."""
    off: tuple[Verdict, ...]
    """What fires besides with the guards of the case off, up to the second that is false."""
    leaks: dict[str, int]
    """For each guard, how much of what is false fires although it is on, the others off."""

    @property
    def false(self) -> int:
        """How much of what fires without the guards is false."""
        return sum(not verdict.good for verdict in self.off)


@dataclass
class Result:
    """What was found."""

    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    """By kind, without traps."""
    considered: Counter[str] = field(default_factory=Counter)
    """Decisions that a kind looked at, by kind."""
    refused: dict[str, Counter[str]] = field(default_factory=dict)
    """How often which guard refused, by kind."""
    controls: list[Control] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def count(self, dataset: Dataset, kind: str) -> None:
        """Add what the report of a dataset says about a kind."""
        for what, number in dataset.manifest.details[kind].items():
            if what == "considered":
                self.considered[kind] += number
            elif what.startswith("refused: "):
                self.refused.setdefault(kind, Counter())[what.removeprefix("refused: ")] += number


class Proof:
    """Records each walk once and runs the parts of the proof."""

    def __init__(self, replayer: Replayer, folder: Path) -> None:
        self.replayer = replayer
        self.folder = folder
        self._recorded: dict[str, Recording] = {}

    def run(self) -> Result:
        """Run the whole proof."""
        result = self.truth()
        begun = time.monotonic()
        result.controls = [self.control(number, case) for number, case in enumerate(CASES)]
        result.seconds["negative controls"] = time.monotonic() - begun
        return result

    def truth(self) -> Result:
        """Replay everything that is injected where no trap is on."""
        result = Result()
        begun = time.monotonic()
        found = [*self.sample_data(result), *self.market(result)]
        result.seconds["record, slice, augment"] = time.monotonic() - begun
        begun = time.monotonic()
        for verdict in self.replayer.replay_all(found):
            result.verdicts.setdefault(verdict.claim.kind, []).append(verdict)
        result.seconds["replay"] = time.monotonic() - begun
        return result

    def sample_data(self, result: Result) -> list[Claim]:
        """Return what can be injected into the committed recordings."""
        return self._injected(SAMPLES, dict(_samples()), self.folder / "sample_data", result)

    def market(self, result: Result) -> list[Claim]:
        """Record every walk without traps and return what can be injected."""
        known = {each.id: self.recorded(each) for each in clean()}
        return self._injected(self._gathered(known, "market/recorded"), known, self.folder / "market", result)

    def _injected(self, source: Path, known: dict[str, Recording], out: Path, result: Result) -> list[Claim]:
        dataset = self._sliced(source, out / "sliced")
        found: list[Claim] = []
        for kind in KINDS:
            made = injected(dataset, out / kind, kind)
            result.count(made, kind)
            found += claims(made, known)
        return distinct(found)

    def _sliced(self, source: Path, out: Path) -> Dataset:
        """Run `gdp slice`, everything on one side of the split: screens may be shown wherever they prove something."""
        return sliced(source, out, shard_size=1000, val_fraction=0.0)

    def control(self, number: int, case: Case) -> Control:
        """Record the walks of a case with its trap on and inject with its guards on, off, and each of them alone on."""
        out = self.folder / "controls" / str(number)
        lang: Lang = ("en", "zh")[number % 2]
        known = {each.id: self.recorded(each) for each in (walk(name, lang, *case.traps) for name in case.walks)}
        dataset = self._sliced(self._gathered(known, f"controls/{number}/edited", case), out / "sliced")

        def fired(seed: int, name: str, *guards: str) -> list[Claim]:
            with without(*guards):
                return distinct(claims(injected(dataset, out / f"{name}-{seed}", case.kind, seed=seed), known))

        on: list[Claim] = []
        off: list[Verdict] = []
        leaks: dict[str, int] = {}
        for seed in SEEDS:  # which of several texts is tapped is drawn: until something false is
            on = distinct([*on, *fired(seed, "on")])
            there = {claim.key for claim in on} | {verdict.claim.key for verdict in off}
            more = (
                [claim for claim in fired(seed, "off", *case.guards) if claim.key not in there] if case.guards else []
            )
            off += self._until_false(more)
            false = {verdict.claim.key for verdict in off if not verdict.good}
            if false or not case.guards:
                for guard in case.guards if len(case.guards) > 1 else ():
                    others = [name for name in case.guards if name != guard]
                    leaks[guard] = sum(claim.key in false for claim in fired(seed, f"only-{guard}", *others))
                break
        return Control(case, tuple(self.replayer.replay_all(on)), tuple(off), leaks)

    def _until_false(self, found: Iterable[Claim]) -> Iterator[Verdict]:
        """Replay claims one by one, up to the second that is false."""
        wrong = 0
        for claim in found:
            verdict = self.replayer.replay(claim)
            yield verdict
            wrong += not verdict.good
            if wrong == ENOUGH:
                return

    @cached_property
    def _aimed(self) -> tuple[list[Recording], Dataset]:
        """Walks through pages with rounded and overlapping controls, and their dataset."""
        walks = [walk(name, lang, "rounded", "overlap") for lang, name in AIMED]
        known = {each.id: self.recorded(each) for each in walks}
        return list(known.values()), self._sliced(self._gathered(known, "aimed/recorded"), self.folder / "aimed/sliced")

    def to_aim_at(self) -> list[Recording]:
        """Return the recordings whose controls are aimed at."""
        return self._aimed[0]

    @property
    def aimed(self) -> Dataset:
        """The dataset of these recordings."""
        return self._aimed[1]

    def recorded(self, each: Walk) -> Recording:
        """Take a walk, unless it has been taken."""
        if each.id not in self._recorded:
            out = self.folder / "recorded"
            trajectory = market.record(self.replayer.driver(market.PHONE, each.lang), each, out)
            self._recorded[each.id] = Recording(
                trajectory, out / each.id, market.address(each), market.PHONE, each.lang, each.events
            )
        return self._recorded[each.id]

    def _gathered(self, known: dict[str, Recording], name: str, case: Case | None = None) -> Path:
        """Put recordings into a folder of their own; the case may leave out some of what they say."""
        out = self.folder / name
        for recording in known.values():
            folder = out / recording.trajectory.trajectory_id
            folder.mkdir(parents=True)
            for picture in recording.folder.glob("*.png"):
                (folder / picture.name).hardlink_to(picture)
            trajectory = recording.trajectory
            if case is not None and case.edit is not None:
                trajectory = case.edit(trajectory)
            (folder / "trajectory.json").write_bytes(msgspec.json.encode(trajectory))
        return out


def injected(dataset: Dataset, out: Path, kind: str, seed: int = 0) -> Dataset:
    """Run `gdp augment-errors` and take everything that it could make, not only the wanted share."""
    with mock.patch("pipeline.augment_errors.choose", _everything):
        return augmented(Path(dataset.path), out, kinds=(kind,), rate=0.5, seed=seed)


def _everything(candidates: Iterable[Candidate], **_: object) -> dict[str, tuple[str, int]]:
    return {each.decision: (each.kind, each.samples) for each in candidates}


def distinct(found: Iterable[Claim]) -> list[Claim]:
    """Leave out what says the same about the same app once more."""
    return list({claim.key: claim for claim in found}.values())


def _samples() -> Iterator[tuple[str, Recording]]:
    for script in SCRIPTS:
        folder = SAMPLES / script.id
        trajectory = msgspec.json.decode((folder / "trajectory.json").read_bytes(), type=Trajectory)
        address = f"{APP}?app={script.app}&lang={script.lang}"
        yield script.id, Recording(trajectory, folder, address, DESKTOP if script.desktop else PHONE, script.lang)
