"""`gdp augment-errors`, `gdp augment-variants`: a dataset in, one with more samples out."""

from typing import TYPE_CHECKING, Any

import click

from pipeline.exceptions import ConfigError

from .augment_options import perturbation_options, thoughts_options
from .options import finish_stage, output_option, seed_option, shared_options, source_place, worker_option
from .slice_options import tokenizer_option

if TYPE_CHECKING:
    from pipeline.stage import Running


@click.command("augment-errors")
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
    from pipeline import augment_errors as stage
    from pipeline.augmentation import pairs as preference
    from pipeline.report import Together
    from pipeline.storage.apart import keep_apart
    from pipeline.storage.place import Place

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
    if pairs is None:
        finish_stage(report, out, form=form, quiet=quiet)
    beside = preference.run(source, pairs, config.seed, how).detailed(verbose)
    finish_stage(report, out, form=form, quiet=quiet, told=Together(report, beside))


@click.command("augment-variants")
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
    from pipeline import augment_variants as stage

    report = stage.run(source_place(dataset), out, how, tokenizer)
    finish_stage(report.detailed(verbose), out, form=form, quiet=quiet)
