"""Add error-correction samples: the agent errs, sees what came of it, and recovers.

Planning walks the recorded steps once (`pipeline.augmentation.graph`) to learn which screens are equal and what leads
where. Workers then survey each shard: what could truthfully be injected, and why not. From that the samples are chosen
for the whole dataset (`pipeline.augmentation.dose`), and workers make them, each shard by itself. Screenshots are
neither read nor written: the new dataset takes their shards over. Each new sample is composed by the same code that
`gdp slice` uses.
"""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from .augmentation.dose import choose
from .augmentation.graph import Graph
from .augmentation.jitter import Jitter
from .augmentation.shard import AugmentTask, augment_shard
from .augmentation.survey import SurveyTask, survey_shard
from .errors import KINDS
from .exceptions import ConfigError, InputError
from .report import StageReport
from .screens.states import rules
from .slicing.compose import Setting
from .slicing.token_count import same_tokenizer
from .stage import Plan, Running, ask, execute
from .storage.apart import keep_apart
from .storage.dataset import Dataset
from .storage.place import Place, Where
from .writer import Cache, WriterSettings

MAX_ERRORS = 2
"""Wrong turns in a sample at most; what comes of more is no recording's business any more."""


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
    crop: float = 0.0
    """Probability that a sample of one screenshot is added once more, with a part of it."""
    writer: WriterSettings | None = None
    """The server that writes the thoughts; None is our own wordings."""
    max_errors: int = MAX_ERRORS
    """Wrong turns in a sample at most."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """How often a kind's turn comes, compared with the others, where it is not the kind's own weight."""
    tokenizer: str | None = None
    """The tokenizer that the dataset's budget was counted with, if it was; file, folder or hub id."""
    seed: int = 0
    """Draws places and wordings."""

    def __post_init__(self) -> None:
        if not 1 <= self.max_errors <= MAX_ERRORS:
            raise ConfigError("--max-errors", f"found {self.max_errors}, expected 1 or {MAX_ERRORS}")
        for kind, weight in self.weights.items():
            if kind not in KINDS:
                raise ConfigError("--weight", f"found {kind!r}, expected one of {', '.join(KINDS)}")
            if not (0 <= weight < math.inf):
                raise ConfigError("--weight", f"found {kind}={weight}, expected a number from 0 up")
        if not 0 <= self.rate <= 0.5:
            raise ConfigError("--rate", f"found {self.rate}, expected a share from 0 to 0.5")
        if not 0 <= self.jitter <= 1:
            raise ConfigError("--jitter", f"found {self.jitter}, expected a probability from 0 to 1")
        if not 0 <= self.crop <= 1:
            raise ConfigError("--crop", f"found {self.crop}, expected a probability from 0 to 1")


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


def read_weights(texts: Sequence[str]) -> dict[str, float]:
    """Return the weights that `KIND=W` options name; raises ConfigError where one is not of this form."""
    weights = {}
    for text in texts:
        kind, _, number = text.partition("=")
        try:
            weights[kind] = float(number)
        except ValueError:
            raise ConfigError("--weight", f"found {text!r}, expected KIND=W, such as wrong_element=2") from None
    return weights


def listing() -> str:
    """Return the kinds of errors, a line each."""
    width = max(map(len, KINDS))
    return "\n".join(f"{name:<{width}}  {kind.meaning}" for name, kind in KINDS.items())


def run(source: Where, out: Where, config: AugmentConfig, running: Running) -> StageReport:
    """Augment the dataset `source` into the dataset `out`."""
    source, out = Place.of(source), Place.of(out)
    keep_apart(source, out)
    dataset = Dataset.open(source)
    manifest, contract = dataset.manifest, dataset.manifest.contract
    setting = setting_of(dataset, config.tokenizer)
    weights = {kind: config.weights.get(kind, KINDS[kind].weight) for kind in config.kinds}
    plan = Plan(
        stage="augment-errors",
        seed=config.seed,
        config={
            "rate": config.rate,
            "kinds": list(config.kinds),
            "jitter": config.jitter,
            "recentre": config.recentre,
            "crop": config.crop,
            "thoughts": None if config.writer is None else config.writer.identity(),
            "max_errors": config.max_errors,
            "weights": weights,
            "screens": rules(),
        },
        input={"kind": "dataset", "stage": manifest.stage, "fingerprint": manifest.fingerprint},
        contract=contract,
        image=manifest.image,
        slicing=manifest.slicing,
        prompts=manifest.prompts,
    )
    tasks = partial(_tasks, dataset, out, config, weights, setting, running)
    if config.writer is None:
        return execute(plan, out, tasks, augment_shard, running)
    if running.fresh:
        Cache(Place(config.writer.cache)).forget_failures()
    workers = min(running.workers or os.cpu_count() or 1, config.writer.concurrency)  # all together ask no more
    return execute(plan, out, tasks, augment_shard, replace(running, workers=workers))


def setting_of(dataset: Dataset, tokenizer: str | None) -> Setting:
    """Return what the dataset's samples have in common; raises GdpError where none can be added to it."""
    manifest, slicing = dataset.manifest, dataset.manifest.slicing
    if slicing.mode != "step":
        message = f"found samples cut with --mode {slicing.mode}, expected one for each decision"
        raise InputError(dataset.path, message, "gdp slice --mode step makes them")
    path = same_tokenizer(slicing.tokenizer, tokenizer)
    return Setting(manifest.contract, manifest.prompts, slicing, None if path is None else str(path))


def _tasks(
    dataset: Dataset,
    out: Place,
    config: AugmentConfig,
    weights: Mapping[str, float],
    setting: Setting,
    running: Running,
) -> list[AugmentTask]:
    """Survey the dataset, choose, and return what is to be made of each shard."""
    numbers = dataset.manifest.shard_numbers()
    source = str(dataset.place.absolute())
    graph = Graph.of(dataset)
    asked = [
        SurveyTask(
            number=number,
            source=source,
            setting=setting,
            kinds=config.kinds,
            seed=config.seed,
            max_errors=config.max_errors,
            surroundings=graph.surroundings(number),
        )
        for number in numbers
    ]
    surveys = ask("survey", asked, survey_shard, running)
    there: Counter[str] = Counter()
    for survey in surveys:
        there.update(survey.there)
    chosen = choose(
        (candidate for survey in surveys for candidate in survey.candidates),
        samples=sum(survey.samples for survey in surveys),
        there=there,
        rate=config.rate,
        weights=weights,
        seed=config.seed,
    )
    coverage = graph.counts()
    tasks = []
    for task, survey in zip(asked, surveys, strict=True):
        mine = {each.decision: chosen[each.decision] for each in survey.candidates if each.decision in chosen}
        names = {decision.rsplit("/", 1)[0] for decision in mine}
        tasks.append(
            AugmentTask(
                number=task.number,
                source=source,
                out=str(out.absolute()),
                setting=setting,
                seed=config.seed,
                fingerprint=dataset.manifest.fingerprint,
                surroundings={name: around for name, around in task.surroundings.items() if name in names},
                chosen=mine,
                counts=survey.counts,
                fine=survey.fine,
                jitter=Jitter(config.jitter, config.recentre, config.seed),
                crop=config.crop,
                writer=config.writer and config.writer.shared(running.workers),
                coverage=coverage if task.number == numbers[0] else {},
            )
        )
    return tasks
