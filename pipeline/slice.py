"""Cut trajectories into samples: one for each decision, with the history that the model family expects.

Planning reads every trajectory just enough to spot repeated ids, to draw the split and to fix which trajectories make
which shard. `slice_shard` does the work; whatever is refused goes to `rejected/` with its reason.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec.structs import replace

from . import engines, layouts
from .engines import Engine, ImageFormat
from .exceptions import ConfigError
from .layouts.layout import contract
from .modes import MODES
from .report import StageReport
from .screens.images import ImageProblem, Plan, read
from .screens.resolution import largest_area
from .slicing.compose import Setting
from .slicing.glance import Glance, glance
from .slicing.policy import KeepThought, Prompts
from .slicing.shard import SliceTask, slice_shard
from .slicing.split import BY, By, Sides, draw
from .slicing.token_count import find_tokenizer, fingerprint
from .stage import Plan as StagePlan
from .stage import Running, execute
from .storage.apart import keep_apart
from .storage.manifest import Slicing
from .storage.place import Place, Where
from .storage.shards import ShardResult
from .storage.tables import to_json
from .trajectories import find


@dataclass(frozen=True)
class SliceConfig:
    """What `gdp slice` makes; every field changes the result."""

    layout: str = "mai-ui"
    """Model family to render for."""
    mode: str = "step"
    """How trajectories are cut: one of `pipeline.modes.MODES`."""
    window: int | None = None
    """Decisions in a window at most; None is the layout's number of screenshots, two at least."""
    stride: int | None = None
    """Decisions from one window's start to the next one's at most; None is the window's length."""
    history_images: int | None = None
    """Screenshots in a sample at most, the current one included; None is the layout's own number."""
    min_history: int = 0
    """Steps before a decision at least, or it is not trained."""
    max_history: int | None = None
    """Steps told before a decision, or a window, at most; None tells all."""
    max_tokens: int | None = None
    """Tokens of a sample at most, screenshots and frame included; None is no limit."""
    tokenizer: str | None = None
    """File, folder or hub id of the tokenizer that counts them; None counts bytes, of which there are no fewer."""
    keep_thought: KeepThought | None = None
    """Whose past thoughts a sample shows; None is as the layout's agent does."""
    max_pixels: int | None = None
    """Area of a screenshot at most; None is 1280 image tokens, or what `max_dim` allows."""
    max_dim: int | None = None
    """Long side of a screenshot at most, in pixels."""
    image_format: ImageFormat = "jpeg"
    """How resized screenshots are stored."""
    image_engine: str = "auto"
    """What decodes, resizes and encodes screenshots; `auto` is the fastest that is installed."""
    val_fraction: float = 0.2
    """Share of the groups whose trajectories go to the split `val`."""
    split_by: By = "task"
    """What is kept on one side of the split as a whole."""
    system_prompt: str | None = None
    """Text of the system prompt instead of the layout's own."""
    user_prompt: str | None = None
    """Template of the user's text instead of the layout's own."""
    apps: tuple[str, ...] = ()
    """Applications that the device has, for the prompt to name."""
    shard_size: int = 32
    """Trajectories in a shard."""
    seed: int = 0
    """Draws the split."""

    def __post_init__(self) -> None:
        layout = layouts.get(self.layout)
        _check_slicing(self)
        if self.keep_thought not in {None, "none"} and not layout.thinks:
            message = f"found {self.keep_thought!r} with {layout.name}, whose answers hold no thoughts, expected none"
            raise ConfigError("--keep-thought", message)
        layouts.check_prompts(layout, Prompts(self.system_prompt, self.user_prompt, self.apps))
        if not 0 <= self.val_fraction < 1:
            raise ConfigError("--val-fraction", f"found {self.val_fraction}, expected a share from 0 to below 1")
        if self.shard_size < 1:
            raise ConfigError("--shard-size", f"found {self.shard_size}, expected at least 1")
        if self.split_by not in BY:
            raise ConfigError("--split-by", f"found {self.split_by!r}, expected one of {', '.join(BY)}")
        largest_area(layout, self.max_pixels, self.max_dim)

    def engine(self) -> Engine:
        """Return the image engine; raises ConfigError if there is no such one."""
        return engines.choose(self.image_engine)

    def setting(self) -> Setting:
        """Return what all samples have in common."""
        layout = layouts.get(self.layout)
        slicing = self.slicing()
        wanted = {"image_window": slicing.window or self.history_images, "keep_thought": self.keep_thought}
        history = replace(layout.history, **{name: value for name, value in wanted.items() if value is not None})
        agreed = contract(layout, max_pixels=self.image_plan().max_pixels, max_dim=self.max_dim, history=history)
        return Setting(
            contract=agreed,
            prompts=Prompts(self.system_prompt, self.user_prompt, self.apps),
            slicing=slicing,
            tokenizer=None if self.tokenizer is None else str(find_tokenizer(self.tokenizer)),
        )

    def image_plan(self) -> Plan:
        """Return how screenshots are stored."""
        layout = layouts.get(self.layout)
        return Plan(
            factor=layout.factor,
            min_pixels=layout.min_pixels,
            max_pixels=largest_area(layout, self.max_pixels, self.max_dim),
            format=self.image_format,
            engine=self.engine().name,
            max_dim=self.max_dim,
        )

    def slicing(self) -> Slicing:
        """Return how trajectories are cut."""
        window = self.slicing_window()
        return Slicing(
            mode=self.mode,  # type: ignore[arg-type]  # one of MODES
            window=window,
            stride=self.stride or window,
            min_history=self.min_history,
            max_history=self.max_history,
            max_tokens=self.max_tokens,
            tokenizer=None if self.tokenizer is None else fingerprint(find_tokenizer(self.tokenizer)),
            split_by=self.split_by,
        )

    def slicing_window(self) -> int | None:
        """Return the decisions in a window at most, None where samples are no windows."""
        if self.mode != "window":
            return None
        return self.window or max(2, layouts.get(self.layout).history.image_window)


