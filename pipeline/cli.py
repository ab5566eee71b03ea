"""The `gdp` command: parse, call `run`, show the report, exit; nothing else.

Heavy imports happen inside the commands, so that `gdp --help` answers at once.
"""

import functools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, cast

import click

from .augment_options import perturbation_options, thoughts_options
from .exceptions import ConfigError, GdpError, InputError
from .slice_options import cutting_options, size_options, tokenizer_option
from .terminal import safe

if TYPE_CHECKING:
    from .place import Place
    from .stage import Running

Command = TypeVar("Command", bound=Callable[..., Any])

EXAMPLE = """\b
  gdp import FORMAT RECORDINGS -o trajectories      (gdp import --list)
  gdp slice TRAJECTORIES -o sliced
  gdp augment-errors sliced -o augmented
  gdp validate augmented -o clean
  gdp train clean -o run

\b
or as one chain, each stage reading the folder that the one before it prints:
  gdp slice TRAJECTORIES -o sliced | gdp augment-errors - -o augmented \\
    | gdp validate - -o clean | gdp train - -o run"""


class _InOrder(click.Group):
    """A group that lists its commands in pipeline order and prints our errors as two lines."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _stop)
        try:
            return super().invoke(ctx)
        except GdpError as error:
            click.echo(safe(str(error)), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("stopped; the same command goes on from here", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            # The reader of our one line on stdout is gone; nothing of ours is lost.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            click.echo(f"gdp: {error}", err=True)
            ctx.exit(1)


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _stop(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


@click.group(
    cls=_InOrder,
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="gui-data-pipeline", prog_name="gdp")
def main() -> None:
    """Turn recorded GUI-agent trajectories into proven training samples, and train on them.

    An import of other people's formats and four stages, each reading what the one before it wrote.
    """


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


def worker_option(function: Command) -> Command:
    """Add the options that change only the time; the command receives them as `how`, a `stage.Running`."""

    @functools.wraps(function)
    def command(
        *, workers: int | None, executor: str, ray_address: str | None, task_timeout: float, **options: Any
    ) -> Any:
        from .stage import Running

        shown = not options["quiet"] and _on_terminal()
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
    from .place import Place

    if text != "-":
        return Place(text)
    lines = sys.stdin.read().split("\n")
    paths = [line for line in lines if line.strip()]
    if len(paths) != 1:
        found = "nothing" if not paths else f"{len(paths)} lines"
        raise InputError("stdin", f"found {found}, expected the folder that the stage before this one printed",
                         "see what that stage says above")  # fmt: skip
    return Place(paths[0])


def finish(report: Report, out: object | None, *, form: str, quiet: bool) -> NoReturn:
    """Show the report on stderr, print the folder on stdout, exit."""
    if not quiet:
        text = json.dumps(report.to_dict(), ensure_ascii=False) if form == "json" else report.render_text()
        click.echo(text, err=True)
    if out is not None:
        click.echo(out)
    sys.exit(report.exit_code)


@main.command("import")
@click.argument("name", metavar="FORMAT", required=False)
@click.argument("source", required=False)
@click.option("-o", "--output", "out", help="New folder or URL for the trajectories.")
@click.option("--list", "listed", is_flag=True, help="Print the formats, with their options, and stop.")
@click.option("--scroll-means", help="android-control: what goes the way that a scroll names: content or finger.")
@click.option("--coordinates", help="qwen-messages: grid-999, grid-1000, pixels, resized-28 or resized-32.")
@click.option("--processor-max-pixels", metavar="N", help="qwen-messages: max_pixels of the agent's processor.")
@click.option("--tasks", metavar="FOLDER", help="osworld: the benchmark's examples, for the tasks' texts.")
@click.option("--marked", help="androidworld: what becomes of a step whose target is painted in: refuse or keep.")
@click.option("--foreign", help="androidworld: what becomes of objects of other programs: refuse or drop.")
@click.option("--first-step", help="osworld: what becomes of a first step without a screenshot: refuse or drop.")
@click.option(
    "--rejected", help="screenagent: replies that a person replaced before they were carried out: keep or drop."
)
@click.option("--scrolls", help="android-control: scrolls as recorded, or as a swipe whose ends are made up.")
@click.option("--finish", help="android-control: append the missing `terminate`: add or none.")
@click.option("--lang", help="screenagent: language of the texts: zh or en.")
@shared_options
def import_command(
    *, name: str | None, source: str | None, out: str | None, listed: bool, fresh: bool, quiet: bool, form: str,
    verbose: bool, **options: str | None,
) -> None:  # fmt: skip
    """Turn recordings of another FORMAT into trajectories.

    SOURCE is a folder, or one file of it. What the format does not say is asked for by an option, never guessed.
    """
    from . import import_trajectories as stage

    if listed:
        click.echo(stage.listing())
        return
    for what, given in (("FORMAT", name), ("SOURCE", source), ("-o", out)):
        if given is None:
            raise ConfigError(what, "found none, expected gdp import FORMAT SOURCE -o OUT", "gdp import --list")
    assert name is not None
    assert source is not None
    config = stage.ImportConfig(name, {option: value for option, value in options.items() if value is not None})
    shown = not quiet and _on_terminal()
    report = stage.run(source_place(source), out or "", config, fresh=fresh, progress=shown)
    finish(report.detailed(verbose), None if report.empty else out, form=form, quiet=quiet)


@main.command("slice")
@click.argument("trajectories")
@output_option
@click.option(
    "--layout",
    default="mai-ui",
    show_default=True,
    help="Model family: mai-ui, qwen3-vl, qwen3-vl-computer, qwen2.5-vl or ui-tars-1.5 (docs/layouts.md).",
)
@click.option("--history-images", type=int, help="Screenshots in a sample at most.  [default: the layout's]")
@click.option(
    "--keep-thought", type=click.Choice(["none", "window", "all"]),
    help="Past thoughts to show: none, those beside the screenshots shown, or all.  [default: the layout's]",
)  # fmt: skip
@cutting_options
@tokenizer_option
@size_options("1280 image tokens")
@click.option(
    "--image-format", type=click.Choice(["jpeg", "png", "webp"]), default="jpeg", show_default=True,
    help="How resized screenshots are stored; others keep their bytes.",
)  # fmt: skip
@click.option(
    "--image-engine", default="auto", show_default=True,
    help="vips, pillow (the reference, slower) or auto: the fastest that is installed.",
)  # fmt: skip
@click.option("--val-fraction", type=float, default=0.2, show_default=True, help="Share of the groups held out.")
@click.option(
    "--split-by", type=click.Choice(["trajectory", "task", "app"]), default="task", show_default=True,
    help="What is held out as a whole; near-duplicates stay together in any case.",
)  # fmt: skip
@click.option("--shard-size", type=int, default=32, show_default=True, help="Trajectories in a shard.")
@click.option(
    "--system-prompt", type=click.Path(path_type=Path), help="Text file with the system prompt to use instead."
)
@click.option(
    "--user-prompt", type=click.Path(path_type=Path),
    help="Text file with the user's text to use instead: {goal}, and {progress} where the layout tells it.",
)  # fmt: skip
@click.option("--apps", metavar="NAME,…", help="Apps on the device, for the prompt to name.")
@seed_option
@worker_option
@shared_options
def slice_command(
    *, trajectories: str, out: str, system_prompt: Path | None, user_prompt: Path | None, apps: str | None,
    how: "Running", fresh: bool, quiet: bool,
    form: str, verbose: bool, **options: Any,
) -> None:  # fmt: skip
    """Cut TRAJECTORIES into samples: one for each decision, unless --mode says otherwise.

    TRAJECTORIES is a folder with trajectory.json or *.jsonl files and their screenshots at any depth.
    """
    from . import slice as stage

    config = stage.SliceConfig(
        system_prompt=_text_of(system_prompt, "--system-prompt") if system_prompt else None,
        user_prompt=_text_of(user_prompt, "--user-prompt") if user_prompt else None,
        apps=_names(apps, "--apps") if apps is not None else (),
        **options,
    )
    report = stage.run(source_place(trajectories), out, config, how)
    finish(report.detailed(verbose), None if report.empty else out, form=form, quiet=quiet)


@main.command("normalize")
@click.argument("dataset")
@output_option
@size_options()
@click.option(
    "--image-engine", default="auto", show_default=True,
    help="vips, pillow (the reference, slower) or auto: the fastest that is installed.",
)  # fmt: skip
@worker_option
@shared_options
def normalize_command(
    *, dataset: str, out: str, max_pixels: int | None, max_dim: int | None, image_engine: str, how: "Running",
    fresh: bool, quiet: bool, form: str, verbose: bool,
) -> None:  # fmt: skip
    """Make the screenshots of DATASET smaller, and all that follows from their sizes.

    Down only, from the stored screenshots; the samples stay what they are.
    """
    from . import normalize as stage

    config = stage.NormalizeConfig(max_pixels=max_pixels, max_dim=max_dim, image_engine=image_engine)
    report = stage.run(source_place(dataset), out, config, how)
    finish(report.detailed(verbose), None if report.empty else out, form=form, quiet=quiet)


@main.command("augment-errors")
@click.argument("dataset", required=False)
@click.option("-o", "--output", "out", help="New folder or URL.")
@click.option("--rate", type=float, default=0.2, show_default=True, help="Share of error samples in the output.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind of error; may be repeated.")
@click.option("--no-kind", "excluded", multiple=True, help="Not this kind of error; may be repeated.")
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="KIND=W",
    help="How often a kind's turn comes, compared with the others'; may be repeated.",
)
@click.option("--max-errors", type=int, default=2, show_default=True, help="Wrong turns in a sample at most: 1 or 2.")
@click.option("--list", "listed", is_flag=True, help="Show the kinds of errors, a line each, and leave.")
@perturbation_options
@tokenizer_option
@thoughts_options
@click.option("--pairs", metavar="DIR", help="New folder or URL for preference pairs, to train with DPO.")
@seed_option
@worker_option
@shared_options
def augment_errors_command(
    *, dataset: str | None, out: str | None, kinds: tuple[str, ...], excluded: tuple[str, ...],
    weights: tuple[str, ...], listed: bool, pairs: str | None, how: "Running", fresh: bool, quiet: bool, form: str,
    verbose: bool, **options: Any,
) -> None:  # fmt: skip
    """Add samples to DATASET in which the agent errs and recovers.

    The wrong turn carries no loss, the correction does; the screen after the error is one that the device would show.
    """
    from . import augment_errors as stage
    from . import pairs as preference
    from .apart import keep_apart
    from .place import Place
    from .report import Together

    if listed:
        click.echo(stage.listing())
        return
    if dataset is None or out is None:
        missing = "DATASET" if dataset is None else "-o"
        raise ConfigError(missing, "found none, expected a folder", "gdp augment-errors --help")
    chosen = stage.choose_kinds(kinds, excluded)
    config = stage.AugmentConfig(kinds=chosen, weights=stage.read_weights(weights), **options)
    source = source_place(dataset)
    if pairs is not None:
        keep_apart(Place(out), Place(pairs), "--pairs", "output")
    report = stage.run(source, out, config, how).detailed(verbose)
    printed = None if report.empty else out
    if pairs is None:
        finish(report, printed, form=form, quiet=quiet)
    beside = preference.run(source, pairs, config.seed, how).detailed(verbose)
    finish(Together(report, beside), printed, form=form, quiet=quiet)


@main.command("augment-variants")
@click.argument("dataset")
@output_option
@tokenizer_option
@worker_option
@shared_options
def augment_variants_command(
    *, dataset: str, out: str, tokenizer: str | None, how: "Running", fresh: bool, quiet: bool, form: str, verbose: bool
) -> None:
    """Add samples to DATASET of other ways to the same goal.

    Where two recordings of one goal pass the same screens, one may go on as the other did; every step is proved.
    """
    from . import augment_variants as stage

    report = stage.run(source_place(dataset), out, how, tokenizer)
    finish(report.detailed(verbose), None if report.empty else out, form=form, quiet=quiet)


@main.command("validate")
@click.argument("dataset", required=False)
@click.option("-o", "--output", "out", help="New folder or URL for the clean dataset.")
@click.option("--pixels/--no-pixels", default=True, show_default=True, help="Decode every screenshot.")
@click.option("--select", multiple=True, metavar="CHECK", help="Only this check; may be repeated.")
@click.option("--ignore", multiple=True, metavar="CHECK", help="Not this check; may be repeated.")
@click.option(
    "--severity", "severities", multiple=True, metavar="CHECK=LEVEL",
    help="Treat a check as error (row refused), warning (row flagged) or info (counted); may be repeated.",
)  # fmt: skip
@click.option("--thresholds", type=click.Path(path_type=Path), metavar="FILE", help="YAML file that sets thresholds.")
@click.option(
    "--fail-on", type=click.Choice(["error", "warning", "never"]), default="error", show_default=True,
    help="What makes the exit code 1.",
)  # fmt: skip
@click.option("--list", "listed", is_flag=True, help="Show the checks, a line each, and leave.")
@worker_option
@shared_options
def validate_command(
    *, dataset: str | None, out: str | None, pixels: bool, select: tuple[str, ...], ignore: tuple[str, ...],
    severities: tuple[str, ...], thresholds: Path | None, fail_on: str, listed: bool, how: "Running", fresh: bool,
    quiet: bool, form: str, verbose: bool,
) -> None:  # fmt: skip
    """Check DATASET; with -o, write the samples that pass.

    Without -o nothing is written, and the dataset's own folder is printed if every sample passes.
    """
    from . import validate as stage
    from .checks import rules

    if listed:
        click.echo(rules.listing())
        return
    if dataset is None:
        raise ConfigError("DATASET", "found none, expected a dataset folder", "gdp validate --help")
    if fresh and out is None:
        raise ConfigError("--fresh", "found no -o, expected the output folder that is to be started over")
    source = source_place(dataset)
    config = stage.ValidateConfig(pixels, rules.levels(select, ignore, severities), rules.thresholds(thresholds))
    report = stage.run(source, out, config, how).failing_on(fail_on)
    printed = out or (source if report.exit_code == 0 else None)
    finish(report.detailed(verbose), None if report.empty else printed, form=form, quiet=quiet)


@main.command("train")
@click.argument("dataset")
@click.option("-o", "--output", "out", type=click.Path(path_type=Path), help="New folder for the run.")
@click.option("--model", help="Model folder or hub id.  [default: a tiny built-in model, for demonstration]")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML file with hyper-parameters.")
@click.option("--max-steps", type=click.IntRange(1), help="Stop after this many optimiser steps.")
@click.option(
    "--show", type=click.IntRange(1), metavar="N", help="Print N samples with trained tokens marked, no more."
)
@seed_option
@shared_options
def train_command(
    *, dataset: str, out: Path | None, model: str | None, config_file: Path | None, max_steps: int | None,
    show: int | None, seed: int, fresh: bool, quiet: bool, form: str, verbose: bool,
) -> None:  # fmt: skip
    """Fine-tune a vision-language model on DATASET with LoRA.

    Learns exactly the turns with a loss weight; the adapter is saved, reloaded and compared before success is reported.
    """
    from train import config as settings
    from train import run as trainer

    if show is not None:
        if out or config_file or max_steps or fresh:
            raise ConfigError(
                "--show", "found it beside -o, --config, --max-steps or --fresh, expected it without them"
            )
        from train import show as shown

        from .terminal import coloured

        for text in shown.show(source_place(dataset), show, model, colour=coloured()):
            click.echo(text)
        return
    if out is None:
        raise ConfigError("-o", "found none, expected a new folder for the run", "or --show N to look at samples")
    options = trainer.RunOptions(
        model=model, max_steps=max_steps, seed=seed, fresh=fresh, quiet=quiet, verbose=verbose,
        progress=not quiet and _on_terminal(),
    )  # fmt: skip
    finish(trainer.run(source_place(dataset), out, settings.load(config_file), options), out, form=form, quiet=quiet)


@main.command("view")
@click.argument("dataset")
@click.option("--export", type=click.Path(path_type=Path), metavar="DIR", help="Write the pages there, to share them.")
@click.option(
    "--limit", type=click.IntRange(1), default=1000, show_default=True,
    help="With --export: samples at most, spread evenly.",
)  # fmt: skip
@click.option("--trajectories", metavar="DIR", help="The recordings, to show their screenshots beside the stored ones.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to serve at.  [default: any free one]")
@click.option("--open/--no-open", "open_browser", default=True, help="Open the browser, or only print the address.")
def view_command(
    *, dataset: str, export: Path | None, limit: int, trajectories: str | None, port: int, open_browser: bool
) -> None:
    """Look at DATASET: samples as conversations, trajectories as film strips.

    Serves a page on this machine only until Ctrl-C, or writes it as files with --export.
    """
    from .view import run as viewer

    config = viewer.ViewConfig(export, limit, trajectories, port, open_browser)
    viewer.run(source_place(dataset), config, functools.partial(click.echo, err=True))


@main.command("inspect")
@click.argument("dataset")
@click.argument("sample_id")
@click.option("--tokens", is_flag=True, help="Each token with its label and weight instead of the texts.")
@click.option("--model", help="With --tokens: whose tokenizer.  [default: the tiny built-in one]")
def inspect_command(*, dataset: str, sample_id: str, tokens: bool, model: str | None) -> None:
    """Print one sample of DATASET: its pictures, its conversation, and what of it is trained."""
    from .inspect import find, lines
    from .terminal import coloured

    if model is not None and not tokens:
        raise ConfigError("--model", "found it without --tokens, expected both or neither")
    from .dataset import Dataset

    opened = Dataset.open(source_place(dataset))
    sample = find(opened, sample_id)
    if tokens:
        from train import show

        text = show.token_table(opened, sample, model)
    else:
        text = lines(sample, colour=coloured())
    for line in text:
        click.echo(line)


def _text_of(path: Path, option: str) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(option, f"found {path} that cannot be read ({error}), expected a text file") from error
    if not text.strip():
        raise ConfigError(option, f"found an empty file {path}, expected a prompt")
    return text.removesuffix("\n")  # the end of the last line; the prompt keeps all others


def _names(text: str, option: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ConfigError(option, f"found {text!r}, expected names with commas between them")
    return names
