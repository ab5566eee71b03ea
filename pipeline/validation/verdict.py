"""What `gdp validate` tells at its end: the worst first, an example of each, 25 lines at most by default."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pipeline.storage.manifest import Manifest
from pipeline.terminal import cut, numbered, safe_line

from .unasked import by_reason, n_asked

if TYPE_CHECKING:
    from pipeline.report import StageReport

LINES = 24
"""Lines by default; the folder that is printed below them makes 25."""

WIDTH = 110
"""Characters of an example."""

NAMED = 2
"""Checks that are named by default of those that could not be asked for one reason."""

LEVELS = (("error", "errors"), ("warning", "warnings"), ("info", "infos"))

Beside = Callable[[int | None], list[str]]
"""Lines about another dataset, at most so many."""


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


def lines(report: "StageReport", beside: Beside = lambda room: []) -> list[str]:
    """Return the counts, a line for each check that found something, hints, and what is told `beside`.

    Where all of it is not wanted, they share `LINES`, and what is left out is counted.
    """
    manifest, whole = report.manifest, report.whole
    head = [f"validate: {report.path}", *_counts(manifest)]
    tail = [*_unasked(manifest, whole=whole), *_failure(report), *(f"hint: {hint}" for hint in _hints(report))]
    found = findings(manifest)
    told = [_finding(each, whole=whole) for each in found]
    if not told:
        asked = n_asked(manifest)
        head.append(f"  nothing   was {'found by ' + numbered(asked, 'check') if asked else 'asked'}")
    if whole:
        return [*head, *told, *tail, *_refused(report), *beside(None)]
    room = max(LINES - len(head) - len(tail), 0)
    wanted = len(beside(None))
    for_findings = min(len(told), max(room - wanted, room // 2))
    shown = cut(told, for_findings, lambda n: _rest(found[-n:]))
    return [*head, *shown, *tail, *(beside(room - len(shown)) if wanted else ())]


def _counts(manifest: Manifest) -> Iterator[str]:
    flow, splits = manifest.counts["samples"], manifest.splits
    sides = ", ".join(f"{n} {split}" for split, n in splits.items()) or "none left"
    yield f"  samples   {flow.into} in = {flow.out} out + {flow.rejected} rejected: {sides}"
    if flagged := manifest.details.get("flagged", 0):
        yield f"  flagged   {flagged} of them, kept with a warning"
    if "redacted" in manifest.details:
        hidden = ", ".join(f"{n} {kind}" for kind, n in manifest.details["redacted"].items()) or "nothing found"
        yield f"  redacted  {hidden}; screenshots, ids and file names are as they were"


def _finding(found: tuple[str, str, int, list[str]], *, whole: bool) -> str:
    level, name, times, examples = found
    example = f": {_short(examples[0], whole=whole)}" if examples else ""
    return safe_line(f"  {level:<9} {times} {name}{example}")


def _rest(found: list[tuple[str, str, int, list[str]]]) -> str:
    times = sum(times for _, _, times, _ in found)
    return f"  …         {times} of {numbered(len(found), 'more check')}; --verbose names all"


def _unasked(manifest: Manifest, *, whole: bool) -> Iterator[str]:
    """Yield a line for each reason why checks could not be asked: that they are silent means nothing."""
    for reason, names in by_reason(manifest).items():
        shown = names if whole or len(names) <= NAMED else names[:NAMED]
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        yield f"  not asked {', '.join(shown)}{more}: {reason}"


def _failure(report: "StageReport") -> Iterator[str]:
    """Yield why warnings alone make the exit code 1; of errors the counts say it."""
    if report.fail_on == "warning" and report.exit_code and not report.findings:
        whole = report.manifest.details.get("dataset", {}).get("warning", 0)
        about = [numbered(report.flagged, "sample") + " with a warning"] if report.flagged else []
        about += [numbered(whole, "warning") + " about the whole dataset"] if whole else []
        if about:
            yield f"  failed    {', '.join(about)}; --fail-on warning was given"


def _hints(report: "StageReport") -> Iterator[str]:
    """Yield what to do next."""
    manifest, path = report.manifest, report.path
    flow = manifest.counts["samples"]
    yield from _where_to_look(report)
    if "thought" in manifest.rejected:
        yield "recordings without thoughts: slice with a layout that asks for none, qwen2.5-vl or qwen3-vl-computer"
    if not report.written and (flow.rejected or report.flagged):
        flags = ", with their warnings as flags, which gdp view filters by" if report.flagged else ""
        yield f"-o OUT writes the samples that pass{flags}"
    elif report.flagged:
        yield f"gdp view {path}: the filter `Flag` shows the samples with warnings"
    if not flow.out:
        yield "no sample is left, expected at least one; see what was refused"
    elif not report.exit_code or (flow.rejected and report.fail_on == "error"):
        if not report.written and flow.rejected and not report.exit_code:
            yield f"no folder is printed for the next stage: {numbered(flow.rejected, 'sample')} did not pass"
        yield f"next: gdp train {path if report.written or not flow.rejected else 'OUT'} -o run"


def _where_to_look(report: "StageReport") -> Iterator[str]:
    """Yield where each finding can be looked at; only refused rows are shown with their screenshots."""
    refused = report.manifest.counts["samples"].rejected
    if report.page:
        beside = ", and each refused row beside its screenshot" if refused else ""
        yield f"open {report.page}: what is in the dataset, examples of what was found{beside}"
    elif refused:
        verbose = "" if report.whole else "; --verbose names them all"
        yield f"--report DIR shows the refused rows beside their screenshots{verbose}"
    elif report.flagged:
        yield "--report DIR shows what is in the dataset, with examples of each warning"


def _refused(report: "StageReport") -> Iterator[str]:
    for row in report.refused:
        yield safe_line(f"{row['where']}: {row['message']} [{row['code']}]")


def _short(text: str, *, whole: bool) -> str:
    return text if whole or len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def table(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the findings as plain data."""
    names = ("severity", "check", "times", "examples")
    return [dict(zip(names, each, strict=True)) for each in findings(manifest)]
