"""The run, top to bottom: check everything that can be checked first, train, and prove what was saved."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import describe, outcome, presets
from .config import TrainConfig
from .encoding.source import Source
from .fit import fit
from .folder import processes, rundir
from .folder.versions import versions
from .forecast import exhausted
from .models import hardware, model, tiny
from .plan import make_plan
from .report import TrainReport
from .run import RunOptions
from .watching.progress import Progress


def train(dataset: Source, out: Path, config: TrainConfig, options: RunOptions) -> TrainReport:
    """Train an adapter in the folder and return the report; raises GdpError subclasses.

    Of several processes the first returns; the others leave with SystemExit when their part is done.
    """
    began = time.monotonic()
    config, preset = presets.apply(config.for_model(options.model), dataset.manifest.splits["train"])
    progress = Progress(quiet=options.quiet or not processes.first(), bar=options.progress)
    if options.model and not Path(options.model).exists():
        progress.say(f"train: no folder {options.model}, asking the hub")
    machine = hardware.of(config.sft)
    for line in (*describe.dataset(dataset.manifest), *machine.reasons, *(preset.lines() if preset else ())):
        progress.say(f"train: {line}")
    who = rundir.identity(
        dataset=dataset.manifest.fingerprint,
        model=options.model or tiny.name(dataset.manifest.contract),
        model_files=model.files(options.model),
        config=config.to_dict(),
        supervise=options.supervise,
        seed=options.seed,
        max_steps=options.max_steps,
        processes=processes.count(),
        sharding=processes.sharding(),
        versions=versions(),
    )
    with processes.together(cpu=machine.device == "cpu"), _folder(out, who, options, progress) as earlier:
        if earlier.result:
            return outcome.report(earlier.result, out, reused=True, seconds=0.0)
        if not processes.first():
            processes.told("planned")  # the built-in model is on disk then
        plan = make_plan(dataset, out, config, options, machine.precision, progress)
        processes.tell("planned", True)
        images = max(len(item.images) for item in plan.train)
        with exhausted.explained(config, plan.targets, images):
            result = {**fit(dataset, out, config, options, plan, progress, earlier.checkpoint), **who}
        if not processes.first():
            raise SystemExit(0)
        result["preset"] = asdict(preset) if preset else None
        rundir.finish(out, result)
    return outcome.report(result, out, reused=False, seconds=time.monotonic() - began)


@contextlib.contextmanager
def _folder(out: Path, who: dict[str, Any], options: RunOptions, progress: Progress) -> Iterator[rundir.Earlier]:
    """Hold the run's folder, as `rundir.taken`; only the first process does, the others hear what it found."""
    if not processes.first():
        found = processes.told("earlier")
        if found["complete"]:
            raise SystemExit(0)
        yield rundir.Earlier(checkpoint=found["checkpoint"] and Path(found["checkpoint"]))
        return
    with rundir.taken(out, who, fresh=options.fresh, resume=options.resume) as earlier:
        for line in earlier.damaged:
            progress.say(f"train: {line}; going back to the one before")
        if earlier.begun:
            progress.say("train: stopped before its first checkpoint, so it begins again")
        checkpoint = earlier.checkpoint and str(earlier.checkpoint)
        processes.tell("earlier", {"complete": earlier.result is not None, "checkpoint": checkpoint})
        yield earlier