def _check_slicing(config: SliceConfig) -> None:
    """Raise ConfigError for numbers out of range and for options that do not go together."""
    if config.mode not in MODES:
        raise ConfigError("--mode", f"found {config.mode!r}, expected one of {', '.join(MODES)}")
    for option, value, least in (
        ("--history-images", config.history_images, 1),
        ("--window", config.window, 1),
        ("--stride", config.stride, 1),
        ("--min-history", config.min_history, 0),
        ("--max-history", config.max_history, 0),
        ("--max-tokens", config.max_tokens, 1),
    ):
        if value is not None and value < least:
            raise ConfigError(option, f"found {value}, expected at least {least}")
    in_windows = config.mode == "window"
    for option, value in (("--window", config.window), ("--stride", config.stride)):
        if value is not None and not in_windows:
            raise ConfigError(option, f"found it with --mode {config.mode}, expected --mode window")
    if in_windows and config.history_images is not None:
        message = "found it with --mode window, whose turns show a screenshot each, expected --window alone"
        raise ConfigError("--history-images", message)
    window = config.slicing_window()
    if window is not None and (config.stride or 1) > window:
        message = f"found {config.stride}, expected at most --window {window}: decisions between would be in none"
        raise ConfigError("--stride", message)
    if config.max_history is not None and config.min_history > config.max_history:
        message = f"found {config.min_history}, expected at most --max-history {config.max_history}"
        raise ConfigError("--min-history", message)


