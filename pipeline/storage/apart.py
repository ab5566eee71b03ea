"""A stage never writes into what it reads."""

import re
from pathlib import Path

from pipeline.exceptions import ConfigError

from .place import Place


def keep_apart(source: Place, out: Place, option: str = "-o", what: str = "input") -> None:
    """Raise ConfigError if the output is the input or lies inside it: `--fresh` would remove what is to be read."""
    inner, outer = str(out.absolute()), str(source.absolute())
    if inner == outer or inner.startswith(f"{outer.rstrip('/')}/"):
        raise ConfigError(option, f"found {out} inside the {what} {source}, expected a folder outside it")


def require_folder(path: Path, option: str) -> None:
    """Raise ConfigError for a URL where only a folder on a disk can be written; a `Path` of one has lost a slash."""
    if found := re.match(r"([a-z][a-z0-9+.-]+):/", str(path)):
        slashes = "///" if found[1] == "file" else "//"
        url = f"{found[1]}:{slashes}{str(path)[found.end() :]}"
        raise ConfigError(option, f"found the URL {url}, expected a folder on this machine")
