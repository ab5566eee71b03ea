"""Runs of `gdp train` in processes of their own: forked from one that has the libraries loaded, and killed at will."""

import io
import itertools
import multiprocessing
import os
import signal
import socket
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cli import main
from pipeline.exceptions import GdpError
from train.config import TrainConfig
from train.run import RunOptions, run

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["train.loop", "peft", "bitsandbytes"])


def apart(dataset: Path, out: Path, config: TrainConfig, options: RunOptions, fault: str | None = None) -> int:
    """Train in another process, which dies at the fault point, and return how it ended, as `subprocess` does."""
    process = _processes.Process(target=_train, args=(dataset, out, config, options, fault))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


@dataclass(frozen=True)
class Moment:
    """When a method of a class is called for the `count`th time."""

    home: type
    method: str
    count: int = 1


def stopped(line: list[str], said: Path, signals: list[int], moment: Moment | None = None) -> int:
    """Run the command line in a process group of its own, which gets the signals at the moment; return how it ended.

    What it says on stderr lies in the file `said`.
    """
    process = _processes.Process(target=_stop, args=(line, said, signals, moment))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _stop(line: list[str], said: Path, signals: list[int], moment: Moment | None) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    multiprocessing.set_start_method("fork", force=True)  # as in `_train`
    sys.stderr = said.open("w", encoding="utf-8", buffering=1)
    sys.stdout = io.StringIO()
    os.dup2(sys.stderr.fileno(), 2)  # of worker processes, and of what is no Python
    if moment is not None:
        method, calls = getattr(moment.home, moment.method), itertools.count(1)

        def called(*args: Any, **options: Any) -> Any:
            if next(calls) == moment.count:
                for each in signals:
                    os.killpg(0, each)
            return method(*args, **options)

        setattr(moment.home, moment.method, called)
    main(line)


def peak(dataset: Path, out: Path, config: TrainConfig, options: RunOptions) -> int:
    """Train in another process, and return the most bytes that it held: weights, what torch allocated, the batches.

    The patches of screenshots come from numpy, whose memory torch's count does not know.
    """
    told = _processes.SimpleQueue()
    process = _processes.Process(target=_measure, args=(told, dataset, out, config, options))
    process.start()
    process.join()
    assert process.exitcode == 0
    return int(told.get())


def _measure(told: Any, dataset: Path, out: Path, config: TrainConfig, options: RunOptions) -> None:
    import torch
    from transformers import Trainer

    from train.encoding.data import Collator

    train, step, collate = Trainer.train, Trainer.training_step, Collator.__call__
    live, most = 0, 0

    def freed(size: int) -> None:
        nonlocal live
        live -= size

    def collated(self: Any, examples: Any) -> Any:
        nonlocal live
        batch = collate(self, examples)
        size = batch["pixel_values"].nbytes
        live += size
        weakref.finalize(batch["pixel_values"].untyped_storage(), freed, size)
        return batch

    def stepped(*args: Any) -> Any:
        nonlocal most
        most = max(most, live)
        return step(*args)

    def measured(self: Any, *args: Any, **keys: Any) -> Any:
        resident = sum(p.nbytes for p in self.model.parameters())
        activities = [torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities, profile_memory=True) as profiler:
            result = train(self, *args, **keys)
        events = [each for each in profiler.profiler.kineto_results.events() if each.name() == "[memory]"]
        sizes = [each.nbytes() for each in sorted(events, key=lambda each: each.start_ns())]
        told.put(resident + max(itertools.accumulate(sizes)) + most)
        return result

    Trainer.train, Trainer.training_step, Collator.__call__ = measured, stepped, collated
    run(dataset, out, config, options)


def together(
    count: int,
    dataset: Path,
    out: Path,
    config: TrainConfig,
    options: RunOptions,
    *,
    last: dict[str, str] | None = None,
    **settings: str,
) -> list[int]:
    """Train in so many processes that work together, as a launcher starts them; return how each ended.

    `settings` is the environment of all, `last` that of the last one alone.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count), **settings}
    ranks = [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    ranks[-1] |= last or {}
    started = [
        _processes.Process(target=_train_as, args=(environment, dataset, out, config, options)) for environment in ranks
    ]
    for each in started:
        each.start()
    for each in started:
        each.join()
    return [int(each.exitcode or 0) for each in started]


def _train_as(environment: dict[str, str], dataset: Path, out: Path, config: TrainConfig, options: RunOptions) -> None:
    os.environ |= environment
    sys.stderr = (out.parent / f"stderr.{environment['RANK']}").open("w", encoding="utf-8", buffering=1)
    if environment.get("ACCELERATE_USE_FSDP") == "true":
        _fsdp_without_gpus()
    try:
        run(dataset, out, config, options)
    except GdpError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


def _fsdp_without_gpus() -> None:
    """Let accelerate take this machine for one with GPUs: on a CPU it offers no FSDP, which torch itself has there."""
    import torch
    from accelerate import PartialState
    from accelerate.utils import DistributedType

    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    torch.distributed.init_process_group("gloo")
    PartialState._prepare_backend = lambda *_: ("gloo", DistributedType.MULTI_GPU)


def _train(dataset: Path, out: Path, config: TrainConfig, options: RunOptions, fault: str | None) -> None:
    multiprocessing.set_start_method(
        "fork", force=True
    )  # of worker processes, as in a run that nobody started from here
    if fault:
        os.environ |= {"GDP_FAULT": fault, "GDP_FAULT_ONCE": str(out.with_name(f"{fault}.died"))}
    run(dataset, out, config, options)
