"""What `gdp validate` tells at its end: the worst first, an example of each, 25 lines at most by default."""

from collections.abc import Iterator
from typing import Any

from pipeline.storage.manifest import Manifest
from pipeline.terminal import safe_line

FINDINGS = 14
"""Checks that are named by default."""

WIDTH = 110
"""Characters of an example."""

LEVELS = (("error", "errors"), ("warning", "warnings"), ("info", "infos"))


def findings(manifest: Manifest) -> list[tuple[str, str, int, list[str]]]:
    """Return (severity, check, times, examples) of what the checks found, errors first, the commonest first."""
    details = manifest.details
    found = [
        (level, name, times, details.get("examples", {}).get(name, []))
        for level, key in LEVELS
        for name, times in details.get(key, {}).items()
    ]
    order = [level for level, _ in LEVELS]
    return sorted(found, key=lambda each: (order.index(each[0]), -each[2], each[1]))


def lines(manifest: Manifest, *, whole: bool) -> Iterator[str]:
    """Yield the counts and a line for each check that found something; all of them if `whole`."""
    flow, splits = manifest.counts["samples"], manifest.splits
    sides = ", ".join(f"{n} {split}" for split, n in splits.items()) or "none left"
    yield f"  samples   {flow.into} in = {flow.out} out + {flow.rejected} rejected: {sides}"
    if flagged := manifest.details.get("flagged", 0):
        yield f"  flagged   {flagged} of them, kept with a warning"
    if "redacted" in manifest.details:
        hidden = ", ".join(f"{n} {kind}" for kind, n in manifest.details["redacted"].items()) or "nothing found"
        yield f"  redacted  {hidden}; screenshots, ids and file names are as they were"
    found = findings(manifest)
    if not found:
        yield f"  nothing   was found by {len(manifest.config['checks'])} checks"
    shown = found if whole else found[:FINDINGS]
    for level, name, times, examples in shown:
        example = f": {_short(examples[0], whole=whole)}" if examples else ""
        yield safe_line(f"  {level:<9} {times} {name}{example}")
    if rest := found[len(shown) :]:
        yield f"  …         {sum(times for _, _, times, _ in rest)} of {len(rest)} more checks; --verbose names all"


def hints(manifest: Manifest, path: str, *, written: bool, page: str | None = None) -> Iterator[str]:
    """Yield what to do next; `page` is the report that was asked for."""
    flow, flagged = manifest.counts["samples"], manifest.details.get("flagged", 0)
    if page:
        yield f"open {page}: what is in the dataset, and each finding beside its screenshot"
    elif flow.rejected or flagged:
        yield "--report DIR shows each finding beside its screenshot; --verbose names every refused row"
    if "thought" in manifest.rejected:
        yield "recordings without thoughts: slice with a layout that asks for none, qwen2.5-vl or qwen3-vl-computer"
    if not written and (flow.rejected or flagged):
        yield "-o OUT writes the samples that pass, with their warnings as flags, which gdp view filters by"
    elif flagged:
        yield f"gdp view {path}: the filter `Flag` shows the samples with warnings"
    if flow.out:
        yield f"next: gdp train {path if written or not flow.rejected else 'OUT'} -o run"
    else:
        yield "no sample is left, expected at least one; see what was refused"


def _short(text: str, *, whole: bool) -> str:
    return text if whole or len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def table(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the findings as plain data."""
    names = ("severity", "check", "times", "examples")
    return [dict(zip(names, each, strict=True)) for each in findings(manifest)]
