"""What a stage tells at its end: rendered from the finished dataset alone, so a rerun tells the same."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from .storage.dataset import Dataset
from .storage.manifest import Manifest
from .terminal import safe_line

SHOWN = 20
"""Refused rows that the text names by default; the JSON names all."""

NEEDING_NO_ELEMENTS = frozenset({"labelled", "mined_noop"})
"""Kinds of error that look at no element; a test holds them to what fires on recordings without any."""

GUARDS = 3
"""Guards of a kind of error that the text names by default; the JSON and `--verbose` name all."""

ONE = {"trajectories": "trajectory", "tasks": "task", "apps": "app", "near-duplicates": "near-duplicate",
       "edges": "edge", "screens": "screen"}  # fmt: skip
"""What is counted, of one."""

SLACK = 0.02
"""How far the share of error samples may be from the rate without a word."""

HELD_BACK = frozenset({"labelled_error", "mined_slip", "no_subtask", "padding", "short_history"})
"""Reasons that are no finding: the recording, or the user, says that these decisions should not be learned."""


MUCH = 0.3
"""Share of error-correction samples above which the report warns."""


@dataclass(frozen=True)
class StageReport:
    """The outcome of a stage."""

    path: str
    manifest: Manifest
    refused: tuple[dict[str, Any], ...]
    """Rows of `rejected/` that this run wrote (earlier ones are carried along), without the refused samples."""
    shown: int = SHOWN
    """Refused rows that the text names."""
    written: bool = True
    """Whether this stage wrote the dataset, and did not only look at it."""
    page: str | None = None
    """Where `--report` puts its page."""
    fail_on: str = "error"
    """What makes the exit code 1: a refused row (`error`), a flagged one too (`warning`), or neither (`never`)."""

    @classmethod
    def of(cls, dataset: Dataset) -> "StageReport":
        """Return the report on a dataset."""
        columns = ["stage", "input", "scope", "code", "where", "message", "trajectory_id", "step_index", "sample_id"]
        refused = tuple(
            row
            for number in dataset.manifest.shard_numbers()
            for row in dataset.rows("rejected", number, columns)
            if (row["stage"], row["input"]) == (dataset.manifest.stage, dataset.manifest.input.get("fingerprint"))
        )
        return cls(dataset.path, dataset.manifest, refused)

    def detailed(self, wanted: bool) -> "StageReport":
        """Return the same report, naming every refused row if that is wanted."""
        return replace(self, shown=sys.maxsize) if wanted else self

    def told_in(self, page: str | None) -> "StageReport":
        """Return the same report, naming the page that tells the same."""
        return replace(self, page=page)

    def failing_on(self, level: str) -> "StageReport":
        """Return the same report with another idea of what is a failure."""
        return replace(self, fail_on=level)

    @property
    def flagged(self) -> int:
        """How many samples were kept with a warning."""
        return int(self.manifest.details.get("flagged", 0))

    @property
    def findings(self) -> int:
        """How many rows were refused for a reason that deserves a look."""
        return sum(n for code, n in self.manifest.rejected.items() if code not in HELD_BACK)

    @property
    def exit_code(self) -> int:
        """1 if there is what the run is to fail on, or nothing is left, else 0."""
        whole = self.manifest.details.get("dataset", {})  # findings that are no row's
        failed = {
            "error": self.findings + whole.get("error", 0) > 0,
            "warning": self.findings + self.flagged + sum(whole.get(each, 0) for each in ("error", "warning")) > 0,
            "never": False,
        }
        return 1 if failed[self.fail_on] or self.empty else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as plain data."""
        flows = {name: {"in": f.into, "added": f.added, "out": f.out, "rejected": f.rejected}
                 for name, f in self.manifest.counts.items()}  # fmt: skip
        unasked = {}
        if self.manifest.stage == "validate":
            from .validation.unasked import unasked as which  # it brings all checks along

            unasked = {"not_asked": which(self.manifest)}
        return {
            "stage": self.manifest.stage,
            "path": self.path,
            "counts": flows,
            "splits": self.manifest.splits,
            "rejected": self.manifest.rejected,
            "details": self.manifest.details,
            "findings": self.findings,
            "flagged": self.flagged,
            **unasked,
            "refused": list(self.refused),
        }

    @property
    def empty(self) -> bool:
        """Whether nothing is left to go on with."""
        return self.manifest.counts["samples"].out == 0

    def _warnings(self) -> Iterator[str]:
        rate = self.manifest.config.get("rate", 0) if self.manifest.stage == "augment-errors" else 0
        origin = self.manifest.details.get("origin", {}) if rate else {}
        share = origin.get("error_correction", 0) / max(sum(origin.values()), 1)
        if rate > MUCH or share > MUCH + SLACK:
            much = (
                f"a rate of {rate:g}"
                if rate > MUCH
                else f"a share of {share:.2f} error samples, labelled ones counted,"
            )
            yield f"{much} is much: beyond {MUCH:g}, agents start to correct what is right"
        elif share < rate - SLACK:
            yield f"error samples make up {share:.2f}, not {rate:g}: no more of them are provably true"

    def _hints(self) -> Iterator[str]:
        manifest = self.manifest
        if manifest.stage == "slice" and manifest.prompts.system is None:
            yield "the system prompt is gdp's own wording; give your agent's with --system-prompt FILE"
        if any(key.startswith("template: ") for key in manifest.details.get("thoughts", {})):
            yield "where the server gave no good thought gdp's own wording stands; --fresh asks again for missing ones"
        if "evidence_outside_window" in str(manifest.details):
            yield "some errors need two screenshots in view: gdp slice --history-images 2 or more"
        screens = manifest.details.get("screens", {})
        if screens.get("without elements") == screens.get("screens", 0) != 0:
            needing = [name for name in manifest.config["kinds"] if name not in NEEDING_NO_ELEMENTS]
            yield f"no screen has observation.elements recorded, so these kinds cannot fire: {', '.join(needing)}"
        elif "no_elements" in str(manifest.details):
            yield "taps that do nothing can be found only where observation.elements is recorded"
        if manifest.stage == "normalize" and "resized" not in manifest.details["screenshots"]:
            yield "no screenshot was larger than that: all are as they were"
        if "no_subtask" in manifest.rejected:
            yield "sub-tasks are cut where steps have a subgoal, or where one is a milestone and has an instruction"
        if self.empty:
            yield "no sample is left, expected at least one; see what was refused"
        elif manifest.stage == "slice" and len(manifest.splits) < 2 and manifest.config["val_fraction"]:
            yield "train and val need a goal each; record two goals at least"

    def render_text(self) -> str:
        """Return the report for a person: counts, then the first refused rows with their places."""
        if self.manifest.stage == "validate":
            from .validation import verdict  # it brings all checks along

            return "\n".join(verdict.lines(self))
        lines = [f"{self.manifest.stage}: {self.path}", *self._counts()]
        lines += [f"warning: {warning}" for warning in self._warnings()]
        lines += [f"hint: {hint}" for hint in self._hints()]
        findings = [row for row in self.refused if row["code"] not in HELD_BACK]
        lines += [safe_line(f"{row['where']}: {row['message']} [{row['code']}]") for row in findings[: self.shown]]
        if self.shown < len(findings):
            lines.append(f"… and {len(findings) - self.shown} more; --verbose names all")
        return "\n".join(lines)

    @property
    def whole(self) -> bool:
        """Whether every refused row is to be named."""
        return self.shown == sys.maxsize

    def _counts(self) -> list[str]:
        lines = []
        for name, flow in self.manifest.counts.items():
            added = f" + {flow.added} added" if flow.added else ""
            lines.append(f"  {name:<15} {flow.into} in{added} = {flow.out} out + {flow.rejected} rejected")
        splits = self.manifest.splits
        lines.append("  split           " + (", ".join(f"{n} {split}" for split, n in splits.items()) or "none"))
        lines += self._details()
        refused = self.manifest.rejected
        for words, codes in (("rejected", refused.keys() - HELD_BACK), ("set aside", refused.keys() & HELD_BACK)):
            if codes:
                lines.append(f"  {words:<15} " + ", ".join(f"{refused[code]} {code}" for code in sorted(codes)))
        return lines

    def _details(self) -> Iterator[str]:
        """Yield what the stage counted; kinds of error that came to nothing share two lines, unless all is asked."""
        details, whole = self.manifest.details, self.whole
        kinds = [name for name in self.manifest.config.get("kinds", ()) if name in details]
        idle = [name for name in kinds if details[name] == {}]
        never = [] if whole else [name for name in kinds if name not in idle and not details[name].get("truthful")]
        shown = [name for name in kinds if name not in idle and name not in never]
        for name in [*shown, *(name for name in details if name not in kinds)]:
            yield f"  {name:<15} {_detail(details[name], guards=None if whole else GUARDS)}"
        if never:
            yield "  not possible    " + ", ".join(f"{name} ({_first_guard(details[name])})" for name in never)
        if idle:
            yield f"  no occasion     {', '.join(idle)}"


