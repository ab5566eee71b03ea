"""`gdp train`: a dataset in, an adapter out; `gdp monitor`: how that goes."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pipeline.exceptions import ConfigError

from .options import PATH, finish, on_terminal, seed_option, shared_options, source_place, supervise_option

if TYPE_CHECKING:
    from train.run import Supervise


@click.command("train")
@click.argument("dataset")
@click.option("-o", "--output", "out", type=PATH, help="New folder for the run.")
@click.option("--model", help="Model folder or hub id.  [default: a tiny built-in model, for demonstration]")
@click.option("--config", "config_file", type=PATH, help="YAML file with hyper-parameters.")
@supervise_option
@click.option("--max-steps", type=click.IntRange(1), help="Stop after this many optimiser steps.")
@click.option(
    "--show", type=click.IntRange(1), metavar="N", help="Print N samples with trained tokens marked, no more."
)
@click.option("--dry-run", is_flag=True, help="Say what a run would decide and need; no weights are read.")
@click.option(
    "--preset",
    type=click.Choice(["auto", "none"]),
    help="auto: values for the size of the dataset, where --config gives none.  [default: the file's, else none]",
)
@click.option(
    "--resume", is_flag=True, help="Only go on with a stopped run; without it one is started or gone on with."
)
@seed_option
@shared_options
def train_command(
    *, dataset: str, out: Path | None, model: str | None, config_file: Path | None, supervise: "Supervise",
    max_steps: int | None, show: int | None, dry_run: bool, preset: Literal["auto", "none"] | None, resume: bool,
    seed: int, fresh: bool, quiet: bool, form: str, verbose: bool,
) -> None:  # fmt: skip
    """Fine-tune a vision-language model on DATASET with LoRA.

    Learns exactly the turns with a loss weight; the adapter is saved, reloaded and compared before success is reported.
    """
    from train import config as settings
    from train import run as trainer

    if resume and fresh:
        raise ConfigError("--resume", "found it beside --fresh, expected one of them")
    if show is not None:
        if out or max_steps or fresh or resume or dry_run or preset:
            others = "-o, --max-steps, --resume, --fresh, --dry-run or --preset"
            raise ConfigError("--show", f"found it beside {others}, expected it without them")
        from pipeline.terminal import coloured
        from train import show as shown

        looked = shown.show(
            source_place(dataset), show, model, colour=coloured(), supervise=supervise,
            config=settings.load(config_file),
        )  # fmt: skip
        for text in looked:
            click.echo(text)
        return
    chosen = settings.load(config_file)
    if preset is not None:
        chosen = replace(chosen, preset=preset)
    if dry_run and (out or fresh or resume):
        found = "found it beside -o, --fresh or --resume, expected it without them: it writes nothing"
        raise ConfigError("--dry-run", found)
    if out is None and not dry_run:
        raise ConfigError("-o", "found none, expected a new folder for the run", "or --dry-run, or --show N")
    options = trainer.RunOptions(
        model=model, supervise=supervise, max_steps=max_steps, seed=seed,
        fresh=fresh, resume=resume, quiet=quiet, verbose=verbose, progress=not quiet and on_terminal(),
    )  # fmt: skip
    place = source_place(dataset)
    report = trainer.run(place, out, chosen, options) if out is not None else trainer.dry(place, chosen, options)
    finish(report, out, form=form, quiet=quiet)


@click.command("monitor")
@click.argument("run", type=PATH)
@click.option("--once", is_flag=True, help="Print one picture and exit; so it is where stdout is no terminal.")
@click.option("--html", type=PATH, metavar="FILE", help="Write the picture as a page to FILE.")
def monitor_command(*, run: Path, once: bool, html: Path | None) -> None:
    """Follow a run of gdp train: curves, throughput, what the guards say, the time left.

    RUN may be under way, finished, failed or interrupted. Ends with the run, or with Ctrl-C. Exit code 1 if it failed.
    """
    from train.monitor import follow

    sys.exit(follow.run(run, once=once, html=html, show=click.echo))
