"""What goes wrong, as data: one root, each with a place, a finding and the next step.

A new kind of error is a new subclass here; `pipeline.cli` turns all of them into two lines and an exit code.
"""


class GdpError(Exception):
    """Something that the user can mend; printed as `where: message`, then `hint: …`."""

    exit_code = 1

    def __init__(self, where: str, message: str, hint: str | None = None) -> None:
        super().__init__(where, message, hint)
        self.where = where
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        line = f"{self.where}: {self.message}"
        return f"{line}\nhint: {self.hint}" if self.hint else line


class InputError(GdpError):
    """The input is missing, broken or not what the stage reads."""


class OutputError(GdpError):
    """The output cannot be written, or holds something else."""


def cannot_write(where: object, why: object, hint: str | None = None) -> OutputError:
    """Return the error of a place that cannot be written; `why` is an OSError, or the words for it."""
    reason = (why.strerror or why) if isinstance(why, OSError) else why
    return OutputError(str(where), f"found no way to write there ({reason}), expected one", hint)


class ConfigError(GdpError):
    """A setting is out of range, or settings contradict each other."""

    exit_code = 2


class ContractError(GdpError):
    """A dataset and a model, or two datasets, disagree on coordinates, resolution or layout."""


class StageError(GdpError):
    """A stage could not do its work, whatever the input."""


class MissingExtraError(GdpError):
    """An optional dependency is not installed."""

    exit_code = 2
