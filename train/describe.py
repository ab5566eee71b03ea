"""What a run has decided, in lines for people."""

from collections import Counter
from collections.abc import Iterator

from pipeline.storage.manifest import Manifest

from .models import adapt
from .models.lora import Targets
from .models.parts import TITLES, part_of


def chosen(targets: Targets) -> Iterator[str]:
    """Yield what learns, a line for each entry and part, and what to know of it."""
    for entry, names in targets.matches.items():
        parts = dict.fromkeys(part_of(name) for name in names)
        for part in parts:
            mine = [name for name in names if part_of(name) == part]
            yield f"LoRA on {len(mine)} layers of {TITLES[part]} ({entry}): {kinds(mine)}"
    if targets.saved:
        yield f"trained whole: {', '.join(targets.saved)}"
    for warning in adapt.warnings(targets):
        yield f"warning: {warning}"


def dataset(manifest: Manifest) -> Iterator[str]:
    """Yield what could still be asked of the dataset before it is trained on."""
    if manifest.stage != "validate":
        yield "the dataset was not validated; gdp validate DATASET -o CLEAN finds what would teach wrong things"


def kinds(names: list[str]) -> str:
    """Return how many layers of each kind there are.

    >>> kinds(["layers.0.q_proj", "layers.1.q_proj", "merger.mlp.0"])
    'q_proj x2, mlp.0 x1'
    """
    counted: Counter[str] = Counter()
    for name in names:
        last, *rest = reversed(name.split("."))
        counted[f"{rest[0]}.{last}" if last.isdigit() and rest else last] += 1
    return ", ".join(f"{kind} x{n}" for kind, n in counted.items())
