"""Which modules learn: LoRA on linear layers, and modules trained whole. Patterns are anchored and counted one by one.

peft ignores an entry that hits nothing as long as another hits something, and takes a Conv3d for a layer like any
other; so entries are matched here, among linear layers only, and peft is given what was found.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.exceptions import ConfigError

from .matching import matched
from .parts import LANGUAGE, PROJECTOR, TITLES, VISION, Part, part_of

_LAYER = rf"(?:.*\.)?(?:{'|'.join(LANGUAGE)})\.(?:\w+\.)*?layers\.\d+\."
_ATTENTION = r"(?:self_attn|cross_attn|attention)\.(?:\w+_proj|qkv)"
_MLP = r"(?:mlp|feed_forward)\.(?:\w+_proj|fc[12]|w[123])"
_LLM = rf"{_LAYER}(?:{_ATTENTION}|{_MLP})"
_PROJECTOR = rf"(?:.*\.)?(?:{'|'.join(PROJECTOR)})(?:\..+)?"
_VISION = rf"(?:.*\.)?(?:{'|'.join(VISION)})\.(?:\w+\.)*?(?:blocks|layers?)\.\d+\..+"

SCOPES = {
    "llm": _LLM,
    "llm-attention": rf"{_LAYER}{_ATTENTION}",
    "llm-mlp": rf"{_LAYER}{_MLP}",
    "llm+projector": rf"{_LLM}|{_PROJECTOR}",
    "llm+vision": rf"{_LLM}|{_PROJECTOR}|{_VISION}",
}
"""Names for the usual choices. A tower is never adapted without the projector that reads it."""

_PROMISED: dict[str, tuple[Part, ...]] = {
    "llm+projector": ("language", "projector"),
    "llm+vision": ("language", "vision"),
}
"""Parts of which a scope must find something: its name says so. Gemma 3's projector is one bare weight, no layer."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What learns."""

    pattern: str
    """One anchored regular expression over whole module names that matches the adapted layers and nothing else."""
    matches: dict[str, tuple[str, ...]]
    """What each entry of the configuration matched, in the order of the model."""
    saved: tuple[str, ...] = ()
    """Modules trained whole, by their full names (`modules_to_save`)."""

    @property
    def modules(self) -> tuple[str, ...]:
        """Every adapted layer once."""
        return tuple(dict.fromkeys(name for names in self.matches.values() for name in names))

    @property
    def parts(self) -> Counter[Part]:
        """How many adapted layers and whole modules each part has."""
        return Counter(part_of(name) for name in (*self.modules, *self.saved))

    @property
    def frozen_vision(self) -> bool:
        """Whether the features of a picture can never change: neither tower nor projector learns."""
        return not self.parts["vision"] and not self.parts["projector"]


def resolve(wanted: Iterable[str], linear: Iterable[str], where: str, others: Iterable[str] = ()) -> Targets:
    """Return the layers that the entries select among the names of the linear layers; `others` are all other modules.

    Raises ConfigError for an entry that matches nothing, or a scope that finds none of a part that its name promises.
    """
    names = list(linear)
    matches = {}
    for entry in wanted:
        found = _matched(entry, names, where)
        if not found:
            message = f"{entry!r} matches none of the model's {len(names)} linear layers, expected at least one"
            raise ConfigError(where, message, f"use one of {', '.join(SCOPES)}; the first layer is {names[0]}")
        parts = {part_of(name) for name in found}
        for part in _PROMISED.get(entry, ()):
            if part not in parts:
                message = f"{entry!r} finds no linear layer in {TITLES[part]}, expected at least one"
                hint = "name its layers by a regular expression over whole module names"
                if part == "projector":
                    hint = "target_modules: llm and modules_to_save: multi_modal_projector train a bare projector whole"
                raise ConfigError(where, message, hint)
        matches[entry] = found
    chosen = tuple(dict.fromkeys(name for found in matches.values() for name in found))
    return Targets(exact(chosen, [*names, *others]), matches)


def _matched(entry: str, names: list[str], where: str) -> tuple[str, ...]:
    try:
        return matched(_pattern(entry), names, where, entry)
    except re.error as error:
        message = f"found {entry!r}, which is no regular expression ({error})"
        raise ConfigError(where, message, f"use one of {', '.join(SCOPES)}") from error


def _pattern(entry: str) -> str:
    """Return the entry as a regular expression; a bare layer name is looked for in the language model only."""
    if entry in SCOPES:
        return SCOPES[entry]
    if re.fullmatch(r"\w+", entry):
        return rf"{_LAYER}\w+\.{entry}"
    return entry


def exact(chosen: Iterable[str], names: Iterable[str]) -> str:
    r"""Return a regular expression that matches, of all the names, the chosen ones: layer numbers left open if it can.

    >>> exact(["m.layers.0.q", "m.layers.1.q"], ["m.layers.0.q", "m.layers.1.q", "m.patch.q"])
    'm\\.layers\\.\\d+\\.q'
    """
    wanted = set(chosen)
    kinds: dict[str, list[str]] = {}
    for name in wanted:
        kinds.setdefault(_open(name), []).append(name)
    unwanted = {_open(name) for name in names if name not in wanted}
    pieces = []
    for kind, members in sorted(kinds.items()):
        pieces += sorted(map(re.escape, members)) if kind in unwanted else [kind]
    return "|".join(pieces)


def _open(name: str) -> str:
    return re.sub(r"(?<=\\\.)\d+(?=\\\.|$)", r"\\d+", re.escape(name))


def whole(wanted: Iterable[str], modules: Mapping[str, str], adapted: Iterable[str], where: str) -> tuple[str, ...]:
    """Return the full names of the modules to train whole; `modules` maps each module's name to its class.

    Raises ConfigError for a name that matches nothing, a container that peft cannot copy, or one with LoRA inside.
    """
    layers = list(adapted)
    saved = []
    for entry in wanted:
        found = [name for name in modules if name == entry or name.endswith(f".{entry}")]
        if not found:
            close = difflib.get_close_matches(entry, {name.rsplit(".", 1)[-1] for name in modules}, 1)
            hint = f"did you mean {close[0]}?" if close else "usual ones are lm_head, embed_tokens, merger"
            raise ConfigError(where, f"{entry!r} matches none of the model's modules, expected at least one", hint)
        for name in found:
            if modules[name] in {"ModuleList", "ModuleDict"}:
                message = f"{entry!r} is a {modules[name]} ({name}), expected a module with a forward pass of its own"
                raise ConfigError(where, message, f"name its members, such as {name.rsplit('.', 1)[-1]}.0")
            inside = next((layer for layer in layers if layer == name or layer.startswith(f"{name}.")), None)
            if inside:
                message = f"{entry!r} holds {inside}, which has LoRA as well, expected one or the other"
                raise ConfigError(where, message, "leave it out of target_modules, or out of modules_to_save")
        saved += found
    return tuple(dict.fromkeys(saved))
