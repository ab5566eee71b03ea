"""What a run's folder says about the run, be it under way, finished, failed or interrupted."""

import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from pipeline.exceptions import InputError
from pipeline.schema_errors import findings, json_path
from pipeline.storage import lock
from pipeline.storage.place import Place
from train.folder import rundir
from train.watching.guards import Finding, GuardConfig, replay

from .lines import is_number, whole

Series = list[tuple[int, float]]
Status = Literal["starting", "running", "finished", "failed", "interrupted"]

GUARDS = ("non_finite", "initial_loss", "loss_spike", "grad_norm", "no_progress", "overfitting", "divergence")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a guard has to say: `level` is ok, off, warn or stop; `text` is its newest finding."""

    guard: str
    level: str
    text: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """A run at one moment."""

    folder: Path
    status: Status
    identity: dict[str, Any]
    """`run.json`, or what is known before it is there."""
    lines: list[dict[str, Any]]
    age: float
    """Seconds since the newest line."""
    damaged: int = 0
    """Lines of the log that are not what the program writes."""

    @classmethod
    def of(cls, folder: Path) -> "State":
        """Read the folder; raises InputError if no run of ours is there."""
        result = rundir.read(folder / rundir.RESULT)
        identity = result or rundir.read(folder / rundir.MARKER)
        log = folder / rundir.LOG
        if not identity and not log.is_file():
            hint = "name the folder that gdp train -o writes"
            raise InputError(str(folder), "found no run there, expected the folder of one", hint)
        held = not result and lock.held(Place(str(folder)), rundir.LOCK)
        try:
            lines, damaged = whole(log.read_bytes())
            age = max(0.0, time.time() - log.stat().st_mtime)
        except FileNotFoundError:
            lines, damaged, age = [], 0, 0.0
        except OSError as error:
            raise InputError(str(log), f"cannot read it ({error.strerror}), expected the log of a run") from error
        return cls(folder, _status(bool(result), lines, held), identity, lines, age, damaged)

    @property
    def begin(self) -> dict[str, Any]:
        """Return the line that says how long the run will be, empty before training."""
        return next((line for line in self.lines if line.get("event") == "begin"), {})

    @property
    def step(self) -> int:
        """Return the newest step that was measured."""
        return max((line["step"] for line in self.lines), default=0)

    @property
    def steps(self) -> int | None:
        """Return how many steps there will be."""
        return self.begin.get("steps")

    def series(self, key: str) -> Series:
        """Return (step, value) of each line that holds a number under the key, also within `timing`."""
        found = ((line["step"], line.get(key, _timing(line, key))) for line in self.lines)
        return [(step, float(value)) for step, value in found if is_number(value)]

    def each_step(self, key: str) -> Series:
        """Return (step, value) of every optimizer step, from `losses` or `grad_norms`."""
        return [
            (line["step"] - len(line[key]) + 1 + place, float(value))
            for line in self.lines
            if isinstance(line.get(key), list)
            for place, value in enumerate(line[key])
            if is_number(value)
        ]

    def rates(self) -> list[str]:
        """Return the names under which learning rates are logged."""
        names = {key for line in self.lines for key in line if key.startswith("learning_rate/")}
        return sorted(names) or ["learning_rate"]

    def seconds_left(self) -> float | None:
        """Return the time that the remaining steps will take at the pace so far, None where that is unknown."""
        stretches = self._stretches(learning=True)
        if self.status != "running" or not self.steps or not stretches:
            return None
        (first, began), (last, now) = stretches[-1][0], stretches[-1][-1]
        if last == first:
            first, began = (stretches[-2][-1][0] if len(stretches) > 1 else 0), 0.0
        pace = (now - began) / max(1, last - first)
        return max(0.0, pace * (self.steps - last) - self.age)

    def seconds(self) -> float | None:
        """Return how long the run has been running, without the time between a stop and the next start."""
        stretches = self._stretches()
        return sum(each[-1][1] for each in stretches) if stretches else None

    def _stretches(self, *, learning: bool = False) -> list[Series]:
        """Return (step, seconds since the start) of the lines, a list for each start: `elapsed` then begins again.

        With `learning` those of training steps alone.
        """
        stretches: list[Series] = []
        for line in self.lines:
            if (now := _timing(line, "elapsed")) is None or (learning and not ("loss" in line and line["step"] > 0)):
                continue
            if not stretches or now < stretches[-1][-1][1]:
                stretches.append([])
            stretches[-1].append((line["step"], float(now)))
        return stretches

    def verdicts(self) -> list[Verdict]:
        """Return one verdict for each guard: the state machines of the run, fed with its log."""
        config = self._guards()
        found = replay(config, self.lines)
        known = {(each.guard, each.step) for each in found}
        for line in self.lines:
            if line.get("event") == "stop" and (line.get("guard"), line["step"]) not in known:
                found.append(Finding(line["guard"], "stop", line["step"], line["message"], "", line.get("hint", "")))
        return [_verdict(guard, getattr(config, guard, "stop"), found) for guard in GUARDS]

    def stop(self) -> dict[str, Any]:
        """Return the line of the guard that ended the run, empty where none did."""
        return self.lines[-1] if self.lines and self.lines[-1].get("event") == "stop" else {}

    def _guards(self) -> GuardConfig:
        """Return the run's settings of the guards; raises InputError where they are none."""
        given: Any = self.identity
        for key in ("config", "training", "guards"):
            given = given.get(key, {}) if isinstance(given, dict) else given
        if isinstance(given, dict):  # another version may know other keys
            given = {each.name: given[each.name] for each in fields(GuardConfig) if each.name in given}
        for place, message in findings("training", {"training": {"guards": given}}):
            where = f"{self.folder}: {json_path(('config', *place))}"
            raise InputError(where, message, "its run.json was changed")
        return GuardConfig(**given)


def _verdict(guard: str, action: str, found: list[Finding]) -> Verdict:
    own = [each for each in found if each.guard == guard]
    if not own:
        return Verdict(guard, "off" if action == "off" else "ok", "")
    newest = own[-1]
    said = f"step {newest.step}: {newest.found}" if newest.expected else newest.found
    return Verdict(guard, "stop" if any(each.stops for each in own) else "warn", said, len(own))


def _status(finished: bool, lines: list[dict[str, Any]], held: bool) -> Status:
    if finished:
        return "finished"
    if lines and lines[-1].get("event") == "stop":
        return "failed"
    if held:
        return "running" if lines else "starting"
    return "interrupted"


def _timing(line: dict[str, Any], key: str) -> Any:
    """Return a number of `timing`, None where it is none that a clock can have meant: one that was set back."""
    value = line.get("timing", {}).get(key)
    return value if is_number(value) and value >= 0 else None
