"""The options of `gdp slice` that come in groups, and those that it shares with other stages."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def cutting_options(function: Command) -> Command:
    """Add how trajectories are cut, and how large a sample may be."""
    options = (
        click.option(
            "--mode", type=click.Choice(["step", "window", "subtask"]), default="step", show_default=True,
            help="A sample for each decision; for several in a row, each trained; or for each, told for its sub-task.",
        ),
        click.option(
            "--window", type=int, metavar="W",
            help="Decisions in a window at most.  [default: the layout's screenshots, 2 at least]",
        ),
        click.option(
            "--stride", type=int, metavar="S",
            help="Decisions from one window's start to the next at most.  [default: the window's length]",
        ),
        click.option(
            "--min-history", type=int, default=0, show_default=True, metavar="N",
            help="Steps before a decision at least, or it is not trained.",
        ),
        click.option(
            "--max-history", type=int, metavar="N",
            help="Steps told before a decision or window at most.  [default: all]",
        ),
        click.option(
            "--max-tokens", type=int, metavar="N",
            help="Tokens of a sample at most: history is left out until it fits, nothing is truncated.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def size_options(default: str | None = None) -> Callable[[Command], Command]:
    """Return what adds the limits of a screenshot's size; `default` is the area without them."""
    note = "" if default is None else f"  [default: {default}]"
    area = click.option("--max-pixels", type=int, help=f"Area of a screenshot at most.{note}")
    side = click.option("--max-dim", type=int, help="Long side of a screenshot at most, in pixels, whatever its area.")
    return lambda function: area(side(function))


def tokenizer_option(function: Command) -> Command:
    """Add the tokenizer that counts."""
    return click.option(
        "--tokenizer", metavar="PATH_OR_ID",
        help="tokenizer.json, model folder or hub id that counts text; without it a byte counts as a token.",
    )(function)  # fmt: skip
