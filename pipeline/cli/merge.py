"""`gdp merge`: a run in, a model folder out."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import PATH, finish, on_terminal, shared_options

if TYPE_CHECKING:
    from train.outputs.merge import Precision


@click.command("merge")
@click.argument("run_folder", metavar="RUN", type=PATH)
@click.option("-o", "--output", "out", required=True, type=PATH, help="New folder for the model.")
@click.option(
    "--precision", type=click.Choice(["auto", "bf16", "fp16", "fp32"]), default="auto", show_default=True,
    help="Number format of the weights; auto is that of the base model's files.",
)  # fmt: skip
@shared_options
def merge_command(
    *, run_folder: Path, out: Path, precision: "Precision", fresh: bool, quiet: bool, form: str, verbose: bool
) -> None:
    """Merge the adapter of RUN into its base: one model folder, for servers that load no adapters.

    The base is never one in 4 or 8 bits, whatever the run was trained on. The folder is read back and compared with
    base and adapter before success is reported.
    """
    from train.outputs import merge

    options = merge.MergeOptions(
        precision=precision, fresh=fresh, quiet=quiet, verbose=verbose, progress=not quiet and on_terminal(),
    )  # fmt: skip
    finish(merge.run(run_folder, out, options), out, form=form, quiet=quiet)
