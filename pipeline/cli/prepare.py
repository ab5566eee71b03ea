"""`gdp import`, `gdp slice`, `gdp normalize`: recordings in, a dataset out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.exceptions import ConfigError

from .options import (
    PATH,
    finish_stage,
    on_terminal,
    output_option,
    seed_option,
    shared_options,
    source_place,
    worker_option,
)
from .slice_options import cutting_options, size_options, tokenizer_option

if TYPE_CHECKING:
    from pipeline.stage import Running


@click.command("import")
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
    from pipeline import import_trajectories as stage

    if listed:
        click.echo(stage.listing())
        return
    for what, given in (("FORMAT", name), ("SOURCE", source), ("-o", out)):
        if given is None:
            raise ConfigError(what, "found none, expected gdp import FORMAT SOURCE -o OUT", "gdp import --list")
    assert name is not None
    assert source is not None
    config = stage.ImportConfig(name, {option: value for option, value in options.items() if value is not None})
    shown = not quiet and on_terminal()
    report = stage.run(source_place(source), out or "", config, fresh=fresh, progress=shown)
    finish_stage(report.detailed(verbose), out, form=form, quiet=quiet, unit="trajectory")


@click.command("slice")
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
@click.option("--system-prompt", type=PATH, help="Text file with the system prompt to use instead.")
@click.option(
    "--user-prompt", type=PATH,
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
    from pipeline import slice as stage

    config = stage.SliceConfig(
        system_prompt=_text_of(system_prompt, "--system-prompt") if system_prompt else None,
        user_prompt=_text_of(user_prompt, "--user-prompt") if user_prompt else None,
        apps=_names(apps, "--apps") if apps is not None else (),
        **options,
    )
    report = stage.run(source_place(trajectories), out, config, how)
    finish_stage(report.detailed(verbose), out, form=form, quiet=quiet)


@click.command("normalize")
@click.argument("dataset")
@output_option
@size_options()
@click.option(
    "--image-engine", default="auto", show_default=True,
    help="vips, pillow (the reference, slower) or auto: the fastest that is installed.",
)  # fmt: skip
@click.option(
    "--tokenizer", metavar="PATH_OR_ID",
    help="Where coordinates are pixels: tokenizer.json, model folder or hub id that gdp slice counted with.",
)  # fmt: skip
@worker_option
@shared_options
def normalize_command(
    *, dataset: str, out: str, max_pixels: int | None, max_dim: int | None, image_engine: str, tokenizer: str | None,
    how: "Running", fresh: bool, quiet: bool, form: str, verbose: bool,
) -> None:  # fmt: skip
    """Make the screenshots of DATASET smaller, and all that follows from their sizes.

    Down only, from the stored screenshots; the samples stay what they are.
    """
    from pipeline import normalize as stage

    config = stage.NormalizeConfig(max_pixels, max_dim, image_engine, tokenizer)
    report = stage.run(source_place(dataset), out, config, how)
    finish_stage(report.detailed(verbose), out, form=form, quiet=quiet)


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
