"""The same suite for every executor; then a Ray cluster that loses a node, and whole stages on it."""

import importlib.util
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import build
import jobs
import pytest
from jobs import Job
from stages import SHARDS, check_stopped, command, interrupt_group, sliced, terminate, under_way
from watched import alive, children, pids, until

from pipeline.cli import main
from pipeline.exceptions import ConfigError, MissingExtraError, StageError
from pipeline.executors import EXECUTORS, Executor
from pipeline.executors.local import LocalExecutor
from pipeline.executors.ray import RayExecutor
from pipeline.stage import Running

Make = Callable[..., Executor]
TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write trajectories that make many small shards."""
    return build.corpus(tmp_path_factory.mktemp("corpus"), n=SHARDS, n_steps=3)


@pytest.fixture(scope="module")
def golden(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the hashes of an undisturbed run with one worker."""
    return sliced(corpus, tmp_path_factory.mktemp("golden") / "out", "--workers", "1")


# --- a cluster of three nodes on this machine -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start a cluster whose nodes and clients share a throwaway token."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed: pip install '.[ray]'")
    token = tmp_path_factory.mktemp("ray") / "token"
    token.write_text(secrets.token_hex(32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(TESTS))
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "node_ip_address": "127.0.0.2", "object_store_memory": 80 << 20}
        started = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            for _ in range(2):
                started.add_node(**node)
            yield started
        finally:
            started.shutdown()


@pytest.fixture(params=list(EXECUTORS))
def make(request: pytest.FixtureRequest) -> Make:
    """Return what makes an executor with two workers."""
    if request.param == "local":
        return lambda **options: LocalExecutor(2, **options)
    cluster = request.getfixturevalue("cluster")
    return lambda **options: RayExecutor(2, address=cluster.address, **options)


# --- every executor -------------------------------------------------------------------------------------------------


def test_every_task_ends_once(make: Make) -> None:
    """Many more tasks than workers."""
    assert sorted(make().run(jobs.double, range(300))) == [(number, 2 * number) for number in range(300)]


def test_no_task_is_no_work(make: Make) -> None:
    """Zero tasks."""
    assert list(make().run(jobs.double, [])) == []


def test_fewer_tasks_than_workers(make: Make) -> None:
    """One task."""
    assert list(make().run(jobs.double, [21])) == [(21, 42)]


def test_an_exception_arrives_as_it_was_raised(make: Make) -> None:
    """The others go on; the note says where in the task it happened."""
    outcomes = dict(make().run(jobs.refuse_odd, range(6)))
    assert {number for number, outcome in outcomes.items() if outcome == number} == {0, 2, 4}
    for number in (1, 3, 5):
        error = outcomes[number]
        assert type(error) is ValueError
        assert error.args == (f"{number} is odd",)
        assert "refuse_odd" in error.__notes__[0]


def test_a_killed_worker_costs_a_retry(make: Make, tmp_path: Path) -> None:
    """Two of the tasks lose their worker once."""
    tasks = [Job(f"j{number}", tmp_path, number % 3) for number in range(6)]
    assert {task.name: outcome for task, outcome in make().run(jobs.die_once, tasks)} == {
        task.name: task.value for task in tasks
    }
    assert len(list(tmp_path.glob("*.seen"))) == 4


def test_a_poison_task_is_reported_by_name(make: Make, tmp_path: Path) -> None:
    """After three workers it is given up; the others end."""
    tasks = [Job(f"j{number}", tmp_path, int(number == 1)) for number in range(4)]
    outcomes = {task.name: outcome for task, outcome in make().run(jobs.die, tasks)}
    error = outcomes.pop("j1")
    assert isinstance(error, StageError)
    assert error.where == "task j1"
    assert "3 times" in error.message
    assert outcomes == {"j0": 0, "j2": 0, "j3": 0}
    assert len(pids(tmp_path)) == 3


def test_a_hanging_task_meets_its_limit(make: Make, tmp_path: Path) -> None:
    """Each attempt ends when its time is up, and its process with it."""
    tasks = [Job(f"j{number}", tmp_path, int(number == 1)) for number in range(4)]
    run = make(task_seconds=1.5, attempts=2).run(jobs.hang, tasks)
    outcomes = {task.name: outcome for task, outcome in run}
    error = outcomes.pop("j1")
    assert isinstance(error, StageError)
    assert error.where == "task j1"
    assert "longer than 1.5 s" in error.message
    assert outcomes == {"j0": 0, "j2": 0, "j3": 0}
    assert len(pids(tmp_path)) == 2
    assert not any(map(alive, pids(tmp_path)))


def test_what_cannot_travel_is_reported(make: Make) -> None:
    """Results and exceptions that cannot be packed or rebuilt, and those that would stop the supervisor."""
    kinds = ["result", "exception", "awkward", "interrupt", "exit", "fine"]
    outcomes = dict(make().run(jobs.odd_end, kinds))
    assert outcomes.pop("fine") == "fine"
    assert {kind for kind, outcome in outcomes.items() if type(outcome) is StageError} == set(outcomes)
    assert "1 and 2" in str(outcomes["awkward"])
    assert "KeyboardInterrupt" in str(outcomes["interrupt"])
    assert "3 times" in str(outcomes["exit"])


def test_closing_early_ends_the_workers(make: Make, tmp_path: Path) -> None:
    """Nobody works on for an iterator that nobody reads."""
    tasks = [Job(f"j{number}", tmp_path, int(number > 0)) for number in range(4)]
    with closing(make().run(jobs.hang, tasks)) as run:
        next(run)
        until(lambda: len(pids(tmp_path)) >= 2)
    until(lambda: not any(map(alive, pids(tmp_path))), 5)


