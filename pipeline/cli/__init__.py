"""The `gdp` command: parse, call `run`, show the report, exit; nothing else.

Heavy imports happen inside the commands, so that `gdp --help` answers at once.
"""

import atexit
import functools
import gc
import os
import signal
import sys
from typing import Any, NoReturn

import click

from pipeline import __version__
from pipeline.cli.augment import augment_errors_command, augment_variants_command
from pipeline.cli.check import inspect_command, validate_command, view_command
from pipeline.cli.evaluate import evaluate_command
from pipeline.cli.learn import monitor_command, train_command
from pipeline.cli.merge import merge_command
from pipeline.cli.prepare import import_command, normalize_command, slice_command
from pipeline.exceptions import GdpError
from pipeline.terminal import safe

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
        signal.signal(signal.SIGTERM, functools.partial(_stop, os.getpid()))
        try:
            return super().invoke(ctx)
        except GdpError as error:
            click.echo(safe(str(error)), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough
            # An interrupt inside of `exec` leaves a mark that makes `python -m pipeline` die of SIGINT however we exit;
            # the next `exec` takes it away.
            exec("")  # noqa: S102 - an empty text
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


def _stop(main_process: int, signum: int, frame: object) -> NoReturn:
    """Interrupt the command; a worker process that has only just been forked goes without a word."""
    if os.getpid() != main_process:
        os._exit(0)
    raise KeyboardInterrupt


@click.group(
    cls=_InOrder,
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="gdp")
def main() -> None:
    """Turn recorded GUI-agent trajectories into proven training samples, and train on them.

    An import of other people's formats and four stages, each reading what the one before it wrote.
    """


COMMANDS = (
    import_command,
    slice_command,
    normalize_command,
    augment_errors_command,
    augment_variants_command,
    validate_command,
    train_command,
    evaluate_command,
    merge_command,
    monitor_command,
    view_command,
    inspect_command,
)
"""In the order of the pipeline."""

for _command in COMMANDS:
    _command.short_help = str(_command.help).split("\n\n", maxsplit=1)[0]  # whole, where click would cut it off
    main.add_command(_command)

atexit.register(gc.freeze)  # or Python looks through all of the libraries for cycles before it lets go of them
