"""Add error-correction samples: the agent errs, sees what came of it, and recovers.

Planning reads the recorded steps once to learn which Back steps any trajectory of an app has proved. A shard is then a
pure function of its steps and samples. Screenshots are neither read nor written: the new dataset takes their shards
over. Each new sample is composed from the recorded steps by the same code that `gdp slice` uses.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from .actions import Action
from .apart import keep_apart
from .augment_shard import AugmentTask, augment_shard
from .compose import Setting
from .dataset import Dataset
from .errors import KINDS
from .errors.kind import goes_back
from .exceptions import ConfigError
from .jitter import Jitter
from .place import Place, Where
from .report import StageReport
from .stage import Plan, Running, execute


@dataclass(frozen=True)
class AugmentConfig:
    """What `gdp augment-errors` adds; every field changes the result."""

    rate: float = 0.2
    """Share of error-correction samples in the output, as far as enough truthful ones can be made."""
    kinds: tuple[str, ...] = tuple(KINDS)
    """Error kinds to use."""
    jitter: float = 0.0
    """Probability that the click of a clean sample moves within the safe zone of its target."""
    recentre: bool = False
    """Whether clicks that were recorded beside their target are moved onto it."""
    seed: int = 0
    """Draws places and wordings."""

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 0.5:
            raise ConfigError("--rate", f"found {self.rate}, expected a share from 0 to 0.5")
        if not 0 <= self.jitter <= 1:
            raise ConfigError("--jitter", f"found {self.jitter}, expected a probability from 0 to 1")


def choose_kinds(wanted: Sequence[str], excluded: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds to use, in their fixed order; raises ConfigError for an unknown one or if none is left."""
    for option, names in (("--kind", wanted), ("--no-kind", excluded)):
        for name in names:
            if name not in KINDS:
                raise ConfigError(option, f"found {name!r}, expected one of {', '.join(KINDS)}")
    kinds = tuple(name for name in KINDS if (not wanted or name in wanted) and name not in excluded)
    if not kinds:
        raise ConfigError("--kind", "found no kind left, expected at least one", "drop a --no-kind")
    return kinds


def run(source: Where, out: Where, config: AugmentConfig, running: Running) -> StageReport:
    """Augment the dataset `source` into the dataset `out`."""
    source, out = Place.of(source), Place.of(out)
    keep_apart(source, out)
    dataset = Dataset.open(source)
    manifest, contract = dataset.manifest, dataset.manifest.contract
    setting = Setting(contract.layout, contract.history_images, contract.factor, manifest.system_prompt)
    proved = proved_backs(dataset)
    tasks = [
        AugmentTask(
            number=number,
            source=str(source.absolute()),
            out=str(out.absolute()),
            setting=setting,
            rate=config.rate,
            kinds=config.kinds,
            seed=config.seed,
            back_proved=proved.get(number, {}),
            jitter=Jitter(config.jitter, config.recentre, config.seed),
        )
        for number in manifest.shard_numbers()
    ]
    plan = Plan(
        stage="augment-errors",
        seed=config.seed,
        config={
            "rate": config.rate,
            "kinds": list(config.kinds),
            "jitter": config.jitter,
            "recentre": config.recentre,
        },
        input={"kind": "dataset", "stage": manifest.stage, "fingerprint": manifest.fingerprint},
        contract=contract,
        image=manifest.image,
        slicing=manifest.slicing,
        system_prompt=manifest.system_prompt,
    )
    return execute(plan, out, tasks, augment_shard, running)


def proved_backs(dataset: Dataset) -> dict[int, dict[str, tuple[int, ...]]]:
    """Return, by shard and trajectory, the steps from whose screen Back is proved to lead to the step before's.

    The proof is a recorded Back in the same app between screens with exactly those pixels, as stored.
    """
    backs: set[tuple[str | None, str, str]] = set()
    forwards: list[tuple[int, str, int, tuple[str | None, str, str]]] = []
    decoder = msgspec.json.Decoder(_Actions)
    columns = ["trajectory_id", "step_index", "app", "image", "step"]
    for number in dataset.manifest.shard_numbers():
        before = None
        for row in dataset.rows("steps", number, columns):
            image = row["image"] and row["image"]["sha256"]
            if before is not None and before[0] == row["trajectory_id"] and before[2] and image:
                _, actions, earlier, app = before
                if app == row["app"] and earlier != image:
                    if len(actions) == 1 and goes_back(actions[0]):
                        backs.add((app, earlier, image))
                    forwards.append((number, row["trajectory_id"], row["step_index"], (app, image, earlier)))
            actions = decoder.decode(row["step"]).actions if row["step"] else ()
            before = (row["trajectory_id"], actions, image, row["app"])
    proved: dict[int, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for number, trajectory_id, index, edge in forwards:
        if edge in backs:
            proved[number][trajectory_id] = (*proved[number].get(trajectory_id, ()), index)
    return proved


class _Actions(msgspec.Struct):
    actions: tuple[Action, ...]
