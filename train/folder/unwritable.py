"""Errors of writing, whoever raised them: torch and safetensors have no class of their own for a full disk."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.exceptions import GdpError, cannot_write

KINDS = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO,
)  # fmt: skip

_NUMBERED = re.compile(r"\(os error (\d+)\)")
"""How safetensors says it."""

_CUT = "inline_container"
"""The part of torch that writes its files, and reads them; its error says how far it came, not why."""


def make(folder: Path, where: Path) -> None:
    """Make a folder, of which `where` is the name for people; raises OutputError, whatever is in the way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(where, error) from error


def reason(error: BaseException) -> str | None:
    """Return why something could not be written, None where an error is about something else."""
    if isinstance(error, GdpError):
        return None
    for each in _chain(error):
        number = each.errno if isinstance(each, OSError) else _number(each)
        if number in KINDS:
            return os.strerror(number).lower()
    cut = any(isinstance(each, RuntimeError) and _CUT in str(each) and "Reader" not in str(each)
              for each in _chain(error))  # fmt: skip
    return "a file was cut short; is the disk full?" if cut else None


def _number(error: BaseException) -> int | None:
    found = _NUMBERED.search(str(error))
    return int(found[1]) if found else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
