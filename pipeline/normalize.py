"""Make the screenshots of a dataset smaller: down only, from the stored ones, and all that follows from their sizes.

Samples keep their ids, split, turns and provenance, those with errors too. Sizes are computed from the recorded ones,
so they are those of slicing at that size; pixels were resampled and encoded twice, and differ a little
(`tests/test_normalize.py` says by how much). Where coordinates are pixels, messages are rendered again.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from . import engines, layouts
from .exceptions import ConfigError
from .normalize_shard import NormalizeTask, normalize_shard
from .report import StageReport
from .screens.images import Plan
from .screens.resolution import largest_area
from .slicing.token_count import same_tokenizer
from .stage import Plan as StagePlan
from .stage import Running, execute
from .storage.apart import keep_apart
from .storage.dataset import Dataset
from .storage.manifest import Contract, Manifest
from .storage.place import Place, Where


@dataclass(frozen=True)
class NormalizeConfig:
    """The limits that `gdp normalize` brings screenshots within; every field changes the result."""

    max_pixels: int | None = None
    """Area of a screenshot at most; None keeps the dataset's limit."""
    max_dim: int | None = None
    """Long side of a screenshot at most, in pixels; None keeps the dataset's limit."""
    image_engine: str = "auto"
    """What decodes and resizes screenshots; `auto` is the fastest that is installed."""
    tokenizer: str | None = None
    """File, folder or hub id of the tokenizer that counted, where coordinates are pixels and so texts change."""

    def __post_init__(self) -> None:
        if self.max_pixels is None and self.max_dim is None:
            raise ConfigError("gdp normalize", "found no limit, expected --max-dim or --max-pixels")
        engines.choose(self.image_engine)


def run(source: Where, out: Where, config: NormalizeConfig, running: Running) -> StageReport:
    """Write the dataset `source` to `out` with screenshots within the limits."""
    source, out = Place.of(source), Place.of(out)
    keep_apart(source, out)
    dataset = Dataset.open(source)
    manifest = dataset.manifest
    agreed = smaller(manifest.contract, config)
    tokenizer = _recount(manifest, config.tokenizer)
    engine = engines.choose(config.image_engine)
    named = {"name": engine.name, **engine.versions()}
    tasks = [
        NormalizeTask(
            number=number,
            source=str(source.absolute()),
            out=str(out.absolute()),
            contract=agreed,
            image_plan=_plan(agreed, manifest.image["format"], manifest.image["quality"], engine.name),
            fingerprint=manifest.fingerprint,
            tokenizer=tokenizer,
        )
        for number in manifest.shard_numbers()
    ]
    plan = StagePlan(
        stage="normalize",
        seed=manifest.seed,
        config={"max_pixels": agreed.max_pixels, "max_dim": agreed.max_dim, "image_engine": named},
        input={"kind": "dataset", "stage": manifest.stage, "fingerprint": manifest.fingerprint},
        contract=agreed,
        image={**manifest.image, "engine": named},
        slicing=manifest.slicing,
        prompts=manifest.prompts,
    )
    return execute(plan, out, tasks, normalize_shard, running)


def _recount(manifest: Manifest, tokenizer: str | None) -> str | None:
    """Return the tokenizer that counts texts anew, None where they stay or are estimated; raises ConfigError."""
    layout = manifest.contract.layout
    if layouts.get(layout).scale is None:
        path = same_tokenizer(manifest.slicing.tokenizer, tokenizer)
        return None if path is None else str(path)
    if tokenizer is not None:
        message = f"found {tokenizer}, expected none: the coordinates of {layout} are on a grid, and no text changes"
        raise ConfigError("--tokenizer", message)
    return None


def smaller(contract: Contract, config: NormalizeConfig) -> Contract:
    """Return the contract with narrower limits; raises ConfigError for wider ones: lost pixels do not come back."""
    for option, wanted, there, unit in (
        ("--max-pixels", config.max_pixels, contract.max_pixels, "pixels"),
        ("--max-dim", config.max_dim, contract.max_dim, "a side"),
    ):
        if wanted is not None and there is not None and wanted > there:
            message = f"found {wanted}, expected at most {there} {unit}, the dataset's own limit"
            raise ConfigError(option, message, "lost pixels do not come back; gdp slice the trajectories again")
    area = largest_area(layouts.get(contract.layout), config.max_pixels, config.max_dim)
    max_dim = contract.max_dim if config.max_dim is None else config.max_dim
    return replace(contract, max_pixels=min(contract.max_pixels, area), max_dim=max_dim)


def _plan(contract: Contract, form: str, quality: int, engine: str) -> Plan:
    return Plan(
        factor=contract.factor,
        min_pixels=contract.min_pixels,
        max_pixels=contract.max_pixels,
        format=form,  # type: ignore[arg-type]  # one of the formats, as the manifest says
        quality=quality,
        engine=engine,
        max_dim=contract.max_dim,
    )
