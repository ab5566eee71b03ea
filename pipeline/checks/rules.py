"""Which checks run and how much each matters: the defaults of `CHECKS`, as the user changed them."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import msgspec

from pipeline.exceptions import ConfigError

from . import CHECKS, SEVERITIES, Severity, Thresholds
from .thresholds import wrong


def levels(selected: Sequence[str], ignored: Sequence[str], severities: Sequence[str]) -> dict[str, Severity]:
    """Return the checks that run, in their fixed order, with their severities; raises ConfigError.

    `severities` are of the form `check=level`.
    """
    changed: dict[str, Severity] = {}
    for each in severities:
        name, _, level = each.partition("=")
        _known("--severity", name)
        if level not in SEVERITIES:
            raise ConfigError("--severity", f"found {each!r}, expected CHECK=LEVEL, of {', '.join(SEVERITIES)}")
        changed[name] = level
    for option, names in (("--select", selected), ("--ignore", ignored)):
        for name in names:
            _known(option, name)
    chosen = [name for name in CHECKS if (not selected or name in selected) and name not in ignored]
    if not chosen:
        raise ConfigError("--select", "found no check left, expected at least one", "drop an --ignore")
    return {name: changed.get(name, CHECKS[name].severity) for name in chosen}


def thresholds(file: Path | None) -> Thresholds:
    """Return the thresholds, single values set by a YAML file; raises ConfigError."""
    if file is None:
        return Thresholds()
    from pipeline.yamlfile import read

    found = read(file)
    if not isinstance(found, dict):
        raise ConfigError(str(file), "found no mapping, expected lines like `border_px: 2`")
    unknown = sorted(found.keys() - set(Thresholds.__struct_fields__))
    if unknown:
        known = ", ".join(Thresholds.__struct_fields__)
        raise ConfigError(str(file), f"found the key {unknown[0]!r}, expected one of {known}")
    if (message := wrong(found)) is not None:
        raise ConfigError(str(file), message)
    return msgspec.convert(found, type=Thresholds)


def listing() -> str:
    """Return the checks, a line each: name, severity, meaning."""
    width = max(map(len, CHECKS))
    return "\n".join(f"{name:<{width}}  {check.severity:<7}  {check.meaning}" for name, check in CHECKS.items())


def _known(option: str, name: str) -> None:
    if name not in CHECKS:
        near = get_close_matches(name, CHECKS, 3, 0.5)
        hint = f"nearest: {', '.join(near)}; " if near else ""
        message = f"found {name!r}, expected the name of one of the {len(CHECKS)} checks"
        raise ConfigError(option, message, f"{hint}gdp validate --list has them all")
