"""The run, top to bottom: check everything that can be checked first, train, and prove what was saved."""

import time
from dataclasses import asdict
from pathlib import Path

from . import exhausted, hardware, model, outcome, presets, rundir, tiny
from .config import TrainConfig
from .fit import fit
from .plan import make_plan
from .progress import Progress
from .report import TrainReport
from .run import RunOptions
from .source import Source
from .versions import versions


def train(dataset: Source, out: Path, config: TrainConfig, options: RunOptions) -> TrainReport:
    """Train an adapter in the folder and return the report; raises GdpError subclasses."""
    began = time.monotonic()
    config, preset = presets.apply(config.for_model(options.model), dataset.manifest.splits["train"])
    progress = Progress(quiet=options.quiet, bar=options.progress)
    if options.model and not Path(options.model).exists():
        progress.say(f"train: no folder {options.model}, asking the hub")
    machine = hardware.of(config.sft)
    for line in (*machine.reasons, *(preset.lines() if preset else ())):
        progress.say(f"train: {line}")
    who = rundir.identity(
        dataset=dataset.manifest.fingerprint,
        model=options.model or tiny.name(dataset.manifest.contract),
        model_files=model.files(options.model),
        config=config.to_dict(),
        supervise=options.supervise,
        seed=options.seed,
        max_steps=options.max_steps,
        versions=versions(),
    )
    with rundir.taken(out, who, fresh=options.fresh) as stored:
        if stored:
            return outcome.report(stored, out, reused=True, seconds=0.0)
        plan = make_plan(dataset, out, config, options, machine.precision, progress)
        images = max(len(item.images) for item in plan.train)
        with exhausted.explained(config, plan.targets, images):
            result = {**fit(dataset, out, config, options, plan, progress), **who}
        result["preset"] = asdict(preset) if preset else None
        rundir.finish(out, result)
    return outcome.report(result, out, reused=False, seconds=time.monotonic() - began)