@dataclass(frozen=True)
class Together:
    """The reports of one command that wrote two datasets: its own, and one beside it."""

    own: StageReport
    beside: StageReport

    @property
    def exit_code(self) -> int:
        """The worse of the two."""
        return max(self.own.exit_code, self.beside.exit_code)

    def to_dict(self) -> dict[str, Any]:
        """Return the first report, with the second one under the name of its stage."""
        return {**self.own.to_dict(), self.beside.manifest.stage: self.beside.to_dict()}

    def render_text(self) -> str:
        """Return one below the other."""
        return f"{self.own.render_text()}\n{self.beside.render_text()}"


def _detail(value: Any, guards: int | None = None) -> str:
    """Return a count, several, or what became of a kind of error and its commonest `guards`, all if that is None."""
    if not isinstance(value, dict):
        return str(value)
    if "considered" not in value:
        return (
            ", ".join(f"{count} {ONE.get(name, name) if count == 1 else name}" for name, count in value.items())
            or "none"
        )
    stopped = [f"{n} {guard}" for guard, n in _guards(value)]
    line = f"{value['considered']} considered, {value.get('truthful', 0)} possible, {value.get('made', 0)} made"
    if value.get("in place"):
        line += " (in place of the clean sample)"
    more = [] if guards is None or len(stopped) <= guards else ["…"]
    return line + (f"; not: {', '.join([*stopped[:guards], *more])}" if stopped else "")


def _guards(value: dict[str, int]) -> list[tuple[str, int]]:
    """Return what kept a kind of error from being made and how often, the commonest first."""
    found = [(name.removeprefix("refused: "), n) for name, n in value.items() if name.startswith("refused: ")]
    return sorted(found, key=lambda each: (-each[1], each[0]))


def _first_guard(value: dict[str, int]) -> str:
    guards = _guards(value)
    return guards[0][0] if guards else "nothing"
