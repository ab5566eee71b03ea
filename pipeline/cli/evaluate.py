"""`gdp evaluate`: how good a model, a run or somebody else's answers are on a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.exceptions import ConfigError

from .options import PATH, finish, on_terminal, shared_options, source_place

if TYPE_CHECKING:
    from train.evaluation.evaluate_answers import Split


@click.command("evaluate")
@click.argument("places", nargs=-1, metavar="[MODEL_OR_RUN] DATASET")
@click.option("-o", "--output", "out", type=PATH, help="Folder for metrics, answers, pictures.")
@click.option(
    "--predictions", type=PATH, metavar="FILE",
    help="Judge these answers instead of a model's: JSON lines of sample_id and response.",
)  # fmt: skip
@click.option(
    "--split", type=click.Choice(["val", "train", "all"]), default="val", show_default=True, help="Which samples."
)
@click.option(
    "--preset", default="default", show_default=True, metavar="NAME",
    help="Rules: default, aitw, aitz, android-control, android-control-os-atlas or gui-odyssey.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(1), metavar="N", help="N samples at most, spread evenly.")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True, help="Samples answered at a time.")
@click.option(
    "--max-new-tokens", type=click.IntRange(1),
    help="Tokens of an answer at most.  [default: half as many again as the longest recorded one]",
)  # fmt: skip
@click.option("--base/--no-base", default=True, help="Of a run, let the base model answer too, side by side.")
@shared_options
def evaluate_command(
    *, places: tuple[str, ...], out: Path | None, predictions: Path | None, split: "Split", preset: str,
    limit: int | None, batch_size: int, max_new_tokens: int | None, base: bool, fresh: bool, quiet: bool, form: str,
    verbose: bool,
) -> None:  # fmt: skip
    """Judge the answers of MODEL_OR_RUN to the samples of DATASET.

    A run of `gdp train` answers with and without its adapter; a model folder or hub id answers alone. Each sample's
    answer is compared with the recorded decision; what each metric means is said in docs/evaluation.md.
    """
    from train.evaluation import evaluate
    from train.evaluation.evaluate_answers import EvaluateOptions

    expected = 1 if predictions is not None else 2
    if len(places) != expected:
        words = "the dataset alone beside --predictions" if expected == 1 else "a model or a run, and a dataset"
        raise ConfigError("gdp evaluate", f"found {len(places)} arguments, expected {words}", "gdp evaluate --help")
    options = EvaluateOptions(
        split=split, preset=preset, limit=limit, batch_size=batch_size, max_new_tokens=max_new_tokens, base=base,
        fresh=fresh, quiet=quiet, verbose=verbose, progress=not quiet and on_terminal(),
    )  # fmt: skip
    model = places[0] if predictions is None else None
    report = evaluate.run(source_place(places[-1]), model, predictions, out, options)
    finish(report, out, form=form, quiet=quiet)
