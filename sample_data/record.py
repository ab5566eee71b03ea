"""Record the sample trajectories again: `python sample_data/record.py [--out DIR] [--only ID]`.

Needs Chromium, Playwright and the fonts Noto Sans CJK SC and DejaVu Sans; with the same versions of these, two
recordings are the same bytes.
"""

import argparse
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from sample_data.recorder import record_all  # noqa: E402
from sample_data.scripts import SCRIPTS  # noqa: E402


def find_chromium() -> str:
    """Return the system's Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"


def main() -> None:
    """Read the command line and record."""
    parser = argparse.ArgumentParser(description="Record the sample trajectories.")
    parser.add_argument("--out", type=Path, default=HERE / "trajectories", help="folder to write to")
    parser.add_argument("--only", action="append", metavar="ID", help="record only this trajectory (repeatable)")
    parser.add_argument("--chromium", default=find_chromium(), help="browser to drive (default: %(default)s)")
    args = parser.parse_args()
    scripts = [script for script in SCRIPTS if not args.only or script.id in args.only]
    if args.only and len(scripts) != len(set(args.only)):
        parser.error(f"unknown trajectory; there are: {', '.join(script.id for script in SCRIPTS)}")
    record_all(scripts, args.out, args.chromium, print)


if __name__ == "__main__":
    main()
