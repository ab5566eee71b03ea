"""Several processes that train one model: who this one is, and how one of them fails for all.

A launcher (`torchrun`, `accelerate launch`) starts them and says in the environment who is who. Every process reads the
dataset and makes the same plan; the first alone holds and writes the run's folder, and speaks.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

from pipeline.exceptions import ConfigError, GdpError, StageError

SECONDS = 1800
"""How long one process waits for another before it gives up; the slowest thing that one does alone is to save."""

PATIENCE = 10
"""How long a process that lost another waits to hear why."""

FAILED = "gdp/failed"
"""In the store that the processes share, the number of those that failed: only the first one speaks."""


def count() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return which of them this is, counted from 0."""
    return int(os.environ.get("RANK", "0"))


def first() -> bool:
    """Tell whether this is the process that writes and speaks."""
    return rank() == 0


def sharding() -> Literal["none", "fsdp", "deepspeed"]:
    """Return what cuts the model into parts, as the launcher says."""
    if _flag("ACCELERATE_USE_FSDP"):
        return "fsdp"
    return "deepspeed" if _flag("ACCELERATE_USE_DEEPSPEED") else "none"


def agree_on(precision: str) -> None:
    """Tell accelerate the precision of the run: what its launcher was configured with would else win over fp32."""
    os.environ["ACCELERATE_MIXED_PRECISION"] = "no" if precision == "fp32" else precision


def check_gpus(gpus: int) -> None:
    """Raise ConfigError unless each process has one GPU of those that it sees; Trainer would use them all at once."""
    if gpus > 1 and "LOCAL_RANK" not in os.environ:
        message = f"found {gpus} GPUs and one process, expected a process for each"
        hint = f"torchrun --nproc-per-node {gpus} -m pipeline train …, or take one: CUDA_VISIBLE_DEVICES=0 gdp train …"
        raise ConfigError("gdp train", message, hint)
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if 0 < gpus <= local:
        message = f"found {gpus} GPU{'s' if gpus > 1 else ''} for process {local + 1} of this machine"
        raise ConfigError("gdp train", f"{message}, expected one for each", f"torchrun --nproc-per-node {gpus} …")


@contextlib.contextmanager
def together(*, cpu: bool) -> Iterator[None]:
    """Be one of the processes of the run, if there are several; whichever fails first says why, and all end.

    Raises SystemExit in the others.
    """
    if count() == 1:
        yield
        return
    import torch
    from accelerate import PartialState

    PartialState(cpu=cpu, timeout=timedelta(seconds=SECONDS))
    try:
        yield
    except KeyboardInterrupt:  # all of them were asked to stop
        if not first():
            raise SystemExit(130) from None
        raise
    except GdpError:
        if _failed_before():
            raise SystemExit(1) from None
        raise
    except RuntimeError as error:  # what torch raises when the other end of a connection is gone
        if _heard_of_failure():
            raise SystemExit(1) from None
        if isinstance(error, torch.distributed.DistError) or "Connection" in str(error):
            message = f"lost another process of this run ({str(error).splitlines()[0][:120]})"
            raise StageError("gdp train", message, "the same command goes on from the last checkpoint") from error
        raise
    finally:
        with contextlib.suppress(RuntimeError):
            torch.distributed.destroy_process_group()


def tell(name: str, value: Any) -> None:
    """Let the other processes know something, as JSON; only the first one does."""
    if count() > 1:
        _store().set(f"gdp/{name}", json.dumps(value))


def told(name: str) -> Any:
    """Return what the first process tells, and wait for it; raises SystemExit where it fails before it does."""
    store, until = _store(), time.monotonic() + SECONDS
    while time.monotonic() < until:
        if store.check([f"gdp/{name}"]):
            return json.loads(store.get(f"gdp/{name}"))
        if store.add(FAILED, 0):
            raise SystemExit(1)
        time.sleep(0.1)
    raise StageError("gdp train", f"waited {SECONDS} s for the first process, expected to hear from it")


def _failed_before() -> bool:
    try:
        return int(_store().add(FAILED, 1)) > 1
    except RuntimeError:
        return True  # the store went with the process that held it


def _heard_of_failure() -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if _store().add(FAILED, 0):
                return True
        except RuntimeError:
            return True
        time.sleep(0.2)
    return False


def _store() -> Any:
    from torch.distributed import distributed_c10d

    return distributed_c10d._get_default_store()


def _flag(name: str) -> bool:
    return os.environ.get(name, "false").lower() in {"1", "true", "yes", "y", "on"}
