"""What is kept of a run that a guard stopped: the adapter of its best evaluation, where one was better than none."""

import json
import shutil
from pathlib import Path

from train.encoding import processor
from train.folder.rundir import LAST_GOOD
from train.plan import Plan

from .log import Log
from .watch import GuardStopError

FILES = ("adapter_model.safetensors", "adapter_config.json")


def kept(error: GuardStopError, out: Path, checkpoint: str | None, plan: Plan, log: Log) -> GuardStopError:
    """Copy the best checkpoint's adapter to `last_good/`; return the error with a hint that says where it is."""
    start, *evals = log.series("eval_loss")
    step = None if checkpoint is None else int(checkpoint.rsplit("-", 1)[1])
    best = next((point for point in evals if point[0] == step), start)
    if checkpoint is None or not best[1] < start[1]:
        kept_hint = "no evaluation was below the start, so no adapter was kept"
    else:
        folder = out / LAST_GOOD
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in FILES:
            shutil.copyfile(Path(checkpoint) / name, folder / name)
        settings = json.loads((folder / FILES[1]).read_text())
        settings["base_model_name_or_path"] = plan.base.name
        (folder / FILES[1]).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
        processor.save(plan.base.processor, folder)
        kept_hint = f"the adapter of step {best[0]}, eval loss {best[1]:.4f}, is in {folder}"
    return GuardStopError(error.where, error.message, f"{error.hint}; {kept_hint}")
