"""What commands share: their common options, how they take their input, how they end."""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, cast

import click

from pipeline.exceptions import ConfigError, InputError

if TYPE_CHECKING:
    from pipeline.storage.place import Place

Command = TypeVar("Command", bound=Callable[..., Any])


class _Path(click.Path):
    """A path with a name: `Path("")`, what an unset variable of the shell makes of it, would be the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; raises ConfigError for an empty one."""
        if value == "":
            names = () if param is None else (*param.opts, param.human_readable_name)
            shown = next((name for name in names if name.startswith("-")), names[-1] if names else "path")
            raise ConfigError(shown, "found an empty name, expected a path", "is a variable of the shell empty?")
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)


def on_terminal() -> bool:
    """Return whether lines on stderr can be drawn over."""
    return sys.stderr is not None and sys.stderr.isatty()


class Report(Protocol):
    """What every stage returns."""

    @property
    def exit_code(self) -> int:
        """0 if all is well, 1 if not."""
        ...

    def render_text(self) -> str:
        """Return the report for a person."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        ...


def shared_options(function: Command) -> Command:
    """Add the options that every stage has."""
    fresh = click.option("--fresh", is_flag=True, help="Start over in an output folder that holds an earlier run.")
    form = click.option(
        "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
        help="Form of the report on stderr.",
    )  # fmt: skip
    quiet = click.option(
        "-q", "--quiet", is_flag=True, help="No report and no progress; errors and the exit code remain."
    )
    verbose = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Name every refused row and every guard in the report, not the first.",
    )
    return fresh(form(quiet(verbose(function))))


def seed_option(function: Command) -> Command:
    """Add the seed, to the stages that draw anything."""
    return click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice.")(function)


def supervise_option(function: Command) -> Command:
    """Add what is trained of a sample."""
    return click.option(
        "--supervise", type=click.Choice(["last", "all-correct"]), default="last", show_default=True,
        help="Turns to learn: those that the dataset trains, or every one that shows its screenshot and is not wrong.",
    )(function)  # fmt: skip


def worker_option(function: Command) -> Command:
    """Add the options that change only the time; the command receives them as `how`, a `stage.Running`."""

    @functools.wraps(function)
    def command(
        *, workers: int | None, executor: str, ray_address: str | None, task_timeout: float, **options: Any
    ) -> Any:
        from pipeline.stage import Running

        shown = not options["quiet"] and on_terminal()
        how = Running(workers, options["fresh"], shown, executor, ray_address, task_timeout)
        return function(how=how, **options)

    count = click.option(
        "--workers", type=click.IntRange(1),
        help="Worker processes; the result is the same.  [default: all cores]",
    )  # fmt: skip
    executor = click.option(
        "--executor", type=click.Choice(["local", "ray"]), default="local", show_default=True,
        help="Where they run: on this machine, or on a Ray cluster.",
    )  # fmt: skip
    address = click.option("--ray-address", metavar="HOST:PORT", help="The cluster.  [default: one on this machine]")
    timeout = click.option(
        "--task-timeout", type=click.FloatRange(0.001, 1e6), default=3600.0, show_default=True,
        metavar="SECONDS", help="A shard that takes longer is tried again, three times in all.",
    )  # fmt: skip
    return cast("Command", count(executor(address(timeout(command)))))


def output_option(function: Command) -> Command:
    """Add the output folder."""
    option = click.option("-o", "--output", "out", required=True, help="New folder or URL.")
    return option(function)


def source_place(text: str) -> "Place":
    """Return the input folder; `-` is the folder that the stage before this one printed.

    Raises InputError where that stage printed none, which is how a chain stops at the first failing stage.
    """
    from pipeline.storage.place import Place

    if text != "-":
        return Place(text)
    lines = sys.stdin.read().split("\n")
    paths = [line for line in lines if line.strip()]
    if len(paths) != 1:
        found = "nothing" if not paths else f"{len(paths)} lines"
        raise InputError("stdin", f"found {found}, expected the folder that the stage before this one printed",
                         "see what that stage says above")  # fmt: skip
    return Place(paths[0])


class Outcome(Report, Protocol):
    """What a stage returns that writes rows."""

    @property
    def empty(self) -> bool:
        """Whether none is left."""
        ...

    @property
    def path(self) -> str:
        """Where they stand."""
        ...


def finish_stage(
    report: Outcome, out: object | None, *, form: str, quiet: bool, told: Report | None = None, unit: str = "sample"
) -> NoReturn:
    """Show the report, or what is `told` in its place; print the folder unless nothing is left in it, and exit.

    That nothing is left is an error, so even a quiet run says it.
    """
    if quiet and report.empty:
        click.echo(f"{report.path}: no {unit} is left, expected at least one", err=True)
        click.echo("hint: the same command without -q tells why", err=True)
    finish(told or report, None if report.empty else out, form=form, quiet=quiet)


def finish(report: Report, out: object | None, *, form: str, quiet: bool) -> NoReturn:
    """Show the report on stderr, print the folder on stdout, exit."""
    if not quiet:
        text = json.dumps(report.to_dict(), ensure_ascii=False) if form == "json" else report.render_text()
        click.echo(text, err=True)
    if out is not None:
        click.echo(out)
    sys.exit(report.exit_code)
