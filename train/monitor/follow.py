"""`gdp monitor RUN`: look once, or again and again until the run ends."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.exceptions import OutputError, cannot_write
from pipeline.storage.apart import keep_apart, require_folder
from pipeline.storage.place import Place
from pipeline.terminal import coloured

from . import page, picture
from .state import State

POLL_SECONDS = 1.0
CLEAR = "\x1b[H\x1b[J"


def run(folder: Path, *, once: bool, html: Path | None, show: Callable[[str], None]) -> int:
    """Show the run until it ends, or once; with `html` say last where the page is.

    Returns 1 for a run that failed, else 0; raises InputError for no run, OutputError for no place.
    """
    require_folder(folder, "RUN")
    if html:
        require_folder(html, "--html")
        keep_apart(Place(str(folder)), Place(str(html)))
    once = once or not sys.stdout.isatty()
    while True:
        state = State.of(folder)
        going = state.status in ("starting", "running") and not once
        if html:
            _write(html, page.render(state, refresh=going))
        if not html or sys.stdout.isatty():
            drawn = picture.draw(state, shutil.get_terminal_size().columns, colour=coloured())
            show(drawn if once else CLEAR + drawn)
        if not going:
            if html:
                show(str(html))
            return 1 if state.status == "failed" else 0
        try:
            time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            return 0


def _write(html: Path, text: str) -> None:
    """Write the page whole; raises OutputError where that is no place for a file."""
    if html.is_dir():
        raise OutputError(str(html), "found a folder, expected a file's name", f"--html {html / 'run.html'}")
    try:
        Place(str(html.parent)).write(html.name, text.encode(), "monitor")
    except OSError as error:
        blocked = isinstance(error, FileExistsError | NotADirectoryError)
        raise cannot_write(html, "a folder above it is a file" if blocked else error) from error
