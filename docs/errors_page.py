"""Write docs/errors.md: what each kind of error is, from its module, and what the proof measured, from errors.json."""

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

from pipeline.errors import KINDS
from pipeline.errors.guards import DECISION, GUARDS, QUIET
from pipeline.errors.kind import ErrorKind
from pipeline.errors.taps import DEAD

DOCS = Path(__file__).resolve().parent
TRUTHS = {
    "recorded": ("Recorded mistakes", "Turns and screens are the recorded ones; nothing is invented."),
    "same screen": ("Actions that change nothing", "The screen after the error is the screen before it."),
    "graph": ("Actions whose outcome was recorded", "The screen after the error is one of a recording."),
}
GROUPS = {"DECISION": DECISION, "QUIET": QUIET, "DEAD": DEAD}
INTRO = """\
# Kinds of errors

Written by `make docs` from the kinds' own modules and from what `make prove` measured.

A sample of error correction shows an agent that errs, sees what came of it, and recovers. The wrong turn carries no
loss, the repair is what is learned. Each kind has a precondition on the record and guards; a guard that fires, or that
asks for something the recording does not say, means that nothing is injected, and the report counts it
([reasons.md](reasons.md) explains each).

## Measured

A small app of ours, in English and Chinese, is recorded with scripts (`tests/replay/app`, `walks.py`), and so are the
apps of `sample_data`. The recordings go through `gdp slice` and `gdp augment-errors`; everything that could be injected
is. Each injected turn is then replayed in a headless Chromium: the app starts from its seed, the recorded steps are
done again, then the wrong action and its repair, at the points that the model reads. Every screen is compared with the
claimed one, pixel by pixel, without a mask.

- **true**: share of the samples whose screens after a wrong action are the live ones, and where nothing irreversible
  was done.
- **restored**: share of those whose repair leads to the recorded screen again.
- **traps refused**: settings of the app that make such an error false (below), and how many of them let none through.
"""


def page() -> str:
    """Return docs/errors.md."""
    found = json.loads((DOCS / "errors.json").read_text(encoding="utf-8"))
    parts = [INTRO, _measured(found), _controls(found)]
    for truth, (title, meaning) in TRUTHS.items():
        parts.append(f"## {title}\n\n{meaning}\n")
        parts += [_kind(name, kind) for name, kind in KINDS.items() if kind.truth == truth]
    return "\n".join(parts)


def _measured(found: dict[str, Any]) -> str:
    lines = ["| kind | looked at | fired | true | restored | traps refused |", "|---|---|---|---|---|---|"]
    for kind, row in found["kinds"].items():
        share = [f"{row[key] / row['fired']:.3f}" if row["fired"] else "–" for key in ("true", "restored")]
        traps = f"{row['refused']} of {row['traps']}" if row["traps"] else "–"
        cells = (f"[`{kind}`](#{kind})", row["considered"], row["fired"], *share, traps)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def _controls(found: dict[str, Any]) -> str:
    lines = [
        "## Traps",
        "",
        "What real apps do and a careless injection overlooks, each a switch of the app. The last two columns count",
        "what is false: with all guards on, and with those of the line switched off (up to two are replayed). With any",
        "one of several guards on, nothing of that is left.",
        "",
        "| where | kind | guards | false | false without |",
        "|---|---|---|---|---|",
    ]
    for control in found["controls"]:
        where = "; ".join(found["traps"][trap] for trap in control["traps"]) or "a page as it is"
        where += ", and the recording does not say so" if control["untold"] else ""
        guards = ", ".join(f"`{guard}`" for guard in control["guards"]) or "no recorded evidence"
        without = control["false without"] if control["guards"] else "–"
        cells = (where, f"`{control['kind']}`", guards, control["false with guards"], without)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", "Guards that no live app can show to be needed:", ""]
    lines += [f"- `{guard}`: {why}" for guard, why in found["no live trap"].items()]
    return "\n".join(lines) + "\n"


def _kind(name: str, kind: ErrorKind) -> str:
    text = inspect.cleandoc(sys.modules[type(kind).__module__].__doc__ or "")
    text = re.sub(rf"^`{name}`: (.)", lambda match: match[1].upper(), text)
    guards = ", ".join(f"`{guard}`" for guard in guards_of(kind))
    return f"### {name}\n\n{text}\n\nGuards: {guards or 'none'}.\n\n![{kind.meaning}](errors/{name}.webp)\n"


def guards_of(kind: ErrorKind) -> list[str]:
    """Return the guards that a kind asks, as its source names them."""
    source = inspect.getsource(sys.modules[type(kind).__module__])
    if "aimed(" in source:
        source += '"no_elements" "partial_tree" "irreversible" DECISION QUIET'
    named = set(re.findall(r'"(\w+)"', source))
    for group, guards in GROUPS.items():
        if re.search(rf"\b{group}\b", source):
            named |= set(guards)
    return [guard for guard in GUARDS if guard in named]
