"""Run the proof and print what it found: `make prove`.

`--write` keeps the figures for docs/errors.md, with a picture of each kind.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT)]

from claims import Claim  # noqa: E402
from pictures import save  # noqa: E402
from proof import Proof, Result  # noqa: E402
from replaying import replayer  # noqa: E402
from traps import MEANING, NO_LIVE_TRAP  # noqa: E402

from pipeline.errors import KINDS  # noqa: E402
from sample_data.driver import chromium  # noqa: E402

MEASURED = ROOT / "docs" / "errors.json"
PICTURES = ROOT / "docs" / "errors"


def summary(result: Result) -> dict[str, Any]:
    """Return what was measured, as JSON; no times, which depend on the machine."""
    kinds = {}
    for kind in KINDS:
        verdicts = result.verdicts.get(kind, [])
        kinds[kind] = {
            "considered": result.considered[kind],
            "fired": len(verdicts),
            "true": sum(v.ready and v.true and v.harmless for v in verdicts),
            "restored": sum(v.ready and v.restored for v in verdicts),
            "traps": sum(c.case.kind == kind for c in result.controls),
            "refused": sum(c.case.kind == kind and all(v.good for v in c.on) for c in result.controls),
        }
    controls = [
        {
            "kind": control.case.kind,
            "traps": list(control.case.traps),
            "untold": control.case.edit is not None,
            "guards": list(control.case.guards),
            "false with guards": sum(not verdict.good for verdict in control.on),
            "false without": control.false,
        }
        for control in result.controls
    ]
    return {"kinds": kinds, "controls": controls, "traps": MEANING, "no live trap": NO_LIVE_TRAP}


def pictured(result: Result, kind: str) -> Claim:
    """Return the claim that stands for a kind: in English, on the phone of the market, as long as there is."""
    claims = [v.claim for v in result.verdicts[kind] if v.good and v.claim.recording.trajectory.lang == "en"]
    return max(claims, key=lambda claim: (claim.sample_id.startswith("market"), len(claim.shown) - claim.tail))


def table(found: dict[str, Any]) -> str:
    """Return the measured figures, a kind a line."""
    lines = [f"{'kind':<20} {'considered':>10} {'fired':>6} {'true':>6} {'restored':>9} {'traps refused':>14}"]
    for kind, row in found["kinds"].items():
        share = [f"{row[key] / row['fired']:.3f}" if row["fired"] else "-" for key in ("true", "restored")]
        traps = f"{row['refused']}/{row['traps']}" if row["traps"] else "-"
        lines.append(f"{kind:<20} {row['considered']:>10} {row['fired']:>6} {share[0]:>6} {share[1]:>9} {traps:>14}")
    red = [c for c in found["controls"] if c["guards"]]
    caught = sum(control["false without"] > 0 for control in red)
    lines.append(f"negative controls    {caught} of {len(red)} go red with the guard off")
    return "\n".join(lines)


def main() -> None:
    """Read the command line and prove."""
    parser = argparse.ArgumentParser(description="Replay injected errors in a live app.")
    parser.add_argument("--write", action="store_true", help="write docs/errors.json")
    write = parser.parse_args().write
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        parser.error("found no Chromium, expected one on the PATH (sh tests/install_browser.sh)")
    with tempfile.TemporaryDirectory() as folder, chromium(path) as browser, replayer(browser) as tabs:
        result = Proof(tabs, Path(folder)).run()
        if write:
            PICTURES.mkdir(exist_ok=True)
            for kind in result.verdicts:
                save(pictured(result, kind), PICTURES / f"{kind}.webp")
    found = summary(result)
    sys.stdout.write(table(found) + "\n")
    sys.stdout.write(
        "seconds: " + ", ".join(f"{what} {seconds:.0f}" for what, seconds in result.seconds.items()) + "\n"
    )
    if write:
        MEASURED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
