"""What a stage tells at its end: rendered from the finished dataset alone, so a rerun tells the same."""

import sys
from dataclasses import dataclass, replace
from typing import Any

from .dataset import Dataset
from .manifest import Manifest

SHOWN = 20
"""Refused rows that the text names by default; the JSON names all."""

HELD_BACK = frozenset({"labelled_error", "padding"})
"""Reasons that are no finding: the recording says that these decisions should not be learned."""


@dataclass(frozen=True)
class StageReport:
    """The outcome of a stage."""

    path: str
    manifest: Manifest
    refused: tuple[dict[str, Any], ...]
    """Rows of `rejected/` that this run wrote (earlier ones are carried along), without the refused samples."""
    shown: int = SHOWN
    """Refused rows that the text names."""

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

    @property
    def findings(self) -> int:
        """How many rows were refused for a reason that deserves a look."""
        return sum(n for code, n in self.manifest.rejected.items() if code not in HELD_BACK)

    @property
    def exit_code(self) -> int:
        """1 if there are findings, else 0."""
        return 1 if self.findings else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as plain data."""
        flows = {name: {"in": f.into, "added": f.added, "out": f.out, "rejected": f.rejected}
                 for name, f in self.manifest.counts.items()}  # fmt: skip
        return {
            "stage": self.manifest.stage,
            "path": self.path,
            "counts": flows,
            "splits": self.manifest.splits,
            "rejected": self.manifest.rejected,
            "details": self.manifest.details,
            "findings": self.findings,
            "refused": list(self.refused),
        }

    def render_text(self) -> str:
        """Return the report for a person: counts, then the first refused rows with their places."""
        lines = [f"{self.manifest.stage}: {self.path}"]
        for name, flow in self.manifest.counts.items():
            added = f" + {flow.added} added" if flow.added else ""
            lines.append(f"  {name:<13} {flow.into} in{added} = {flow.out} out + {flow.rejected} rejected")
        lines.append("  split         " + ", ".join(f"{n} {split}" for split, n in self.manifest.splits.items()))
        lines += [f"  {name:<13} {_inline(value)}" for name, value in self.manifest.details.items()]
        if self.manifest.rejected:
            lines.append(f"  rejected      {_inline(self.manifest.rejected)}")
        if "evidence_outside_window" in str(self.manifest.details):
            lines.append("hint: some errors need two screenshots in view: gdp slice --history-images 2 or more")
        findings = [row for row in self.refused if row["code"] not in HELD_BACK]
        lines += [f"{row['where']}: {row['message']} [{row['code']}]" for row in findings[: self.shown]]
        if len(findings) > self.shown:
            lines.append(f"… and {len(findings) - self.shown} more; --verbose names all")
        return "\n".join(lines)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_inline(each) if not isinstance(each, dict) else '(' + _inline(each) + ')'}"
                         for key, each in value.items()) or "none"  # fmt: skip
    return str(value)
