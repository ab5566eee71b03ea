"""Kept features: the same losses as without, no picture decoded twice, a quota that holds, corrupt files made again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.exceptions import ConfigError
from train import trainer
from train.config import DEMO, SftConfig, load
from train.encoding import data
from train.encoding.data import Examples
from train.folder import rundir
from train.models import features, model, vision
from train.models.features import AtHand, Disk, Memory
from train.plan import Plan
from train.quiet import quietly
from train.watching.log import Log
from train.watching.progress import Progress

STEPS = 4


class World:
    """Four windows of one trajectory and a val sample: two epochs of two batches, everything but the store fixed."""

    def __init__(self, base: Any, dataset: Any, encoder: Any, examples: Any, out: Path) -> None:
        self.base, self.out, self.said = base, out, []
        self.parts = tuple(Examples(dataset, encoder, examples.items[part]) for part in (slice(4), slice(4, 5)))
        config = load(DEMO)
        self.targets = model.targets(base, config)
        self.plan = Plan(base, encoder, self.parts[0].items, self.parts[1].items, {}, self.targets, "fp32")

    def losses(self, *, decoded: list[str] | None = None, epochs: float = 2.0, **sft: Any) -> list[float]:
        """Train; return the loss of every step and evaluation."""
        config = load(DEMO)
        settings = replace(config.sft, num_train_epochs=epochs, logging_steps=1, eval_steps=2.0, **sft)
        torch.manual_seed(0)
        made = model.add_lora(model.load(self.base, settings), self.targets, config.lora, settings)
        progress = Progress(quiet=True, bar=False)
        progress.say = self.said.append
        tower, collator = vision.prepare(made, self.plan, self.parts, settings, self.out, progress)
        options = trainer.arguments(
            replace(config, sft=settings), folder=str(self.out), seed=0, max_steps=None, precision="fp32"
        )
        options.load_best_model_at_end = False
        log = Log(self.out / "log.jsonl", progress)
        if decoded is not None:
            original = data.decode

            def watched(source: Any, ref: Any) -> Any:
                decoded.append(ref.sha256)
                return original(source, ref)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(data, "decode", watched)
                trainer.make(made, options, self.parts, collator, log, tower).train()
        else:
            trainer.make(made, options, self.parts, collator, log, tower).train()
        log.close()
        for part in self.parts:
            part.at_hand = ()
        return [line[key] for line in log.lines for key in ("loss", "eval_loss") if key in line]

    @property
    def different(self) -> set[str]:
        return {ref.sha256 for part in self.parts for item in part.items for ref in item.images}


@pytest.fixture
def world(base: Any, dataset: Any, encoder: Any, examples: Any, tmp_path: Path) -> World:
    """Return a small world to train in."""
    return World(base, dataset, encoder, examples, tmp_path)


@pytest.fixture(scope="module")
def wanted(
    base: Any, dataset: Any, encoder: Any, examples: Any, tmp_path_factory: pytest.TempPathFactory
) -> list[float]:
    """Return the losses without any store."""
    with quietly():
        return World(base, dataset, encoder, examples, tmp_path_factory.mktemp("plain")).losses()


def test_memory_gives_the_same_losses_and_decodes_no_more(world: World, wanted: list[float]) -> None:
    """Two epochs and their evaluations; after the first batches, loaded ahead of the tower, nothing is decoded."""
    decoded: list[str] = []
    assert world.losses(decoded=decoded, cache_vision="memory") == pytest.approx(wanted, rel=1e-4)
    assert set(decoded) == world.different
    assert max(decoded.count(key) for key in decoded) <= 2
    assert len(wanted) > STEPS
    assert f"features of {len(world.different)} screenshots in memory" in world.said[0]


def test_disk_serves_the_next_run_too(world: World, wanted: list[float]) -> None:
    """A second run over the same folder, as after a kill, has the same losses and decodes nothing at all."""
    for expected in (world.different, set()):
        decoded: list[str] = []
        assert world.losses(decoded=decoded, cache_vision="disk") == pytest.approx(wanted, rel=1e-4)
        assert set(decoded) == expected
    files = list((world.out / rundir.FEATURES).rglob("*.safetensors"))
    assert {path.stem for path in files} == world.different
    levels = load_file(files[0])["features"].shape[0]
    assert levels == 1 + len(world.base.config.vision_config.deepstack_visual_indexes)
    said = float(world.said[0].rsplit(": ", 1)[1].split(" GB")[0]) * vision.GB
    assert said == pytest.approx(sum(path.stat().st_size for path in files), rel=0.01)


@pytest.mark.parametrize("fault", ["flipped", "cut", "gone"])
def test_a_corrupt_file_is_made_again_and_said(world: World, wanted: list[float], fault: str) -> None:
    """A flipped bit, a cut file, one that vanished: the same losses, one line, and a whole file in its place."""
    world.losses(cache_vision="disk", epochs=1.0)
    victim = sorted((world.out / rundir.FEATURES).rglob("*.safetensors"))[0]
    whole = victim.read_bytes()
    match fault:
        case "flipped":
            victim.write_bytes(whole[:-100] + bytes([whole[-100] ^ 64]) + whole[-99:])
        case "cut":
            victim.write_bytes(whole[: len(whole) // 2])
        case "gone":
            pass
    if fault == "gone":
        original = Disk.__init__

        def vanished(self: Any, *arguments: Any) -> None:
            original(self, *arguments)
            victim.unlink()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Disk, "__init__", vanished)
            found = world.losses(cache_vision="disk")
    else:
        found = world.losses(cache_vision="disk")
    assert found == pytest.approx(wanted, rel=1e-4)
    assert [line for line in world.said if "is corrupt" in line] == [
        f"train: {victim} is corrupt, its features are computed again"
    ]
    assert torch.allclose(load_file(victim)["features"], safe(whole), atol=1e-5)


def safe(data: bytes) -> torch.Tensor:
    """Return the features in the bytes of a file."""
    from safetensors.torch import load as parse

    return parse(data)["features"]


def test_what_does_not_fit_is_computed_every_time(world: World, wanted: list[float]) -> None:
    """A quota for two screenshots keeps two, says so first, and changes no loss."""
    size = features.bytes_per_token(world.base.config, "fp32") * max(
        tokens for item in world.parts[0].items for tokens in (item.tokens.image_tokens if item.tokens else ())
    )
    decoded: list[str] = []
    quota = 2.5 * size / vision.GB
    assert world.losses(decoded=decoded, cache_vision="memory", cache_quota_gb=quota) == pytest.approx(wanted, rel=1e-4)
    assert "are allowed by cache_quota_gb: about 2 are kept, the others are not" in world.said[0]
    counts = [decoded.count(key) for key in world.different]
    assert sorted(counts)[1] <= 2
    assert max(counts) > 2


def test_workers_see_what_is_kept(world: World, wanted: list[float]) -> None:
    """With data workers the flags are in shared memory: what was kept before they were started is not decoded."""
    world.losses(cache_vision="disk", epochs=1.0)
    assert world.losses(cache_vision="disk", dataloader_num_workers=1) == pytest.approx(wanted, rel=1e-4)


def test_a_worker_process_sees_flags_set_after_it_began() -> None:
    """Flags are one memory for all processes."""
    import multiprocessing

    flags = AtHand(["a", "b"])
    context = multiprocessing.get_context("fork")
    asked, answers = context.Event(), context.Queue()
    process = context.Process(target=lambda: (asked.wait(), answers.put(("a" in flags, "b" in flags))))
    process.start()
    flags.add("b")
    asked.set()
    assert answers.get(timeout=30) == (False, True)
    process.join()


def test_another_model_or_contract_is_another_folder() -> None:
    """Everything that features depend on is in the folder's name."""
    names = {features.identity(files={"a": 1}, precision="fp32"), features.identity(files={"a": 2}, precision="fp32"),
             features.identity(files={"a": 1}, precision="bf16")}  # fmt: skip
    assert len(names) == 3


