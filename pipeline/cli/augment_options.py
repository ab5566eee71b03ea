"""The options of `gdp augment-errors` that come in groups; each group reaches the command as one argument."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def perturbation_options(function: Command) -> Command:
    """Add what moves the points of clean samples."""
    jitter = click.option(
        "--jitter", type=float, default=0.0, show_default=True, metavar="P",
        help="Probability that a clean sample's click moves within the safe zone of its target.",
    )  # fmt: skip
    recentre = click.option(
        "--recentre", is_flag=True, help="Move clicks that were recorded beside their target onto it."
    )
    crop = click.option(
        "--crop", type=float, default=0.0, show_default=True, metavar="P",
        help="Probability that a sample of one screenshot is added once more, with a part of it that keeps the target.",
    )  # fmt: skip
    return jitter(recentre(crop(function)))


def thoughts_options(function: Command) -> Command:
    """Add the server that writes the thoughts; the command receives it as `writer`, a `WriterSettings` or None."""

    @functools.wraps(function)
    def command(
        *, thoughts_from: str | None, thoughts_model: str | None, thoughts_key_env: str, thoughts_concurrency: int,
        thoughts_timeout: float, thoughts_cache: str | None, **options: Any,
    ) -> Any:  # fmt: skip
        from pipeline.exceptions import ConfigError
        from pipeline.writer import WriterSettings

        writer = None
        if thoughts_from is not None:
            cache = thoughts_cache or f"{options['out'].rstrip('/')}.thoughts"
            writer = WriterSettings.of(
                thoughts_from, thoughts_model, cache, key_variable=thoughts_key_env,
                concurrency=thoughts_concurrency, seconds=thoughts_timeout,
            )  # fmt: skip
        elif thoughts_model or thoughts_cache:
            given = "--thoughts-model" if thoughts_model else "--thoughts-cache"
            raise ConfigError(given, "found it without --thoughts-from, expected the server's address too")
        return function(writer=writer, **options)

    options = (
        click.option(
            "--thoughts-from", metavar="URL",
            help="OpenAI-compatible server that writes the thoughts.  [default: gdp's own wordings]",
        ),
        click.option("--thoughts-model", metavar="NAME", help="The server's model."),
        click.option(
            "--thoughts-key-env", metavar="NAME", default="OPENAI_API_KEY", show_default=True,
            help="Environment variable with the server's key.",
        ),
        click.option(
            "--thoughts-concurrency", type=int, default=4, show_default=True, help="Questions under way at a time."
        ),
        click.option(
            "--thoughts-timeout", type=float, default=60.0, show_default=True, metavar="SECONDS",
            help="Longest time for one answer.",
        ),
        click.option(
            "--thoughts-cache", metavar="DIR", help="Where answers are kept.  [default: OUTPUT.thoughts]"
        ),
    )  # fmt: skip
    return cast("Command", functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command))
