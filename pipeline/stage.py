"""What all stages have in common: take the output folder, run the shards that are missing, write the manifest."""

import dataclasses
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import Any, Protocol, TypeVar

from . import __version__
from .exceptions import ConfigError, StageError
from .executors import EXECUTORS
from .executors.worker import TASK_SECONDS
from .report import StageReport
from .slicing.policy import Prompts
from .storage.dataset import Dataset
from .storage.manifest import Contract, Flow, Manifest, Slicing, Stage
from .storage.place import Place
from .storage.run_folder import RunFolder
from .storage.shards import EXAMPLES, ShardResult


class ShardTask(Protocol):
    """A unit of work: everything that a worker needs to make one shard."""

    @property
    def number(self) -> int:
        """The shard's number."""
        ...


Task = TypeVar("Task", bound=ShardTask)
Answer = TypeVar("Answer", bound=ShardTask)
"""What comes of a task; it bears the same number."""


@dataclasses.dataclass(frozen=True)
class Running:
    """How a stage runs; nothing here changes what it writes."""

    workers: int | None = 1
    """Tasks at a time; None is as many as there is room for."""
    fresh: bool = False
    progress: bool = False
    executor: str = "local"
    ray_address: str | None = None
    task_seconds: float = TASK_SECONDS

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise ConfigError("--executor", f"found {self.executor!r}, expected one of {', '.join(EXECUTORS)}")
        if self.ray_address is not None and self.executor != "ray":
            raise ConfigError("--ray-address", f"found it with --executor {self.executor}, expected --executor ray")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a stage is about to do; all of it but the tasks goes into the manifest."""

    stage: Stage
    seed: int
    config: dict[str, Any]
    input: dict[str, str]
    contract: Contract
    image: dict[str, Any]
    slicing: Slicing
    prompts: Prompts
    base: ShardResult | None = None
    """What planning itself counted."""


def execute(
    plan: Plan,
    out: Place,
    tasks: Sequence[Task] | Callable[[], Sequence[Task]],
    work: Callable[[Task], ShardResult],
    running: Running,
) -> StageReport:
    """Run the tasks whose shards are not there yet, write the manifest, and report on the finished dataset.

    Tasks that are costly to plan come as a function, which is called unless the dataset is complete. Raises
    the exception of the first failing task, after the others that were under way.
    """
    identity = {
        "stage": plan.stage,
        "version": __version__,
        "seed": plan.seed,
        "config": plan.config,
        "input": plan.input,
    }
    with RunFolder.open(out, identity, fresh=running.fresh) as run:
        if not run.complete:
            every = tasks() if callable(tasks) else tasks
            missing = [task for task in every if task.number not in run.done]
            with closing(_results(plan.stage, work, missing, running)) as results:
                for result in results:
                    run.note(result)
            run.finish(_manifest(plan, identity, [run.done[task.number] for task in every]))
    return StageReport.of(Dataset.open(out, pairs=plan.stage == "pairs"))


def ask(name: str, tasks: Sequence[Task], work: Callable[[Task], Answer], running: Running) -> list[Answer]:
    """Run tasks that write nothing and tell something; return what they tell in the order of the tasks' numbers."""
    return sorted(_results(name, work, tasks, running), key=lambda answer: answer.number)


def rehearse(
    plan: Plan, tasks: Sequence[Task], work: Callable[[Task], ShardResult], running: Running
) -> tuple[Manifest, list[ShardResult]]:
    """Run the tasks of a stage that writes nothing; return the manifest that it would have, and the results."""
    results = ask(plan.stage, tasks, work, running)
    return _manifest(plan, {"version": __version__}, results), results


def _results(
    name: str, work: Callable[[Task], Answer], tasks: Sequence[Task], running: Running
) -> Generator[Answer, None, None]:
    import click

    failed: BaseException | None = None
    cluster = {"address": running.ray_address} if running.ray_address else {}
    executor = EXECUTORS[running.executor](running.workers, task_seconds=running.task_seconds, **cluster)
    with (
        closing(executor.run(work, tasks)) as outcomes,  # whatever happens, nothing runs on when this is left
        click.progressbar(outcomes, length=len(tasks), label=name, hidden=not running.progress, file=sys.stderr) as bar,
    ):
        for _, outcome in bar:
            if isinstance(outcome, BaseException):
                failed = failed or outcome
            else:
                yield outcome
    if failed is not None:
        raise failed


def _manifest(plan: Plan, identity: dict[str, Any], results: Sequence[ShardResult]) -> Manifest:
    parts = [*results, plan.base] if plan.base else list(results)
    counts: dict[str, Flow] = {}
    for part in parts:
        for name, flow in part.counts.items():
            counts[name] = counts.get(name, Flow()) + flow
    if not all(flow.balanced for flow in counts.values()):
        raise StageError(plan.stage, f"found row counts that do not add up ({counts}), expected nothing lost")
    return Manifest(
        schema="gdp.dataset/1",
        stage=plan.stage,
        version=identity["version"],
        seed=plan.seed,
        config=plan.config,
        input=plan.input,
        contract=plan.contract,
        slicing=plan.slicing,
        prompts=plan.prompts,
        image=plan.image,
        counts=counts,
        rejected=_sum(part.rejected for part in parts),
        splits=_sum(part.splits for part in parts),
        details=_sum(part.details for part in parts),
        shards=tuple(sorted((s for part in parts for s in part.shards), key=lambda shard: shard.name)),
    )


def _sum(counters: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Add up counters, nested ones too, and the first of listed examples.

    Keys are in alphabetical order, so that the order of shards does not show.
    """
    total: dict[str, Any] = {}
    for counter in counters:
        for key, value in counter.items():
            if isinstance(value, dict):
                total[key] = _sum([total.get(key, {}), value])
            elif isinstance(value, list):
                total[key] = [*total.get(key, []), *value][:EXAMPLES]
            else:
                total[key] = total.get(key, 0) + value
    return dict(sorted(total.items()))