def test_a_tower_that_learns_is_not_cached(world: World) -> None:
    """Features that change with every step cannot be kept."""
    import peft

    made = peft.get_peft_model(
        model.load(world.base, SftConfig()), peft.LoraConfig(r=4, target_modules=r".*visual\.blocks\.\d+\.attn\.qkv")
    )
    with pytest.raises(ConfigError, match="found memory, but layers of the vision tower or of the projector learn"):
        vision.prepare(
            made, world.plan, world.parts, SftConfig(cache_vision="memory"), world.out, Progress(quiet=True, bar=False)
        )


@pytest.mark.parametrize("kind", ["memory", "disk"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_come_back_as_they_were(tmp_path: Path, kind: str, dtype: torch.dtype) -> None:
    """To the bit, in each number format; a second time nothing is written, over the quota nothing is kept."""
    kept = torch.randn(3, 5, 8).to(dtype)
    flags = AtHand(["a", "b", "c"])
    room = 2 * kept.nbytes + (400 if kind == "disk" else 0)
    store = Memory(flags, room) if kind == "memory" else Disk(flags, room, tmp_path, print)
    for key in "abc":
        assert store.get(key) is None
        store.put(key, kept)
    assert torch.equal(store.get("a"), kept)
    assert [key in flags for key in "abc"] == [True, True, False]
    assert store.get("c") is None
