"""Cut trajectories into samples: one for each decision, with the history that the model family expects.

Planning reads every trajectory just enough to spot repeated ids, to draw the split and to fix which trajectories make
which shard. `slice_shard` does the work; whatever is refused goes to `rejected/` with its reason.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from . import engines, layouts, seeds
from .apart import keep_apart
from .compose import Setting
from .describe import same_goal
from .engines import Engine, ImageFormat
from .exceptions import ConfigError
from .images import ImageProblem, Plan, read
from .layouts.layout import contract
from .place import Place, Where
from .records import Split
from .report import StageReport
from .slice_shard import SliceTask, slice_shard
from .stage import Plan as StagePlan
from .stage import Running, execute
from .tables import to_json
from .trajectories import Glance, find, glance

IMAGE_TOKENS = 1280
"""Tokens of a screenshot at most, unless --max-pixels says otherwise."""


@dataclass(frozen=True)
class SliceConfig:
    """What `gdp slice` makes; every field changes the result."""

    layout: str = "mai-ui"
    """Model family to render for."""
    history_images: int | None = None
    """Screenshots in a sample at most, the current one included; None is the layout's own number."""
    max_pixels: int | None = None
    """Area of a screenshot at most; None is 1280 image tokens."""
    image_format: ImageFormat = "jpeg"
    """How resized screenshots are stored."""
    image_engine: str = "auto"
    """What decodes, resizes and encodes screenshots; `auto` is the fastest that is installed."""
    val_fraction: float = 0.2
    """Share of the goals whose trajectories go to the split `val`."""
    system_prompt: str | None = None
    """Text of the system prompt instead of the layout's own."""
    shard_size: int = 32
    """Trajectories in a shard."""
    seed: int = 0
    """Draws the split."""

    def __post_init__(self) -> None:
        layout = layouts.get(self.layout)
        if self.history_images is not None and self.history_images < 1:
            raise ConfigError("--history-images", f"found {self.history_images}, expected at least 1")
        if not 0 <= self.val_fraction < 1:
            raise ConfigError("--val-fraction", f"found {self.val_fraction}, expected a share from 0 to below 1")
        if self.shard_size < 1:
            raise ConfigError("--shard-size", f"found {self.shard_size}, expected at least 1")
        if self.max_pixels is not None and self.max_pixels < 2 * layout.min_pixels:
            # Closer to the family's own least area, not every shape has a size that its processor leaves alone.
            message = f"found {self.max_pixels}, expected at least {2 * layout.min_pixels}"
            raise ConfigError("--max-pixels", message)

    def engine(self) -> Engine:
        """Return the image engine; raises ConfigError if there is no such one."""
        return engines.choose(self.image_engine)

    def setting(self) -> Setting:
        """Return what all samples have in common."""
        layout = layouts.get(self.layout)
        history = layout.history_images if self.history_images is None else self.history_images
        return Setting(self.layout, history, layout.factor, self.system_prompt)

    def image_plan(self) -> Plan:
        """Return how screenshots are stored."""
        layout = layouts.get(self.layout)
        largest = IMAGE_TOKENS * layout.factor**2 if self.max_pixels is None else self.max_pixels
        engine = self.engine().name
        return Plan(layout.factor, layout.min_pixels, largest, self.image_format, engine=engine)


def run(source: Where, out: Where, config: SliceConfig, running: Running) -> StageReport:
    """Slice every trajectory under `source` into the dataset `out`."""
    source, out = Place.of(source), Place.of(out)
    documents = find(source)
    keep_apart(source, out)
    glances = [glance(source, document) for document in documents]
    layout, setting, image_plan = layouts.get(config.layout), config.setting(), config.image_plan()
    engine = {"name": config.engine().name, **config.engine().versions()}
    agreed = contract(layout, max_pixels=image_plan.max_pixels, history_images=setting.history_images)
    fingerprint = _fingerprint(source, glances, running.workers)
    metadata = {"stage": "slice", "contract": to_json(agreed)}
    tasks = list(_tasks(source.absolute(), out.absolute(), glances, config, fingerprint, metadata))
    plan = StagePlan(
        stage="slice",
        seed=config.seed,
        config={
            "layout": config.layout,
            "history_images": setting.history_images,
            "max_pixels": image_plan.max_pixels,
            "image_format": config.image_format,
            "image_engine": engine,
            "val_fraction": config.val_fraction,
            "shard_size": config.shard_size,
            "system_prompt": config.system_prompt,
        },
        input={"kind": "trajectories", "fingerprint": fingerprint},
        contract=agreed,
        image={"engine": engine, "format": config.image_format, "quality": image_plan.quality},
        system_prompt=config.system_prompt,
    )
    return execute(plan, out, tasks, slice_shard, running)


def _fingerprint(source: Place, glances: Sequence[Glance], threads: int | None) -> str:
    """Return a hash over the trajectories' texts and their pictures: bytes on a disk, size and time elsewhere."""
    hasher = hashlib.sha256()
    with ThreadPoolExecutor(threads) as pool:  # reading and hashing both let other threads run
        for stamps in pool.map(partial(_stamps, source), glances):
            hasher.update(stamps)
    return hasher.hexdigest()


def _stamps(source: Place, seen: Glance) -> bytes:
    lines = [f"{seen.document.where} {seen.sha256}"]
    lines += (f"{path} {_stamp(source, seen.document.folder, path)}" for path in dict.fromkeys(seen.images))
    return "".join(f"{line}\n" for line in lines).encode()


def _stamp(source: Place, folder: str, path: str) -> str:
    try:
        if source.local is None:
            return source.stamp(f"{folder}/{path}") or "missing"
        return hashlib.sha256(read(source, folder, path)).hexdigest()
    except ImageProblem as problem:
        return problem.code


def draw_split(goals: Sequence[str], val_fraction: float, seed: int) -> dict[str, Split]:
    """Return the split of each goal: whole goals go to one side, so recordings of one task never face each other.

    At least one goal goes to `train`, and one to `val` if there are two and the fraction is not 0.
    """
    names = sorted({same_goal(goal) for goal in goals})
    n_val = round(len(names) * val_fraction)
    if val_fraction > 0:
        n_val = min(max(n_val, 1), len(names) - 1)
    drawn = sorted(names, key=lambda name: seeds.digest(seed, "split", name))
    return {name: "val" if rank < n_val else "train" for rank, name in enumerate(drawn)}


def _tasks(
    source: Place,
    out: Place,
    glances: Sequence[Glance],
    config: SliceConfig,
    fingerprint: str,
    metadata: dict[str, str],
) -> Iterator[SliceTask]:
    splits = draw_split([g.goal for g in glances if g.goal is not None], config.val_fraction, config.seed)
    first: dict[str, str] = {}
    repeated: dict[int, str] = {}
    for position, seen in enumerate(glances):
        if seen.trajectory_id is not None:
            place = first.setdefault(seen.trajectory_id, seen.document.where)
            if place != seen.document.where:
                repeated[position] = place
    for number, start in enumerate(range(0, len(glances), config.shard_size)):
        members = range(start, min(start + config.shard_size, len(glances)))
        yield SliceTask(
            number=number,
            source=str(source),
            out=str(out),
            documents=tuple(glances[n].document for n in members),
            splits=tuple(splits.get(same_goal(glances[n].goal or ""), "train") for n in members),
            repeated={n - start: repeated[n] for n in members if n in repeated},
            setting=config.setting(),
            image_plan=config.image_plan(),
            fingerprint=fingerprint,
            metadata=metadata,
        )