# --- processes on this machine --------------------------------------------------------------------------------------


def test_temporary_files_go_with_the_run(tmp_path: Path) -> None:
    """Though workers are killed."""
    tasks = [Job(f"j{number}", tmp_path, number) for number in range(2)]
    with closing(LocalExecutor(2).run(jobs.wait_with_file, tasks)) as run:
        next(run)
        until(lambda: pids(tmp_path))
        scratch = Path((tmp_path / "where").read_text())
        assert scratch.exists()
    assert not scratch.parent.exists()
    assert not any(map(alive, pids(tmp_path)))


def test_an_idle_worker_may_die(tmp_path: Path) -> None:
    """Its next task is done by another."""
    run = LocalExecutor(1).run(jobs.double, range(40))
    results = [next(run)]
    for worker in children(os.getpid()):
        if b"pipeline.executors" in Path(f"/proc/{worker}/cmdline").read_bytes():
            os.kill(worker, signal.SIGKILL)
    assert sorted(results + list(run)) == [(number, 2 * number) for number in range(40)]


def test_workers_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves it no time to end them."""
    code = "import sys; sys.path[:0] = sys.argv[2:]; import jobs; jobs.supervise(sys.argv[1])"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(TESTS), str(TESTS.parent)]) as supervisor:
        until(lambda: len(pids(tmp_path)) == 2)
        supervisor.kill()
    until(lambda: not any(map(alive, pids(tmp_path))), 2)


def test_a_print_in_a_task_is_no_output_of_the_stage(capfd: pytest.CaptureFixture[str]) -> None:
    """The line on stdout belongs to the next stage."""
    assert list(LocalExecutor(1).run(jobs.odd_end, ["print"])) == [("print", "print")]
    out, err = capfd.readouterr()
    assert out == ""
    assert "in a worker" in err


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's limit on processes is no fault of the output folder."""

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(StageError, match="cannot start a process"):
        list(LocalExecutor(1).run(jobs.double, [1]))


# --- Ray ------------------------------------------------------------------------------------------------------------


def test_a_lost_node_costs_retries(cluster: Any, tmp_path: Path) -> None:
    """One of three nodes dies in the middle; every task ends, and ran to its end."""
    doomed = cluster.add_node(num_cpus=1, node_ip_address="127.0.0.2", object_store_memory=80 << 20)
    tasks = [Job(f"j{number}", tmp_path, number) for number in range(40)]
    outcomes = {}
    for task, outcome in RayExecutor(address=cluster.address).run(jobs.nap, tasks):
        outcomes[task.name] = outcome
        if len(outcomes) == 8:
            cluster.remove_node(doomed, allow_graceful=False)
    assert outcomes == {task.name: task.value for task in tasks}
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        task.name: str(task.value) for task in tasks
    }


def test_a_cluster_changes_only_the_time(corpus: Path, golden: dict[str, str], tmp_path: Path, cluster: Any) -> None:
    """Byte-identical on three nodes."""
    assert sliced(corpus, tmp_path / "out", "--executor", "ray", "--ray-address", cluster.address) == golden


def test_ray_on_this_machine_leaves_no_token(corpus: Path, golden: dict[str, str], tmp_path: Path) -> None:
    """Byte-identical, and nothing in the home directory that would lock out clusters started later."""
    pytest.importorskip("ray")
    home = tmp_path / "home"
    home.mkdir()
    assert sliced(corpus, tmp_path / "out", "--executor", "ray", "--workers", "2", HOME=str(home)) == golden
    assert not list(home.rglob("*token*"))


def test_a_stopped_stage_on_ray_goes_on(corpus: Path, golden: dict[str, str], tmp_path: Path, cluster: Any) -> None:
    """Stopped twice; tasks that are on their way leave temporary files at most, which the last run removes."""
    out = tmp_path / "out"
    options = ("--executor", "ray", "--ray-address", cluster.address)
    for stop, finished in ((interrupt_group, 3), (terminate, 10)):
        with under_way(command(corpus, out, *options), out, finished) as stage:
            stop(stage)
            check_stopped(stage, out, golden)
    assert sliced(corpus, out, *options) == golden


def test_ray_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says what to install."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[ray\]'"):
        list(RayExecutor(1).run(jobs.double, [1]))


def test_a_cluster_that_is_not_there() -> None:
    """An address where nobody listens: said at once."""
    pytest.importorskip("ray")
    with pytest.raises(StageError, match=r"--ray-address 127\.0\.0\.1:1"):
        list(RayExecutor(1, address="127.0.0.1:1").run(jobs.double, [1]))


# --- options --------------------------------------------------------------------------------------------------------


def test_the_options_name_every_executor() -> None:
    """The command line spells them out, to answer --help at once."""
    for stage in ("slice", "augment-errors", "validate"):
        option = next(each for each in main.commands[stage].params if each.name == "executor")
        assert list(option.type.choices) == list(EXECUTORS)


@pytest.mark.parametrize(
    ("options", "where"),
    [({"executor": "dask"}, "--executor"), ({"ray_address": "127.0.0.1:6379"}, "--ray-address")],
)
def test_options_that_contradict_each_other(options: dict[str, Any], where: str) -> None:
    """Refused before anything runs."""
    with pytest.raises(ConfigError, match=where):
        Running(**options)