def run(source: Where, out: Where, config: SliceConfig, running: Running) -> StageReport:
    """Slice every trajectory under `source` into the dataset `out`."""
    source, out = Place.of(source), Place.of(out)
    documents = find(source)
    keep_apart(source, out)
    glances = [glance(source, document) for document in documents]
    setting, image_plan = config.setting(), config.image_plan()
    history = setting.contract.history
    engine = {"name": config.engine().name, **config.engine().versions()}
    fingerprint, pictures = _look(source, glances, running.workers)
    sides = draw(glances, pictures, config.split_by, config.val_fraction, config.seed)
    metadata = {"stage": "slice", "contract": to_json(setting.contract)}
    tasks = list(_tasks(source.absolute(), out.absolute(), glances, sides, config, setting, fingerprint, metadata))
    plan = StagePlan(
        stage="slice",
        seed=config.seed,
        config={
            "layout": config.layout,
            **msgspec.structs.asdict(setting.slicing),
            "history_images": history.image_window,
            "keep_thought": history.keep_thought,
            "max_pixels": image_plan.max_pixels,
            "max_dim": config.max_dim,
            "image_format": config.image_format,
            "image_engine": engine,
            "val_fraction": config.val_fraction,
            "shard_size": config.shard_size,
            "system_prompt": config.system_prompt,
            "user_prompt": config.user_prompt,
            "apps": list(config.apps),
        },
        input={"kind": "trajectories", "fingerprint": fingerprint},
        contract=setting.contract,
        image={"engine": engine, "format": config.image_format, "quality": image_plan.quality},
        slicing=setting.slicing,
        prompts=setting.prompts,
        base=_counted(sides, config.split_by),
    )
    return execute(plan, out, tasks, slice_shard, running)


def _look(source: Place, glances: Sequence[Glance], threads: int | None) -> tuple[str, list[frozenset[str]]]:
    """Return a hash over all that the stage reads, and what tells each trajectory's pictures apart.

    Of pictures on a disk the bytes are hashed; those in an object store are known by size and time, and told apart by
    their size alone.
    """
    hasher = hashlib.sha256()
    pictures = []
    with ThreadPoolExecutor(threads) as pool:  # reading and hashing both let other threads run
        for seen, stamps in zip(glances, pool.map(partial(_stamps, source), glances), strict=True):
            hasher.update(f"{seen.document.where} {seen.sha256}\n".encode())
            hasher.update("".join(f"{path} {stamp}\n" for path, stamp in stamps.items()).encode())
            pictures.append(frozenset(stamp.split()[0] for stamp in stamps.values() if stamp[:1].isalnum()))
    return hasher.hexdigest(), pictures


def _stamps(source: Place, seen: Glance) -> dict[str, str]:
    return {path: _stamp(source, seen.document.folder, path) for path in dict.fromkeys(seen.images)}


def _stamp(source: Place, folder: str, path: str) -> str:
    """Return the picture's hash, or size and time; `!` and a code for one that cannot be read."""
    try:
        if source.local is None:
            return source.stamp(f"{folder}/{path}") or "!missing"
        return hashlib.sha256(read(source, folder, path)).hexdigest()
    except ImageProblem as problem:
        return f"!{problem.code}"


def _counted(sides: Sides, by: By) -> ShardResult:
    """Return what planning counted, in the form of a shard without rows."""
    grouped = {BY[by]: sides.groups, "near-duplicates": sides.near_duplicates}
    return ShardResult(number=-1, shards=(), counts={}, rejected={}, splits={}, details={"grouped": grouped})


def _tasks(
    source: Place,
    out: Place,
    glances: Sequence[Glance],
    sides: Sides,
    config: SliceConfig,
    setting: Setting,
    fingerprint: str,
    metadata: dict[str, str],
) -> Iterator[SliceTask]:
    first: dict[str, str] = {}
    repeated: dict[int, str] = {}
    for position, seen in enumerate(glances):
        if seen.trajectory_id is not None:
            place = first.setdefault(seen.trajectory_id, seen.document.where)
            if place != seen.document.where:
                repeated[position] = place
    image_plan = config.image_plan()
    for number, start in enumerate(range(0, len(glances), config.shard_size)):
        members = range(start, min(start + config.shard_size, len(glances)))
        yield SliceTask(
            number=number,
            source=str(source),
            out=str(out),
            documents=tuple(glances[n].document for n in members),
            splits=tuple(sides.splits[n] for n in members),
            repeated={n - start: repeated[n] for n in members if n in repeated},
            setting=setting,
            image_plan=image_plan,
            fingerprint=fingerprint,
            metadata=metadata,
        )
