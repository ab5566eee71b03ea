"""`gdp validate`, `gdp view`, `gdp inspect`: whether a dataset is right, and what it looks like."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.exceptions import ConfigError

from .options import PATH, Report, finish_stage, shared_options, source_place, supervise_option, worker_option

if TYPE_CHECKING:
    from pipeline.stage import Running
    from train.run import Supervise


@click.command("validate")
@click.argument("dataset", required=False)
@click.option("-o", "--output", "out", help="New folder or URL for the clean dataset.")
@click.option("--pixels/--no-pixels", default=True, show_default=True, help="Decode every screenshot.")
@click.option("--select", multiple=True, metavar="CHECK", help="Only this check; may be repeated.")
@click.option("--ignore", multiple=True, metavar="CHECK", help="Not this check; may be repeated.")
@click.option(
    "--severity", "severities", multiple=True, metavar="CHECK=LEVEL",
    help="Treat a check as error (row refused), warning (row flagged) or info (counted); may be repeated.",
)  # fmt: skip
@click.option("--thresholds", type=PATH, metavar="FILE", help="YAML file that sets thresholds.")
@click.option(
    "--max-tokens", type=click.IntRange(1), metavar="N", help="Tokens of a sample at most, screenshots included."
)
@click.option(
    "--tokenizer", metavar="PATH_OR_ID",
    help="With --max-tokens, or --redact where gdp slice had one: tokenizer.json, model folder or hub id that counts.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(["error", "warning", "never"]), default="error", show_default=True,
    help="What makes the exit code 1.",
)  # fmt: skip
@click.option(
    "--redact", is_flag=True,
    help="With -o: replace e-mail addresses, phone, card, account numbers and keys in all texts; not on screenshots.",
)  # fmt: skip
@click.option(
    "--report", "report_folder", type=PATH, metavar="DIR",
    help="Folder for a page about the dataset and what was found, and the same for programs.",
)  # fmt: skip
@click.option("--against", metavar="DATASET", help="Another dataset, to tell how this one differs from it.")
@click.option("--list", "listed", is_flag=True, help="Show the checks, a line each, and leave.")
@worker_option
@shared_options
def validate_command(
    *, dataset: str | None, out: str | None, pixels: bool, select: tuple[str, ...], ignore: tuple[str, ...],
    severities: tuple[str, ...], thresholds: Path | None, max_tokens: int | None, tokenizer: str | None,
    fail_on: str, report_folder: Path | None, redact: bool, against: str | None, listed: bool, how: "Running",
    fresh: bool, quiet: bool, form: str, verbose: bool,
) -> None:  # fmt: skip
    """Check DATASET; with -o, write the samples that pass.

    Without -o nothing is written, and the dataset's own folder is printed if every sample passes.
    """
    from pipeline import validate as stage
    from pipeline.checks import rules
    from pipeline.storage.apart import keep_apart, require_folder
    from pipeline.storage.dataset import Dataset
    from pipeline.storage.place import Place

    if listed:
        click.echo(rules.listing())
        return
    if dataset is None:
        raise ConfigError("DATASET", "found none, expected a dataset folder", "gdp validate --help")
    if fresh and out is None:
        raise ConfigError("--fresh", "found no -o, expected the output folder that is to be started over")
    if redact and out is None:
        raise ConfigError("--redact", "found no -o, expected the output folder for the texts without secrets")
    source = source_place(dataset)
    levels = rules.levels(select, ignore, severities)
    limits = rules.thresholds(thresholds)
    config = stage.ValidateConfig(pixels, levels, limits, redact, max_tokens, tokenizer)
    other = None if against is None else Dataset.open(source_place(against))
    if report_folder is not None:
        require_folder(report_folder, "--report")
        told_in = Place.of(report_folder)
        for place in (source, *(Place.of(each) for each in (out, against) if each)):
            keep_apart(place, told_in, "--report", "dataset")
            keep_apart(told_in, place, "--report", "folder of the report")
        from pipeline.overview import write as overview

        overview.check(report_folder)
    report = stage.run(source, out, config, how).failing_on(fail_on).detailed(verbose)
    report = report.told_in(str(report_folder / "report.html") if report_folder else None)
    told: Report = report
    if other is not None or report_folder is not None:
        from pipeline.overview import write as overview

        looked = overview.look(report, other)
        told = overview.Told(report, looked)
        if report_folder is not None:
            overview.write(looked, report_folder)
    passed = report.exit_code == 0 and not report.manifest.counts["samples"].rejected
    printed = out or (source if passed else None)
    finish_stage(report, printed, form=form, quiet=quiet, told=told)


@click.command("view")
@click.argument("dataset")
@click.option("--export", type=PATH, metavar="DIR", help="Write the pages there, to share them.")
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
    from pipeline.view import run as viewer

    config = viewer.ViewConfig(export, limit, trajectories, port, open_browser)
    viewer.run(source_place(dataset), config, functools.partial(click.echo, err=True))


@click.command("inspect")
@click.argument("dataset")
@click.argument("sample_id")
@click.option("--tokens", is_flag=True, help="Each token with its label and weight instead of the texts.")
@click.option("--model", help="With --tokens: whose tokenizer.  [default: the tiny built-in one]")
@supervise_option
@click.option("--config", "config_file", type=PATH, help="With --tokens: as for gdp train.")
def inspect_command(
    *, dataset: str, sample_id: str, tokens: bool, model: str | None, supervise: "Supervise", config_file: Path | None
) -> None:
    """Print one sample of DATASET: its pictures, its conversation, and what of it is trained."""
    from pipeline.inspect import find, lines
    from pipeline.terminal import coloured

    given = {"--model": model, "--supervise": supervise != "last", "--config": config_file}
    if not tokens and (lonely := next((option for option, value in given.items() if value), None)):
        raise ConfigError(lonely, "found it without --tokens, expected both or neither")
    from pipeline.storage.dataset import Dataset

    opened = Dataset.open(source_place(dataset))
    sample = find(opened, sample_id)
    if tokens:
        from train import config, show

        text = show.token_table(opened, sample, model, supervise, config.load(config_file))
    else:
        text = lines(sample, colour=coloured())
    for line in text:
        click.echo(line)
