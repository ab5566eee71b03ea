"""What an evaluation came to, as a table for people and as JSON."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.terminal import safe_line
from train.metrics import METRICS, Rate, Summary, Verdict
from train.metrics.tally import MEANS, difference

SHOWN = 12
"""Values of a group that the text names, the most frequent ones; the JSON names all."""


@dataclass(frozen=True, slots=True)
class Column:
    """One model's answers, judged."""

    name: str
    summary: Summary
    truncated: int
    """Answers that were cut off at the most tokens allowed."""
    responses: tuple[str, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class EvaluateReport:
    """The outcome; the last column is what is evaluated, one before it what it is compared with."""

    dataset: str
    what: str
    split: str
    preset: str
    source: str
    columns: tuple[Column, ...]
    out: str | None = None
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: how good a model is is no failure of the evaluation."""
        return 0

    @property
    def main(self) -> Column:
        """What is evaluated."""
        return self.columns[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {
            "stage": "evaluate",
            "dataset": self.dataset,
            "model": self.what,
            "split": self.split,
            "preset": self.preset,
            "source": self.source,
            "samples": self.main.summary.n,
            "results": {each.name: {**each.summary.to_dict(), "truncated": each.truncated} for each in self.columns},
            "differences": self._differences(),
            "warnings": list(self.warnings),
            "exit_code": self.exit_code,
        }

    def _differences(self) -> dict[str, dict[str, float]]:
        """Return, for two columns, each metric's change on the same samples with its 95 % interval."""
        found: dict[str, dict[str, float]] = {}
        if len(self.columns) == 2:
            for name in METRICS:
                flags = [[getattr(verdict, name) for verdict in each.verdicts] for each in self.columns]
                pairs = [(b, a) for b, a in zip(*flags, strict=True) if b is not None and a is not None]
                if pairs:
                    value, low, high = difference([b for b, _ in pairs], [a for _, a in pairs])
                    found[name] = {"value": value, "n": len(pairs), "low": low, "high": high}
        return found

    def render_text(self) -> str:
        """Return the report as lines for people."""
        n = self.main.summary.n
        lines = [
            f"evaluate: {self.what} on {self.dataset}",
            f"  samples   {n} of split {self.split}",
            f"  preset    {self.preset} ({self.source})",
            "",
            *self._table(),
            *self._means(),
            *self._trajectories(),
        ]
        for name, parts in self.main.summary.groups.items():
            if len(parts) > 1:
                lines += ["", *self._group(name, parts)]
        lines += [""] if self.warnings or self.out else []
        lines += [f"  warning   {warning}" for warning in self.warnings]
        if self.out:
            lines.append(f"  written   {self.out}: metrics.json, predictions, pictures of the worst")
        return "\n".join(map(safe_line, lines))

    def _table(self) -> Iterator[str]:
        differences = self._differences()
        heads = [each.name for each in self.columns]
        more = f" {'difference':>10} {'95 % of it':>16}" if differences else f" {'95 %':>16}"
        yield f"  {'metric':<18}" + "".join(f" {head:>11}" for head in heads) + more + f" {'n':>6}"
        for name in METRICS:
            rates = [each.summary.rates.get(name) for each in self.columns]
            if rates[-1] is None:
                continue
            cells = "".join(f" {_percent(rate):>11}" for rate in rates)
            if change := differences.get(name):
                bounds = f"{100 * change['low']:+.1f} to {100 * change['high']:+.1f}"
                cells += f" {100 * change['value']:>+10.1f} {bounds:>16}"
            else:
                cells += f" {100 * rates[-1].low:>7.1f} to {100 * rates[-1].high:>5.1f}"
            yield f"  {name:<18}{cells} {rates[-1].n:>6}"

    def _means(self) -> Iterator[str]:
        for name in MEANS:
            values = [each.summary.means.get(name) for each in self.columns]
            if values[-1] is not None:
                shown = "".join(f" {'-' if value is None else f'{value.value:.3f}':>11}" for value in values)
                yield f"  {name:<18}{shown}" + " " * (28 if self._differences() else 17) + f" {values[-1].n:>6}"
        if any(each.truncated for each in self.columns):
            yield "  cut off           " + "".join(f" {each.truncated:>11}" for each in self.columns)

    def _trajectories(self) -> Iterator[str]:
        found = self.main.summary.trajectories
        if found["n"]:
            yield ""
            yield (
                f"  trajectories      {100 * found['success']:.1f} % of {found['n']:.0f} with every judged step right;"
                f" {100 * found['progress']:.1f} % of the steps come before the first wrong one"
            )

    def _group(self, name: str, parts: dict[str, Summary]) -> Iterator[str]:
        yield f"  by {name:<21} {'action_type':>11} {'grounding':>10} {'step_success':>12} {'95 %':>16} {'n':>6}"
        ordered = sorted(parts, key=lambda value: (-parts[value].n, value))
        for value in ordered[:SHOWN]:
            rates = parts[value].rates
            step = rates["step_success"]
            cells = f"{_percent(rates['action_type']):>11} {_percent(rates.get('grounding')):>10}"
            bounds = f"{100 * step.low:.1f} to {100 * step.high:.1f}"
            yield f"    {_fitted(value, 22)} {cells} {_percent(step):>12} {bounds:>16} {step.n:>6}"
        if len(ordered) > SHOWN:
            yield f"    … and {len(ordered) - SHOWN} more; --format json names all"


def _percent(rate: Rate | None) -> str:
    return "-" if rate is None else f"{100 * rate.value:.1f} %"


def _fitted(text: str, width: int) -> str:
    """Return the text on so many columns of a terminal, on which Chinese characters take two."""
    shown, used = "", 0
    for letter in text:
        wide = 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if used + wide > width:
            return f"{shown[:-1]}…{' ' * (width - _columns(shown[:-1]) - 1)}"
        shown, used = shown + letter, used + wide
    return shown + " " * (width - used)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
