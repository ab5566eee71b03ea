"""The run, top to bottom: check everything that can be checked first, train, and prove what was saved."""

import shutil
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from transformers import set_seed

from pipeline.exceptions import InputError

from . import card, crosscheck, curve, model, processor, rundir, tiny, trainer, verify
from .config import TrainConfig
from .data import Collator, Encoder, Examples, Item, select
from .log import Log
from .lora import Targets
from .progress import Progress
from .report import Losses, TrainReport
from .run import RunOptions
from .source import Source
from .versions import versions


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run has decided before it loads weights; making one finds every fault that it can."""

    base: model.Base
    encoder: Encoder
    train: list[Item]
    val: list[Item]
    refused: dict[str, Counter[str]]
    targets: Targets
    precision: str


def train(dataset: Source, out: Path, config: TrainConfig, options: RunOptions) -> TrainReport:
    """Train an adapter in the folder and return the report; raises GdpError subclasses."""
    began = time.monotonic()
    config = config.for_model(options.model)
    progress = Progress(quiet=options.quiet, bar=options.progress)
    if options.model and not Path(options.model).exists():
        progress.say(f"train: no folder {options.model}, asking the hub")
    precision = model.precision(config.sft, model.device())
    who = rundir.identity(
        dataset=dataset.manifest.fingerprint,
        model=options.model or tiny.NAME,
        model_files=model.files(options.model),
        config=config.to_dict(),
        seed=options.seed,
        max_steps=options.max_steps,
        versions=versions(),
    )
    with rundir.taken(out, who, fresh=options.fresh) as stored:
        if stored:
            return _report(stored, out, reused=True, seconds=0.0)
        plan = make_plan(dataset, out, config, options, precision, progress)
        result = {**_fit(dataset, out, config, options, plan, progress), **who}
        rundir.finish(out, result)
    return _report(result, out, reused=False, seconds=time.monotonic() - began)


def make_plan(
    dataset: Source, out: Path, config: TrainConfig, options: RunOptions, precision: str, progress: Progress
) -> Plan:
    """Return what will be trained on what; the only thing written is the built-in model, where it is used."""
    base = model.find(options.model, dataset, out)
    if base.demo:
        progress.say(f"train: DEMONSTRATION with the {tiny.NAME}: it shows that all works, and is of no other use")
    contract = dataset.manifest.contract
    encoder = Encoder(base.processor, contract, base.name)
    limits = {"max_images": config.sft.max_images_per_sample, "max_tokens": config.sft.max_tokens}
    chosen: dict[str, list[Item]] = {}
    refused: dict[str, Counter[str]] = {}
    for split in ("train", "val"):
        chosen[split], refused[split] = select(dataset.samples(split), encoder, **limits)
        if not chosen[split]:
            raise _nothing(dataset, split, refused[split])
    first = chosen["train"][: config.sft.per_device_train_batch_size * config.sft.gradient_accumulation_steps]
    for item in first:
        counts = processor.image_tokens(base.processor, item.images, contract)
        crosscheck.check(item.sample_id, item.messages, counts, encoder.chatml, base.processor.chat_template)
    targets = model.targets(base, config)
    progress.say(f"train: LoRA on {_listed(targets)}")
    return Plan(base, encoder, chosen["train"], chosen["val"], refused, targets, precision)


def _nothing(dataset: Source, split: str, refused: Counter[str]) -> InputError:
    reasons = ", ".join(f"{count}: {reason}" for reason, count in refused.items())
    hint = "raise max_images_per_sample or max_tokens in the configuration"
    return InputError(str(dataset.path), f"every {split} sample was refused ({reasons})", hint)


def _listed(targets: Targets) -> str:
    """Return the matches, layers of one kind counted together."""
    kinds = Counter(name.rsplit(".", 1)[1] for name in targets.modules)
    return f"{len(targets.modules)} layers: " + ", ".join(f"{kind} x{n}" for kind, n in kinds.items())


def _fit(
    dataset: Source, out: Path, config: TrainConfig, options: RunOptions, plan: Plan, progress: Progress
) -> dict[str, Any]:
    """Train, save, verify; return what `run.json` says about it."""
    seed = options.seed % 2**32  # what numpy takes
    set_seed(seed)
    base, encoder = plan.base, plan.encoder
    adapted = model.add_lora(model.load(base, config.sft), plan.targets, config.lora, config.sft)
    examples = (Examples(dataset, encoder, plan.train), Examples(dataset, encoder, plan.val))
    collator = Collator(base.processor, encoder.chatml)
    arguments = trainer.arguments(
        config,
        folder=str(out / "checkpoints"),
        seed=seed,
        max_steps=options.max_steps,
        precision=plan.precision,
    )
    log = Log(out / rundir.LOG, progress)
    try:
        runner = trainer.make(adapted, arguments, examples, collator, log)
        runner.evaluate()
        runner.train()
    finally:
        progress.clear()
        log.close()
    facts = _facts(dataset, config, plan, _losses(log))
    curve.draw(out / "loss.png", log.series("loss"), log.series("eval_loss"), f"{facts['model']}, seed {options.seed}")
    trainable, total = adapted.get_nb_trainable_parameters()
    _save(adapted, plan, out / "adapter", facts)
    progress.say("train: checking the saved adapter")
    found = verify.verify(
        adapted,
        collator([examples[1][0]]),
        out / "adapter",
        lambda: model.load(base, config.sft),
        plan.precision,
    )
    return {
        **facts,
        "trainable": trainable,
        "total": total,
        "steps": int(runner.state.global_step),
        "verified": asdict(found),
    }


def _facts(dataset: Source, config: TrainConfig, plan: Plan, losses: Losses) -> dict[str, Any]:
    return {
        "dataset": dataset.manifest.fingerprint,
        "contract": msgspec.to_builtins(dataset.manifest.contract),
        "prompts": msgspec.to_builtins(dataset.manifest.prompts),
        "model": tiny.NAME if plan.base.demo else plan.base.name,
        "base": plan.base.name,
        "demo": plan.base.demo,
        "precision": plan.precision,
        "config": config.to_dict(),
        "samples": {"train": len(plan.train), "val": len(plan.val)},
        "refused": {split: dict(reasons) for split, reasons in plan.refused.items() if reasons},
        "targets": {"pattern": plan.targets.pattern, "matches": {k: list(v) for k, v in plan.targets.matches.items()}},
        "losses": asdict(losses),
    }


def _losses(log: Log) -> Losses:
    evals, trains = log.series("eval_loss"), log.series("loss")
    best_step, best = min(evals[1:], key=lambda point: point[1])
    return Losses(evals[0][1], best, evals[-1][1], best_step, *_ends(trains))


def _ends(lines: list[tuple[int, float]]) -> tuple[float | None, float | None]:
    """Return the train loss of the first line of the log, and of as many steps at the end."""
    if not lines:
        return None, None
    window = lines[0][0]
    steps, total = 0, 0.0
    for (before, _), (step, loss) in zip(reversed([(0, 0.0), *lines[:-1]]), reversed(lines), strict=True):
        taken = min(step - before, window - steps)
        steps, total = steps + taken, total + taken * loss
        if steps == window:
            break
    return lines[0][1], total / steps


def _save(adapted: Any, plan: Plan, folder: Path, facts: dict[str, Any]) -> None:
    """Write the adapter as safetensors with its processor and card; looks nothing up on the hub."""
    shutil.rmtree(folder, ignore_errors=True)
    adapted.peft_config["default"].base_model_name_or_path = plan.base.name
    adapted.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    processor.save(plan.base.processor, folder)
    text = card.render(
        {
            **facts,
            **facts["samples"],
            **facts["losses"],
            "r": facts["config"]["training"]["lora"]["r"],
            "alpha": facts["config"]["training"]["lora"]["alpha"],
            "layers": len(plan.targets.modules),
            "system": "".join(part.text or "" for part in plan.train[0].messages[0].content),
        }
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _report(result: dict[str, Any], out: Path, *, reused: bool, seconds: float) -> TrainReport:
    losses = Losses(**result["losses"])
    warnings = []
    if losses.eval_best >= losses.eval_start:
        warnings.append("eval loss never fell below its start: this adapter is no better than the base model")
    if result["demo"]:
        warnings.append("a demonstration model with random weights; name a real one with --model")
    return TrainReport(
        out=str(out),
        matched={entry: len(names) for entry, names in result["targets"]["matches"].items()},
        losses=losses,
        seconds=round(seconds, 1),
        reused=reused,
        warnings=tuple(warnings),
        **{key: result[key] for key in PASSED_ON},
    )


PASSED_ON = ("model", "demo", "seed", "samples", "refused", "trainable", "total", "steps", "verified")
"""What the report takes from `run.json` as it is."""
