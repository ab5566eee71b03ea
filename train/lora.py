"""Which linear layers are adapted: anchored patterns, counted one by one; peft ignores one that hits nothing."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.exceptions import ConfigError

_LAYER = r".*language_model\.layers\.\d+\."
_ATTENTION = r"self_attn\.(q|k|v|o)_proj"
_MLP = r"mlp\.(gate|up|down)_proj"

SCOPES = {
    "llm": rf"{_LAYER}({_ATTENTION}|{_MLP})",
    "llm-attention": rf"{_LAYER}{_ATTENTION}",
    "llm-mlp": rf"{_LAYER}{_MLP}",
}
"""Names for the usual choices; peft's own `all-linear` would adapt the vision tower, too."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The chosen layers."""

    pattern: str
    """One anchored regular expression over whole module names, as peft takes it."""
    matches: dict[str, tuple[str, ...]]
    """What each entry of the configuration matched, in the order of the model."""

    @property
    def modules(self) -> tuple[str, ...]:
        """Every adapted module once."""
        return tuple(dict.fromkeys(name for names in self.matches.values() for name in names))


def resolve(wanted: Iterable[str], linear: Iterable[str], where: str) -> Targets:
    """Return the layers that the entries select among the names of the model's linear layers.

    Raises ConfigError for an entry that matches nothing, or one that reaches outside the language model.
    """
    names = list(linear)
    patterns, matches = [], {}
    for entry in wanted:
        pattern = _pattern(entry)
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            message = f"found {entry!r}, which is no regular expression ({error})"
            raise ConfigError(where, message, f"use one of {', '.join(SCOPES)}") from error
        found = tuple(name for name in names if compiled.fullmatch(name))
        if not found:
            message = f"{entry!r} matches none of the model's {len(names)} linear layers, expected at least one"
            raise ConfigError(where, message, f"use one of {', '.join(SCOPES)}; the first layer is {names[0]}")
        outside = [name for name in found if "language_model.layers." not in name]
        if outside:
            message = f"{entry!r} matches {outside[0]}, expected layers of the language model: the rest stays frozen"
            raise ConfigError(where, message, f"use one of {', '.join(SCOPES)}")
        patterns.append(pattern)
        matches[entry] = found
    return Targets("|".join(f"(?:{pattern})" for pattern in patterns), matches)


def _pattern(entry: str) -> str:
    """Return the entry as a regular expression; a bare layer name is looked for in the language model only."""
    if entry in SCOPES:
        return SCOPES[entry]
    if re.fullmatch(r"\w+", entry):
        return rf"{_LAYER}\w+\.{entry}"
    return entry
